"""The course of a soak, whatever it runs on: kills, quiet, days that pass, and the count."""

import random
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic, sleep
from typing import Any, Protocol

from followups.cli.client import Transport
from followups.domain.entities import FollowUp, Run
from followups.domain.findings import Weight
from followups.domain.status import LIVE, Status
from followups.ports import Ledger
from followups.usecases.audit import audit
from tests.soak import marks
from tests.soak.agents import Spec
from tests.soak.asks import Asks
from tests.soak.evidence import Evidence
from tests.soak.fleet import Fleet, Killer, Member, kill

#: Follow-ups that wait to be run, beyond which nothing more is asked for.
_ENOUGH = 60
_PEOPLE = 6
_RECURRING, _DAYS, _DAY_S = 24, 3, 10.0
#: How long a round without kills may take, and how many there may be at the end.
_QUIET_S, _LAST_ROUNDS = 120.0, 6
_PROGRESS_S = 5.0
#: Longer than any agent lives.
_AGENTS_S = 40.0


class Part(Protocol):
    """What a soak runs on."""

    name: str
    folder: Path
    marks: Path
    owner: str
    specs: Sequence[Spec]
    store: Ledger
    global_cap: int
    #: What is killed how often, and every how many seconds.
    weights: Mapping[str, int]
    every_s: float
    #: Kinds of processes that send reports.
    senders: Sequence[str]
    #: Whether what a killed process left behind is found without waiting for a time.
    finds_at_once: bool
    #: Seconds without any change after which what is left waits for a time that is further off.
    still_s: float

    def members(self, shift: timedelta) -> list[Member]:
        """Gives the places of a fleet whose clocks are so far ahead."""

    def transports(self) -> list[Transport]:
        """Gives the APIs that can be asked just now."""

    def command(self, fleet: Fleet) -> Callable[[dict[str, str], str], dict[str, Any] | None] | None:
        """Gives a way to create by the command line, if there is one."""

    def found(self) -> tuple[list[FollowUp], list[Run], list[str]]:
        """Reads the store past the product: follow-ups, runs, members of all slot sets."""

    def mails(self) -> dict[str, int]:
        """Counts the mails that were sent, by run."""

    def audit_by_command(self) -> list[str]:
        """Calls the auditor as a person would, where there is a command; gives what it says unless all is well."""


