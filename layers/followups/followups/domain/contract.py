"""What an agent is told and what it may answer: the agent contract, version 1."""

import json
import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from followups.domain.entities import Agent, FollowUp
from followups.domain.status import Outcome
from followups.domain.text import first_line, plain

VERSION = 1
#: Longest answer that is kept in the run record, in bytes of UTF-8: an item of DynamoDB holds 400 KB with all its fields.
REPORT_LIMIT = 256 * 1024
SUMMARY_LIMIT = 200
_CUT = "\n[cut here]\n"
_OUTCOME_KEY = re.compile(r'"outcome"\s*:')
_ANSWERS = {str(o): o for o in (Outcome.SUCCEEDED, Outcome.ATTENTION, Outcome.FAILED)}


@dataclass(frozen=True, kw_only=True, slots=True)
class AgentCall:
    """One call of an agent: all that any target may need."""

    run_id: str
    agent: Agent
    #: Name of the follow-up's owner, never told to the agent.
    owner: str
    request: dict[str, Any]
    #: When the run must have ended.
    deadline: datetime
    #: Seconds until then, at the call.
    seconds: float
    #: Run token: what the agent says with it is said on this run's account.
    token: str = field(repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Done:
    """The agent's run is over."""

    outcome: Outcome
    summary: str
    report: str = ""
    #: Where the whole output lies, if it was longer than the report may be.
    output_ref: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Pending:
    """The agent works on; ask again with the handle."""

    handle: str
    poll_after: timedelta


def agent_request(follow_up: FollowUp, *, now: datetime, deadline: datetime) -> dict[str, Any]:
    """Gives the JSON object that the agent receives. Times are RFC 3339 in UTC, lateness is in seconds."""
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
        "deadline": _instant(deadline),
    }


def read_answer(text: str, *, failed: str | None = None, output_ref: str | None = None) -> Done:
    """Takes what an agent printed or returned; gives how the run ended.

    Plain text is a report. A JSON object with an `outcome` is read by the contract; one that breaks it, or that begins as
    one and cannot be read, is a failure: nobody knows what it would have said.
    `failed` is the target's own word that it failed (an exit code, say): it wins over what the text claims.
    """
    try:
        body = _contract_object(text)
    except (ValueError, RecursionError) as error:
        why = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        return Done(
            outcome=Outcome.FAILED, summary=plain(failed or f"The agent's answer is broken JSON: {why}")[:SUMMARY_LIMIT],
            report=fit(plain(text)), output_ref=output_ref,
        )  # fmt: skip
    if body is None:
        whole = plain(text)
        report = fit(whole)
        outcome, summary = Outcome.SUCCEEDED, first_line(whole) or "Done; the agent said nothing."
    else:
        report = fit(plain(str(body.get("report_md") or body.get("summary") or "")))
        summary = first_line(plain(str(body.get("summary") or ""))) or first_line(report) or "Done."
        answered = _ANSWERS.get(str(body["outcome"]))
        if answered is None:
            outcome = Outcome.FAILED
            known = ", ".join(_ANSWERS)
            summary = f"The agent answered outcome {str(body['outcome'])[:40]!r}, which is none of {known}."
        else:
            outcome = answered
    if failed is not None:
        outcome, summary = Outcome.FAILED, failed
    return Done(outcome=outcome, summary=plain(summary)[:SUMMARY_LIMIT], report=report, output_ref=output_ref)


def fit(text: str, limit: int = REPORT_LIMIT) -> str:
    """Gives the text, cut to so many bytes of UTF-8, and saying so, if it has more."""
    raw = text.encode("utf-8", "replace")
    return text if len(raw) <= limit else raw[: limit - len(_CUT)].decode("utf-8", "ignore") + _CUT


def _contract_object(text: str) -> dict[str, Any] | None:
    """Gives the answer, or None for plain text. Raises ValueError or RecursionError for an answer that cannot be read."""
    text = text.removeprefix("\ufeff").strip()
    if not text.startswith("{"):
        return None
    try:
        # Not strict: scripts put line breaks into strings as they are. A number may have more digits than int() takes.
        body = json.loads(text, strict=False, parse_int=str)
    except (ValueError, RecursionError):
        if _OUTCOME_KEY.search(text):
            raise
        return None
    return body if isinstance(body, dict) and "outcome" in body else None


def _instant(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
