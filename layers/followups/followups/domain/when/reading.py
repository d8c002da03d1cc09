"""From a text to what it means, or to a Refusal: the forms are tried one after another."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from followups.domain.meaning import When
from followups.domain.walltime import format_instant, step_notes, wall
from followups.domain.when.beginning import begin
from followups.domain.when.bounds import NoBound, read_bounds, split_bounds
from followups.domain.when.coded import read_cron, read_rrule
from followups.domain.when.hints import hint
from followups.domain.when.near import dated, near, prefixed
from followups.domain.when.once import read_once
from followups.domain.when.plain import plain
from followups.domain.when.refusals import Refusal, forms
from followups.domain.when.repeats import read_repeat
from followups.domain.zones import ABBREVIATIONS, near_zones, zone_in_words

#: Nothing is scheduled further ahead than this.
HORIZON = timedelta(days=365 * 50)
#: Characters that a time may have.
TEXT_LIMIT = 500
_ZONE = re.compile(r"[a-z_]+(?:/[a-z0-9_+\-]+){1,2}", re.ASCII)
_OFFSET = re.compile(r"(?<=\d)(?:z| ?[+-]\d{2}:?\d{2})$", re.ASCII)


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads texts at an instant (UTC, whole seconds), in a zone."""

    now: datetime
    zone: ZoneInfo

    def read(self, text: str) -> When | None:
        """Gives what the text means, or None if it is no time. Raises Refusal."""
        words = plain(text)
        if refusal := hint(words):
            raise self._dated(refusal)
        front, named = _zone_said(words)
        if isinstance(named, Refusal):
            # "Check the folder nas/backups"
            if self.takes(front):
                raise named
            return None
        try:
            return self._read(text, front, named or self.zone)
        except (OverflowError, ValueError) as error:
            if isinstance(error, Refusal):
                raise
            raise too_far() from error

    def _read(self, text: str, words: str, zone: ZoneInfo) -> When | None:
        found = _recurring(text, words, self.now, zone) or _once(text, words, self.now, zone)
        if found is not None and found.due_at - self.now > HORIZON:
            raise too_far()
        return found

    def takes(self, text: str) -> bool:
        """Says whether a text is a time, and not refused."""
        try:
            return self.read(text) is not None
        except Refusal:
            return False

    def refuses(self, text: str) -> bool:
        """Says whether a text is read as a time, and refused."""
        try:
            self.read(text)
        except Refusal:
            return True
        return False

    def guesses(self, text: str) -> Iterator[str]:
        """Gives what a text that is no time may have meant."""
        return filter(self.takes, near(plain(text), wall(self.now, self.zone).date()))

    def ways(self, text: str, taken: Callable[[str], bool]) -> Iterator[str]:
        """Gives what it may have meant, if that is taken; without such, forms that are near to it."""
        found = False
        for way in filter(taken, self.guesses(text)):
            found = True
            yield way
        if not found:
            words = plain(text)
            yield from filter(taken, prefixed(words))
            yield from forms(words)

    def _dated(self, refusal: Refusal) -> Refusal:
        today = wall(self.now, self.zone).date()
        refusal.suggestions = tuple(dated(way, today) for way in refusal.suggestions)
        return refusal


def too_far() -> Refusal:
    return Refusal("it is too far off; the furthest is 50 years ahead", code="due_out_of_range")


def _zone_said(words: str) -> tuple[str, ZoneInfo | Refusal | None]:
    """Takes a zone's name off the end, if there is one; gives the words before it, and the zone or why it is none."""
    front, _, last = words.rpartition(" ")
    if not front:
        return words, None
    if said := ABBREVIATIONS.get(last):
        why = f"{last.upper()} is an abbreviation, and says too little"
        return front, Refusal(why, *(f"{front} {name}" for name in said), either=True)
    if ("/" in last and _ZONE.fullmatch(last)) or last in ("utc", "gmt"):
        near = (f"{front} {name}" for name in near_zones(last))
        none = Refusal(f"{last[:60]} is no time zone", *near, code="unknown_timezone")
        return front, zone_in_words(last) or none
    return words, None


def _once(text: str, words: str, now: datetime, zone: ZoneInfo) -> When | None:
    once = read_once(words, now, zone)
    if once is None:
        return None
    if once.at <= now:
        raise Refusal(f"this is past ({format_instant(once.at, zone.key)})", _later(once.at, now, zone), code="due_in_past")
    notes = () if once.local is None else step_notes(once.local, zone)
    if once.local is not None and "midnight" in words and words != "midnight":
        notes = (f"midnight is the beginning of a day: it is {format_instant(once.at, zone.key)}", *notes)
    return When(text=text, due_at=once.at, local=once.local, timezone=zone.key, notes=notes)


def _recurring(text: str, words: str, now: datetime, zone: ZoneInfo) -> When | None:
    head, clauses = split_bounds(words)
    offset = None if head.startswith("rrule:") else _OFFSET.search(head)
    if offset:
        head = head[: offset.start()]
    repeat = read_rrule(head) or read_cron(head) or read_repeat(head)
    if repeat is None:
        if clauses and clauses[0][0] != "from" and read_once(head, now, zone):
            raise Refusal("it comes once, and a bound needs something that comes again", f"every {words}", head)
        return None
    try:
        bounds = read_bounds(clauses, wall(now, zone))
    except NoBound as error:
        raise NoBound(error.bound, str(error), *(f"{head} {way}" for way in error.suggestions)) from error
    if offset:
        raise Refusal("what comes again needs a zone and no offset, for summer time moves it", f"{head} Europe/Berlin")
    found = begin(repeat, bounds, now, zone)
    notes = found.notes + (() if found.first.local is None else step_notes(found.first.local, zone))
    return When(text=text, due_at=found.first.at, local=found.first.local, timezone=zone.key, rule=found.rule,
                anchor=found.anchor, notes=notes)  # fmt: skip


def _later(due: datetime, now: datetime, zone: ZoneInfo) -> str:
    """Gives the next time at which a clock shows what a past one did."""
    local_now = wall(now, zone)
    upcoming = datetime.combine(local_now.date(), wall(due, zone).time())
    if upcoming <= local_now:
        upcoming += timedelta(days=1)
    return f"{upcoming:%Y-%m-%dT%H:%M}"
