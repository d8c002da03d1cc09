"""Claiming: from scheduled to a message on its way, and back into the line when the start is refused."""

from datetime import datetime, timedelta
from typing import Any

from followups.domain.changes import Swap
from followups.domain.entities import Agent, FollowUp
from followups.domain.hearing import PRESENT
from followups.domain.moves import UNBLOCKED, UNCLAIMED, advance
from followups.domain.retry import MAX_SENDS, RESEND_AFTER, resend_interval
from followups.domain.status import Status
from followups.domain.walltime import to_utc
from followups.domain.zones import TZDATA, known_zone

#: A runner waits this long for the start time itself; a message that is earlier than that goes back.
SHORT_WAIT = timedelta(seconds=1.5)


def claim(old: FollowUp, *, at: datetime, write_id: str, holder: str | None = None) -> Swap:
    """Takes a scheduled follow-up; gives its claim: a higher fence, and a look at it should nobody pick it up.

    `holder` names the process in whose memory the claim's message lies; None where a queue outlives processes.
    """
    return advance(
        old,
        Status.CLAIMED,
        at=at,
        write_id=write_id,
        wake_at=max(old.start_at, at) + RESEND_AFTER,
        **(UNCLAIMED | {"fence": old.fence + 1, "sends": 1, "claimed_at": at, "lease_holder": holder}),
    )


def look_later(old: FollowUp, *, at: datetime, write_id: str) -> Swap:
    """Takes a scheduled follow-up that was looked at early (it lies beyond 400 days); gives the next look."""
    return advance(old, Status.SCHEDULED, at=at, write_id=write_id, wake_at=old.start_at)


def read_anew(old: FollowUp, *, at: datetime, write_id: str) -> Swap | None:
    """Takes a scheduled follow-up; gives its time by the zones' data in use, or None if it was made by that.

    The wall time is what was meant: governments move what instant it is, and at short notice.
    """
    if old.due_wall is None or old.tzdata == TZDATA:
        return None
    due = to_utc(datetime.fromisoformat(old.due_wall), known_zone(old.timezone))
    fields: dict[str, Any] = {"tzdata": TZDATA, "due_at": due}
    if old.start_at == old.planned_at and not old.extra:
        fields["start_at"] = old.start_at if old.snoozed_to else due + old.stagger
    start_at = fields.get("start_at", old.start_at)
    wake_at = old.wake_at if start_at == old.start_at else start_at
    return advance(old, Status.SCHEDULED, at=at, write_id=write_id, wake_at=wake_at, **fields)


def can_resend(old: FollowUp) -> bool:
    """Says whether a claim that nobody picked up may be sent once more."""
    return old.sends < MAX_SENDS


def resend(old: FollowUp, *, at: datetime, write_id: str) -> Swap:
    """Takes a claim that nobody picked up; gives the same claim, sent once more, with a doubled interval.

    The fence stays, so a message that is still in a long queue keeps its place and stays good.
    """
    sends = old.sends + 1
    return advance(
        old, Status.CLAIMED, at=at, write_id=write_id, wake_at=at + resend_interval(sends), sends=sends, **UNBLOCKED
    )


def give_back(old: FollowUp, reason: str, *, at: datetime, write_id: str, wake_at: datetime) -> Swap:
    """Takes a claim that may not start now; gives it back into its line. Blocked is not failed: no attempt is spent."""
    return advance(
        old,
        Status.SCHEDULED,
        at=at,
        write_id=write_id,
        wake_at=wake_at,
        **(UNCLAIMED | {"blocked_reason": reason, "blocked_since": old.blocked_since or at}),
    )


def held_up(agent: Agent, at: datetime, *, test: bool) -> str | None:
    """Gives why nothing is started with an agent now, whatever slots are free; None for one that is in use. A test is
    started also with one that is disabled."""
    if agent.disabled is not None and not test:
        return f"{agent.name} is disabled: {agent.disabled}"
    if agent.kind == "worker" and (agent.asked_at is None or at - agent.asked_at > PRESENT):
        # It would hold a slot, and wait for nobody.
        return f"no worker of {agent.name} is there; start one with `followups worker --agent {agent.name}`"
    return None


def return_unstarted(old: FollowUp, *, at: datetime, write_id: str) -> Swap:
    """Takes a claim whose message will not be delivered (early, or a laptop that shuts down); gives it back unblocked."""
    return advance(old, Status.SCHEDULED, at=at, write_id=write_id, wake_at=old.start_at, **UNCLAIMED)
