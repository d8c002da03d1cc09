"""Agents that live their own lives: a runner that dies does not end them, and what they ask for goes through the API."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from followups.domain.contract import AgentCall, Done, Pending
from followups.domain.errors import AgentUncertain
from followups.domain.status import Outcome
from tests.simulation.engine import MINUTE, SECOND, Process
from tests.simulation.ports import Caller

if TYPE_CHECKING:
    from tests.simulation.stack import Stack


@dataclass(frozen=True, slots=True)
class Nature:
    """How an agent is: registered like this, and behaving like this."""

    rerun: str = "never"
    max_concurrency: int = 1
    timeout_s: int = 300
    max_attempts: int = 3
    #: How long it works, in seconds.
    works: tuple[float, float] = (0.1, 120.0)
    fails: float = 0.2
    #: Whether it answers "pending" and works on.
    pending: bool = False
    #: When it then wants to be asked again, in seconds.
    polls: tuple[int, int] = (20, 90)
    #: Follow-ups that it makes in a run, at most and at least.
    children: int = 0
    least_children: int = 0
    #: When it asks that they be due.
    child_due: tuple[str, ...] = ("in 1 second", "in 6 minutes", "in 2 hours", "every 20 minutes 2 times")
    #: How likely what it makes goes by a name, and takes the place of what its tree calls so.
    replaces: float = 0.0
    #: How likely it fires the sweeper, as the agents of the first version did.
    fires: float = 0.0
    #: How likely something that it started goes on after it, with its token.
    lingers: float = 0.0


NATURES = {
    "@once": Nature(),
    "@safe": Nature(rerun="safe", max_concurrency=2),
    "@slow": Nature(rerun="safe", works=(60.0, 400.0), timeout_s=240, max_attempts=2),
    "@long": Nature(rerun="safe", works=(600.0, 900.0), timeout_s=900, max_attempts=2),
    "@pending": Nature(pending=True, works=(20.0, 500.0), timeout_s=300, fails=0.5),
    # Quick and often wrong: its next attempt may run while an answer about the last one is still on its way.
    "@flaky": Nature(rerun="safe", pending=True, works=(1.0, 60.0), timeout_s=120, fails=0.7, polls=(1, 20)),
    "@maker": Nature(
        max_concurrency=2,
        works=(1.0, 40.0),
        children=3,
        fires=0.5,
        max_attempts=2,
        lingers=0.3,
        fails=0.4,
        replaces=0.3,
    ),
}


@dataclass(eq=False)
class Life:
    """An agent that is, or was, alive."""

    call: AgentCall
    process: Process
    began: int
    ends_by: int
    answer: Done | None = None
    ended: int | None = None
    waiting: list[Process] = field(default_factory=list)


class Agents:
    """All agents that ever lived."""

    def __init__(self, stack: "Stack") -> None:
        self.stack = stack
        self.lives: dict[str, Life] = {}

    def begin(self, call: AgentCall) -> Life:
        """Starts an agent's life; it ends by its deadline."""
        engine, nature = self.stack.engine, self.stack.natures[call.agent.name]
        name = f"agent {call.agent.name} {call.run_id[4:10]}{call.run_id[-7:]}"
        process = Process(engine, name, lambda it: self._live(it, life, nature), ended=lambda _: self._ended(life))
        life = Life(call, process, engine.now, engine.now + round(call.seconds * 1000))
        self.stack.checks.agent_began(life)
        self.lives[call.run_id] = life
        engine.at(life.ends_by, process.kill)
        return life

    def _live(self, process: Process, life: Life, nature: Nature) -> None:
        rng = process.rng
        low, high = nature.works
        rest = round(rng.uniform(low, high) * 1000)
        for number in range(rng.randint(nature.least_children, nature.children)):
            process.wait(rest // 8)
            self.stack.people.child(process, life.call, number)
        if rng.random() < nature.fires:
            self.stack.tick(f"fired by {process.name}")
        process.wait(rest // 4)
        outcome = Outcome.FAILED if rng.random() < nature.fails else Outcome.SUCCEEDED
        if rng.random() < nature.lingers:
            self._linger(life, rng.choice((0, rng.randrange(20 * MINUTE))))
        life.answer = Done(outcome=outcome, summary=f"{outcome} after {rest} ms", report="at length")

    def _linger(self, life: Life, after: int) -> None:
        """What an agent left behind asks once more: while its run ends, or long after, when perhaps another one is live."""

        def ask(process: Process) -> None:
            process.wait(after)
            self.stack.people.child(process, life.call, 99)

        Process(self.stack.engine, f"left by {life.process.name}", ask, ended=self.stack.checks.sound)

    def _ended(self, life: Life) -> None:
        self.stack.checks.sound(life.process)
        life.ended = self.stack.engine.now
        if life.answer is None:
            summary = "The agent was still at work at its deadline."
            life.answer = Done(outcome=Outcome.TIMED_OUT, summary=summary)
        self.stack.checks.agent_ended(life)
        for process in life.waiting:
            process.wake()


class SimTarget:
    """The agent target of a runner."""

    def __init__(self, call: Caller) -> None:
        self._call = call

    def start(self, call: AgentCall) -> Done | Pending:
        return self._ask("start", call, lambda: self._start(call))

    def poll(self, call: AgentCall, handle: str) -> Done | Pending:
        return self._ask("poll", call, lambda: self._look(call, handle))

    def cancel(self, call: AgentCall, handle: str) -> None:
        life = self._call.stack.agents.lives.get(handle)
        if life and life.ended is None:
            self._call.stack.engine.at(self._call.stack.engine.now, life.process.kill)

    def _start(self, call: AgentCall) -> Done | Pending:
        life = self._begin(call)
        if self._call.stack.natures[call.agent.name].pending:
            return self._pending(call)
        life.waiting.append(self._call.process)
        self._call.process.park()
        assert life.answer is not None
        return life.answer

    def _look(self, call: AgentCall, handle: str) -> Done | Pending:
        life = self._call.stack.agents.lives[handle]
        return life.answer or self._pending(call)

    def _pending(self, call: AgentCall) -> Pending:
        polls = self._call.stack.natures[call.agent.name].polls
        return Pending(handle=call.run_id, poll_after=timedelta(seconds=self._call.process.rng.randint(*polls)))

    def _ask(self, verb: str, call: AgentCall, effect: Callable[[], Done | Pending]) -> Done | Pending:
        if verb == "start" and self._call.stack.strike(self._call.process, "agent", only="broken_line"):
            # The line breaks while the agent works: it goes on, and nobody hears of it.
            self._call("agent", f"start {call.run_id[4:10]} ! broken_line", lambda: self._begin(call), AgentUncertain)
            self._call.process.wait(self._call.process.rng.randrange(60 * SECOND))
            raise AgentUncertain("the line broke")
        return self._call("agent", f"{verb} {call.run_id[4:10]}{call.run_id[-7:]}", effect, AgentUncertain)

    def _begin(self, call: AgentCall) -> Life:
        life = self._call.stack.agents.begin(call)
        self._call.stack.began(self._call.process, life)
        return life
