"""What comes after a run: the next occurrence, the next look, or the end."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from followups.domain import verdicts
from followups.domain.contract import Done
from followups.domain.follow_up import FollowUp
from followups.domain.moves import UNBLOCKED, UNCLAIMED, due_fields
from followups.domain.retry import PAUSE_AFTER_FAILURES, backoff
from followups.domain.rule import Rule
from followups.domain.schedule import next_after
from followups.domain.status import Outcome, Status, Verdict
from followups.domain.zones import known_zone

GOOD = frozenset({Outcome.SUCCEEDED, Outcome.ATTENTION})


@dataclass(frozen=True, kw_only=True, slots=True)
class Next:
    """What a follow-up becomes by the end of a run."""

    status: Status
    #: Whether the occurrence has ended with it.
    final: bool
    fields: dict[str, Any]
    wake_at: datetime | None = None


def after_run(old: FollowUp, done: Done, *, rerun_safe: bool, at: datetime, luck: float) -> Next:
    """Takes a live follow-up and how its run ended; gives another attempt, or what follows the occurrence."""
    if old.status is Status.CANCELLING:
        return Next(status=Status.CANCELLED, final=True, fields=UNCLAIMED | UNBLOCKED)
    if not _may_retry(old, done.outcome, rerun_safe):
        return conclude(old, done, at)
    again = at + backoff(old.attempt, luck)
    if _is_between(old, at) and again >= old.planned_at:
        # An extra run's retry must not use up the attempts of the occurrence whose time has come meanwhile.
        fields = UNCLAIMED | UNBLOCKED | {"start_at": old.planned_at, "attempt": 0, "extra": False}
        return Next(status=Status.SCHEDULED, final=False, wake_at=old.planned_at, fields=fields)
    fields = UNCLAIMED | UNBLOCKED | {"start_at": again}
    return Next(status=Status.SCHEDULED, final=False, wake_at=again, fields=fields)


def conclude(old: FollowUp, done: Done, at: datetime) -> Next:
    """Ends the occurrence: the follow-up closes, or moves on to the next time of its rule or its ladder."""
    outcome = done.outcome
    good = outcome in GOOD or outcome is Outcome.SKIPPED
    failures = 0 if outcome in GOOD else old.failures_in_row + (not good)
    fields: dict[str, Any] = UNCLAIMED | UNBLOCKED | {"last_outcome": outcome, "failures_in_row": failures}
    fields["last_verdict"] = done.verdict
    if done.verdict is Verdict.MET:
        return Next(status=Status.DONE, final=True, fields=fields)
    following = None if old.replaced_by else _following(old, at)
    if following is None or verdicts.given_up(old, following["start_at"]):
        return Next(**_end(old, fields, good=good, more=following is not None))
    fields |= following | {"attempt": 0, "extra": False}
    if failures >= PAUSE_AFTER_FAILURES:
        fields |= {"reason": f"paused by Followups after {failures} failed occurrences in a row"}
        return Next(status=Status.PAUSED, final=True, fields=fields)
    return Next(status=Status.SCHEDULED, final=True, fields=fields, wake_at=following["start_at"])


def _end(old: FollowUp, fields: dict[str, Any], *, good: bool, more: bool) -> dict[str, Any]:
    """Gives the end of a follow-up of which nothing more comes. One that was to bring something about, and did not, has
    failed, however well each look at it went."""
    if old.done_when is None or old.replaced_by:
        status = Status.DONE if good or old.rule is not None else Status.FAILED
        return {"status": status, "final": True, "fields": fields}
    reason = "given up: it was not met in time" if more else "it was not met, and no further look is planned"
    return {"status": Status.FAILED, "final": True, "fields": fields | {"reason": reason}}


def _following(old: FollowUp, at: datetime) -> dict[str, Any] | None:
    """Gives the fields of the occurrence that comes next, or None if there is none: from the nominal time of the last,
    never from now, so it neither drifts nor advances twice."""
    if old.rule is None:
        look = verdicts.next_look(old, at)
        return None if look is None else due_fields(*look, old.stagger) | {"occurrence": old.occurrence + 1}
    if _is_between(old, at):
        return {"start_at": old.planned_at}
    found = next_after(*rule_of(old), old.folded_to or old.due_at)
    if found is None:
        return None
    return due_fields(found.at, found.local, old.stagger) | {"occurrence": old.occurrence + 1}


def _may_retry(old: FollowUp, outcome: Outcome, rerun_safe: bool) -> bool:
    if old.attempt >= old.max_attempts or old.replaced_by:
        return False
    # A failed agent said so itself. One that was killed at its deadline, or whose end nobody saw, may have acted.
    return outcome is Outcome.FAILED or (outcome in (Outcome.UNKNOWN, Outcome.TIMED_OUT) and rerun_safe)


def _is_between(old: FollowUp, at: datetime) -> bool:
    """Says whether this is a run by hand between two times of the rule; one that started after its time is that one."""
    return old.rule is not None and old.extra and old.due_at > (old.started_at or at)


def rule_of(old: FollowUp) -> tuple[Rule, datetime, ZoneInfo]:
    """Gives a recurrence's rule, the naive time that it counts from, and its zone."""
    assert old.rule is not None and old.anchor is not None, f"follow-up {old.id} has no rule"
    return Rule.parse(old.rule), datetime.fromisoformat(old.anchor), known_zone(old.timezone)
