"""Days, months and counts by their names, and the days that they mean."""

import re
from calendar import monthrange
from datetime import date, timedelta

from followups.domain.when.refusals import Refusal
from followups.domain.wording import DAY_NAMES, MONTH_NAMES, said_date

MONTHS = {name: number for number, full in enumerate(MONTH_NAMES, 1) for name in (full.lower(), full[:3].lower())} | {
    "sept": 9
}  # fmt: skip
WEEKDAYS = {name: number for number, full in enumerate(DAY_NAMES) for name in (full.lower(), full[:3].lower())} | {
    "tues": 1, "thur": 3, "thurs": 3
}  # fmt: skip
NTH = {"first": 1, "1st": 1, "second": 2, "2nd": 2, "third": 3, "3rd": 3, "fourth": 4, "4th": 4, "last": -1}
#: Regular expressions for one of them.
MONTH = "(?:" + "|".join(sorted(MONTHS, key=len, reverse=True)) + ")"
WEEKDAY = "(?:" + "|".join(sorted(WEEKDAYS, key=len, reverse=True)) + ")"
NTH_WORD = "(?:" + "|".join(NTH) + ")"
NUMBER = r"\d{1,2}(?:st|nd|rd|th)?"
_MONTH_DAY = re.compile(rf"(?P<month>{MONTH}) (?:the )?(?P<day>{NUMBER})(?:,? (?P<year>\d{{4}}))?", re.ASCII)
_DAY_MONTH = re.compile(rf"(?:the )?(?P<day>{NUMBER})(?: of)? (?P<month>{MONTH})(?:,? (?P<year>\d{{4}}))?", re.ASCII)
_NTH_OF = re.compile(rf"(?:the )?({NTH_WORD}) ({WEEKDAY}) (?:of|in) ({MONTH})(?: (\d{{4}}))?", re.ASCII)
_ISO = re.compile(r"(\d{4})-(\d{2})-(\d{2})", re.ASCII)
_SLASHES = re.compile(r"(\d{1,2})[/.](\d{1,2})[/.](\d{4}|\d{2})", re.ASCII)
_END_OF = re.compile(r"(?:(?:at )?the )?end of (?:the )?(month|year)", re.ASCII)
_WITH_WEEKDAY = re.compile(rf"({WEEKDAY}),? (?:the )?(.*\d.*)", re.ASCII)


def day_named(words: str, start: date) -> date | None:
    """Gives the day that the words name; without a year, the first such day from `start` on. None if they name none.

    Raises Refusal for a day that the calendar has not, or that has two readings.
    """
    if found := _WITH_WEEKDAY.fullmatch(words):
        return _on_weekday(found[2], WEEKDAYS[found[1]], start)
    return _day_named(words, start)


def _day_named(words: str, start: date) -> date | None:
    if found := _ISO.fullmatch(words):
        return _date(words, *map(int, found.groups()))
    if found := _SLASHES.fullmatch(words):
        raise _two_readings(*map(int, found.groups()))
    if found := _MONTH_DAY.fullmatch(words) or _DAY_MONTH.fullmatch(words):
        return _day_of(words, plain_number(found["day"]), MONTHS[found["month"]], found["year"], start)
    if found := _NTH_OF.fullmatch(words):
        nth, weekday, month = NTH[found[1]], WEEKDAYS[found[2]], MONTHS[found[3]]
        years = [int(found[4])] if found[4] else [start.year, start.year + 1]
        days = [nth_weekday(year, month, nth, weekday) for year in years]
        return next((day for day in days if day >= start), days[-1])
    if found := _END_OF.fullmatch(words):
        month = start.month if found[1] == "month" else 12
        return date(start.year, month, monthrange(start.year, month)[1])
    return None


def coming(weekday: int, start: date) -> date:
    """Gives the first such weekday from `start` on."""
    return start + timedelta(days=(weekday - start.weekday()) % 7)


def nth_weekday(year: int, month: int, nth: int, weekday: int) -> date:
    """Gives the nth such weekday of a month (1 to 4), or the last (-1). Monday is 0."""
    if nth > 0:
        first = date(year, month, 1)
        return first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * (nth - 1))
    last = date(year, month, monthrange(year, month)[1])
    return last - timedelta(days=(last.weekday() - weekday) % 7)


def listed(text: str) -> frozenset[str]:
    """Gives the words of a text, so that a long list of them can be read."""
    return frozenset(text.split())


def plain_number(text: str) -> int:
    """Takes a number like 3 or 3rd."""
    return int(text.rstrip("stndrh"))


def _day_of(words: str, day: int, month: int, year: str | None, start: date) -> date:
    if year:
        return _date(words, int(year), month, day)
    # 29 February may be up to eight years away.
    for candidate in range(start.year, start.year + 9):
        if 1 <= day <= monthrange(candidate, month)[1] and (found := date(candidate, month, day)) >= start:
            return found
    raise Refusal(f"{MONTH_NAMES[month - 1]} has no day {day}", f"{MONTH_NAMES[month - 1].lower()} 1",
                  f"{MONTH_NAMES[month - 1].lower()} {28 if month == 2 else 30}")  # fmt: skip


def _on_weekday(words: str, weekday: int, start: date) -> date | None:
    """Gives the day that the words name. Raises Refusal if it is another day of the week."""
    day = _day_named(words, start)
    if day is not None and day.weekday() != weekday:
        raise Refusal(f"{said_date(day)} is a {DAY_NAMES[day.weekday()]}", words, DAY_NAMES[weekday].lower())
    return day


def _date(words: str, year: int, month: int, day: int) -> date:
    if 1 <= year <= 9999 and 1 <= month <= 12 and 1 <= day <= monthrange(year, month)[1]:
        return date(year, month, day)
    ways = [f"{year:04}-{month:02}-{monthrange(year, month)[1]:02}"] if 1 <= year <= 9999 and 1 <= month <= 12 else []
    raise Refusal(f"{words} is no day of the calendar", *ways, "2026-12-01", "dec 1")


def _two_readings(first: int, second: int, year: int) -> Refusal:
    year += 2000 if year < 100 else 0
    ways = dict.fromkeys(
        f"{year:04}-{month:02}-{day:02}"
        for day, month in ((first, second), (second, first))
        if 1 <= month <= 12 and 1 <= day <= monthrange(max(1, year), month)[1]
    )
    return Refusal(
        "day and month stand in another order from country to country", *(ways or ["2026-12-01"]), either=bool(ways)
    )
