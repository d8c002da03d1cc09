"""What an answer holds: entities as JSON, in the product's one vocabulary."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, overload

from followups.domain.entities import Agent, Control, FollowUp, Run
from followups.domain.schedule import Rule, format_instant
from followups.domain.status import LIVE

if TYPE_CHECKING:
    # Two dozen types, which only the OpenAPI document asks for: a laptop's `list` does not make them.
    from followups.api import answers


@overload
def instant(moment: datetime) -> str: ...
@overload
def instant(moment: None) -> None: ...
@overload
def instant(moment: datetime | None) -> str | None: ...
def instant(moment: datetime | None) -> str | None:
    """Gives an instant as RFC 3339 in UTC, to the second."""
    return None if moment is None else f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def follow_up(it: FollowUp) -> "answers.FollowUp":
    """Gives a follow-up as the API answers it."""
    live = it.status in LIVE
    return {
        "id": it.id,
        "status": it.status,
        "agent": it.agent,
        "task": it.task,
        "message": it.message,
        "due": it.when,
        "due_at": instant(it.due_at),
        "due_local": format_instant(it.due_at, it.timezone),
        "timezone": it.timezone,
        "rule": it.rule,
        "repeats": Rule.parse(it.rule).words if it.rule else None,
        "occurrence": it.occurrence,
        "attempt": it.attempt,
        "max_attempts": it.max_attempts,
        "report_to": it.report_to,
        "starts_at": None if it.wake_at is None or live else instant(it.start_at),
        "blocked": {"reason": it.blocked_reason, "since": instant(it.blocked_since)} if it.blocked_reason else None,
        "run": {"id": it.run_id, "started_at": instant(it.started_at), "deadline_at": instant(it.deadline_at)}
        if live
        else None,
        "last_outcome": it.last_outcome,
        "failures_in_row": it.failures_in_row,
        "reason": it.reason,
        "parent": it.parent,
        "root": it.root,
        "depth": it.depth,
        "created_at": instant(it.created_at),
        "closed_at": instant(it.closed_at),
        "version": it.version,
    }


def run(it: Run) -> "answers.Run":
    """Gives a run's record as the API answers it. What its report became is told apart from how it ended."""
    return {
        "id": it.id,
        "follow_up_id": it.follow_up_id,
        "agent": it.agent,
        "task": it.task,
        "outcome": it.outcome,
        "summary": it.summary,
        "due_at": instant(it.due_at),
        "started_at": instant(it.started_at),
        "finished_at": instant(it.finished_at),
        "occurrence": it.occurrence,
        "attempt": it.attempt,
        "max_attempts": it.max_attempts,
        "missed": it.missed,
        "final": it.final,
        "follow_up_status": it.follow_up_status,
        "next_at": instant(it.next_at),
        "parent": it.parent,
        "depth": it.depth,
        "report": {
            "status": it.report_status,
            "to": it.report_to,
            "tries": it.report_tries,
            "note": it.report_note,
            "at": instant(it.reported_at),
        },
        "output": it.output_ref,
    }


def agent(it: Agent) -> "answers.Agent":
    """Gives an agent as the API answers it."""
    return {
        "name": it.name,
        "kind": it.kind,
        "command": list(it.command),
        "target": it.target,
        "timeout_s": it.timeout_s,
        "max_concurrency": it.max_concurrency,
        "rerun": "safe" if it.rerun_safe else "never",
        "max_attempts": it.max_attempts,
        "builtin": it.builtin,
    }


def control(it: Control) -> "answers.Control":
    """Gives the kill switch as the API answers it."""
    return {"stopped": it.stopped, "reason": it.reason, "changed_at": instant(it.changed_at)}


@dataclass(frozen=True, slots=True)
class Page:
    follow_ups: list[FollowUp]
    cursor: str | None

    def to_json(self) -> "answers.Page":
        return {"follow_ups": [follow_up(it) for it in self.follow_ups], "next": self.cursor}
