"""Recurrences in words: `weekly`, `every other friday at 9`, `weekdays at 9am`, `last friday of every month`."""

import re
from dataclasses import dataclass
from datetime import time
from typing import Any

from followups.domain.rule import ELAPSED, UNITS, WORK
from followups.domain.when.clock import split_times
from followups.domain.when.names import MONTH, MONTHS, NTH, NTH_WORD, NUMBER, WEEKDAY, WEEKDAYS, plain_number
from followups.domain.when.refusals import Refusal
from followups.domain.wording import MONTH_NAMES

_UNITS = {unit: freq for freq, unit in UNITS.items()} | {"min": "MINUTELY", "hr": "HOURLY"}
_ADVERBS = {
    "hourly": ("HOURLY", 1), "daily": ("DAILY", 1), "weekly": ("WEEKLY", 1), "fortnightly": ("WEEKLY", 2),
    "monthly": ("MONTHLY", 1), "quarterly": ("MONTHLY", 3), "yearly": ("YEARLY", 1), "annually": ("YEARLY", 1),
}  # fmt: skip
_UNIT = "(?:minute|min|hour|hr|day|week|month|year)s?"
#: `every second week`, `every 3rd day`. It says how many units lie between two.
_ORDINALS = {"other": 2, "second": 2, "2nd": 2, "third": 3, "3rd": 3, "fourth": 4, "4th": 4}
_ORDINAL = "|".join(_ORDINALS)
_EVERY = re.compile(rf"(?:every|each) (?:(\d{{1,4}}(?= ?[a-z])|{_ORDINAL}) ?)?({_UNIT})(?: (.+))?", re.ASCII)
_COMPACT = re.compile(r"(?:every|each) (\d{1,4}) ?(mo|[mhdwy])(?: (.+))?", re.ASCII)
_COMPACT_UNITS = {"m": "minute", "h": "hour", "d": "day", "w": "week", "mo": "month", "y": "year"}
_ADVERB = re.compile(rf"({'|'.join(_ADVERBS)})(?: (.+))?", re.ASCII)
_AND = r"(?:, ?and |, ?| and | ?& ?)"
_LIST = rf"{WEEKDAY}s?(?:{_AND}{WEEKDAY}s?)*"
_DAYS = re.compile(rf"(?:on )?(every |each )?((?<=every )other )?({_LIST}|(?:weekday|weekend)s?)", re.ASCII)
_IN_LIST = re.compile(rf"{WEEKDAY}", re.ASCII)
_OF_MONTH = (
    rf"(?:on )?(?:the )?(?:(?P<nth>{NTH_WORD}(?:{_AND}(?:the )?{NTH_WORD})*) (?P<what>{WEEKDAY}|weekday|day)"
    rf"|(?P<day>{NUMBER})(?: day)?"
    rf"(?P<more>(?:{_AND}(?:the )?{NUMBER})*))"
)
_ON_MONTH_DAY = re.compile(_OF_MONTH, re.ASCII)
_MONTHLY = re.compile(rf"(?:every )?{_OF_MONTH} (?:of )?(?:every|each) (?:(?P<n>\d{{1,3}}|{_ORDINAL}) )?months?", re.ASCII)
_END_OF_MONTH = re.compile(r"(?:(?:at )?the )?end of (?:every|each) month", re.ASCII)
_DATE = re.compile(
    rf"(?:on )?(?:the )?(?:(?P<month>{MONTH}) (?P<day>{NUMBER})|(?P<day2>{NUMBER})(?: of)? (?P<month2>{MONTH})"
    rf"|(?P<nth>{NTH_WORD}) (?P<weekday>{WEEKDAY}) (?:of|in) (?P<month3>{MONTH}))",
    re.ASCII,
)
REST = ((0, 5), (0, 6))
_DAYS_IN = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeat:
    """A recurrence that was read, before its beginning is known. What its fields lack is taken from there."""

    #: Of the Rule.
    fields: dict[str, Any]
    #: The time of day that was said.
    at: time | None = None
    notes: tuple[str, ...] = ()

    @property
    def names_hours(self) -> bool:
        """Whether the rule itself says at which times of a day it comes."""
        return bool(self.fields.get("hours") or self.fields.get("cron"))

    @property
    def names_times(self) -> bool:
        """Whether it says on which days or at which hours it comes, and not only how often."""
        return self.names_hours or any(self.fields.get(name) for name in ("weekdays", "monthdays", "months"))


