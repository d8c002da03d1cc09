"""From rule to occurrences. Rules count from a local wall time; only here does local time become UTC."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Self
from zoneinfo import ZoneInfo

_UNIT_DAYS = {"DAILY": 1, "WEEKLY": 7}
_RULE = re.compile(r"FREQ=(DAILY|WEEKLY);INTERVAL=([1-9]\d{0,3})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Rule:
    """Every so many days of wall-clock time. (The issue on saying when brings the other rules.)"""

    freq: str
    interval: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Takes the canonical form, the subset `FREQ=…;INTERVAL=…` of RFC 5545 §3.3.10. Raises ValueError."""
        found = _RULE.fullmatch(text)
        if not found:
            raise ValueError(f"not a rule: {text!r}")
        return cls(found[1], int(found[2]))

    def __str__(self) -> str:
        return f"FREQ={self.freq};INTERVAL={self.interval}"

    @property
    def words(self) -> str:
        """The rule as a person would say it."""
        unit = "day" if self.freq == "DAILY" else "week"
        return f"every {unit}" if self.interval == 1 else f"every {self.interval} {unit}s"

    @property
    def days(self) -> int:
        return _UNIT_DAYS[self.freq] * self.interval


def to_utc(local: datetime, zone: ZoneInfo) -> datetime:
    """Gives the instant of a naive local time.

    A time that exists twice is its first occurrence; one that does not exist is the first instant that does
    (WHEN.md, rules 2 and 3).
    """
    first = local.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if first.astimezone(zone).replace(tzinfo=None) == local:
        return first
    # In a gap the two folds read the wall time with the offset before and after the step, so the step lies between.
    low, high = local.replace(tzinfo=zone, fold=1).astimezone(UTC), first
    before = low.astimezone(zone).utcoffset()
    while high - low > timedelta(seconds=1):
        middle = low + (high - low) / 2
        if middle.astimezone(zone).utcoffset() == before:
            low = middle
        else:
            high = middle
    return high.replace(microsecond=0)


def _nth(rule: Rule, anchor: datetime, n: int, zone: ZoneInfo) -> datetime:
    return to_utc(anchor + timedelta(days=rule.days * n), zone)


def next_after(rule: Rule, anchor: datetime, zone: ZoneInfo, after: datetime) -> datetime:
    """Gives the first occurrence later than `after` (UTC), counted from the naive local `anchor`, never from now."""
    wall = after.astimezone(zone).replace(tzinfo=None)
    n = max(0, (wall - anchor).days // rule.days)
    while (occurrence := _nth(rule, anchor, n, zone)) <= after:
        n += 1
    return occurrence


def fold_missed(rule: Rule, anchor: datetime, zone: ZoneInfo, due: datetime, at: datetime) -> tuple[int, datetime]:
    """Gives how many occurrences later than `due` lie at or before `at`, and the last of them (or `due`).

    A run that starts late makes up for these all at once. Wall-clock days are counted, so it takes no walk.
    """
    if at <= due:
        return 0, due
    upcoming = next_after(rule, anchor, zone, at)
    first = _index(rule, anchor, zone, due)
    last = _index(rule, anchor, zone, upcoming) - 1
    return last - first, _nth(rule, anchor, last, zone)


def _index(rule: Rule, anchor: datetime, zone: ZoneInfo, occurrence: datetime) -> int:
    # A step of the clock moves a wall time by hours at most, so rounding to the next multiple of days is exact.
    wall = occurrence.astimezone(zone).replace(tzinfo=None)
    return round((wall - anchor) / timedelta(days=rule.days))


def format_instant(moment: datetime, zone_name: str) -> str:
    """Gives an instant as a person in the zone reads it: `Tue 2026-12-01 09:00 Europe/Berlin`."""
    return f"{moment.astimezone(ZoneInfo(zone_name)):%a %Y-%m-%d %H:%M} {zone_name}"
