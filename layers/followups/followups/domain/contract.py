"""What an agent is told and what it may answer: the agent contract, version 1 (docs/agents.md, contract/v1)."""

import json
import re
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from followups.domain import answer_text
from followups.domain.entities import Agent
from followups.domain.status import Outcome, Verdict
from followups.domain.text import first_line, plain

VERSION = 1
#: Longest answer that a report shows, in bytes of UTF-8.
REPORT_LIMIT = 256 * 1024
SUMMARY_LIMIT = 200
EVIDENCE_LIMIT = 2_000
_FINDINGS, _FINDING_LIMIT = 50, 500
_CUT = "\n[cut here]\n"
_ANSWERS = {str(o): o for o in (Outcome.SUCCEEDED, Outcome.ATTENTION, Outcome.FAILED, Outcome.UNKNOWN)}
_COUNT = re.compile(r"[0-9]{1,15}", re.ASCII)
_MOST_MONEY, _LEAST_MONEY = Decimal(10) ** 9, Decimal(10) ** -9


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
    #: Seconds that this call may take: less than until the deadline, where a run outlives the call that started it.
    seconds: float
    #: Run token: what the agent says with it is said on this run's account.
    token: str = field(repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Usage:
    """What the agent says that its run cost; None for what it did not say."""

    model: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    #: In US dollars, as a decimal number.
    cost_usd: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Done:
    """The agent's run is over."""

    outcome: Outcome
    summary: str
    #: What it said, whole; what is too long for a record is kept apart by whoever stores it.
    report: str = ""
    #: Where the whole output lies, if the target has put it somewhere.
    output_ref: str | None = None
    #: Whether what `done_when` says is so, if the agent said that, and what it goes by.
    verdict: Verdict | None = None
    evidence: str = ""
    usage: Usage | None = None
    #: Whom the report is for, if that is the target's to say.
    report_to: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Pending:
    """The agent works on; ask again with the handle (1 to 1,024 characters): it is the target's own name of the run."""

    handle: str
    poll_after: timedelta
    #: What to tell a person who looks at it meanwhile.
    note: str | None = None


def poll_pause(started: datetime, now: datetime) -> timedelta:
    """Gives how long to wait before a run is asked for again: a tenth of the time that it has taken, 10 s to 5 min."""
    return min(timedelta(minutes=5), max(timedelta(seconds=10), (now - started) / 10))


def goes_on(text: str) -> bool:
    """Says whether an answer is the contract's `{"pending": true}`: the agent works on, and will call back."""
    text = text.removeprefix("\ufeff").strip()
    if not text.startswith("{") or len(text) > 1_000:
        return False
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(body, dict) and body.get("pending") is True and "outcome" not in body


def read_answer(text: str, *, failed: str | None = None, output_ref: str | None = None) -> Done:
    """Takes what an agent printed or returned; gives how the run ended.

    Plain text is a report. A JSON object with an `outcome` is read by the contract, also in a fence or behind other lines,
    which go behind its report. If it breaks the contract, or begins as an answer and cannot be read, the outcome is
    unknown: whoever said that may have done its work, and is not to do it twice.
    `failed` is the target's own word that it failed (an exit code, say): it wins over what the text claims.
    """
    try:
        body, rest = answer_text.find(text)
    except (ValueError, RecursionError) as error:
        why = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        summary = plain(failed or f"The agent's answer is broken JSON: {why}")[:SUMMARY_LIMIT]
        outcome = Outcome.FAILED if failed else Outcome.UNKNOWN
        return Done(outcome=outcome, summary=summary, report=plain(text), output_ref=output_ref)
    if body is not None:
        done = read_object(body, failed=failed, output_ref=output_ref)
        said = plain(rest).strip()
        return replace(done, report=f"{done.report}\n\nBeside that it said:\n{said}".lstrip()) if said else done
    whole = plain(text)
    outcome, said = Outcome.SUCCEEDED, first_line(whole) or "Done; the agent said nothing."
    if _is_no_text(whole):
        outcome, said = Outcome.ATTENTION, "Done; what the agent answered is no text that can be read."
    summary = failed or said
    return Done(
        outcome=Outcome.FAILED if failed else outcome, summary=plain(summary)[:SUMMARY_LIMIT], report=whole,
        output_ref=output_ref,
    )  # fmt: skip


def read_object(body: dict[str, Any], *, failed: str | None = None, output_ref: str | None = None) -> Done:
    """Takes an answer by the contract, a JSON object with an `outcome`; gives how the run ended. What is of no known form
    in it and is not needed, is left out: an outcome is not lost for a wrong token count."""
    report = plain(str(body.get("report_md") or body.get("summary") or "")) + _findings(body.get("findings"))
    summary = first_line(plain(str(body.get("summary") or ""))) or first_line(report) or "Done."
    outcome = _ANSWERS.get(str(body["outcome"]))
    if outcome is None:
        outcome = Outcome.UNKNOWN
        summary = f"The agent answered outcome {str(body['outcome'])[:40]!r}, which is none of {', '.join(_ANSWERS)}."
    if failed is not None:
        outcome, summary = Outcome.FAILED, failed
    return Done(
        outcome=outcome, summary=plain(summary)[:SUMMARY_LIMIT], report=report, output_ref=output_ref,
        verdict=_verdict(body.get("verdict")), evidence=plain(str(body.get("evidence") or ""))[:EVIDENCE_LIMIT],
        usage=_usage(body.get("usage")),
    )  # fmt: skip


def fit(text: str, limit: int = REPORT_LIMIT) -> str:
    """Gives the text, cut to so many bytes of UTF-8, and saying so, if it has more."""
    raw = text.encode("utf-8", "replace")
    return text if len(raw) <= limit else raw[: limit - len(_CUT)].decode("utf-8", "ignore") + _CUT


def _is_no_text(text: str) -> bool:
    """Says whether so much of an answer is no UTF-8 that it can hardly have been meant as text."""
    return 0 < 2 * len(text) <= 5 * text.count("\ufffd")


def _verdict(value: object) -> Verdict | None:
    if value is None:
        return None
    # What is none of the three is no answer to the question, and so never a success.
    return Verdict(value) if isinstance(value, str) and value in set(Verdict) else Verdict.CANNOT_TELL


def _findings(value: object) -> str:
    if not isinstance(value, list) or not value:
        return ""
    lines = [f"- {first_line(plain(str(it)), _FINDING_LIMIT)}" for it in value[:_FINDINGS]]
    more = f"\n- and {len(value) - _FINDINGS} more" if len(value) > _FINDINGS else ""
    return "\n\nFindings:\n" + "\n".join(lines) + more


def _usage(value: object) -> Usage | None:
    if not isinstance(value, dict):
        return None
    model = value.get("model")
    usage = Usage(
        model=first_line(plain(model), 100) if isinstance(model, str) and model.strip() else None,
        input_tokens=_count(value.get("input_tokens")), output_tokens=_count(value.get("output_tokens")),
        cost_usd=_money(value.get("cost_usd")),
    )  # fmt: skip
    return usage if usage != Usage() else None


def _count(value: object) -> int | None:
    return int(str(value)) if _COUNT.fullmatch(str(value)) else None


def _money(value: object) -> str | None:
    """Gives an amount without an exponent, to a billionth at most: programs write 3e-05, and 0.15000000000000002."""
    try:
        amount = Decimal(str(value))
        fits = amount.is_finite() and 0 <= amount < _MOST_MONEY
        text = f"{abs(amount).quantize(_LEAST_MONEY):f}" if fits else ""
    except InvalidOperation:
        return None
    return text.rstrip("0").rstrip(".") or None