def read_repeat(words: str) -> Repeat | None:
    """Gives the recurrence that the words say, or None. Raises Refusal."""
    rest, times = split_times(words)
    if times and rest in ("every", "each") and " at " not in words:  # morning, evening
        rest += " day"
    found = _by_unit(rest) or _by_weekday(rest) or _by_month(rest) or _by_year(rest)
    if found is None:
        return None
    fields, notes = found
    if times and fields["freq"] in ELAPSED:
        raise Refusal(
            "hours and minutes are counted from the start, so they go with no time of day",
            f"{rest} starting tomorrow at {times[0]:%H:%M}", f"every day at {times[0]:%H:%M}",
        )  # fmt: skip
    if len(times) > 1:
        return Repeat(fields=picking(fields, len(times)) | _of_day(rest, times), notes=notes)
    return Repeat(fields=fields, at=times[0] if times else None, notes=notes)


def _of_day(rest: str, times: tuple[time, ...]) -> dict[str, Any]:
    """Gives several times of a day. Raises Refusal if one rule cannot have them: it has all minutes in all its hours."""
    hours, minutes = ({getattr(it, unit) for it in times} for unit in ("hour", "minute"))
    if len(hours) * len(minutes) != len(times) or any(it.second for it in times):
        raise Refusal("times with other minutes need a follow-up each", *(f"{rest} at {it:%H:%M}" for it in times[:3]))
    return {"hours": tuple(sorted(hours)), "minutes": tuple(sorted(minutes))}


def picking(fields: dict[str, Any], times: int) -> dict[str, Any]:
    """Takes fields that pick days by their places, and how many times a day has; gives them so that all times of those days
    are picked, for BYSETPOS counts times."""
    firsts = ((day - 1) * times + 1 if day > 0 else day * times for day in fields.get("positions", ()))
    places = sorted(first + more for first in firsts for more in range(times))
    return fields | {"positions": tuple(places)} if places else fields


_Found = tuple[dict[str, Any], tuple[str, ...]]


def _by_unit(words: str) -> _Found | None:
    if found := _ADVERB.fullmatch(words):
        (freq, interval), on = _ADVERBS[found[1]], found[2]
    elif found := _EVERY.fullmatch(words):
        freq, interval, on = _UNITS[found[2].removesuffix("s")], _count(found[1]), found[3]
    elif found := _COMPACT.fullmatch(words):
        if found[2] == "m" and found[1] == "1":
            raise Refusal("1m could be a minute or a month", "every month", "every 5 minutes", either=True)
        freq, interval, on = _UNITS[_COMPACT_UNITS[found[2]]], int(found[1]), found[3]
    else:
        return None
    fields = {"freq": freq, "interval": interval}
    if on is None:
        return fields, ()
    if freq == "WEEKLY" and (days := weekdays(on)):
        return fields | {"weekdays": days}, ()
    if freq == "MONTHLY" and (of := _ON_MONTH_DAY.fullmatch(on)):
        return _monthly(of, interval)
    return _yearly(on, interval) if freq == "YEARLY" else None


def _by_weekday(words: str) -> _Found | None:
    found = _DAYS.fullmatch(words)
    if not found:
        return None
    every, other, days = found.groups()
    # "friday" alone is once; a plural, a list, or "every" makes it a recurrence.
    if not every and (_IN_LIST.fullmatch(days) or days in ("weekday", "weekend")):
        return None
    if other and days.startswith("weekday"):
        raise Refusal("this could be every second working day, or those of every second week", "mon, wed, fri at 9",
                      "every 2 weeks on weekdays", either=True)  # fmt: skip
    return {"freq": "WEEKLY", "interval": 2 if other else 1, "weekdays": weekdays(days)}, ()


def weekdays(words: str) -> tuple[tuple[int, int], ...] | None:
    """Gives the days that words like `mon, wed` or `on weekdays` name, or None."""
    found = _DAYS.fullmatch(words)
    if not found:
        return None
    if found[3].startswith("week"):
        return WORK if found[3].startswith("weekday") else REST
    return tuple(sorted({(0, WEEKDAYS[name]) for name in _IN_LIST.findall(found[3])}))


