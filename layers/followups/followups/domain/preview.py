"""What was understood, before or after it is written: the sentence, and the times that it means."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, islice

from followups.domain.entities import FollowUp
from followups.domain.meaning import When
from followups.domain.onward import rule_of
from followups.domain.schedule import Occurrence, occurrences
from followups.domain.status import Status
from followups.domain.walltime import step_notes, wall
from followups.domain.zones import known_zone

#: So many of the next occurrences are told.
TOLD = 5


@dataclass(frozen=True, slots=True)
class Time:
    """One time, as a clock in the zone will show it, and in UTC."""

    local: datetime
    utc: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Preview:
    """What a text was understood as."""

    understood: str
    #: Of a sentence, else None.
    task: str | None
    #: None for once.
    rule: str | None
    timezone: str
    next: tuple[Time, ...]
    warnings: tuple[str, ...]


def preview(found: When, task: str | None = None) -> Preview:
    """Gives what is said back of a time that was read."""
    more: Iterable[Occurrence] = ()
    if found.rule is not None and found.anchor is not None:
        more = occurrences(found.rule, found.anchor, known_zone(found.timezone), found.due_at)
    told = tuple(islice(chain([Occurrence(found.due_at, found.local)], more), TOLD))
    return Preview(
        understood=found.words, task=task, rule=str(found.rule) if found.rule else None, timezone=found.timezone,
        next=tuple(_time(it, found.timezone) for it in told), warnings=found.notes + _steps(told[1:], found.timezone),
    )  # fmt: skip


def of(it: FollowUp, warnings: tuple[str, ...] = ()) -> Preview:
    """Gives what is said back of a follow-up that is stored."""
    rule, anchor, _ = rule_of(it) if it.rule else (None, None, None)
    local = datetime.fromisoformat(it.due_wall) if it.due_wall else None
    return preview(
        When(text=it.when, due_at=it.due_at, local=local, timezone=it.timezone, rule=rule, anchor=anchor, notes=warnings)
    )


def coming(it: FollowUp, at: datetime, count: int = TOLD) -> tuple[Time, ...]:
    """Takes a follow-up and the present instant; gives the nominal times that are to come of it, the one that waits first.

    What its rule comes to while that one waits, is put off or is paused will have been missed then, and is none of them.
    """
    if it.is_closed or it.replaced_by or it.status is Status.CANCELLING:
        return ()
    is_under_way = it.started_at is not None and not (it.rule and it.extra and it.due_at > it.started_at)
    first = () if is_under_way else (Occurrence(it.due_at, None),)
    after = it.folded_to or it.due_at
    if not is_under_way:
        after = max(after, *(moment - it.stagger for moment in (at, it.snoozed_to or at, it.paused_until or at)))
    goes_on = it.rule and not (it.status is Status.PAUSED and it.paused_until is None)
    more = occurrences(*rule_of(it), after) if goes_on else iter(())
    return tuple(_time(found, it.timezone) for found in islice(chain(first, more), count))


def _time(it: Occurrence, timezone: str) -> Time:
    return Time(wall(it.at, known_zone(timezone)), it.at)


def _steps(times: tuple[Occurrence, ...], timezone: str) -> tuple[str, ...]:
    """Says what changes of the clock do to the times after the first."""
    return tuple(note for it in times if it.local for note in step_notes(it.local, known_zone(timezone)))
