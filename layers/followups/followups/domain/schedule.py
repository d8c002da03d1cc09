"""From rule to occurrences. Rules count from an anchor, never from now, so chains neither drift nor advance twice."""

import heapq
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import islice
from typing import NamedTuple
from zoneinfo import ZoneInfo

from cronsim import CronSim

from followups.domain import periods
from followups.domain.rule import Rule
from followups.domain.walltime import second_time, to_utc, wall

#: More than this that were missed are not counted one by one.
MOST_MISSED = 10_000
#: No clock is put back by more than this.
_LARGEST_STEP = timedelta(hours=3)
_UNIT = {"MINUTELY": timedelta(minutes=1), "HOURLY": timedelta(hours=1)}
#: How far back the last occurrence is looked for, first near and then further, in days.
_BACK = (1, 32, 400, 5 * 366)


class Occurrence(NamedTuple):
    """One time of a recurrence."""

    at: datetime
    #: The wall-clock time that the rule says, which a clock that is put forward may leave out; None where the rule counts
    #: elapsed time.
    local: datetime | None


def next_after(rule: Rule, anchor: datetime, zone: ZoneInfo, after: datetime) -> Occurrence | None:
    """Gives the first occurrence later than `after` (UTC), or None if the recurrence has come to its end.

    `anchor` is the naive time that the rule counts from: of a clock in the zone, and of one in UTC for elapsed rules.
    """
    return next(occurrences(rule, anchor, zone, after), None)


def occurrences(rule: Rule, anchor: datetime, zone: ZoneInfo, after: datetime) -> Iterator[Occurrence]:
    """Gives the occurrences later than `after` (UTC) in their order, none twice."""
    last = None if rule.count is None else _last(rule, anchor, zone)
    for found in _uncounted(rule, anchor, zone, after):
        if last is not None and found.at > last:
            return
        yield found


def fold_missed(rule: Rule, anchor: datetime, zone: ZoneInfo, due: datetime, at: datetime) -> tuple[int, datetime]:
    """Gives how many occurrences later than `due` lie at or before `at`, and the last of them (or `due`).

    A run that starts late makes up for these all at once. Beyond MOST_MISSED they are counted no further.
    """
    missed, last = 0, due
    for found in islice(occurrences(rule, anchor, zone, due), MOST_MISSED):
        if found.at > at:
            return missed, last
        missed, last = missed + 1, found.at
    return missed, last if missed < MOST_MISSED else _latest(rule, anchor, zone, at) or last


def _latest(rule: Rule, anchor: datetime, zone: ZoneInfo, at: datetime) -> datetime | None:
    """Gives the last occurrence at or before `at`, without a walk from the first."""
    for days in _BACK:
        latest = None
        for found in occurrences(rule, anchor, zone, at - timedelta(days=days)):
            if found.at > at:
                break
            latest = found.at
        if latest is not None:
            return latest
    return None


@lru_cache(maxsize=64)
def _last(rule: Rule, anchor: datetime, zone: ZoneInfo) -> datetime | None:
    """Gives the last occurrence of a rule with a count, which is at most rule.MOST_TIMES."""
    start = anchor.replace(tzinfo=UTC) if rule.elapsed else to_utc(anchor, zone)
    latest = None
    for found in islice(_uncounted(rule, anchor, zone, start - timedelta(seconds=1)), rule.count):
        latest = found.at
    return latest


def _uncounted(rule: Rule, anchor: datetime, zone: ZoneInfo, after: datetime) -> Iterator[Occurrence]:
    """Gives the occurrences later than `after`, whatever the count."""
    for found in _elapsed(rule, anchor, after) if rule.elapsed else _by_the_clock(rule, anchor, zone, after):
        local = found.local or wall(found.at, zone)
        if rule.until is not None and local > rule.until:
            return
        if local.date() not in rule.without:
            yield found


def _elapsed(rule: Rule, anchor: datetime, after: datetime) -> Iterator[Occurrence]:
    first, step = anchor.replace(tzinfo=UTC), _UNIT[rule.freq] * rule.interval
    n = max(0, (after - first) // step + 1)
    while True:
        yield Occurrence(first + n * step, None)
        n += 1


def _by_the_clock(rule: Rule, anchor: datetime, zone: ZoneInfo, after: datetime) -> Iterator[Occurrence]:
    """A time that the clock leaves out is the first instant that there is, and none comes twice. What comes by the minute
    or the hour (`*` or `/` in cron) passes through an hour that there is twice both times."""
    again: list[datetime] = []
    latest = after
    for local in _walls(rule, anchor, max(anchor, wall(after, zone) - _LARGEST_STEP)):
        moment = to_utc(local, zone)
        while again and again[0] < moment:
            if (repeated := heapq.heappop(again)) > latest:
                yield Occurrence(latest := repeated, None)
        if rule.is_interval and (second := second_time(local, zone)):
            heapq.heappush(again, second)
        if moment > latest:
            yield Occurrence(latest := moment, None if rule.is_interval else local)
    yield from (Occurrence(moment, None) for moment in sorted(again) if moment > latest)


def _walls(rule: Rule, anchor: datetime, start: datetime) -> Iterator[datetime]:
    """Gives the naive times of the rule from `start` on, in their order, until it has none for years."""
    if rule.cron:
        # It gives what comes after a minute, and ends when it finds nothing in 50 years.
        return CronSim(rule.cron, start.replace(second=0, microsecond=0) - timedelta(minutes=1))
    return periods.walls(rule, anchor, start)
