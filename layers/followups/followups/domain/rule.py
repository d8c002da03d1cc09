"""A recurrence and its canonical text: the subset of RFC 5545 (§3.3.10) that WHEN.md names, or a cron expression."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time
from itertools import pairwise
from typing import Any, Self

from cronsim import CronSim, CronSimError

WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
#: They count elapsed time, not what the clock shows.
ELAPSED = frozenset({"MINUTELY", "HOURLY"})
#: What each counts.
UNITS = {
    "MINUTELY": "minute", "HOURLY": "hour", "DAILY": "day", "WEEKLY": "week", "MONTHLY": "month", "YEARLY": "year",
}  # fmt: skip
#: Monday to Friday, as weekdays of a rule.
WORK = tuple((0, day) for day in range(5))
#: A day's last second: an end that is a date is that whole day.
DAYS_END = time(23, 59, 59)
#: Occurrences that `COUNT` may name: to know the last one they are counted through.
MOST_TIMES = 1_000
#: What is longer goes by months or years.
LONGEST_INTERVAL = {"DAILY": 366, "WEEKLY": 53, "MONTHLY": 60, "YEARLY": 5}
#: The shortest pause between two occurrences, in minutes.
FLOOR_MINUTES = 5
_DAY = re.compile(r"([+-]?[1-5])?(MO|TU|WE|TH|FR|SA|SU)", re.ASCII)
#: Where it does not matter when a cron expression starts.
ANY_DATE = datetime.fromisoformat("2024-01-01")


class TooOften(ValueError):
    """A rule whose occurrences are nearer to each other than FLOOR_MINUTES."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Which wall-clock times belong to a recurrence, counted from its anchor.

    Minutes and hours are elapsed time; all else is wall-clock time. What is empty is taken from the anchor: its time of
    day, its weekday, its day of the month, its month.
    """

    #: One of UNITS, or "CRON".
    freq: str
    interval: int = 1
    months: tuple[int, ...] = ()
    #: 1 to 31, or -1 (the last) to -31.
    monthdays: tuple[int, ...] = ()
    #: (which of the month, 0 for each; Monday is 0).
    weekdays: tuple[tuple[int, int], ...] = ()
    hours: tuple[int, ...] = ()
    minutes: tuple[int, ...] = ()
    #: Of what a period has: 1 is the first, -1 the last.
    positions: tuple[int, ...] = ()
    #: For CRON: five fields.
    cron: str = ""
    #: Naive local time of the last possible occurrence.
    until: datetime | None = None
    #: Occurrences in all.
    count: int | None = None
    #: Local dates that are left out.
    without: tuple[date, ...] = ()

    def __post_init__(self) -> None:
        if fault := next(_faults(self), None):
            raise fault

    @property
    def elapsed(self) -> bool:
        return self.freq in ELAPSED

    @property
    def is_interval(self) -> bool:
        """Whether a cron expression comes by the minute or the hour, so that it passes through a doubled hour twice."""
        return any(mark in field for field in self.cron.split()[:2] for mark in "*/")

    def times(self, anchor: datetime) -> list[time]:
        """Gives the times of a day that has occurrences. Seconds are the anchor's (RFC 5545 §3.3.10: as DTSTART's)."""
        hours, minutes = self.hours or (anchor.hour,), self.minutes or ((0,) if self.hours else (anchor.minute,))
        return [time(hour, minute, anchor.second) for hour in hours for minute in minutes]

    def __str__(self) -> str:
        """Gives the canonical text, which `parse` reads."""
        parts = [f"CRON={self.cron}"] if self.cron else [f"FREQ={self.freq}", f"INTERVAL={self.interval}"]
        for name, values in (("BYMONTH", self.months), ("BYMONTHDAY", self.monthdays)):
            parts += [name + "=" + ",".join(map(str, values))] if values else []
        if self.weekdays:
            parts.append("BYDAY=" + ",".join(f"{nth or ''}{WEEKDAYS[day]}" for nth, day in self.weekdays))
        for name, values in (("BYHOUR", self.hours), ("BYMINUTE", self.minutes), ("BYSETPOS", self.positions)):
            parts += [name + "=" + ",".join(map(str, values))] if values else []
        if self.count is not None:
            parts.append(f"COUNT={self.count}")
        if self.until is not None:
            parts.append(f"UNTIL={_written(self.until)}")
        if self.without:
            parts.append("EXDATE=" + ",".join(f"{day:%Y%m%d}" for day in self.without))
        return ";".join(parts)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Takes the canonical text, or an RRULE of the subset. Raises ValueError that says what is wrong."""
        fields: dict[str, str] = {}
        for part in text.split(";"):
            name, equals, value = part.partition("=")
            if not equals or not value or name not in _READERS or name in fields:
                raise ValueError(f"not a rule: {part[:40]!r}")
            fields[name] = value
        if ("CRON" in fields) == ("FREQ" in fields):
            raise ValueError(f"not a rule: {text[:60]!r}")
        read = {_NAMES[name]: _READERS[name](value) for name, value in fields.items()}
        return cls(**({"freq": "CRON"} | read))


