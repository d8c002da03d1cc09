"""What a person does with a follow-up: create, edit, cancel, pause, resume, snooze, run now, replace."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from followups.domain.changes import Swap
from followups.domain.entities import FollowUp
from followups.domain.errors import WrongState
from followups.domain.ids import share_of
from followups.domain.lineage import Lineage
from followups.domain.meaning import When
from followups.domain.moves import UNBLOCKED, UNCLAIMED, advance, due_fields, wake
from followups.domain.status import CLOSED, LIVE, Status


@dataclass(frozen=True, kw_only=True, slots=True)
class Wish:
    """What somebody asks for, checked and understood."""

    agent: str
    task: str
    message: str
    when: When
    report_to: str | None
    max_attempts: int
    #: As `domain.late` stores it; None for what is usual.
    late: str | None = None
    stagger_s: int | None = None
    replace_key: str | None = None
    #: As the follow-up keeps them.
    done_when: str | None = None
    ladder: str | None = None
    give_up_at: datetime | None = None
    test: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Patch:
    """What somebody asks to be changed; None leaves a thing as it is."""

    task: str | None = None
    message: str | None = None
    when: When | None = None
    report_to: str | None = None
    max_attempts: int | None = None
    late: str | None = None
    done_when: str | None = None
    ladder: str | None = None
    give_up_at: datetime | None = None


def create(
    wish: Wish, *, owner: str, follow_up_id: str, request_hash: str, lineage: Lineage | None, at: datetime, write_id: str,
    counted: bool = False,
) -> FollowUp:  # fmt: skip
    """Gives the new follow-up. `lineage` tells the run that asks for it; None for a person. `counted` says whether it
    counts as one of its owner's open ones."""
    times = _times(wish.when, timedelta(seconds=share_of(follow_up_id, wish.stagger_s or 0)))
    return FollowUp(
        owner=owner, id=follow_up_id, agent=wish.agent, task=wish.task, message=wish.message, report_to=wish.report_to,
        max_attempts=wish.max_attempts, late=wish.late, stagger_s=wish.stagger_s, replace_key=wish.replace_key,
        wake_at=wake(times["start_at"], at), parent=lineage.parent if lineage else None,
        root=lineage.root if lineage else follow_up_id, depth=lineage.depth if lineage else 0,
        done_when=wish.done_when, ladder=wish.ladder, give_up_at=wish.give_up_at, test=wish.test, counted=counted,
        request_hash=request_hash, created_at=at, updated_at=at, write_id=write_id, **times,
    )  # fmt: skip


def edit(old: FollowUp, patch: Patch, *, at: datetime, write_id: str) -> Swap:
    """Gives the edit. A new time gives a claim back with a fresh attempt count; a new text alone keeps the place.

    Raises WrongState `in_progress` or `already_finished`.
    """
    refuse_over(old, "it can be edited when the run has ended")
    names = ("task", "message", "report_to", "max_attempts", "late", "done_when", "ladder", "give_up_at")
    fields: dict[str, Any] = {name: value for name in names if (value := getattr(patch, name)) is not None}
    if patch.when is None:
        return advance(old, old.status, at=at, write_id=write_id, wake_at=old.wake_at, **fields)
    fields |= UNCLAIMED | UNBLOCKED | {"attempt": 0, "extra": False}
    fields |= _times(patch.when, old.stagger)
    if old.status is Status.PAUSED:
        return advance(old, Status.PAUSED, at=at, write_id=write_id, wake_at=old.wake_at, **fields)
    return advance(old, Status.SCHEDULED, at=at, write_id=write_id, wake_at=fields["start_at"], **fields)


def cancel(old: FollowUp, *, at: datetime, write_id: str) -> Swap | None:
    """Gives the cancellation, or None if there is nothing left to do. A live run is left to end, unreported; one that its
    target works at by itself is asked to stop at once.

    Raises WrongState `already_finished`.
    """
    if old.status in (Status.CANCELLED, Status.CANCELLING):
        return None
    _refuse_closed(old)
    if old.status is Status.RUNNING:
        look = at if old.handle is not None else old.wake_at
        return advance(old, Status.CANCELLING, at=at, write_id=write_id, wake_at=look)
    return advance(old, Status.CANCELLED, at=at, write_id=write_id, **UNCLAIMED, **UNBLOCKED)


def make_way(old: FollowUp, successor: str, *, at: datetime, write_id: str) -> Swap | None:
    """Gives what becomes of a follow-up whose place another takes, or None if it is over anyway: a live run is left to
    end and is reported, and nothing follows it."""
    if old.status in CLOSED or old.status is Status.CANCELLING:
        return None
    if old.status is Status.RUNNING:
        return advance(old, Status.RUNNING, at=at, write_id=write_id, wake_at=old.wake_at, replaced_by=successor)
    reason = f"replaced by {successor}"
    return advance(
        old, Status.CANCELLED, at=at, write_id=write_id, replaced_by=successor, reason=reason, **UNCLAIMED, **UNBLOCKED
    )


