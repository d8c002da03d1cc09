"""The times of a recurrence, counted one by one from its first: how the checks read a rule, whatever the product makes of
it.

Only what the simulation's people say is understood; a rule with anything else in it fails loudly.
"""

import itertools
from bisect import bisect_right
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

_DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_ELAPSED = {"MINUTELY": timedelta(minutes=1), "HOURLY": timedelta(hours=1)}
_KNOWN = {"FREQ", "INTERVAL", "BYDAY", "BYHOUR", "BYMINUTE", "COUNT", "UNTIL", "EXDATE"}


class Grid:
    """All times of one rule, in UTC."""

    def __init__(self, rule: str, anchor: str, zone: str) -> None:
        self._fields = dict(part.split("=") for part in rule.split(";"))
        if unknown := self._fields.keys() - _KNOWN:
            raise NotImplementedError(f"{rule}: {unknown}")
        self._anchor, self._zone = datetime.fromisoformat(anchor), ZoneInfo(zone)
        self._coming = self._bounded()
        #: Those that were asked for so far.
        self._times: list[datetime] = []

    @property
    def ends(self) -> bool:
        return not self._fields.keys().isdisjoint({"COUNT", "UNTIL"})

    def __contains__(self, moment: datetime) -> bool:
        self._reach(moment)
        return moment in self._times

    def after(self, moment: datetime) -> datetime | None:
        """Gives the first time later than `moment`, or None if there is none any more."""
        self._reach(moment)
        return next(iter(self._times[bisect_right(self._times, moment) :]), None)

    def between(self, low: datetime, high: datetime) -> list[datetime]:
        """Gives the times later than `low`, up to `high`."""
        self._reach(high)
        return self._times[bisect_right(self._times, low) : bisect_right(self._times, high)]

    def _reach(self, moment: datetime) -> None:
        while not self._times or self._times[-1] <= moment:
            following = next(self._coming, None)
            if following is None:
                return
            self._times.append(following)

    def _bounded(self) -> Iterator[datetime]:
        until, left_out = self._fields.get("UNTIL"), self._fields.get("EXDATE", "").split(",")
        # A date is that whole day.
        end = datetime.fromisoformat(until if "T" in until else f"{until}T235959") if until else None
        count, last = int(self._fields.get("COUNT", 10**6)), None
        for moment, wall in self._unbounded():
            if count == 0 or (end and wall > end):
                return
            if f"{wall:%Y%m%d}" not in left_out and (last is None or moment > last):
                count, last = count - 1, moment
                yield moment

    def _unbounded(self) -> Iterator[tuple[datetime, datetime]]:
        """Gives each time, and what the clock in the zone is to show then."""
        interval = int(self._fields["INTERVAL"])
        if step := _ELAPSED.get(self._fields["FREQ"]):
            first = self._anchor.replace(tzinfo=UTC)
            for moment in (first + number * interval * step for number in itertools.count()):
                yield moment, moment.astimezone(self._zone).replace(tzinfo=None)
            return
        for day in self._days(interval):
            for wall in (datetime.combine(day, it) for it in self._of_a_day()):
                if wall >= self._anchor:
                    yield instant(wall, self._zone), wall

    def _days(self, interval: int) -> Iterator[date]:
        first, weekly = self._anchor.date(), self._fields["FREQ"] == "WEEKLY"
        assert weekly or self._fields["FREQ"] == "DAILY"
        named = self._fields["BYDAY"].split(",") if "BYDAY" in self._fields else _DAYS
        for number in itertools.count():
            day = first + timedelta(days=number)
            # A week begins on a Monday.
            periods = (number + first.weekday()) // 7 if weekly else number
            if periods % interval == 0 and _DAYS[day.weekday()] in named:
                yield day

    def _of_a_day(self) -> list[time]:
        hours, minutes = (
            map(int, self._fields.get(name, str(own)).split(","))
            for name, own in (("BYHOUR", self._anchor.hour), ("BYMINUTE", self._anchor.minute))
        )
        return sorted(time(*it, self._anchor.second) for it in itertools.product(hours, minutes))


@lru_cache(maxsize=256)
def grid(rule: str, anchor: str, zone: str) -> Grid:
    """Gives the times of a rule as it is stored."""
    return Grid(rule, anchor, zone)


def instant(wall: datetime, zone: ZoneInfo) -> datetime:
    """Gives when a clock in the zone first shows that, or, if it leaves that out, when it leaps over it."""
    moment = wall.replace(tzinfo=zone).astimezone(UTC)
    if moment.astimezone(zone).replace(tzinfo=None) == wall:
        return moment
    moment = moment.replace(second=0) - timedelta(hours=3)
    while moment.astimezone(zone).replace(tzinfo=None) < wall:
        moment += timedelta(minutes=1)
    return moment