def _whole(text: str) -> int:
    if not re.fullmatch(r"[+-]?\d{1,4}", text, re.ASCII):
        raise ValueError(f"not a whole number: {text[:20]!r}")
    return int(text)


def _list(text: str) -> tuple[int, ...]:
    return tuple(map(_whole, text.split(",")))


def _sorted_list(text: str) -> tuple[int, ...]:
    return tuple(sorted(set(_list(text))))


def _days(text: str) -> tuple[tuple[int, int], ...]:
    found = [_DAY.fullmatch(part) for part in text.split(",")]
    if not all(found):
        raise ValueError(f"BYDAY={text[:40]!r} is not a list like MO,WE or 1MO or -1FR")
    return tuple(sorted({(int(it[1] or 0), WEEKDAYS.index(it[2])) for it in found if it}))


def _date(text: str) -> date:
    if not re.fullmatch(r"\d{8}", text, re.ASCII):
        raise ValueError(f"not a date: {text[:20]!r}")
    return date(int(text[:4]), int(text[4:6]), int(text[6:]))


def _dates(text: str) -> tuple[date, ...]:
    return tuple(sorted(set(map(_date, text.split(",")))))


def _until(text: str) -> datetime:
    """A date is that whole day."""
    if found := re.fullmatch(r"(\d{8})T(\d{2})(\d{2})(\d{2})", text, re.ASCII):
        hour, minute, second = map(int, found.groups()[1:])
        return datetime.combine(_date(found[1]), time(hour, minute, second))
    return datetime.combine(_date(text), DAYS_END)


def _written(until: datetime) -> str:
    return f"{until:%Y%m%d}" if until.time() == DAYS_END else f"{until:%Y%m%dT%H%M%S}"


_NAMES = {
    "FREQ": "freq", "INTERVAL": "interval", "BYMONTH": "months", "BYMONTHDAY": "monthdays", "BYDAY": "weekdays",
    "BYHOUR": "hours", "BYMINUTE": "minutes", "BYSETPOS": "positions", "COUNT": "count", "UNTIL": "until",
    "EXDATE": "without", "CRON": "cron",
}  # fmt: skip
_READERS: dict[str, Callable[[str], Any]] = {
    "FREQ": str, "INTERVAL": _whole, "BYMONTH": _sorted_list, "BYMONTHDAY": _sorted_list, "BYDAY": _days,
    "BYHOUR": _sorted_list, "BYMINUTE": _sorted_list, "BYSETPOS": _list, "COUNT": _whole, "UNTIL": _until,
    "EXDATE": _dates, "CRON": str,
}  # fmt: skip


