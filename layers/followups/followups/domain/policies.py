"""What people type for what is late, and for starts that are to be spread."""

import re
from datetime import timedelta

from followups.domain.errors import Invalid
from followups.domain.late import GRACE, LONGEST, RUN_ONCE, SKIP, UNITS, WIDEST
from followups.domain.verdicts import LONGEST as LONGEST_WAIT
from followups.domain.verdicts import MOST, SHORTEST
from followups.domain.when.refusals import Refusal
from followups.domain.when.spans import Span, read_span

_WITHIN = re.compile(r"run_within(?: *: *| +)(\S.*)", re.ASCII)


def read_late(text: str) -> str:
    """Takes a policy as typed: `run_once`, `skip` or `run_within: 6h`; gives it as it is stored.

    Raises Invalid `invalid_late`.
    """
    words = " ".join(text.lower().split())
    if words in (RUN_ONCE, SKIP):
        return words
    found = _WITHIN.fullmatch(words)
    try:
        span = read_span(found[1]) if found else None
        within = None if span is None or span.years or span.months else _time_of(span)
    except (Refusal, OverflowError) as error:
        raise _invalid(text) from error
    if within is None or not GRACE <= within <= LONGEST or within % UNITS["m"]:
        raise _invalid(text)
    unit = next(it for it in "dhm" if not within % UNITS[it])
    return f"run_within {within // UNITS[unit]}{unit}"


def read_stagger(text: str) -> int:
    """Takes over how long starts are to be spread, like `10m`; gives it in seconds, 1 to 3600. Raises Invalid
    `invalid_stagger`."""
    try:
        span = read_span(" ".join(text.lower().split()))
        spread = None if span is None or span.by_the_calendar else span.elapsed
    except (Refusal, OverflowError):
        spread = None
    if spread is None or not timedelta() < spread <= WIDEST:
        detail = f"stagger: {text[:40]!r} is no time to spread starts over; write one like 10m (1 second to 1 hour)"
        raise Invalid("invalid_stagger", detail, field="stagger", suggestions=("10m", "1h"))
    return int(spread.total_seconds())


def read_ladder(text: str) -> str:
    """Takes how long to wait after each look that did not find it met, like `1d, 2d, 4d`; gives it as it is stored.

    Raises Invalid `invalid_ladder`.
    """
    parts = [part.strip() for part in " ".join(text.lower().split()).split(",")]
    try:
        waits = [_read_wait(read_span(part)) for part in parts]
    except (Refusal, OverflowError) as error:
        raise _no_ladder(text) from error
    if None in waits or len(waits) > MOST:
        raise _no_ladder(text)
    return ",".join(filter(None, waits))


def _read_wait(span: Span | None) -> str | None:
    """Gives a rung as it is stored, or None for what is none: days, which keep the wall time, or hours and minutes, which
    are elapsed, never both."""
    if span is None or span.years or span.months or not SHORTEST <= _time_of(span) <= LONGEST_WAIT:
        return None
    if span.by_the_calendar:
        return None if span.elapsed else f"{_time_of(span).days}d"
    unit = "m" if span.elapsed % UNITS["h"] else "h"
    return None if span.elapsed % UNITS[unit] else f"{span.elapsed // UNITS[unit]}{unit}"


def _no_ladder(text: str) -> Invalid:
    detail = (
        f"retry_until_met: {text[:60]!r} is no list of waits; write up to {MOST} with commas between them, like 1d,2d,4d "
        "(each 5 minutes to 366 days)"
    )
    return Invalid("invalid_ladder", detail, field="retry_until_met", suggestions=("1d,2d,4d", "15m,1h,1d"))


def _time_of(span: Span) -> timedelta:
    return span.elapsed + timedelta(weeks=span.weeks, days=span.days)


def _invalid(text: str) -> Invalid:
    detail = f"late: {text[:40]!r} is no policy; write run_once, skip or run_within 6h (5 minutes to 366 days)"
    return Invalid("invalid_late", detail, field="late", suggestions=(RUN_ONCE, SKIP, "run_within 6h"))
