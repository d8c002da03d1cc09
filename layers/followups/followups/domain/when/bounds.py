"""How far a recurrence goes: `for 6 weeks`, `until 2027-03-01`, `5 times`, `starting 2026-12-01`, `except 2026-12-25`."""

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from followups.domain.rule import DAYS_END, MOST_TIMES
from followups.domain.when.clock import split_time
from followups.domain.when.names import WEEKDAY, WEEKDAYS, coming, day_named
from followups.domain.when.refusals import Refusal, quoted
from followups.domain.when.repeats import weekdays
from followups.domain.when.spans import Span, read_span

_CLAUSE = re.compile(
    r",? (?:and )?(for|until|till|through|thru|starting from|starting on|starting|beginning|from|except on|except"
    r"|(\d{1,99}) times?)(?= |,|$)",
    re.ASCII,
)
_NAMES = {
    "till": "until", "through": "until", "thru": "until", "starting from": "starting", "starting on": "starting",
    "beginning": "starting", "from": "starting", "except on": "except",
}  # fmt: skip
_WEEKDAY = re.compile(rf"(?:this )?({WEEKDAY})", re.ASCII)
_DATES = re.compile(r", ?and |, ?| and ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What was said of a recurrence's beginning, end and gaps."""

    starting: date | None = None
    #: The time of day that was said with it.
    starting_at: time | None = None
    #: Naive local time.
    until: datetime | None = None
    lasting: Span | None = None
    count: int | None = None
    without: tuple[date, ...] = ()
    #: Days of the week: `except sundays`.
    never_on: tuple[tuple[int, int], ...] = ()


def split_bounds(words: str) -> tuple[str, list[tuple[str, str]]]:
    """Gives the words before the bounds, and each bound's name as typed with its words."""
    clauses = list(_CLAUSE.finditer(words))
    if not clauses:
        return words, []
    ends = [it.start() for it in clauses[1:]] + [len(words)]
    bounds = [
        (f"{clause[2]} times" if clause[2] else clause[1], words[clause.end() : end].strip(" ,"))
        for clause, end in zip(clauses, ends, strict=True)
    ]
    # "for 5 times" says the same as "5 times".
    bounds = [
        it
        for it, after in zip(bounds, [*bounds[1:], ("", "")], strict=True)
        if it != ("for", "") or "times" not in after[0]
    ]
    return words[: clauses[0].start()].rstrip(", "), bounds


def read_bounds(clauses: list[tuple[str, str]], now: datetime) -> Bounds:
    """Takes what `split_bounds` gave, and the present time in the zone (naive). Raises Refusal, NoBound if one is none."""
    said: dict[str, Any] = {}
    for typed, words in clauses:
        name = _NAMES.get(typed, typed)
        read = _read(name, words, now)
        if read is None:
            why = f"{quoted(f'{typed} {words}'.strip())} is no beginning, end or exception that I know"
            raise NoBound(typed, why, *_ways(name, now.date()))
        if read.keys() & said.keys():
            raise Refusal(f"it says {name} twice", code="invalid_recurrence")
        said |= read
    if len(said.keys() & {"until", "lasting", "count"}) > 1:
        raise Refusal("it has more than one end; say one of until, for and times", code="invalid_recurrence")
    return Bounds(**said)


class NoBound(Refusal):
    """What follows a recurrence is no bound of it. `bound` is its first word, `suggestions` are bounds that it could be."""

    def __init__(self, bound: str, why: str, *suggestions: str) -> None:
        super().__init__(why, *suggestions)
        self.bound = bound


def _read(name: str, words: str, now: datetime) -> dict[str, Any] | None:
    if name.endswith(" times"):
        return None if words else {"count": _times(name.removesuffix(" times"))}
    if name == "for":
        span = read_span(words.removeprefix("the next "))
        return None if span is None or words.startswith("in ") else {"lasting": span}
    if name == "except":
        if days := weekdays(words):
            return {"never_on": days}
        dates = [day_named(it, now.date()) for it in _DATES.split(words)]
        return None if None in dates else {"without": tuple(sorted({day for day in dates if day}))}
    rest, moment = split_time(words)
    day = bound_day(rest.removeprefix("on "), now)
    if day is None:
        return None
    if name == "until":
        return {"until": datetime.combine(day, moment or DAYS_END)}
    return {"starting": day, "starting_at": moment}


def bound_day(words: str, now: datetime) -> date | None:
    """Gives the day of a beginning or an end: the first such one from today on. None if the words name none."""
    today = now.date()
    if words in ("today", "tomorrow"):
        return today + timedelta(days=words == "tomorrow")
    if weekday := _WEEKDAY.fullmatch(words):
        return coming(WEEKDAYS[weekday[1]], today)
    if words.startswith("in ") and (span := read_span(words)) and not span.elapsed:
        return span.from_wall(now).date()
    return day_named(words, today)


def _ways(name: str, today: date) -> list[str]:
    day = f"{today + timedelta(days=31)}"
    if name.endswith("times"):
        return [name, f"until {day}"]
    return {"for": ["for 6 weeks", "5 times"], "until": [f"until {day}", "for 6 weeks"]}.get(name, [f"{name} {day}"])


def _times(words: str) -> int:
    count = int(words)
    if not 1 <= count <= MOST_TIMES:
        raise Refusal(
            f"{count if count < 10**9 else 'so many'} times is not between 1 and {MOST_TIMES}", code="invalid_recurrence"
        )
    return count
