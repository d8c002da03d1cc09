"""A clock that stands still until it is told to go on."""

from datetime import UTC, datetime, timedelta

START = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


class ManualClock:
    """The Clock port, moved by hand."""

    def __init__(self, start: datetime = START) -> None:
        self._now = start
        self.slept: list[timedelta] = []

    def now(self) -> datetime:
        return self._now

    def sleep(self, time: timedelta) -> None:
        self.slept.append(time)
        self._now += time

    def advance(self, **time: float) -> None:
        """Moves the clock by a timedelta's arguments."""
        self._now += timedelta(**time)
