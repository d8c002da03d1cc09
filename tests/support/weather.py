"""A world in which the store, the queue or the clock fails for a while, and nobody helps: the real handlers, a tick each
minute, messages that come when their delay is over."""

import heapq
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from followups.adapters.leases import FileLeases
from followups.adapters.local import NoLeases, SystemChance
from followups.adapters.sqlite import SQLiteStore
from followups.domain.contract import AgentCall, Done, Pending
from followups.domain.entities import FollowUp, Run
from followups.domain.errors import QueueError, StoreBusy, StoreError
from followups.domain.messages import Message
from followups.domain.status import Outcome
from followups.handlers.queue import reporter, runner
from followups.handlers.sweeper import sweeper
from followups.local import events
from followups.ports import Leases
from followups.usecases import registry
from followups.usecases.abandoned import end_abandoned
from followups.usecases.create import Request, create
from followups.usecases.world import Limits, World
from tests.support.clock import ManualClock
from tests.support.world import ME, SECRET

Broken = Callable[[], bool]
#: How a queue fails: it says so, or it takes what it then loses.
REFUSES, LOSES = "refuses", "loses"


class WeatherStore:
    """A store whose every call fails while it is down. `error` is what it raises then."""

    def __init__(self, store: SQLiteStore) -> None:
        self._store = store
        self.down: Broken = lambda: False
        self.error: StoreError = StoreBusy("down")
        self.refused = 0

    def __getattr__(self, name: str) -> Any:
        act = getattr(self._store, name)

        def call(*args: Any, **more: Any) -> Any:
            if self.down():
                self.refused += 1
                raise self.error
            return act(*args, **more)

        return call


class WeatherQueue:
    """A queue that holds each message until its time, in the clock's."""

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock
        self._held: list[tuple[datetime, int, Message]] = []
        self._count = 0
        self.down: Broken = lambda: False
        self.how = REFUSES
        self.lost = 0

    def send(self, messages: Sequence[tuple[Message, int]]) -> None:
        if self.down():
            self.lost += len(messages)
            if self.how == REFUSES:
                raise QueueError("the queue cannot be reached")
            return
        for message, delay_s in messages:
            self._count += 1
            heapq.heappush(self._held, (self._clock.now() + timedelta(seconds=delay_s), self._count, message))

    def take(self) -> Message | None:
        """Gives a message whose time has come, if there is one."""
        if self._held and self._held[0][0] <= self._clock.now():
            return heapq.heappop(self._held)[2]
        return None


class CountingAgent:
    """An agent that takes its time and succeeds; counts how often it did each follow-up's task."""

    def __init__(self, during: Callable[[], None]) -> None:
        self.calls: Counter[str] = Counter()
        #: What happens while it works.
        self.during = during

    def start(self, call: AgentCall) -> Done | Pending:
        self.calls[call.request["task"]] += 1
        self.during()
        return Done(outcome=Outcome.SUCCEEDED, summary="well")

    def poll(self, call: AgentCall, handle: str) -> Done | Pending:
        raise NotImplementedError

    def cancel(self, call: AgentCall, handle: str) -> None:
        raise NotImplementedError


@dataclass
class ListMailer:
    mails: list[Run] = field(default_factory=list)

    def send(self, run: Run) -> str:
        self.mails.append(run)
        return f"mail-{len(self.mails)}"


class Weather:
    """The world. `home` makes it a laptop's, whose leases are files; without, leases end by their time."""

    def __init__(self, folder: Path, *, home: Path | None = None, **limits: Any) -> None:
        self.clock = ManualClock()
        self.real = SQLiteStore(folder / "followups.db")
        self.store = WeatherStore(self.real)
        self.queue = WeatherQueue(self.clock)
        self.agent = CountingAgent(lambda: self.clock.advance(seconds=1))
        self.mailer = ListMailer()
        self.leases = FileLeases(home) if home else None
        leases: Leases = self.leases or NoLeases()
        self.world = World(
            store=self.store, queue=self.queue, clock=self.clock, chance=SystemChance(), leases=leases,
            limits=Limits(**limits),
        )  # fmt: skip
        self.log: Counter[str] = Counter()
        self._handlers = {
            "start": runner(self.world, {"fake": self.agent}, (SECRET,), log=self._log),
            "report": reporter(self.world, self.mailer, log=self._log),
            "tick": sweeper(self.world),
        }
        self._next_tick = self.clock.now()
        for name in ("@a", "@b", "@c"):
            registry.put_agent(self.world, name, registry.Registration(kind="fake"))

    def _log(self, word: str, _facts: object) -> None:
        self.log[word] += 1

    def create(self, due: str, number: int = 0) -> FollowUp:
        request = Request(agent=f"@{'abc'[number % 3]}", task=f"Task {number}", when=due, timezone="UTC")
        return create(self.world, ME, request, idempotency_key=None, allow_commands=False).follow_up

    def between(self, start: float, end: float) -> Broken:
        """Gives whether the clock is between so many seconds from now."""
        begin = self.clock.now()
        return lambda: timedelta(seconds=start) <= self.clock.now() - begin < timedelta(seconds=end)

    def tick(self) -> None:
        """One tick, as a laptop's or as EventBridge's: what fails, fails."""
        try:
            if self.leases is not None:
                end_abandoned(self.world)
            self._handlers["tick"](events.tick(self.clock.now()), events.LocalContext())
        except StoreError:
            self.log["tick failed"] += 1

    def handle(self) -> bool:
        """Handles one message, if there is one."""
        if (message := self.queue.take()) is None:
            return False
        event, context = events.batch(message), events.LocalContext()
        if self.leases is None:
            self._handlers[message.kind](event, context)
        else:
            with self.leases.working(message.run_id):
                self._handlers[message.kind](event, context)
        return True

    def go_on(self, *, minutes: float, step_s: float = 5) -> None:
        """Lets the time pass, with a tick each minute, whatever the clock says meanwhile."""
        for number in range(int(minutes * 60 / step_s)):
            if number % int(60 / step_s) == 0:
                self.tick()
            while self.handle():
                pass
            self.clock.advance(seconds=step_s)

    def ended(self, it: FollowUp) -> list[Run]:
        """Gives the records of a follow-up's final outcomes."""
        return [run for run in self.real.runs(it.owner, it.id, limit=50) if run.final]
