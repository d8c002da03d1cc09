"""What an answer holds: entities as JSON, in the product's one vocabulary."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, overload

from followups.domain.entities import Agent, Control, FollowUp, Run
from followups.domain.late import RUN_ONCE
from followups.domain.preview import Preview, Time
from followups.domain.status import LIVE, Status
from followups.domain.walltime import format_instant
from followups.domain.wording import said_rule
from followups.usecases.family import Tree

if TYPE_CHECKING:
    # Two dozen types, which only the OpenAPI document asks for: a laptop's `list` does not make them.
    from followups.api import agent_answers, answers


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
        "repeats": said_rule(it.rule, it.anchor),
        "occurrence": it.occurrence,
        "attempt": it.attempt,
        "max_attempts": it.max_attempts,
        "report_to": it.report_to,
        "starts_at": None if it.wake_at is None or live or it.status is Status.PAUSED else instant(it.start_at),
        "snoozed_to": instant(it.snoozed_to),
        "stagger_s": it.stagger.seconds,
        "late": it.late or RUN_ONCE,
        "tzdata": it.tzdata,
        "blocked": {"reason": it.blocked_reason, "since": instant(it.blocked_since)} if it.blocked_reason else None,
        "run": live_run(it),
        "last_outcome": it.last_outcome,
        "failures_in_row": it.failures_in_row,
        "reason": it.reason,
        "paused_until": instant(it.paused_until),
        "replace_key": it.replace_key,
        "replaced_by": it.replaced_by,
        "done_when": it.done_when,
        "retry_until_met": it.ladder,
        "give_up_at": instant(it.give_up_at),
        "last_verdict": it.last_verdict,
        "test": it.test,
        "parent": it.parent,
        "root": it.root,
        "depth": it.depth,
        "created_at": instant(it.created_at),
        "closed_at": instant(it.closed_at),
        "version": it.version,
    }


def live_run(it: FollowUp) -> "answers.LiveRun | None":
    """Gives the run that is in progress, if there is one."""
    if it.status not in LIVE:
        return None
    return {
        "id": it.run_id, "started_at": instant(it.started_at), "deadline_at": instant(it.deadline_at),
        "target_id": None if it.handle == it.run_id else it.handle, "heard_at": instant(it.heard_at),
        "progress": it.progress, "claimed_at": instant(it.claimed_at), "attempt": it.attempt,
    }  # fmt: skip


def time(it: Time) -> "answers.Time":
    """Gives a time as the API answers it."""
    return {"local": f"{it.local:%Y-%m-%dT%H:%M:%S}", "utc": instant(it.utc)}


def _understood(it: Preview) -> "answers.Understood":
    return {"understood": it.understood, "next": [time(each) for each in it.next], "warnings": list(it.warnings)}


def preview(it: Preview) -> "answers.Preview":
    """Gives what a text means as the API answers it."""
    said = _understood(it)
    return {
        "understood": said["understood"], "task": it.task, "rule": it.rule, "timezone": it.timezone, "next": said["next"],
        "warnings": said["warnings"],
    }  # fmt: skip


def told(it: FollowUp, understood: Preview) -> "answers.ToldFollowUp":
    """Gives a follow-up with what was understood of its time."""
    return {**follow_up(it), **_understood(understood)}


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
        "planned_at": instant(it.planned_at or it.due_at),
        "missed": it.missed,
        "missed_until": instant(it.folded_to),
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
        "kind": it.kind,
        "fence": it.fence,
        "claimed_at": instant(it.claimed_at),
        "deadline_at": instant(it.deadline_at),
        "lateness_s": None if it.lateness is None else round(it.lateness.total_seconds()),
        "target_id": it.target_id,
        "done_when": it.done_when,
        "verdict": it.verdict,
        "evidence": it.evidence or None,
        "usage": _usage(it),
        "late_result": _late(it),
        "refused": {"count": it.refused, "why": it.refused_why} if it.refused else None,
        "test": it.test,
    }


def _usage(it: Run) -> "answers.Usage | None":
    if it.model is None and it.input_tokens is None and it.output_tokens is None and it.cost_usd is None:
        return None
    return {
        "model": it.model, "input_tokens": it.input_tokens, "output_tokens": it.output_tokens, "cost_usd": it.cost_usd
    }  # fmt: skip


def _late(it: Run) -> "answers.LateResult | None":
    if it.late_at is None or it.late_outcome is None:
        return None
    return {
        "at": instant(it.late_at), "outcome": it.late_outcome, "summary": it.late_summary or "", "report": it.late_report
    }  # fmt: skip


def tree(it: Tree) -> "answers.Tree":
    """Gives a tree as the API answers it."""
    members = [follow_up(each) for each in it.members]
    return {"root": it.root, "follow_ups": members, "made": it.made, "limit": it.limit}


def agent(it: Agent) -> "agent_answers.Agent":
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
        "mode": it.mode,
        "disabled": it.disabled,
        "worker_seen_at": instant(it.asked_at),
        "builtin": it.builtin,
    }


def control(it: Control) -> "agent_answers.Control":
    """Gives the kill switch as the API answers it."""
    return {"stopped": it.stopped, "reason": it.reason, "changed_at": instant(it.changed_at)}


@dataclass(frozen=True, slots=True)
class Page:
    follow_ups: list[FollowUp]
    cursor: str | None

    def to_json(self) -> "answers.Page":
        return {"follow_ups": [follow_up(it) for it in self.follow_ups], "next": self.cursor}
