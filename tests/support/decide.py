"""Decisions of the domain, for tests: what they start from, what they give, and what every one of them must keep."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from followups.domain.changes import Add, Change, Swap
from followups.domain.entities import FollowUp, Run
from followups.domain.runs import Stamp
from followups.domain.status import CLOSED, REPORT_WAKING, TRANSITIONS, WAKING, ReportStatus, Status
from followups.domain.walltime import to_utc
from tests.support.clock import START
from tests.support.things import follow_up, fresh

FURTHEST = timedelta(days=400)


def stamp(at: datetime = START, luck: float = 0.5) -> Stamp:
    """Gives a decision's outside facts."""
    return Stamp(at=at, write_id=fresh(), run_write_id=fresh(), luck=luck)


def claimed(**fields: Any) -> FollowUp:
    """Gives a claim of ada's that is due now and was sent once."""
    due = fields.get("due_at", START)
    look = max(due, START) + timedelta(minutes=2)
    usual = {"due_at": due, "status": Status.CLAIMED, "fence": 1, "sends": 1, "claimed_at": START, "wake_at": look}
    return follow_up(**(usual | fields))


def running(**fields: Any) -> FollowUp:
    """Gives a live run that was started in time, at a test's start, and may take ten minutes."""
    lease = START + timedelta(minutes=16)
    usual = {
        "status": Status.RUNNING, "attempt": 1, "started_at": START, "deadline_at": START + timedelta(minutes=10),
        "lease_until": lease, "wake_at": lease, "folded_to": None if "rule" not in fields else fields.get("due_at", START),
    }  # fmt: skip
    return claimed(**(usual | fields))


def recurring(wall: str, zone: str = "Europe/Berlin", *, every: str = "DAILY") -> dict[str, Any]:
    """Gives the fields of a recurrence whose first occurrence is at that wall time."""
    anchor = datetime.fromisoformat(wall)
    return {
        "rule": f"FREQ={every};INTERVAL=1", "anchor": anchor.isoformat(), "timezone": zone,
        "due_at": to_utc(anchor, ZoneInfo(zone)), "when": every.lower(),
    }  # fmt: skip


def changed(decision: Change | Sequence[Change] | None) -> FollowUp:
    """Gives the follow-up as a decision leaves it, which every write must leave sound."""
    first = decision[0] if isinstance(decision, Sequence) else decision
    assert isinstance(first, Swap) and isinstance(first.old, FollowUp) and isinstance(first.new, FollowUp)
    old, new = first.old, first.new
    at = new.updated_at
    assert new.status in TRANSITIONS[old.status]
    assert (new.wake_at is not None) == (new.status in WAKING or new.paused_until is not None), "W1"
    assert new.wake_at is None or new.wake_at <= at + FURTHEST, "W4"
    assert (new.status in CLOSED) == (new.closed_at is not None) == (new.expires_at is not None), "I4"
    assert (new.version, new.fence >= old.fence) == (old.version + 1, True), "I5"
    assert new.write_id != old.write_id
    assert (new.id, new.owner, new.root, new.created_at) == (old.id, old.owner, old.root, old.created_at)
    return new


def recorded(decision: Sequence[Change]) -> Run:
    """Gives the run record that a decision adds: one, which is looked at just while its report is on its way."""
    [run] = [change.entity for change in decision if isinstance(change, Add)]
    assert isinstance(run, Run)
    assert (run.wake_at is not None) == (run.report_status in REPORT_WAKING)
    assert (run.expires_at is not None) == (run.report_status is ReportStatus.NONE), "what nobody waits for is forgotten"
    assert run.fence > 0, "no message can name a run without a fence"
    new = changed(decision)
    assert (run.owner, run.follow_up_id, run.fence, run.follow_up_status) == (new.owner, new.id, new.fence, new.status)
    return run


def others(decision: Sequence[Change]) -> list[Change]:
    """Gives what a decision does beside the follow-up's swap and its run record."""
    return [change for change in decision if not isinstance(change, Swap | Add)]
