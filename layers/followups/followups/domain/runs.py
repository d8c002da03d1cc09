"""The run: fenced start, and the finish in one transaction, which also decides what comes next."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from followups.domain import ids, late
from followups.domain.changes import Add, Change, FreeSlot, SetAside, Spend, Swap, TakeSlot
from followups.domain.contract import Done, Pending
from followups.domain.entities import Agent, FollowUp, Run
from followups.domain.errors import IllegalTransition
from followups.domain.moves import RETENTION, UNBLOCKED, UNCLAIMED, advance, due_fields, wake
from followups.domain.retry import MAX_POISON, PAUSE_AFTER_FAILURES, backoff
from followups.domain.rule import Rule
from followups.domain.schedule import fold_missed, next_after
from followups.domain.status import LIVE, WAKING, Outcome, ReportStatus, Status
from followups.domain.walltime import duration
from followups.domain.zones import known_zone

#: An hour's count is kept a day, for those who want to know what was spent.
BUDGET_KEPT = timedelta(days=1)
GOOD = frozenset({Outcome.SUCCEEDED, Outcome.ATTENTION})


@dataclass(frozen=True, kw_only=True, slots=True)
class Stamp:
    """What a decision is handed from outside: the instant, fresh write ids, and luck (0 to 1) for jitter."""

    at: datetime
    write_id: str
    run_write_id: str
    luck: float


@dataclass(frozen=True, kw_only=True, slots=True)
class _Next:
    status: Status
    final: bool
    fields: dict[str, Any]
    wake_at: datetime | None = None


def start(
    old: FollowUp, agent: Agent, *, at: datetime, write_id: str, deadline: datetime, lease_until: datetime,
    lease_holder: str | None, global_cap: int, runs_per_hour: int = 0,
) -> tuple[Change, ...]:  # fmt: skip
    """Takes a claim whose time has come; gives the start: the attempt is counted before the work, the slots are taken
    in the same transaction, as is one of the owner's `runs_per_hour` (0: no limit), and the lease outlasts the process."""
    missed, folded_to = (0, None) if old.rule is None else _fold(old, at)
    swap = advance(
        old, Status.RUNNING, at=at, write_id=write_id, wake_at=lease_until, attempt=old.attempt + 1, started_at=at,
        deadline_at=deadline, lease_until=lease_until, lease_holder=lease_holder, missed=missed, folded_to=folded_to,
        **UNBLOCKED,
    )  # fmt: skip
    slots = (
        TakeSlot(agent.slots_key, old.slot_id, agent.max_concurrency),
        TakeSlot(ids.ALL_SLOTS_KEY, old.slot_id, global_cap),
    )
    if not runs_per_hour:
        return (swap, *slots)
    return (swap, *slots, Spend(ids.hour_key(old.owner, at), 1, runs_per_hour, expires_at=at + BUDGET_KEPT))


def wait_for(old: FollowUp, pending: Pending, *, at: datetime, write_id: str) -> Swap:
    """Takes a live run whose agent answered "pending"; gives the next poll, at the lease's end at the latest."""
    assert old.lease_until is not None, f"live run {old.run_id} has no lease"
    look = min(at + pending.poll_after, old.lease_until)
    return advance(old, old.status, at=at, write_id=write_id, wake_at=look, handle=pending.handle)


def finish(old: FollowUp, done: Done, *, rerun_safe: bool, stamp: Stamp) -> tuple[Change, ...]:
    """Takes a live follow-up and how its run ended; gives the whole finish as one transaction: the follow-up moves on,
    the run record (the outbox of the report) appears, the slots fall free. Raises IllegalTransition for one that is not
    live: nothing of it can have ended."""
    if old.status not in LIVE:
        raise IllegalTransition(f"run {old.run_id}", old.status, done.outcome)
    if old.status is Status.CANCELLING:
        done = replace(done, outcome=Outcome.CANCELLED)
        onward = _Next(status=Status.CANCELLED, final=True, fields=dict(UNCLAIMED))
    elif _may_retry(old, done.outcome, rerun_safe):
        again = stamp.at + backoff(old.attempt, stamp.luck)
        if _is_between(old, stamp.at) and again >= old.planned_at:
            # An extra run's retry must not use up the attempts of the occurrence whose time has come meanwhile.
            fields = UNCLAIMED | {"start_at": old.planned_at, "attempt": 0, "extra": False}
            onward = _Next(status=Status.SCHEDULED, final=False, wake_at=old.planned_at, fields=fields)
            return (*_end(old, done, onward, stamp), *free_slots(old))
        onward = _Next(status=Status.SCHEDULED, final=False, wake_at=again, fields=UNCLAIMED | {"start_at": again})
    else:
        onward = _conclude(old, done.outcome, stamp.at)
    return (*_end(old, done, onward, stamp), *free_slots(old))