def _faults(rule: Rule) -> Iterator[ValueError]:
    """Gives what is wrong with a rule, in words."""
    yield from map(ValueError, _wrong_numbers(rule))
    yield from map(ValueError, _wrong_together(rule))
    if rule.cron:
        yield from _cron_faults(rule.cron)
    elif rule.freq == "MINUTELY" and rule.interval < FLOOR_MINUTES:
        yield _too_often(f"every {rule.interval} minute{'s' * (rule.interval > 1)}")
    elif (gap := _least_gap(rule.hours, rule.minutes)) < FLOOR_MINUTES:
        yield _too_often(f"twice within {gap} minutes")


def _wrong_numbers(rule: Rule) -> Iterator[str]:
    if rule.freq not in UNITS and not (rule.freq == "CRON" and rule.cron):
        yield f"FREQ={rule.freq[:20]!r} is none of {', '.join(UNITS)}"
    most, unit = LONGEST_INTERVAL.get(rule.freq, 9_999), UNITS.get(rule.freq)
    if not 1 <= rule.interval <= most:
        yield f"an interval of {rule.interval} is not between 1 and {most}" + (f" {unit}s" if unit else "")
    if rule.count is not None and not 1 <= rule.count <= MOST_TIMES:
        yield f"COUNT={rule.count} is not between 1 and {MOST_TIMES}"
    for name, values, low, high in (
        ("BYMONTH", rule.months, 1, 12), ("BYHOUR", rule.hours, 0, 23), ("BYMINUTE", rule.minutes, 0, 59),
        ("BYMONTHDAY", map(abs, rule.monthdays), 1, 31), ("BYSETPOS", map(abs, rule.positions), 1, 366),
    ):  # fmt: skip
        if any(not low <= value <= high for value in values):
            yield f"{name} has a number that is not between {low} and {high}"


def _wrong_together(rule: Rule) -> Iterator[str]:
    days = rule.months or rule.monthdays or rule.weekdays or rule.positions
    if rule.elapsed and (days or rule.hours or rule.minutes):
        yield f"FREQ={rule.freq} counts elapsed time, so it takes no days and no time of day"
    if rule.freq in ("DAILY", "WEEKLY") and any(nth for nth, _ in rule.weekdays):
        yield "which weekday of the month (as in 1MO) needs FREQ=MONTHLY"
    if rule.freq == "YEARLY" and (rule.weekdays or rule.monthdays) and not rule.months:
        yield "FREQ=YEARLY with days needs its month; FREQ=MONTHLY has days of each"
    if rule.minutes and not rule.hours:
        yield "BYMINUTE needs BYHOUR"
    if rule.count is not None and rule.until is not None:
        yield "COUNT and UNTIL are two ends; say one of them"


def _cron_faults(cron: str) -> Iterator[ValueError]:
    fields = cron.split()
    if len(fields) != 5 or not cron.isascii():
        yield ValueError(f"cron has five fields (minute hour day month weekday), and {cron[:40]!r} has {len(fields)}")
        return
    if not (fields[2].startswith("*") or fields[4].startswith("*")):
        yield ValueError("cron with a day of the month and a weekday has two readings (either, or both); name one of them")
    try:
        parsed = CronSim(cron, ANY_DATE)
    except CronSimError as error:
        yield ValueError(f"{cron[:40]!r} is no cron expression: {str(error).lower()}")
        return
    if (gap := _least_gap(tuple(parsed.hours), tuple(parsed.minutes))) < FLOOR_MINUTES:
        yield _too_often(f"{cron[:40]!r} comes after {gap} minute{'s' * (gap > 1)}: that")


def _too_often(what: str) -> TooOften:
    return TooOften(f"{what} is too often; once in {FLOOR_MINUTES} minutes is the most")


def _least_gap(hours: tuple[int, ...], minutes: tuple[int, ...]) -> int:
    """Gives the fewest minutes between two times of a day, or over midnight."""
    times = sorted(60 * hour + minute for hour in hours or (0,) for minute in minutes or (0,))
    return min((after - before for before, after in pairwise([*times, times[0] + 1440])), default=1440)
