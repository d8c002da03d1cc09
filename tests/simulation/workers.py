"""Workers: each asks for an agent's runs through the API, works at one after the other, says that it lives, and tells how
it ended. Now and then one dies, and what it ran goes with it."""

from collections import defaultdict
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from followups.domain import ids
from followups.domain.contract import AgentCall
from followups.domain.entities import Agent, FollowUp
from tests.simulation.agents import Life
from tests.simulation.engine import MINUTE, SECOND, Process
from tests.simulation.voices import Voice, said

if TYPE_CHECKING:
    from tests.simulation.stack import Stack

_NAMES = ("desk", "rack")
#: Comes when the others do not.
_GUEST = "guest"
#: Between two signs of life: several fit into a lease.
_BEAT = 100 * SECOND
#: A worker that has had no answer for so long stops what it runs: it may be taken for gone, and another may begin.
_SILENT = 4 * MINUTE + 30 * SECOND
#: Between two asks, shortest and longest: whoever asks less often is not there.
_PAUSES = (5 * SECOND, 100 * SECOND)


class Workers:
    """All workers. They are idle while there is nothing that they could do: nobody waits for a simulation of that."""

    def __init__(self, stack: "Stack") -> None:
        self.stack = stack
        self._busy: dict[str, Process] = {}
        self._working: dict[str, _Work] = {}
        self._generation = dict.fromkeys((*_NAMES, _GUEST), 1)
        #: What each has done, or has stopped: it does no run twice.
        self._done: dict[str, list[str]] = defaultdict(list)
        self._agents = [name for name, nature in stack.natures.items() if nature.way == "worker"]

    def told(self, new: FollowUp) -> None:
        """Takes a follow-up that was written: if it may need a worker, they go and ask."""
        if new.agent in self._agents and self._needs(new):
            engine = self.stack.engine
            for name in _NAMES:
                rng = engine.rng(f"{name} {engine.now}")
                # They ask each few seconds, or come just when the run is given up.
                after = rng.randrange(5 * SECOND) if rng.random() < 0.6 else rng.randrange(100, 140) * SECOND
                if name not in self._busy:
                    self._wake(name, new.agent, after)
                elif str(new.status) == "running":
                    engine.at(engine.now + after, self._working[name].hurry)

    def hurry(self, agent: str) -> None:
        """Lets somebody ask at once."""
        if _GUEST not in self._busy:
            self._wake(_GUEST, agent, 0)

    def _needs(self, it: FollowUp) -> bool:
        status = str(it.status)
        waits = status == "running" and it.handle in (None, "waiting")
        return status == "claimed" or waits or (status == "scheduled" and it.blocked_reason is not None)

    def _needed(self, agent: str) -> bool:
        items = [it.entity for it in self.stack.tables.items.values()]
        return any(isinstance(it, FollowUp) and it.agent == agent and self._needs(it) for it in items)

    def _wake(self, name: str, agent: str, after: int) -> None:
        engine = self.stack.engine

        def work(_process: Process) -> None:
            self._working[name].rest(after)
            self._working[name].until(lambda: not self._needed(agent))

        def ended(process: Process) -> None:
            self.stack.checks.sound(process)
            del self._busy[name]
            if process.dead:
                self._generation[name] += 1
            if self._needed(agent):
                self._wake(name, agent, engine.rng(f"back {process.name}").randrange(SECOND, 8 * MINUTE))

        process = self._busy[name] = Process(engine, f"worker {name} {engine.now}", work, ended=ended)
        own = f"{name}-{self._generation[name]}"
        self._working[name] = _Work(self.stack, process, own, agent, self._done[own])
        if self.stack.around("worker_dies", process.name, process.rng):
            engine.at(engine.now + after + process.rng.randrange(20 * MINUTE), process.kill)


class _Work:
    """One worker's process."""

    def __init__(self, stack: "Stack", process: Process, name: str, agent: str, done: list[str]) -> None:
        self.stack, self.process, self.name, self.agent = stack, process, name, agent
        self._done = done
        self._rests = False

    def until(self, idle: Any) -> None:
        """Asks and works until there is nothing to do."""
        pause, longest = _PAUSES
        while not idle():
            asked = self.stack.engine.now
            run = None if self.stack.plan.out("workers", asked) else self._ask()
            if run is not None:
                self._work(run, asked)
                pause = _PAUSES[0]
                continue
            self.rest(pause)
            pause = min(longest, 2 * pause)

    def rest(self, pause: int) -> None:
        """Waits that long, or until somebody hurries it."""
        self._rests = True
        self.process.wait(pause)
        self._rests = False

    def hurry(self) -> None:
        """Lets it ask now, if it would do so later."""
        if self._rests:
            self._rests = False
            self.process.wake()

    def _ask(self) -> dict[str, Any] | None:
        body = {"worker": self.name, "in_hand": self._done[-5:]}
        answered = self.stack.people.ask(self.process, "ops", "POST", f"/v1/agents/{self.agent}/work", body)
        run: dict[str, Any] | None = answered[1]["run"] if answered and answered[0] == 200 else None
        self.stack.checks.noted["taken_by_a_worker"] += run is not None
        return run

    def _work(self, run: dict[str, Any], asked: int) -> None:
        call = self._call(run)
        if call.run_id in self.stack.agents.lives:
            self.stack.checks.fail(f"I1 a run is handed to two workers: {call.run_id}")
        self._done.append(call.run_id)
        life = self.stack.agents.begin(call)
        try:
            self._attend(life, asked)
        finally:
            if life.ended is None:
                # It goes with its worker, however that went.
                self.stack.engine.at(self.stack.engine.now, life.process.kill)

    def _attend(self, life: Life, heard: int) -> None:
        voice, engine = Voice(self.stack, life), self.stack.engine
        while life.ended is None:
            life.waiting.append(self.process)
            self.process.wait(_BEAT)
            if life.ended is not None:
                break
            life.waiting.remove(self.process)
            sent = engine.now
            answered = voice.ask(self.process, "heartbeat", None)
            if answered is not None and answered[0] == 200:
                heard = sent
            over = answered is not None and (answered[0] in (401, 410) or (answered[0] == 200 and answered[1]["cancelled"]))
            if over or engine.now - heard > _SILENT - _BEAT - 30 * SECOND:
                self.stack.checks.noted["stopped_by_its_worker"] += 1
                return
        if life.answer is not None and life.said:
            voice.end(self.process, said(life.answer), until=self.stack.agents.deadline(life.call))

    def _call(self, run: dict[str, Any]) -> AgentCall:
        stack, deadline = self.stack, datetime.fromisoformat(run["deadline"].replace("Z", "+00:00"))
        agent = Agent(name=self.agent, kind="worker", created_at=stack.engine.start, write_id="-")
        left = deadline - stack.engine.instant(stack.engine.now)
        return AgentCall(
            run_id=run["run_id"], agent=agent, owner=self._owner(run["run_id"]), request=run, deadline=deadline,
            seconds=max(timedelta(0), left).total_seconds(), token=run["run_token"],
        )  # fmt: skip

    def _owner(self, run_id: str) -> str:
        named = ids.parse_run_id(run_id)
        items = (it.entity for it in self.stack.tables.items.values())
        return next(it.owner for it in items if isinstance(it, FollowUp) and named and it.id == named[0])
