"""Spans of time: `7d`, `1h30m`, `in 3 days`, `2 weeks from now`, `P7D`. Days and longer are wall clock, others elapsed."""

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from followups.domain.walltime import to_utc, wall
from followups.domain.when.refusals import Refusal

_UNITS = {
    "s": "seconds", "sec": "seconds", "second": "seconds", "m": "minutes", "min": "minutes", "minute": "minutes",
    "h": "hours", "hr": "hours", "hour": "hours", "d": "days", "day": "days", "w": "weeks", "week": "weeks",
    "mo": "months", "month": "months", "y": "years", "year": "years",
}  # fmt: skip
_UNIT = "second|sec|minute|min|hour|hr|day|week|month|year"
_COMPACT = re.compile(r"(?:in )?((?:\d{1,99} ?(?:mo|[ywdhms]) ?)+)(?: ?from now)?", re.ASCII)
_COMPACT_PART = re.compile(r"(\d{1,99}) ?(mo|[ywdhms])", re.ASCII)
#: `m` is minutes alone, after h, d or w, and before s: in `1y6m` and `6m2w` it would be months.
_MONTHS_MEANT = re.compile(r"y ?\d+ ?m(?!o)|m(?!o) ?\d+ ?(?:[ywdh]|mo)", re.ASCII)
_ONE = rf"(?:\d{{1,99}} ?|an? )(?:{_UNIT})s?"
_WORDED = re.compile(rf"(in )?({_ONE}(?:(?:,? and |, ?| ){_ONE})*)( from now)?", re.ASCII)
_WORDED_PART = re.compile(rf"(\d{{1,99}}|an?) ?({_UNIT})s?", re.ASCII)
_ISO = re.compile(
    r"p(?=.)(?:(\d{1,99})y)?(?:(\d{1,99})m)?(?:(\d{1,99})w)?(?:(\d{1,99})d)?"
    r"(?:t(?=.)(?:(\d{1,99})h)?(?:(\d{1,99})m)?(?:(\d{1,99})s)?)?",
    re.ASCII,
)
_ISO_UNITS = ("y", "mo", "w", "d", "h", "m", "s")


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """So many of each unit."""

    years: int = 0
    months: int = 0
    weeks: int = 0
    days: int = 0
    hours: int = 0
    minutes: int = 0
    seconds: int = 0

    @property
    def elapsed(self) -> timedelta:
        """What is counted by a stop watch."""
        return timedelta(hours=self.hours, minutes=self.minutes, seconds=self.seconds)

    @property
    def by_the_calendar(self) -> bool:
        return bool(self.years or self.months or self.weeks or self.days)

    def from_wall(self, local: datetime) -> datetime:
        """Adds years, months, weeks and days to a naive time; a day that a month has not is its last (WHEN.md, rule 6)."""
        index = local.year * 12 + local.month - 1 + 12 * self.years + self.months
        year, month = divmod(index, 12)
        day = min(local.day, monthrange(year, month + 1)[1])
        return local.replace(year=year, month=month + 1, day=day) + timedelta(weeks=self.weeks, days=self.days)

    def after(self, moment: datetime, zone: ZoneInfo) -> datetime:
        """Gives the instant that long after another: first by the calendar, then by the stop watch."""
        if self.by_the_calendar:
            moment = to_utc(self.from_wall(wall(moment, zone)), zone)
        return moment + self.elapsed


def read_span(words: str) -> Span | None:
    """Gives the span that the words say, or None. Raises Refusal for `1m`, and for nothing at all (`0d`)."""
    parts = _compact(words) or _worded(words) or _iso(words)
    if not parts:
        return None
    totals: dict[str, int] = {}
    for count, unit in parts:
        if _UNITS[unit] in totals:
            return None
        totals[_UNITS[unit]] = count
    if not any(totals.values()):
        raise Refusal("it is now; say a time that is still to come", "1d", "in 1 hour")
    return Span(**totals)


_Parts = list[tuple[int, str]]


def _compact(words: str) -> _Parts | None:
    found = _COMPACT.fullmatch(words)
    if not found:
        return None
    parts = [(int(count), unit) for count, unit in _COMPACT_PART.findall(found[1])]
    if parts == [(1, "m")]:
        raise Refusal("it could be a minute or a month", "in 1 minute", "1mo", either=True)
    if _MONTHS_MEANT.search(found[1]):
        raise Refusal("m could be minutes or months", re.sub(r"m(?!o)", "mo", found[1]).strip())
    return parts


def _worded(words: str) -> _Parts | None:
    found = _WORDED.fullmatch(words)
    if not found:
        return None
    return [(1 if count.startswith("a") else int(count), unit) for count, unit in _WORDED_PART.findall(found[2])]


def _iso(words: str) -> _Parts | None:
    found = _ISO.fullmatch(words)
    return found and [(int(count), unit) for count, unit in zip(found.groups(), _ISO_UNITS, strict=True) if count]
