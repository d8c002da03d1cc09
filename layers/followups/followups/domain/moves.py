"""The one way in which a follow-up or a report changes state, and the one place where `wake_at` is built."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from followups.domain import ids
from followups.domain.changes import Spend, Swap
from followups.domain.entities import FollowUp, Run
from followups.domain.errors import IllegalTransition
from followups.domain.status import (
    CLOSED,
    REPORT_TRANSITIONS,
    REPORT_WAKING,
    TRANSITIONS,
    WAKING,
    ReportStatus,
    Status,
)
from followups.domain.zones import TZDATA

#: A look is never further off than this: a due time in the wrong unit must not bury an item (rule W4).
FURTHEST_LOOK = timedelta(days=400)
#: Closed work is kept this long: it is the history, and the idempotency record.
RETENTION = timedelta(days=90)
#: No owner has more open follow-ups than this.
MAX_QUOTA = 1_000_000


def wake(moment: datetime, at: datetime) -> datetime:
    """Gives when to look next for something that should happen at `moment`: then, or in 400 days if that is sooner."""
    return min(moment, at + FURTHEST_LOOK)


def advance(
    old: FollowUp, status: Status, *, at: datetime, write_id: str, wake_at: datetime | None = None, **fields: Any
) -> Swap:
    """Gives the swap that moves a follow-up to `status`.

    `wake_at` is needed for exactly the states that the sweeper looks at (rule W1), and for a pause that has an end. Closing
    sets `closed_at` and `expires_at`. Raises IllegalTransition for a move that the table does not have.
    """
    if status not in TRANSITIONS[old.status]:
        raise IllegalTransition(f"follow-up {old.id}", old.status, status)
    if status is not Status.PAUSED:
        fields["paused_until"] = None
    ends = fields.get("paused_until", old.paused_until) is not None
    if (wake_at is not None) != (status in WAKING or ends):
        raise IllegalTransition(f"follow-up {old.id} (wake_at {wake_at})", old.status, status)
    if status in CLOSED:
        fields |= {"closed_at": at, "expires_at": at + RETENTION}
    new = replace(
        old,
        status=status,
        wake_at=None if wake_at is None else wake(wake_at, at),
        updated_at=at,
        version=old.version + 1,
        write_id=write_id,
        **fields,
    )
    return Swap(old, new)


def closing(swap: Swap) -> tuple[Spend, ...]:
    """Takes what moves a follow-up on; gives what goes with it in the same transaction: one that closes, and was counted,
    is none of its owner's open ones any more."""
    old, new = swap.old, swap.new
    if not (isinstance(old, FollowUp) and isinstance(new, FollowUp) and old.counted and new.is_closed) or old.is_closed:
        return ()
    return (Spend(ids.quota_key(old.owner), -1, MAX_QUOTA),)


def advance_report(
    old: Run, status: ReportStatus, *, at: datetime, write_id: str, wake_at: datetime | None = None, **fields: Any
) -> Swap:
    """Gives the swap that moves a run's report to `status`; the same rules as `advance`."""
    if status not in REPORT_TRANSITIONS[old.report_status]:
        raise IllegalTransition(f"report of {old.id}", old.report_status, status)
    if (wake_at is not None) != (status in REPORT_WAKING):
        raise IllegalTransition(f"report of {old.id} (wake_at {wake_at})", old.report_status, status)
    new = replace(
        old,
        report_status=status,
        wake_at=None if wake_at is None else wake(wake_at, at),
        expires_at=old.expires_at if status in REPORT_WAKING else at + RETENTION,
        version=old.version + 1,
        write_id=write_id,
        **fields,
    )
    return Swap(old, new)


def due_fields(at: datetime, local: datetime | None, stagger: timedelta) -> dict[str, Any]:
    """Gives what a follow-up knows of the time of an occurrence that it has not put off: the instant, and the naive wall
    time that this was made of, or None."""
    return {
        "due_at": at,
        "due_wall": local.isoformat() if local else None,
        "tzdata": TZDATA if local else None,
        "start_at": at + stagger,
        "snoozed_to": None,
    }


#: What a follow-up that is not claimed knows of a claim: nothing.
UNCLAIMED: dict[str, Any] = {
    "sends": 0,
    "claimed_at": None,
    "started_at": None,
    "deadline_at": None,
    "lease_until": None,
    "lease_holder": None,
    "handle": None,
    "heard_at": None,
    "progress": None,
    "refused": 0,
    "refused_why": None,
    "missed": 0,
    "folded_to": None,
}
#: What one that does not wait in a line knows of it.
UNBLOCKED: dict[str, Any] = {"blocked_reason": None, "blocked_since": None}
