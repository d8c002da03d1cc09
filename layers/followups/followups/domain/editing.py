"""What a person does with a follow-up: create, edit, cancel, pause, resume, run now."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from followups.domain.changes import Swap
from followups.domain.entities import FollowUp
from followups.domain.errors import WrongState
from followups.domain.lineage import Lineage
from followups.domain.moves import UNBLOCKED, UNCLAIMED, advance, wake
from followups.domain.status import CLOSED, LIVE, Status
from followups.domain.when import When


@dataclass(frozen=True, kw_only=True, slots=True)
class Wish:
    """What somebody asks for, checked and understood."""

    agent: str
    task: str
    message: str
    when: When
    report_to: str | None
    max_attempts: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Patch:
    """What somebody asks to be changed; None leaves a thing as it is."""

    task: str | None = None
    message: str | None = None
    when: When | None = None
    report_to: str | None = None
    max_attempts: int | None = None


def create(
    wish: Wish, *, owner: str, follow_up_id: str, request_hash: str, lineage: Lineage | None, at: datetime, write_id: str
) -> FollowUp:
    """Gives the new follow-up. `lineage` tells the run that asks for it; None for a person."""
    when = wish.when
    return FollowUp(
        owner=owner, id=follow_up_id, agent=wish.agent, task=wish.task, message=wish.message, when=when.text,
        rule=str(when.rule) if when.rule else None, anchor=when.anchor.isoformat() if when.anchor else None,
        timezone=when.timezone, due_at=when.due_at, report_to=wish.report_to, max_attempts=wish.max_attempts,
        wake_at=wake(when.due_at, at), start_at=when.due_at, parent=lineage.parent if lineage else None,
        root=lineage.root if lineage else follow_up_id, depth=lineage.depth if lineage else 0,
        request_hash=request_hash, created_at=at, updated_at=at, write_id=write_id,
    )  # fmt: skip


def edit(old: FollowUp, patch: Patch, *, at: datetime, write_id: str) -> Swap:
    """Gives the edit. A new time gives a claim back with a fresh attempt count; a new text alone keeps the place.

    Raises WrongState `in_progress` or `already_finished`.
    """
    _refuse_closed(old)
    _refuse_live(old, "it can be edited when the run has ended")
    named = {"task": patch.task, "message": patch.message, "report_to": patch.report_to, "max_attempts": patch.max_attempts}
    fields: dict[str, Any] = {name: value for name, value in named.items() if value is not None}
    if patch.when is None:
        return advance(old, old.status, at=at, write_id=write_id, wake_at=old.wake_at, **fields)
    due = patch.when.due_at
    rule, anchor = patch.when.rule, patch.when.anchor
    fields |= UNCLAIMED | UNBLOCKED
    fields |= {"when": patch.when.text, "rule": str(rule) if rule else None, "timezone": patch.when.timezone}
    fields |= {"anchor": anchor.isoformat() if anchor else None, "due_at": due, "start_at": due}
    fields |= {"attempt": 0, "extra": False}
    status = Status.PAUSED if old.status is Status.PAUSED else Status.SCHEDULED
    wake_at = None if status is Status.PAUSED else due
    return advance(old, status, at=at, write_id=write_id, wake_at=wake_at, **fields)


def cancel(old: FollowUp, *, at: datetime, write_id: str) -> Swap | None:
    """Gives the cancellation, or None if there is nothing left to do. A live run is left to end, unreported.

    Raises WrongState `already_finished`.
    """
    if old.status in (Status.CANCELLED, Status.CANCELLING):
        return None
    _refuse_closed(old)
    if old.status is Status.RUNNING:
        return advance(old, Status.CANCELLING, at=at, write_id=write_id, wake_at=old.wake_at)
    return advance(old, Status.CANCELLED, at=at, write_id=write_id, **UNCLAIMED, **UNBLOCKED)


def pause(old: FollowUp, reason: str | None, *, at: datetime, write_id: str) -> Swap | None:
    """Gives the pause, or None if it is paused. Raises WrongState `in_progress` or `already_finished`."""
    if old.status is Status.PAUSED:
        return None
    _refuse_closed(old)
    _refuse_live(old, "it can be paused when the run has ended")
    return advance(old, Status.PAUSED, at=at, write_id=write_id, reason=reason, **UNCLAIMED, **UNBLOCKED)


def resume(old: FollowUp, *, at: datetime, write_id: str) -> Swap:
    """Gives the return of a paused one to its own time: it neither runs early nor forgets what it missed.

    Raises WrongState `not_paused`.
    """
    if old.status is not Status.PAUSED:
        raise WrongState("not_paused", f"only a paused follow-up can be resumed; this one is {old.status}")
    return advance(
        old, Status.SCHEDULED, at=at, write_id=write_id, wake_at=old.start_at, reason=None, failures_in_row=0
    )  # fmt: skip


def run_now(old: FollowUp, *, at: datetime, write_id: str) -> Swap | None:
    """Gives the follow-up moved to the front, or None if it is claimed and may start already.

    A recurrence keeps its times: the run is an extra one. Raises WrongState `in_progress`, `paused` or
    `already_finished`.
    """
    _refuse_closed(old)
    _refuse_live(old, "one follow-up never runs twice at once")
    if old.status is Status.PAUSED:
        raise WrongState("paused", "it is paused; resume it first")
    if old.status is Status.CLAIMED and old.start_at <= at:
        return None
    fields = UNCLAIMED | UNBLOCKED | {"extra": old.rule is not None, "start_at": min(old.start_at, at)}
    return advance(old, Status.SCHEDULED, at=at, write_id=write_id, wake_at=at, **fields)


def _refuse_closed(old: FollowUp) -> None:
    if old.status in CLOSED:
        raise WrongState("already_finished", f"it is {old.status} since {old.closed_at:%Y-%m-%d %H:%M} UTC")


def _refuse_live(old: FollowUp, hint: str) -> None:
    if old.status in LIVE:
        raise WrongState("in_progress", f"its run {old.run_id} is in progress; {hint}")
