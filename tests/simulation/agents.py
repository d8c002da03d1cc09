"""Agents that live their own lives: a runner that dies does not end them, and what they ask for goes through the API."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from followups.domain.contract import AgentCall, Done
from followups.domain.status import Outcome, Verdict
from tests.simulation.engine import MINUTE, Process
from tests.simulation.voices import Voice

if TYPE_CHECKING:
    from tests.simulation.stack import Stack


@dataclass(frozen=True, slots=True)
class Nature:
    """How an agent is: registered like this, and behaving like this."""

    #: `waits`: it is waited for. `asked`: it outlives its call, and is asked how far it is. `calls`: it outlives its call,
    #: and calls back. `worker`: its workers ask for it. `person`: no agent at all.
    way: str = "waits"
    rerun: str = "never"
    max_concurrency: int = 1
    timeout_s: int = 300
    max_attempts: int = 3
    #: How long it works, in seconds.
    works: tuple[float, float] = (0.1, 120.0)
    fails: float = 0.2
    #: How likely one that did not fail says that there is something to see to.
    hints: float = 0.0
    #: When it wants to be asked again, in seconds.
    polls: tuple[int, int] = (20, 90)
    #: How likely there is no room for it when it is to start.
    busy: float = 0.0
    #: How likely one that outlives its call goes on after its deadline, until it is stopped.
    overstays: float = 0.0
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
    "@pending": Nature(way="asked", works=(20.0, 500.0), fails=0.5, busy=0.2, overstays=0.3),
    # Quick and often wrong: its next attempt may run while an answer about the last one is still on its way.
    "@flaky": Nature(way="asked", rerun="safe", works=(0.3, 15.0), timeout_s=120, fails=0.7, polls=(1, 20), hints=0.4),
    # Outlives any process that may have started it.
    "@days": Nature(way="asked", rerun="safe", works=(600.0, 5_000.0), timeout_s=4_000, polls=(60, 300), max_attempts=2),
    "@calls": Nature(
        way="calls", rerun="safe", works=(5.0, 700.0), timeout_s=600, fails=0.3, hints=0.3, busy=0.1, children=1
    ),
    # More at once than there are workers: some wait for one, and are given up.
    "@worker": Nature(way="worker", rerun="safe", works=(10.0, 900.0), timeout_s=800, max_concurrency=4, max_attempts=2),
    "@pia": Nature(way="person", max_concurrency=3, timeout_s=60),
    "@maker": Nature(
        max_concurrency=2,
        works=(1.0, 40.0),
        children=3,
        fires=0.5,
        max_attempts=2,
        lingers=0.6,
        fails=0.4,
        replaces=0.3,
    ),
}
#: Number of the follow-up that something makes which an agent has left behind.
LAST = 99


@dataclass(eq=False)
class Life:
    """An agent that is, or was, alive."""

    call: AgentCall
    process: Process
    began: int
    ends_by: int
    #: It does not mind its deadline: nothing is promised of what runs beside it then.
    overstays: bool = False
    answer: Done | None = None
    ended: int | None = None
    #: What it answered or said of itself, by its summary.
    said: dict[str, Done] = field(default_factory=dict)
    waiting: list[Process] = field(default_factory=list)

    def alive(self, now: int, deadline: int) -> bool:
        """Says whether it is alive and should not be otherwise."""
        return self.ended is None and not (self.overstays and now >= deadline)


class Agents:
    """All agents that ever lived."""

    def __init__(self, stack: "Stack") -> None:
        self.stack = stack
        self.lives: dict[str, Life] = {}

    def begin(self, call: AgentCall) -> Life:
        """Starts an agent's life; it ends by its deadline, or by the end of the call that waits for it."""
        engine, nature = self.stack.engine, self.stack.natures[call.agent.name]
        name = f"agent {call.agent.name} {call.run_id[4:10]}{call.run_id[-7:]}"
        process = Process(engine, name, lambda it: self._live(it, life, nature), ended=lambda _: self._ended(life))
        life = Life(call, process, engine.now, self.deadline(call))
        if nature.way == "waits":
            life.ends_by = engine.now + round(call.seconds * 1000)
        elif process.rng.random() < nature.overstays:
            life.overstays, life.ends_by = True, life.ends_by + process.rng.randrange(20 * MINUTE)
        self.stack.checks.agent_began(life)
        self.lives[call.run_id] = life
        engine.at(life.ends_by, process.kill)
        return life

    def deadline(self, call: AgentCall) -> int:
        """Gives the call's deadline, in milliseconds since the simulation's start."""
        return round((call.deadline - self.stack.engine.start) / timedelta(milliseconds=1))

    def _live(self, process: Process, life: Life, nature: Nature) -> None:
        rng = process.rng
        low, high = nature.works
        rest = round(rng.uniform(low, high) * 1000)
        if rng.random() < nature.lingers:
            self._linger(life, max(0, rest + rng.choice((-rng.randrange(20, 100), rng.randrange(20 * MINUTE)))))
        voice = Voice(self.stack, life) if nature.way == "calls" else None
        for number in range(rng.randint(nature.least_children, nature.children)):
            process.wait(rest // 8)
            self.stack.people.child(process, life.call, number)
        if rng.random() < nature.fires:
            self.stack.tick(f"fired by {process.name}")
        for _ in range(rng.randint(0, 3) if voice else 0):
            process.wait(rest // 8)
            if voice and not voice.heard(process):
                return
        process.wait(max(0, life.began + rest - self.stack.engine.now))
        life.answer = self.answer(process, nature, f"after {rest} ms")
        life.said[life.answer.summary] = life.answer

    def answer(self, process: Process, nature: Nature, words: str) -> Done:
        """Gives what an agent may answer."""
        rng = process.rng
        well = Outcome.ATTENTION if rng.random() < nature.hints else Outcome.SUCCEEDED
        outcome = Outcome.FAILED if rng.random() < nature.fails else well
        verdict = rng.choice((None, Verdict.MET, Verdict.MET, Verdict.NOT_MET, Verdict.NOT_MET, Verdict.CANNOT_TELL))
        return Done(
            outcome=outcome, summary=f"{outcome} {words}", report="at length", verdict=verdict,
            evidence="as was seen" if verdict else "",
        )  # fmt: skip

    def _linger(self, life: Life, after: int) -> None:
        """What an agent left behind asks once more: while its run ends, or long after, when perhaps another one is live."""

        def ask(process: Process) -> None:
            process.wait(after)
            self.stack.people.child(process, life.call, LAST)

        Process(self.stack.engine, f"left by {life.process.name}", ask, ended=self.stack.checks.sound)

    def _ended(self, life: Life) -> None:
        self.stack.checks.sound(life.process)
        life.ended = self.stack.engine.now
        if life.answer is None:
            life.answer = self._cut_short(life)
        elif self.stack.natures[life.call.agent.name].way == "calls":
            Voice(self.stack, life).tell()
        self.stack.checks.agent_ended(life)
        for process in life.waiting:
            process.wake()

    def _cut_short(self, life: Life) -> Done:
        """Gives what is found of an agent that has said nothing."""
        if self.stack.engine.now >= life.ends_by:
            summary = "The agent was still at work at its deadline."
            return Done(outcome=Outcome.TIMED_OUT, summary=summary)
        return Done(outcome=Outcome.CANCELLED, summary="The execution was stopped.")


def registered(name: str, nature: Nature, *, laptop: bool) -> dict[str, object]:
    """Gives with what an agent of that nature is registered."""
    arn = f"eu-central-1:123456789012:{{}}:{name[1:]}"
    here: dict[str, dict[str, object]] = {
        "waits": {"kind": "lambda", "target": f"arn:aws:lambda:{arn.format('function')}"},
        "asked": {"kind": "states", "target": f"arn:aws:states:{arn.format('stateMachine')}"},
        "calls": {"kind": "lambda", "target": f"arn:aws:lambda:{arn.format('function')}", "mode": "async"},
        "worker": {"kind": "worker"},
        "person": {"kind": "person", "target": "pia@example.com"},
    }
    if laptop and nature.way not in ("worker", "person"):
        webhook = {"kind": "https", "target": f"https://agents.example.com/{name[1:]}"}
        here[nature.way] = {"kind": "command", "command": ["x"]} if nature.way == "waits" else webhook
    return here[nature.way] | {
        "timeout_s": nature.timeout_s, "rerun": nature.rerun, "max_concurrency": nature.max_concurrency,
        "max_attempts": nature.max_attempts,
    }  # fmt: skip
