"""What runs agents: one that waits for them, and one whose runs outlive the call that starts them and are asked for, or
call back. Each of its executions is found by the run's id, where its kind can do that."""

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

from followups.adapters.agents.person import PersonAgent
from followups.adapters.agents.worker import WorkerAgent
from followups.domain.contract import AgentCall, Done, Pending
from followups.domain.errors import AgentBusy, AgentUncertain
from followups.ports import AgentTarget
from tests.simulation.engine import MINUTE, SECOND
from tests.simulation.ports import Caller

if TYPE_CHECKING:
    from tests.simulation.agents import Life, Nature

_SELDOM = timedelta(minutes=5)


def targets(call: Caller) -> dict[str, AgentTarget]:
    """Gives the targets of a runner by kind."""
    ours = SimTarget(call)
    kinds = dict.fromkeys(("command", "lambda", "states", "https"), ours)
    return kinds | {"worker": _Waiting(call), "person": PersonAgent()}


class _Waiting(WorkerAgent):
    """The real one. Workers may come just when a run is given up."""

    def __init__(self, call: Caller) -> None:
        self._call = call

    def poll(self, call: AgentCall, handle: str) -> Pending:
        if self._call.process.rng.random() < 0.5:
            self._call.stack.workers.hurry(call.agent.name)
            self._call.process.wait(self._call.process.rng.randrange(300))
        return super().poll(call, handle)


class SimTarget:
    """The agent target of a runner."""

    def __init__(self, call: Caller) -> None:
        self._call = call
        self._stack = call.stack

    def start(self, call: AgentCall) -> Done | Pending:
        nature = self._nature(call)
        if self._call.process.rng.random() < nature.busy:
            self._refuse(call)
        if self._stack.strike(self._call.process, self._port(call), only="broken_line"):
            # The line breaks while the agent works: it goes on, and nobody hears of it.
            what = f"start {call.run_id[4:10]} ! broken_line"
            self._call(self._port(call), what, lambda: self._begin(call), AgentUncertain)
            self._call.process.wait(self._call.process.rng.randrange(60 * SECOND))
            raise AgentUncertain("the line broke")
        return self._ask("start", call, lambda: self._start(call))

    def poll(self, call: AgentCall, handle: str) -> Done | Pending:
        answer = self._ask("poll", call, lambda: self._look(call, handle))
        if self._stack.strike(self._call.process, "target", only="frozen"):
            # The machine stands still before it has stored what it heard.
            self._call.process.wait(self._call.process.rng.randrange(10 * MINUTE))
        return answer

    def cancel(self, call: AgentCall, handle: str) -> None:
        self._stack.checks.told_to_stop.add(call.run_id)
        try:
            self._ask("cancel", call, lambda: self._stop(call))
        except AgentUncertain:
            return  # As best it can.

    def _refuse(self, call: AgentCall) -> None:
        """There is no room now; it may be said when to come again."""
        rng = self._call.process.rng
        self._stack.checks.noted["throttled"] += 1
        wait = rng.choice((None, timedelta(seconds=rng.randrange(600))))
        self._call(self._port(call), f"start {call.run_id[4:10]} ! no room", lambda: None, AgentUncertain)
        raise AgentBusy("there is no room now", wait)

    def _start(self, call: AgentCall) -> Done | Pending:
        life = self._begin(call)
        nature = self._nature(call)
        if nature.way != "waits":
            return self._pending(call, nature)
        life.waiting.append(self._call.process)
        self._call.process.park()
        assert life.answer is not None
        return life.answer

    def _look(self, call: AgentCall, handle: str) -> Done | Pending:
        nature = self._nature(call)
        life = self._stack.agents.lives.get(call.run_id)
        found = "found" if life else "not found"
        if handle == call.run_id:
            self._stack.checks.noted[f"asked_for_by_its_own_id,_{found}"] += 1
        if nature.way == "calls":
            return Pending(handle=handle, poll_after=_SELDOM)
        if life is None:
            raise AgentBusy("there is no execution of that name: it never started")
        return life.answer if life.ended is not None and life.answer else self._pending(call, nature)

    def _stop(self, call: AgentCall) -> Done | Pending:
        life = self._stack.agents.lives.get(call.run_id)
        if life and life.ended is None and self._nature(call).way == "asked":
            self._stack.engine.at(self._stack.engine.now, life.process.kill)
        return Pending(handle="", poll_after=_SELDOM)

    def _pending(self, call: AgentCall, nature: "Nature") -> Pending:
        if nature.way == "calls":
            return Pending(handle=call.run_id, poll_after=_SELDOM)
        wait = timedelta(seconds=self._call.process.rng.randint(*nature.polls))
        return Pending(handle=f"execution of {call.run_id}", poll_after=wait, note="it works")

    def _nature(self, call: AgentCall) -> "Nature":
        return self._stack.natures[call.agent.name]

    def _port(self, call: AgentCall) -> str:
        return "agent" if self._nature(call).way == "waits" else "target"

    def _ask(self, verb: str, call: AgentCall, effect: Callable[[], Done | Pending]) -> Done | Pending:
        return self._call(self._port(call), f"{verb} {call.run_id[4:10]}{call.run_id[-7:]}", effect, AgentUncertain)

    def _begin(self, call: AgentCall) -> "Life":
        life = self._stack.agents.begin(call)
        self._stack.began(self._call.process, life)
        return life