@dataclass(kw_only=True)
class Course:
    """One soak. `run` gives the evidence."""

    part: Part
    seed: int
    minutes: float
    fleet: Fleet = field(init=False)
    asks: Asks = field(init=False)
    tail: marks.Tail = field(init=False)
    #: What went wrong without being a broken promise of one item.
    oddities: list[str] = field(default_factory=list)
    _started: float = field(default_factory=monotonic)
    _said: float = 0.0
    _looked: float = 0.0
    _waiting: int = 0

    def __post_init__(self) -> None:
        self.fleet = Fleet(marks=self.part.marks)
        self.tail = marks.Tail(self.part.marks)
        self.asks = Asks(
            seed=self.seed, people=_PEOPLE, agents={it.name: it.weight for it in self.part.specs},
            transports=self.part.transports, command=self.part.command(self.fleet),
        )  # fmt: skip

    def run(self) -> Evidence:
        """Takes the minutes, and then as long as it takes until all is done; a few more minutes at most."""
        with ExitStack() as stack:
            stack.push(self._leave_nobody)
            stack.callback(self.fleet.stop)
            stack.callback(self.asks.end)
            self._minutes()
            shift = timedelta(0)
            for _ in range(_DAYS):
                shift += timedelta(days=1)
                self._begin(shift)
                self._kill_for(_DAY_S, f"day {shift.days}")
                self._quiet(shift)
            left = self._left(shift)
            for _ in range(_LAST_ROUNDS):
                # What waits for a retry, a lease or a mail's next try: a quarter of an hour goes by.
                if left:
                    shift += timedelta(minutes=15)
                    self._begin(shift)
                    self._quiet(shift)
                    left = self._left(shift)
        return self._evidence(left, shift)

    def _leave_nobody(self, error: object, *_more: object) -> None:
        """Ends what would outlive a soak that breaks off: agents, and people who wait for an answer."""
        if error is not None:
            for agent in marks.alive(self.part.marks):
                kill(agent)
            self._until(lambda: not self.asks.asking and not marks.alive(self.part.marks), 10, tend=False)

    def _minutes(self) -> None:
        self._begin(timedelta(0))
        luck = random.Random(f"{self.seed} recurring")
        for number in range(_RECURRING):
            agent = self.asks.agent(luck)
            body = {"agent": agent, "task": f"Every day {number}", "due": "daily", "timezone": "UTC"}
            self._until(lambda: bool(self.part.transports()), 30)
            self.asks.create(luck, body, f"{self.seed}-daily-{number}")
        self.asks.start()
        self._kill_for(self.minutes * 60, "kills")
        self.asks.end()
        self._until(lambda: not self.asks.asking, 90)
        waiting = self._quiet(timedelta(0))
        if waiting and self.part.finds_at_once:
            self.oddities.append(f"when nobody was killed any more these were still not done: {waiting}")

    def _begin(self, shift: timedelta) -> None:
        """Kills all, and starts a fleet whose clocks are so far ahead."""
        self.fleet.stop()
        # An agent outlives its process on a laptop; and no lease may end by a jump of the clock before its agent does.
        self._until(lambda: not marks.alive(self.part.marks), _AGENTS_S, tend=False)
        self.fleet.members = self.part.members(shift)
        self.fleet.tend()

    def _kill_for(self, seconds: float, word: str) -> None:
        luck = random.Random(f"{self.seed} kills {word}")
        killer = Killer(fleet=self.fleet, tail=self.tail, luck=luck, weights=self.part.weights, every_s=self.part.every_s)
        until = monotonic() + seconds
        while monotonic() < until:
            killer.act()
            self._tend(word)
            sleep(0.01)

    def _quiet(self, shift: timedelta) -> list[str]:
        """Lets the fleet work without kills until nothing is to be done now; gives what is left of it."""
        left, changed, empty = [""], monotonic(), 0

        def done() -> bool:
            nonlocal left, changed, empty
            before, left = left, self._to_do(shift)
            changed = monotonic() if left != before else changed
            empty = 0 if left else empty + 1
            return empty > 1 or monotonic() - changed > self.part.still_s

        self._until(done, _QUIET_S, pause_s=0.5)
        return left

    def _until(self, done: Callable[[], bool], seconds: float, *, pause_s: float = 0.05, tend: bool = True) -> None:
        until = monotonic() + seconds
        while not done() and monotonic() < until:
            if tend:
                self._tend("quiet")
            sleep(pause_s)

    def _tend(self, word: str) -> None:
        self.fleet.tend()
        now = monotonic()
        if now - self._looked > 1:
            self._looked = now
            self._waiting = len(self._to_do(timedelta(0)))
            (self.asks.enough.set if self._waiting > _ENOUGH else self.asks.enough.clear)()
        if now - self._said > _PROGRESS_S:
            self._said = now
            self.tail.read()
            kills = " ".join(f"{kind} {count}" for kind, count in sorted(self.fleet.kills.items()))
            sys.stderr.write(
                f"soak {self.part.name} {now - self._started:4.0f} s ({word}): created {len(self.asks.accepted)}, started "
                f"{self.tail.started}, ended {self.tail.ended}, waiting {self._waiting}; killed {kills}\n"
            )

    def _open(self) -> list[FollowUp]:
        found: list[FollowUp] = []
        after: str | None = None
        while True:
            page, after = self.part.store.list_follow_ups(self.part.owner, group="open", after=after, limit=100)
            found += page
            if after is None:
                return found

    def _to_do(self, shift: timedelta) -> list[str]:
        """Gives what is being done, or could be by now."""
        at = datetime.now(UTC) + shift
        busy = [it.id for it in self._open() if it.status in {*LIVE, Status.CLAIMED} or _is_due(it, at)]
        return busy + [it.id for it in self.part.store.due(at) if isinstance(it, Run)]

    def _left(self, shift: timedelta) -> list[str]:
        """Gives all that is not over: all but what recurs and waits for its next day."""
        at = datetime.now(UTC) + shift
        resting = (Status.SCHEDULED, Status.PAUSED)
        left = [it.id for it in self._open() if it.rule is None or it.status not in resting or _is_due(it, at)]
        return left + [it.id for it in self.part.store.due(at + timedelta(days=500)) if isinstance(it, Run)]

    def _evidence(self, left: list[str], shift: timedelta) -> Evidence:
        self._until(lambda: not marks.alive(self.part.marks), _AGENTS_S, tend=False)
        audited = audit(self.part.store, datetime.now(UTC) + shift, global_cap=self.part.global_cap)
        found = [(f"{it.key.pk} {it.key.sk}", it.says) for it in audited.findings if it.weight is Weight.BROKEN]
        found += [("followups audit", said) for said in self.part.audit_by_command()]
        agents = {it.name: it for it in self.part.store.agents()}
        follow_ups, runs, slots = self.part.found()
        self.oddities += [*self.asks.oddities, *self.fleet.oddities]
        return Evidence(
            accepted={key: frozenset(names) for key, names in self.asks.accepted.items()}, cancelled=self.asks.cancelled,
            follow_ups=follow_ups, runs=runs, agents=agents, global_cap=self.part.global_cap,
            marks=marks.read(self.part.marks), mails=self.part.mails(), slots=slots, due=left, findings=found,
            sender_kills=sum(self.fleet.kills[it] + self.fleet.ends[f"{it}, out of time"] for it in self.part.senders),
        )  # fmt: skip


def _is_due(it: FollowUp, at: datetime) -> bool:
    return it.status is Status.SCHEDULED and it.start_at <= at
