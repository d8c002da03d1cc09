"""What is refused, and why: each refusal says what would be right."""

import difflib
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from followups.domain.errors import Invalid
from followups.domain.rule import TooOften

EXAMPLES = "7d, in 3 hours, tomorrow at 9, friday 14:00, 2026-12-01, daily, every monday at 9am"
#: One phrase for each form, to show those that are near to what was typed.
_FORMS = (
    "7d", "1w", "90m", "12h", "1h30m", "1mo", "in 3 days", "in 2 weeks", "in an hour", "in 10 seconds", "3 days from now",
    "in 3 days at 9am", "tomorrow", "tomorrow at 9", "tomorrow 14:00", "tomorrow morning", "today at 18:00", "9am", "noon",
    "2026-12-01", "2026-12-01T09:00", "2026-12-01 09:00 Europe/Berlin", "friday", "friday 9:30am", "this friday", "dec 1",
    "1 dec 2026", "end of month", "first monday of march", "hourly", "daily", "weekly", "monthly", "yearly",
    "every day at 9", "every 2 weeks", "every other friday at 9", "every 90 minutes", "every monday 9am",
    "mon, wed at 9", "weekdays at 9am", "weekends at 10", "every month on the 31st", "last day of every month",
    "first monday of every month", "last friday of every month", "first weekday of every month", "every year on dec 1",
    "weekly for 6 weeks", "weekly until 2027-03-01", "daily 5 times", "weekly starting 2026-12-01",
    "weekly except 2026-12-25", "0 9 * * mon", "@daily", "RRULE:FREQ=WEEKLY;BYDAY=MO", "P7D", "PT36H",
)  # fmt: skip
_USUAL = ("in 7 days", "tomorrow at 9", "every monday at 9am")
#: So many ways are offered, none of them longer than so many characters.
_OFFERED, _READABLE = 3, 120


class Refusal(ValueError):
    """A text that was read, and is refused. `suggestions` are texts that would be taken instead."""

    def __init__(self, why: str, *suggestions: str, code: str = "invalid_due", either: bool = False) -> None:
        super().__init__(why)
        self.code = code
        self.suggestions = suggestions
        #: Whether the suggestions are what it may mean: one of them was meant.
        self.either = either


def no_rule(error: ValueError, *ways: str) -> Refusal:
    """Gives the refusal of what a rule cannot be, with ways that would be right."""
    if isinstance(error, TooOften):
        return Refusal(str(error), "every 5 minutes", "hourly", code="interval_too_short")
    return Refusal(str(error), *ways, code="invalid_recurrence")


def refused(text: str, refusal: Refusal, field: str, ways: Iterable[str], taken: Callable[[str], bool]) -> Invalid:
    """Gives the error that tells of a refusal, with the first three ways that would be taken."""
    offered = offer(ways, taken)
    readings = tuple(way for way in offered if way in refusal.suggestions) if refusal.either else ()
    return _invalid(refusal.code, f"{quoted(text)}: {refusal}", field, readings or offered, readings)


def unknown(text: str, field: str, ways: Iterable[str], taken: Callable[[str], bool]) -> Invalid:
    """Gives the error for a text that is no time, with up to three forms that are near to it."""
    return _invalid("invalid_due", f"{quoted(text)} is not a time I know", field, offer(ways, taken))


def _invalid(code: str, said: str, field: str, offered: tuple[str, ...], readings: tuple[str, ...] = ()) -> Invalid:
    detail = f"{said}; write {either(offered)}" if offered else said
    return Invalid(code, detail, field=field, suggestions=offered, readings=readings)


def offer(ways: Iterable[str], taken: Callable[[str], bool]) -> tuple[str, ...]:
    """Gives the first three of the texts that are taken, and that a person can read."""
    readable = (way for way in dict.fromkeys(ways) if len(way) <= _READABLE and way.isprintable())
    return tuple(islice(filter(taken, readable), _OFFERED))


def forms(words: str) -> Iterator[str]:
    """Gives forms that are near to what was typed, and then the usual ones."""
    yield from difflib.get_close_matches(words[:60], _FORMS, n=6, cutoff=0.55)
    yield from _USUAL


def either(ways: tuple[str, ...]) -> str:
    """Gives the texts in quotes, joined by "or"."""
    return " or ".join(f"'{way}'" for way in ways)


def quoted(text: str) -> str:
    """Gives what was typed, so short that it can be said back."""
    return repr(text if len(text) <= 60 else text[:57] + "...")