def lease_over(old: FollowUp, *, rerun_safe: bool, stamp: Stamp) -> tuple[Change, ...]:
    """Takes a live follow-up whose process is surely dead; gives its finish with the outcome `unknown`."""
    done = Done(
        outcome=Outcome.UNKNOWN,
        summary="The run broke off: its machine or process died before a result was stored. "
        "The agent may or may not have done its work.",
    )
    return finish(old, done, rerun_safe=rerun_safe, stamp=stamp)


def refuse_start(old: FollowUp, why: str, *, stamp: Stamp) -> tuple[Change, ...]:
    """Takes a claim that can never start (its agent is gone, it was never picked up); gives its failed end, which covers
    what was missed, as a run does: a laptop that slept for a month sends one report."""
    done = Done(outcome=Outcome.FAILED, summary=why)
    if old.rule is not None:
        missed, folded_to = _fold(old, stamp.at)
        old = replace(old, missed=missed, folded_to=folded_to)
    return _end(old, done, _conclude(old, Outcome.FAILED, stamp.at), stamp)


def lateness(old: FollowUp, at: datetime) -> timedelta | None:
    """Takes a claim that is about to start; gives how late that is, if its policy forbids it, else None. An attempt that
    is repeated, and a run that was asked for by hand, are never too late."""
    within = late.allowed(old.late)
    if within is None or old.attempt or old.extra or at - old.planned_at <= within:
        return None
    return at - old.planned_at


def skip(old: FollowUp, overdue: timedelta, *, stamp: Stamp) -> tuple[Change, ...]:
    """Takes a claim that is too late to start (`lateness`); gives its end as skipped, which covers all that is too late:
    a later occurrence that is not, runs."""
    within = late.allowed(old.late)
    assert within is not None, f"follow-up {old.id} is never too late"
    why = f"Its turn came {duration(overdue)} after its time, and it is not to start more than {duration(within)} late"
    why += f" (it waited: {old.blocked_reason})." if old.blocked_reason else "."
    if old.rule is not None:
        # What lies at the limit is not too late.
        missed, folded_to = _fold(old, stamp.at - within - timedelta(microseconds=1))
        old = replace(old, missed=missed, folded_to=folded_to)
    done = Done(outcome=Outcome.SKIPPED, summary=why)
    return _end(old, done, _conclude(old, Outcome.SKIPPED, stamp.at), stamp)


def poisoned(old: FollowUp, error: str, *, stamp: Stamp, pause: timedelta) -> tuple[Change, ...]:
    """Takes a follow-up at which the sweep raised; gives a later look, or after five its end. One that needs no look is
    taken out of the index."""
    if old.status not in WAKING and old.paused_until is None:
        return (SetAside(old.key, old.version, None),)
    if old.poison + 1 >= MAX_POISON:
        done = Done(outcome=Outcome.FAILED, summary=f"poison: looking at it raised {error}")
        status = Status.CANCELLED if old.status is Status.CANCELLING else Status.FAILED
        # The fence of one that waits may be that of its last run, which has its record already.
        fence = old.fence + 1 if old.status in (Status.SCHEDULED, Status.PAUSED) else old.fence
        closed = _Next(status=status, final=True, fields=UNCLAIMED | {"reason": "poison", "fence": fence})
        return (*_end(old, done, closed, stamp), *(free_slots(old) if old.status in LIVE else ()))
    return (
        advance(old, old.status, at=stamp.at, write_id=stamp.write_id, wake_at=stamp.at + pause, poison=old.poison + 1),
    )


def free_slots(old: FollowUp) -> tuple[Change, ...]:
    """Gives the changes that free what a live run holds."""
    return (
        FreeSlot(ids.agent_slots_key(old.agent), old.slot_id),
        FreeSlot(ids.ALL_SLOTS_KEY, old.slot_id),
    )


