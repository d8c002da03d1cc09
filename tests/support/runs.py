"""Run records, as a finish leaves them."""

from datetime import UTC, datetime, timedelta
from typing import Any

from followups.domain.entities import Run
from followups.domain.status import Outcome, ReportStatus, Status

DUE = datetime(2026, 12, 1, 8, 0, tzinfo=UTC)


def run_record(**changed: Any) -> Run:
    """Gives the record of a run that succeeded at its first attempt, with what is named changed."""
    fields: dict[str, Any] = {
        "owner": "anna", "follow_up_id": "heoq3orz2k4n6p7q5rstuvwxya", "fence": 1, "agent": "@disk",
        "task": "Check disk space", "timezone": "Europe/Berlin", "due_at": DUE, "occurrence": 1, "attempt": 1,
        "max_attempts": 3, "started_at": DUE + timedelta(seconds=1), "finished_at": DUE + timedelta(seconds=3),
        "outcome": Outcome.SUCCEEDED, "summary": "/ is 43% full", "report": "", "final": True,
        "follow_up_status": Status.DONE, "report_status": ReportStatus.SENDING, "wake_at": DUE, "write_id": "w",
    }  # fmt: skip
    return Run(**(fields | changed))
