"""Virtual time, and processes that are greenlets: the handlers stay synchronous, and each port call gives way to others.

Everything is decided by the seed. A process draws from a stream of its own, named after what it does, so that leaving one
action out of a run changes as little as possible of the rest.
"""

import heapq
import itertools
import random
import zlib
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from greenlet import getcurrent, greenlet

SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000


class Crash(BaseException):
    """The process is dead. No Exception: nothing of the product may catch it."""


class Violation(BaseException):
    """A promise is broken."""


class Engine:
    """The clock, and what happens when. Times are whole milliseconds since the simulation's start."""

    def __init__(self, seed: int, start: datetime) -> None:
        self.seed = seed
        self.start = start
        self.now = 0
        self.faults: Counter[str] = Counter()
        self.trace: list[str] | None = None
        self.checksum = 0
        self.alive: set[Process] = set()
        self._heap: list[tuple[int, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._hub = getcurrent()

    def rng(self, name: str) -> random.Random:
        """Gives the stream of random numbers of that name."""
        return random.Random(f"{self.seed}/{name}")

    def at(self, when: int, act: Callable[[], None]) -> None:
        heapq.heappush(self._heap, (max(when, self.now), next(self._order), act))

    def run(self, until: int) -> None:
        """Lets things happen until that time."""
        while self._heap and self._heap[0][0] <= until:
            self.now, _, act = heapq.heappop(self._heap)
            act()
        self.now = max(self.now, until)

    def instant(self, now: int) -> datetime:
        return self.start + timedelta(milliseconds=now)

    def note(self, who: str, what: str) -> None:
        """Keeps the trace, if one is wanted, and a checksum that tells two runs apart in any case."""
        self.checksum = zlib.crc32(f"{self.now} {who} {what}".encode(), self.checksum)
        if self.trace is not None:
            moment = self.instant(self.now).astimezone(UTC)
            self.trace.append(f"{moment:%d %H:%M:%S}.{moment.microsecond // 1000:03d}  {who:<34} {what}")


class Process:
    """One invocation: it ends with a result, an error, or dead."""

    def __init__(
        self, engine: Engine, name: str, work: Callable[["Process"], Any], *, lives: int | None = None,
        ended: Callable[["Process"], None] = lambda _: None,
    ) -> None:  # fmt: skip
        self.engine = engine
        self.name = name
        self.rng = engine.rng(name)
        #: How far its clock is off, in milliseconds.
        self.skew = 0
        self.calls = 0
        self.dead = False
        self.result: Any = None
        self.error: Exception | None = None
        self.ended = ended
        #: When it is killed from outside.
        self.killed_at = None if lives is None else engine.now + lives
        self._wakes = 0
        self._greenlet = greenlet(self._run, parent=engine._hub)
        self._work = work
        engine.alive.add(self)
        self._wake_at(engine.now)
        if self.killed_at is not None:
            engine.at(self.killed_at, self.kill)

    def wait(self, ms: int) -> None:
        """Lets that time pass. Raises Crash if the process was killed meanwhile."""
        self._wake_at(self.engine.now + ms)
        self.park()

    def park(self) -> None:
        """Waits for somebody's `wake`."""
        self.engine._hub.switch()
        if self.dead:
            raise Crash

    def wake(self) -> None:
        """Lets it go on, now."""
        self._wake_at(self.engine.now)

    def kill(self) -> None:
        """Ends it, whatever it waits for. To be called from the engine, not from a process."""
        if not self.dead and not self._greenlet.dead:
            self.engine.note(self.name, "killed")
            self.die()
            self._wake_at(self.engine.now)

    def die(self) -> None:
        self.dead = True
        self.engine.alive.discard(self)

    def _wake_at(self, when: int) -> None:
        # Only the latest reason to wake counts: one that waits for a message and a time must not be woken twice.
        self._wakes += 1
        mine = self._wakes
        self.engine.at(when, lambda: self._resume(mine))

    def _resume(self, wake: int) -> None:
        if wake == self._wakes and not self._greenlet.dead:
            self._greenlet.switch()

    def _run(self) -> None:
        try:
            if not self.dead:
                self.result = self._work(self)
        except Crash:
            self.dead = True
        except Violation:
            raise
        except Exception as error:  # noqa: BLE001 - who started it decides whether that may be
            self.error = error
        self.engine.alive.discard(self)
        self.ended(self)