def _may_retry(old: FollowUp, outcome: Outcome, rerun_safe: bool) -> bool:
    if old.attempt >= old.max_attempts or old.replaced_by:
        return False
    # A failed agent said so itself. One that was killed at its deadline, or whose end nobody saw, may have acted.
    return outcome is Outcome.FAILED or (outcome in (Outcome.UNKNOWN, Outcome.TIMED_OUT) and rerun_safe)


def _conclude(old: FollowUp, outcome: Outcome, at: datetime) -> _Next:
    """Ends the occurrence: the follow-up closes, or moves on to the next time of its rule."""
    good = outcome in GOOD or outcome is Outcome.SKIPPED
    failures = 0 if outcome in GOOD else old.failures_in_row + (not good)
    fields: dict[str, Any] = UNCLAIMED | UNBLOCKED | {"last_outcome": outcome, "failures_in_row": failures}
    if old.rule is None:
        return _Next(status=Status.DONE if good else Status.FAILED, final=True, fields=fields)
    following = None if old.replaced_by else _following(old, at)
    if following is None:
        return _Next(status=Status.DONE, final=True, fields=fields)
    fields |= following | {"attempt": 0, "extra": False}
    if failures >= PAUSE_AFTER_FAILURES:
        fields |= {"reason": f"paused by Followups after {failures} failed occurrences in a row"}
        return _Next(status=Status.PAUSED, final=True, fields=fields)
    return _Next(status=Status.SCHEDULED, final=True, fields=fields, wake_at=following["start_at"])


def _following(old: FollowUp, at: datetime) -> dict[str, Any] | None:
    """Gives the fields of the occurrence that comes next, or None if the rule has come to its end: from the nominal time
    of the last, never from now, so it neither drifts nor advances twice."""
    if _is_between(old, at):
        return {"start_at": old.planned_at}
    found = next_after(*rule_of(old), old.folded_to or old.due_at)
    if found is None:
        return None
    return due_fields(found.at, found.local, old.stagger) | {"occurrence": old.occurrence + 1}


def _is_between(old: FollowUp, at: datetime) -> bool:
    """Says whether this is a run by hand between two times of the rule; one that started after its time is that one."""
    return old.rule is not None and old.extra and old.due_at > (old.started_at or at)


def _fold(old: FollowUp, at: datetime) -> tuple[int, datetime]:
    return fold_missed(*rule_of(old), old.due_at, at - old.stagger)


def rule_of(old: FollowUp) -> tuple[Rule, datetime, ZoneInfo]:
    """Gives a recurrence's rule, the naive time that it counts from, and its zone."""
    assert old.rule is not None and old.anchor is not None, f"follow-up {old.id} has no rule"
    return Rule.parse(old.rule), datetime.fromisoformat(old.anchor), known_zone(old.timezone)


def _end(old: FollowUp, done: Done, onward: _Next, stamp: Stamp) -> tuple[Change, ...]:
    swap = advance(
        old, onward.status, at=stamp.at, write_id=stamp.write_id, wake_at=onward.wake_at, **onward.fields
    )  # fmt: skip
    reported = onward.final and old.status is not Status.CANCELLING
    assert isinstance(swap.new, FollowUp)
    following = swap.new.start_at if onward.wake_at is not None else None
    run = Run(
        owner=old.owner, follow_up_id=old.id, fence=swap.new.fence, agent=old.agent, task=old.task, message=old.message,
        timezone=old.timezone, rule=old.rule, anchor=old.anchor, due_at=old.due_at, due_wall=old.due_wall,
        planned_at=old.planned_at if old.planned_at != old.due_at else None, occurrence=old.occurrence, attempt=old.attempt,
        max_attempts=old.max_attempts, claimed_at=old.claimed_at, started_at=old.started_at, finished_at=stamp.at,
        missed=old.missed, folded_to=old.folded_to if old.missed else None, outcome=done.outcome, summary=done.summary,
        report=done.report, output_ref=done.output_ref, final=onward.final, follow_up_status=onward.status,
        next_at=following, parent=old.parent, depth=old.depth,
        report_status=ReportStatus.PENDING if reported else ReportStatus.NONE, report_to=old.report_to,
        wake_at=wake(stamp.at, stamp.at) if reported else None,
        expires_at=None if reported else stamp.at + RETENTION, write_id=stamp.run_write_id,
    )  # fmt: skip
    return (swap, Add(run))