def _by_month(words: str) -> _Found | None:
    if _END_OF_MONTH.fullmatch(words):
        return {"freq": "MONTHLY", "interval": 1, "monthdays": (-1,)}, ()
    # "the last friday of the month" may be this month's; "every" makes it a recurrence.
    if words.startswith("every ") and words.endswith(" of the month"):
        words = words.removeprefix("every ").removesuffix("the month") + "every month"
    found = _MONTHLY.fullmatch(words)
    # "Send report 1 every month"
    if found and (found["day"] or "").isdigit() and " of " not in words:
        return None
    return _monthly(found, _count(found["n"])) if found else None


def _monthly(found: re.Match[str], interval: int) -> _Found:
    fields: dict[str, Any] = {"freq": "MONTHLY", "interval": interval}
    if found["nth"]:
        nths, what = sorted({NTH[it] for it in re.findall(NTH_WORD, found["nth"])}), found["what"]
        if what == "weekday":
            return fields | {"weekdays": WORK, "positions": tuple(nths)}, ()
        if what == "day":
            return fields | {"monthdays": tuple(nths)}, ()
        return fields | {"weekdays": tuple((nth, WEEKDAYS[what]) for nth in nths)}, ()
    days = sorted({plain_number(it) for it in re.findall(r"\d{1,2}", found["day"] + found["more"])})
    if not 1 <= days[0] <= days[-1] <= 31:
        raise Refusal("days of the month go from 1 to 31", "every month on the 15th", "last day of every month",
                      code="invalid_recurrence")  # fmt: skip
    if len(days) == 1:
        clamped, note = clamp(days[0])
        return fields | clamped, note
    if days[-1] > 28:
        raise Refusal("not every month has all of these days", "every month on the 1st and 15th", "last day of every month",
                      code="invalid_recurrence")  # fmt: skip
    return fields | {"monthdays": tuple(days)}, ()


def clamp(day: int) -> _Found:
    """Gives what makes a day of the month the last one where a month is shorter (WHEN.md, rules 6 and 7), and says so."""
    if day <= 28:
        return {"monthdays": (day,)}, ()
    note = f"in a month without a {day}{'st' if day == 31 else 'th'}, it comes on the last day"
    return {"monthdays": tuple(range(28, day + 1)), "positions": (-1,)}, (note,)


def clamp_in_year(month: int, day: int) -> _Found:
    """Gives a date of each year; 29 February is the 28th in a year without it."""
    fields: dict[str, Any] = {"months": (month,), "monthdays": (day,)}
    if (month, day) != (2, 29):
        return fields, ()
    note = "in a year without 29 February, it comes on 28 February"
    return fields | {"monthdays": (28, 29), "positions": (-1,)}, (note,)


def _by_year(words: str) -> _Found | None:
    for every in ("every ", "each "):
        if words.startswith(every):
            return _yearly(words.removeprefix(every).removesuffix(" of every year"), 1)
    if words.endswith((" of every year", " every year")):
        return _yearly(words.removesuffix(" every year").removesuffix(" of"), 1)
    return None


def _yearly(on: str, interval: int) -> _Found | None:
    found = _DATE.fullmatch(on)
    if not found:
        return None
    month = MONTHS[found["month"] or found["month2"] or found["month3"]]
    fields: dict[str, Any] = {"freq": "YEARLY", "interval": interval}
    if found["nth"]:
        return fields | {"months": (month,), "weekdays": ((NTH[found["nth"]], WEEKDAYS[found["weekday"]]),)}, ()
    day = plain_number(found["day"] or found["day2"])
    if not 1 <= day <= _DAYS_IN[month - 1]:
        raise Refusal(
            "there is no such day in any year",
            f"every year on {_DAYS_IN[month - 1]} {MONTH_NAMES[month - 1].lower()}",
            code="invalid_recurrence",
        )
    clamped, notes = clamp_in_year(month, day)
    return fields | clamped, notes


def _count(text: str | None) -> int:
    return _ORDINALS.get(text or "") or int(text or 1)
