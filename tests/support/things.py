"""Entities for tests: the fewest words for what a test is about, all else as if it were real."""

from datetime import datetime, timedelta
from itertools import count
from typing import Any

from followups.domain import ids
from followups.domain.entities import Agent, Control, FollowUp, Run
from followups.domain.status import Outcome, ReportStatus, Status
from tests.support.clock import START

_numbers = count(1)
#: Of runs whose deadline is not what a test is about.
DEADLINE = START + timedelta(days=1)


def fresh(word: str = "thing") -> str:
    """Gives 26 base32 characters that this process has not given before: an id, or a write id."""
    return ids.derive_id(word, str(next(_numbers)))


def follow_up(**fields: Any) -> FollowUp:
    """Gives a scheduled follow-up of ada's, due in an hour."""
    own = fields.get("id", fresh())
    due = fields.get("due_at", START + timedelta(hours=1))
    waking = fields.get("status", Status.SCHEDULED) not in (
        Status.PAUSED, Status.DONE, Status.FAILED, Status.CANCELLED,
    )  # fmt: skip
    usual: dict[str, Any] = {
        "owner": "ada", "id": own, "agent": "@backup", "task": "Check backup health", "when": "in 1h", "timezone": "UTC",
        "due_at": due, "start_at": due, "wake_at": due if waking else None, "root": own, "created_at": START,
        "updated_at": START, "write_id": fresh(),
    }  # fmt: skip
    return FollowUp(**(usual | fields))


def run(of: FollowUp | None = None, **fields: Any) -> Run:
    """Gives the record of a run of that follow-up, its report still to be sent."""
    parent = of or follow_up()
    usual: dict[str, Any] = {
        "owner": parent.owner, "follow_up_id": parent.id, "fence": parent.fence or 1, "agent": parent.agent,
        "task": parent.task, "timezone": "UTC", "due_at": parent.due_at, "occurrence": 1, "attempt": 1, "max_attempts": 3,
        "finished_at": parent.due_at, "outcome": Outcome.SUCCEEDED, "summary": "All 12 backups are fresh.", "final": True,
        "follow_up_status": Status.DONE, "report_status": ReportStatus.PENDING, "wake_at": parent.due_at,
        "write_id": fresh(),
    }  # fmt: skip
    return Run(**(usual | fields))


def agent(name: str = "@backup", **fields: Any) -> Agent:
    """Gives a registered agent."""
    usual: dict[str, Any] = {"kind": "command", "command": ("backup-check", "--all"), "created_at": START}
    return Agent(**({"name": name, "write_id": fresh()} | usual | fields))


def control(**fields: Any) -> Control:
    """Gives the kill switch."""
    return Control(**({"write_id": fresh()} | fields))


def later(**time: float) -> datetime:
    """Gives the instant that long after a test's start."""
    return START + timedelta(**time)
