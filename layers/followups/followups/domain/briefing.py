"""What an agent is told: the request of the agent contract, version 1."""

from datetime import datetime
from typing import Any

from followups.domain.contract import VERSION, fit
from followups.domain.follow_up import FollowUp
from followups.domain.record import Run

#: Of its last report an agent is told so much, in bytes of UTF-8: an asynchronous call of Lambda takes 256 KB in all.
_PREVIOUS_LIMIT = 16 * 1024


def agent_request(
    follow_up: FollowUp, *, now: datetime, deadline: datetime, previous: Run | None = None, callback: str | None = None,
    completes: bool = True,
) -> dict[str, Any]:  # fmt: skip
    """Gives the JSON object that the agent receives. Times are RFC 3339 in UTC, lateness is in seconds.

    `previous` is the record of the run before, `callback` the root of the API that the agent can call, if there is one, and
    `completes` says whether it may end its run there.
    """
    return {
        "v": VERSION,
        "run_id": follow_up.run_id,
        "follow_up_id": follow_up.id,
        "agent": follow_up.agent,
        "task": follow_up.task,
        "prompt": follow_up.message,
        "scheduled_for": _instant(follow_up.due_at),
        "now": _instant(now),
        "timezone": follow_up.timezone,
        "lateness": max(0, round((now - follow_up.planned_at).total_seconds())),
        "missed": follow_up.missed,
        "missed_until": _instant(follow_up.folded_to) if follow_up.missed and follow_up.folded_to else None,
        "attempt": follow_up.attempt,
        "max_attempts": follow_up.max_attempts,
        "deadline": _instant(deadline),
        "done_when": follow_up.done_when,
        "previous_report": _previous(previous) if previous else None,
        "callback": None if callback is None else _callback(callback, follow_up.run_id, completes),
        "test": follow_up.test,
    }


def _previous(run: Run) -> dict[str, Any]:
    return {
        "run_id": run.id,
        "outcome": run.outcome,
        "summary": run.summary,
        "report": fit(run.report, _PREVIOUS_LIMIT),
        "verdict": run.verdict,
        "finished_at": _instant(run.finished_at),
    }


def _callback(root: str, run_id: str, completes: bool) -> dict[str, str]:
    names = ("complete", "heartbeat", "progress") if completes else ("heartbeat", "progress")
    return {name: f"{root}/v1/runs/{run_id}/{name}" for name in names}


def _instant(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
