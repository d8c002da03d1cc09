"""From what people type to a time or a rule. Strict: what it does not know it refuses, and it never guesses.

`parse` reads a time, `read_sentence` a whole sentence, `read_any` whichever it is. `plain` makes spellings one, `reading`
tries the forms, which stand in `clock`, `spans`, `names`, `once`, `repeats`, `bounds` and `coded`; `beginning` makes a rule
of a recurrence that was read, and `domain.wording` says it back. `hints` and `near` know what may
be meant by what is refused.
"""

from collections.abc import Iterator
from datetime import datetime

from followups.domain.errors import Invalid
from followups.domain.meaning import When
from followups.domain.walltime import format_instant
from followups.domain.when.bounds import NoBound
from followups.domain.when.plain import plain
from followups.domain.when.reading import HORIZON, TEXT_LIMIT, Reader, too_far
from followups.domain.when.refusals import EXAMPLES, Refusal, refused, unknown
from followups.domain.when.sentences import all_of_a_time, read_task, unread
from followups.domain.when.spans import read_span
from followups.domain.zones import zone_of

__all__ = ["EXAMPLES", "HORIZON", "TEXT_LIMIT", "parse", "put_off", "read_any", "read_sentence"]


def parse(text: str, *, at: datetime, timezone: str, field: str = "due") -> When:
    """Takes a text as typed, the present instant (UTC), the IANA zone to read it in, and the field's name for errors;
    gives what it means.

    Days and longer keep the wall time, hours and minutes are elapsed time. Raises Invalid: `due_required`,
    `invalid_due`, `invalid_recurrence`, `interval_too_short`, `due_in_past`, `due_out_of_range`, `unknown_timezone`.
    """
    reader = Reader(at.replace(microsecond=0), zone_of(timezone))
    _refuse_length(text, field)
    try:
        found = reader.read(text)
    except Refusal as refusal:
        raise refused(text, refusal, field, _else(reader, refusal, text), reader.takes) from refusal
    if found is None:
        raise unknown(text, field, reader.ways(text, reader.takes), reader.takes)
    return found


def put_off(
    text: str, *, base: datetime, at: datetime, timezone: str, due: datetime | None = None, field: str = "until"
) -> datetime:
    """Takes how long something is put off, counted from `base` (UTC), or until when, which is later than now and than `due`
    (default: `base`), and the field's name for errors; gives the instant. Raises Invalid as `parse` does."""
    reader = Reader(at.replace(microsecond=0), zone_of(timezone))
    _refuse_length(text, field)

    def taken(way: str) -> bool:
        try:
            return _until(way, base, due or base, reader) is not None
        except Refusal:
            return False

    try:
        until = _until(text, base, due or base, reader)
    except Refusal as refusal:
        usual = () if refusal.either else ("3d", "1w")
        raise refused(text, refusal, field, (*refusal.suggestions, *usual), taken) from refusal
    if until is None:
        raise unknown(text, field, reader.ways(text, taken), taken)
    return until


def read_sentence(text: str, *, at: datetime, timezone: str) -> tuple[str, When]:
    """Takes a sentence like `Check backup health weekly`; gives the task and what its time means: the longest end that is
    a time, after a task of at least two words that is no time itself.

    Raises Invalid as `parse` does, and `due_required` if there is no time at the end of it.
    """
    reader = Reader(at.replace(microsecond=0), zone_of(timezone))
    try:
        found = read_task(text, reader)
    except Refusal as refusal:
        raise unread(text, refusal, reader) from refusal
    if found is None:
        raise unread(text, None, reader)
    return found


def read_any(text: str, *, at: datetime, timezone: str) -> tuple[str | None, When]:
    """Takes a time or a sentence; gives the sentence's task, or None, and what the time means. Raises Invalid."""
    reader = Reader(at.replace(microsecond=0), zone_of(timezone))
    words = text.split()
    if len(words) < 3 or (len(text) <= TEXT_LIMIT and (all_of_a_time(words) or reader.takes(text))):
        return None, parse(text, at=at, timezone=timezone, field="text")
    try:
        return read_sentence(text, at=at, timezone=timezone)
    except Invalid as error:
        # Not a sentence, but a time that is misspelt, or has two readings.
        is_time = len(text) <= TEXT_LIMIT and (any(reader.guesses(text)) or reader.refuses(text))
        if is_time and error.code == "due_required":
            return None, parse(text, at=at, timezone=timezone, field="text")
        raise


def _refuse_length(text: str, field: str) -> None:
    if not text.strip():
        raise Invalid("due_required", f"say when: {EXAMPLES}", field=field)
    if len(text) > TEXT_LIMIT:
        said = f"a time of {len(text)} characters is too long; {TEXT_LIMIT} are the most"
        raise Invalid("invalid_due", said, field=field)


def _else(reader: Reader, refusal: Refusal, text: str) -> Iterator[str]:
    """Gives what to offer: what a refusal suggests, and what may have been meant if none of that is taken."""
    if isinstance(refusal, NoBound):
        yield from reader.guesses(text)
    yield from refusal.suggestions
    if not any(map(reader.takes, refusal.suggestions)):
        yield from reader.ways(text, reader.takes)


def _until(text: str, base: datetime, due: datetime, reader: Reader) -> datetime | None:
    """Gives until when, or None if the text is no time. Raises Refusal."""
    try:
        span = read_span(plain(text))
        until = span.after(base, reader.zone) if span else None
    except (OverflowError, ValueError) as error:
        raise error if isinstance(error, Refusal) else too_far() from error
    if until is None:
        found = reader.read(text)
        if found is None:
            return None
        if found.rule is not None:
            raise Refusal("it comes again and again, and here one time is meant", "3d", "monday 9am")
        until = found.due_at
    if until - reader.now > HORIZON:
        raise too_far()
    if until <= max(due, reader.now):
        raise Refusal(f"this is sooner than it is due ({format_instant(due, reader.zone.key)})", "3d", "1w")
    return until