def pause(old: FollowUp, reason: str | None, until: datetime | None = None, *, at: datetime, write_id: str) -> Swap | None:
    """Gives the pause, or None if it is paused like that. Without `until` it lasts until it is resumed.

    Raises WrongState `in_progress` or `already_finished`.
    """
    if old.status is Status.PAUSED and old.paused_until == until and reason in (None, old.reason):
        return None
    refuse_over(old, "it can be paused when the run has ended")
    fields = UNCLAIMED | UNBLOCKED | {"reason": reason, "paused_until": until}
    if old.status is Status.PAUSED:
        fields["reason"] = reason or old.reason
    if old.extra:
        # A run that was asked for by hand is not asked for any more.
        fields |= _not_by_hand(old, at) | {"start_at": max(old.start_at, old.planned_at)}
    return advance(old, Status.PAUSED, at=at, write_id=write_id, wake_at=until, **fields)


def pause_over(old: FollowUp, *, at: datetime, write_id: str) -> Swap:
    """Takes a paused follow-up that was looked at; gives its return, or its next look (the pause lasts over 400 days)."""
    if old.paused_until is not None and old.paused_until > at:
        return advance(old, Status.PAUSED, at=at, write_id=write_id, wake_at=old.paused_until)
    return resume(old, at=at, write_id=write_id)


def resume(old: FollowUp, *, at: datetime, write_id: str) -> Swap:
    """Gives the return of a paused one to its own time: it neither runs early nor forgets what it missed.

    Raises WrongState `not_paused`.
    """
    if old.status is not Status.PAUSED:
        raise WrongState("not_paused", f"only a paused follow-up can be resumed; this one is {old.status}")
    return advance(
        old, Status.SCHEDULED, at=at, write_id=write_id, wake_at=old.start_at, reason=None, failures_in_row=0
    )  # fmt: skip


def snooze(old: FollowUp, until: datetime, *, at: datetime, write_id: str) -> Swap:
    """Gives the follow-up with its occurrence put off; a rule keeps its times, and what it comes to meanwhile is missed.

    Raises WrongState `in_progress` or `already_finished`.
    """
    refuse_over(old, "it can be put off when the run has ended")
    fields = UNCLAIMED | UNBLOCKED | _not_by_hand(old, at) | {"snoozed_to": until, "start_at": until}
    if old.status is Status.PAUSED:
        return advance(old, Status.PAUSED, at=at, write_id=write_id, wake_at=old.wake_at, **fields)
    return advance(old, Status.SCHEDULED, at=at, write_id=write_id, wake_at=until, **fields)


def run_now(old: FollowUp, *, at: datetime, write_id: str) -> Swap | None:
    """Gives the follow-up moved to the front, or None if it is claimed and may start already, however late.

    A recurrence keeps its times: the run is an extra one. Raises WrongState `in_progress`, `paused` or
    `already_finished`.
    """
    refuse_over(old, "one follow-up never runs twice at once")
    if old.status is Status.PAUSED:
        raise WrongState("paused", "it is paused; resume it first")
    if old.status is Status.CLAIMED and old.start_at <= at and (old.extra or old.late is None):
        return None
    fields = UNCLAIMED | UNBLOCKED | {"extra": True, "start_at": min(old.start_at, at)}
    return advance(old, Status.SCHEDULED, at=at, write_id=write_id, wake_at=at, **fields)


def _not_by_hand(old: FollowUp, at: datetime) -> dict[str, Any]:
    """Gives what is left of a run that was asked for by hand: its tries are not those of the occurrence that comes next."""
    between = old.extra and old.rule is not None and old.due_at > at
    return {"extra": False, "attempt": 0 if between else old.attempt}


def _times(when: When, stagger: timedelta) -> dict[str, Any]:
    """Gives a follow-up's fields that tell when."""
    return due_fields(when.due_at, when.local, stagger) | {
        "when": when.text,
        "rule": str(when.rule) if when.rule else None,
        "anchor": when.anchor.isoformat() if when.anchor else None,
        "timezone": when.timezone,
    }


def _refuse_closed(old: FollowUp) -> None:
    if old.status in CLOSED:
        raise WrongState("already_finished", f"it is {old.status} since {old.closed_at:%Y-%m-%d %H:%M} UTC")


def refuse_over(old: FollowUp, hint: str) -> None:
    """Raises WrongState `already_finished`, or `in_progress` with the hint."""
    _refuse_closed(old)
    if old.status in LIVE:
        raise WrongState("in_progress", f"its run {old.run_id} is in progress; {hint}")
