"""What is heard of a live run from its agent, or from the worker that has it in hand."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from followups.domain.changes import Swap
from followups.domain.contract import Done, fit
from followups.domain.entities import FollowUp, Run
from followups.domain.moves import advance
from followups.domain.status import Outcome, Status

#: The handle of a run that waits for a worker, and how that of one begins which a worker has.
WAITING, WORKER = "waiting", "worker "
#: A worker that is not heard of for so long is gone, and its run with it.
WORKER_LEASE = timedelta(minutes=5)
#: A run is ended from here only so long after its deadline: the clock by which its agent ends may be half a minute behind.
OVERDUE_AFTER = timedelta(seconds=30)
#: A worker that has asked for work within this is there.
PRESENT = timedelta(minutes=2)
#: What we ended ourselves, without a word of the agent's.
_UNHEARD = frozenset({Outcome.TIMED_OUT, Outcome.UNKNOWN, Outcome.CANCELLED})
#: Of what comes late so much is kept, in bytes of UTF-8: a record that is as long as can be has room for it.
LATE_REPORT_LIMIT = 8 * 1024
#: The fields of a record that hold a late word.
LATE = ("completion", "late_at", "late_outcome", "late_summary", "late_report")


def nobody_took(agent: str) -> str:
    """Gives why a run of a worker agent is given back that waited for a worker."""
    return f"no worker of {agent} took it; start one with `followups worker --agent {agent}`"


def take(old: FollowUp, worker: str, *, timeout: timedelta, at: datetime, write_id: str) -> Swap:
    """Takes a run that waits for a worker, and the worker's name; gives the run in its hand: its time counts from now."""
    deadline = at + timeout
    lease = at + WORKER_LEASE
    look = min(lease, deadline + OVERDUE_AFTER)
    return advance(
        old, Status.RUNNING, at=at, write_id=write_id, wake_at=look, handle=WORKER + worker, heard_at=at,
        progress=None, started_at=at, deadline_at=deadline, lease_until=lease,
    )  # fmt: skip


def heard(old: FollowUp, *, at: datetime, write_id: str, progress: str | None = None) -> Swap:
    """Takes a live run whose agent was heard of; gives that noted, and a worker's lease anew."""
    fields: dict[str, Any] = {"heard_at": at} | ({} if progress is None else {"progress": progress})
    wake_at = old.wake_at
    if old.handle is not None and old.handle.startswith(WORKER) and old.deadline_at is not None:
        fields["lease_until"] = at + WORKER_LEASE
        if old.status is Status.RUNNING:
            wake_at = min(at + WORKER_LEASE, old.deadline_at + OVERDUE_AFTER)
    return advance(old, old.status, at=at, write_id=write_id, wake_at=wake_at, **fields)


def digest(body: Mapping[str, Any]) -> str:
    """Gives the hash by which the same completion is known again."""
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def was_unheard(run: Run) -> bool:
    """Says whether a run ended without its agent's having said how: what it says then is late, and is kept."""
    return run.outcome in _UNHEARD and (run.completion is None or run.late_at is not None)


def keep_late(run: Run, done: Done, completion: str, *, at: datetime, write_id: str) -> Swap | None:
    """Takes the record of a run that ended unheard, and what its agent says after all; gives that noted, or None if
    something was noted before: the first word counts."""
    if run.late_at is not None:
        return None
    new = replace(
        run, late_at=at, late_outcome=done.outcome, late_summary=done.summary,
        late_report=fit(done.report, LATE_REPORT_LIMIT), completion=completion, version=run.version + 1, write_id=write_id,
    )  # fmt: skip
    return Swap(run, new)
