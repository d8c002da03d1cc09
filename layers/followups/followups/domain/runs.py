"""The run: fenced start, and the finish in one transaction, which also decides what comes next."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from followups.domain import ids, late, verdicts
from followups.domain.changes import Add, Change, FreeSlot, SetAside, Spend, Swap, TakeSlot
from followups.domain.contract import Done, Pending, Usage
from followups.domain.entities import Agent, FollowUp, Run
from followups.domain.errors import IllegalTransition
from followups.domain.hearing import OVERDUE_AFTER, WORKER
from followups.domain.moves import RETENTION, UNBLOCKED, UNCLAIMED, advance, closing, wake
from followups.domain.onward import Next, after_run, conclude, rule_of
from followups.domain.retry import MAX_POISON, RESEND_AFTER
from followups.domain.schedule import fold_missed
from followups.domain.status import LIVE, WAKING, Outcome, ReportStatus, Status
from followups.domain.targets import is_lasting
from followups.domain.walltime import duration

#: An hour's count is kept a day, for those who want to know what was spent.
BUDGET_KEPT = timedelta(days=1)
#: How long after its deadline a run that outlives its process is still asked for.
LASTING_MARGIN = timedelta(minutes=10)
#: A run that is to be cancelled, or is past its deadline, is asked for again this soon.
CANCEL_POLL = timedelta(seconds=30)
HANDLE_LIMIT = 1_024


@dataclass(frozen=True, kw_only=True, slots=True)
class Stamp:
    """What a decision is handed from outside: the instant, fresh write ids, and luck (0 to 1) for jitter."""

    at: datetime
    write_id: str
    run_write_id: str
    luck: float


def start(
    old: FollowUp, agent: Agent, *, at: datetime, write_id: str, deadline: datetime, process_end: datetime,
    lease_holder: str | None, global_cap: int, runs_per_hour: int = 0,
) -> tuple[Change, ...]:  # fmt: skip
    """Takes a claim whose time has come; gives the start: the attempt is counted before the work, the slots are taken
    in the same transaction, as is one of the owner's `runs_per_hour` (0: no limit). Since when it was held up is kept, in
    case it turns out that nothing could be started.

    The lease outlasts the process, which is surely gone at `process_end`; that of a run which outlives its process lasts
    until some time after its deadline, and is looked at when the process is gone.
    """
    lasting = is_lasting(agent.kind, agent.mode)
    missed, folded_to = (0, None) if old.rule is None else _fold(old, at)
    swap = advance(
        old, Status.RUNNING, at=at, write_id=write_id, wake_at=process_end, attempt=old.attempt + 1, started_at=at,
        deadline_at=deadline, lease_until=max(process_end, deadline + LASTING_MARGIN) if lasting else process_end,
        lease_holder=None if lasting else lease_holder, missed=missed, folded_to=folded_to, blocked_reason=None,
    )  # fmt: skip
    slots = (
        TakeSlot(agent.slots_key, old.slot_id, agent.max_concurrency),
        TakeSlot(ids.ALL_SLOTS_KEY, old.slot_id, global_cap),
    )
    if not runs_per_hour:
        return (swap, *slots)
    return (swap, *slots, Spend(ids.hour_key(old.owner, at), 1, runs_per_hour, expires_at=at + BUDGET_KEPT))


def release(
    old: FollowUp, reason: str, *, at: datetime, write_id: str, wake_at: datetime, runs_per_hour: int = 0
) -> tuple[Change, ...]:
    """Takes a running follow-up whose agent surely did not start; gives it back into its line as if nothing had been
    started: the attempt, the slots and the hour's run with it. Raises IllegalTransition for one that is not running."""
    if old.status is not Status.RUNNING or old.started_at is None:
        raise IllegalTransition(f"run {old.run_id}", old.status, Status.SCHEDULED)
    blocked = {"blocked_reason": reason, "blocked_since": old.blocked_since or old.started_at}
    swap = advance(
        old, Status.SCHEDULED, at=at, write_id=write_id, wake_at=wake_at, attempt=old.attempt - 1, **(UNCLAIMED | blocked)
    )  # fmt: skip
    return (swap, *free_slots(old), *_unspend(old, runs_per_hour))


def not_started(
    old: FollowUp, reason: str, *, stamp: Stamp, wake_at: datetime, kind: str | None = None, runs_per_hour: int = 0
) -> tuple[Change, ...]:
    """Takes a live follow-up whose agent surely did not start; gives it back (`release`), or, if it was cancelled or
    another has taken its place, gives its end, with all that it took."""
    if old.status is Status.RUNNING and old.replaced_by is None:
        at, write_id = stamp.at, stamp.write_id
        return release(old, reason, at=at, write_id=write_id, wake_at=wake_at, runs_per_hour=runs_per_hour)
    done = verdicts.judge(old, Done(outcome=Outcome.CANCELLED, summary="The agent was not started."))
    onward = Next(status=Status.CANCELLED, final=True, fields=UNCLAIMED | UNBLOCKED)
    unstarted = replace(old, started_at=None, deadline_at=None, attempt=old.attempt - 1)
    if old.status is not Status.CANCELLING:
        why = f"The agent was not started ({reason}), and {old.replaced_by} has taken its place."
        done = Done(outcome=Outcome.SKIPPED, summary=why)
        onward = conclude(unstarted, done, stamp.at)
    return (*_end(unstarted, done, onward, stamp, kind=kind), *free_slots(old), *_unspend(old, runs_per_hour))


def _unspend(old: FollowUp, runs_per_hour: int) -> tuple[Spend, ...]:
    """Gives back the hour's run of one that was not started."""
    if not runs_per_hour or old.started_at is None:
        return ()
    hour = ids.hour_key(old.owner, old.started_at)
    return (Spend(hour, -1, runs_per_hour, expires_at=old.started_at + BUDGET_KEPT),)


def wait_for(old: FollowUp, pending: Pending, *, at: datetime, write_id: str) -> Swap:
    """Takes a live run whose agent answered "pending"; gives the next poll, when its deadline is surely past at the
    latest, and soon if it is to be cancelled."""
    assert old.lease_until is not None and old.deadline_at is not None, f"live run {old.run_id} has no lease"
    end = old.deadline_at + OVERDUE_AFTER
    look = min(at + pending.poll_after, max(end, at + CANCEL_POLL), old.lease_until)
    if old.status is Status.CANCELLING:
        look = min(look, at + CANCEL_POLL)
    fields = {"handle": pending.handle[:HANDLE_LIMIT]} | ({"progress": pending.note} if pending.note else {})
    return advance(old, old.status, at=at, write_id=write_id, wake_at=look, **fields)


def ask(old: FollowUp, *, at: datetime, write_id: str) -> Swap:
    """Takes a live run that it is time to ask for; gives the note that it is asked, and when again if nothing comes of
    that. One whose start gave no answer goes by its own id: its process is gone."""
    assert old.lease_until is not None, f"live run {old.run_id} has no lease"
    again = min(at + RESEND_AFTER, old.lease_until)
    return advance(old, old.status, at=at, write_id=write_id, wake_at=again, handle=old.handle or old.run_id)


def finish(
    old: FollowUp, done: Done, *, rerun_safe: bool, stamp: Stamp, kind: str | None = None, completion: str | None = None
) -> tuple[Change, ...]:
    """Takes a live follow-up and how its run ended; gives the whole finish as one transaction: the follow-up moves on,
    the run record (the outbox of the report) appears, the slots fall free. `completion` is the hash of what the agent
    ended it by, if it did itself. Raises IllegalTransition for one that is not live: nothing of it can have ended."""
    if old.status not in LIVE:
        raise IllegalTransition(f"run {old.run_id}", old.status, done.outcome)
    if old.status is Status.CANCELLING:
        done = replace(done, outcome=Outcome.CANCELLED)
    done = verdicts.judge(old, done)
    onward = after_run(old, done, rerun_safe=rerun_safe, at=stamp.at, luck=stamp.luck)
    record = {"kind": kind, "completion": completion}
    return (*_end(old, done, onward, stamp, **record), *free_slots(old))


def lease_over(old: FollowUp, *, rerun_safe: bool, stamp: Stamp, kind: str | None = None) -> tuple[Change, ...]:
    """Takes a live follow-up whose process is surely dead, or whose agent went on without us and cannot be asked any more;
    gives its finish with the outcome `unknown`."""
    why = "The run broke off: its machine or process died before a result was stored."
    if old.handle is not None and not old.handle.startswith(WORKER):
        why = "Nothing was heard of the run, and nobody asked for it before its time was over."
    done = Done(outcome=Outcome.UNKNOWN, summary=f"{why} The agent may or may not have done its work.")
    return finish(old, done, rerun_safe=rerun_safe, stamp=stamp, kind=kind)


def refuse_start(old: FollowUp, why: str, *, stamp: Stamp) -> tuple[Change, ...]:
    """Takes a claim that can never start (its agent is gone, it was never picked up); gives its failed end, which covers
    what was missed, as a run does: a laptop that slept for a month sends one report."""
    done = Done(outcome=Outcome.FAILED, summary=why)
    if old.rule is not None:
        missed, folded_to = _fold(old, stamp.at)
        old = replace(old, missed=missed, folded_to=folded_to)
    done = verdicts.judge(old, done)
    return _end(old, done, conclude(old, done, stamp.at), stamp)


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
    return _end(old, done, conclude(old, done, stamp.at), stamp)


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
        fields = UNCLAIMED | UNBLOCKED | {"reason": "poison", "fence": fence}
        closed = Next(status=status, final=True, fields=fields)
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


def _fold(old: FollowUp, at: datetime) -> tuple[int, datetime]:
    return fold_missed(*rule_of(old), old.due_at, at - old.stagger)


def _end(old: FollowUp, done: Done, onward: Next, stamp: Stamp, **record: Any) -> tuple[Change, ...]:
    swap = advance(
        old, onward.status, at=stamp.at, write_id=stamp.write_id, wake_at=onward.wake_at, **onward.fields
    )  # fmt: skip
    reported = onward.final and old.status is not Status.CANCELLING and not old.test
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
        deadline_at=old.deadline_at, target_id=None if old.handle == old.run_id else old.handle, done_when=old.done_when,
        verdict=done.verdict, evidence=done.evidence, **_usage(done), refused=old.refused, refused_why=old.refused_why,
        test=old.test, report_status=ReportStatus.PENDING if reported else ReportStatus.NONE,
        report_to=done.report_to or old.report_to, wake_at=wake(stamp.at, stamp.at) if reported else None,
        expires_at=None if reported else stamp.at + RETENTION, write_id=stamp.run_write_id, **record,
    )  # fmt: skip
    return (swap, Add(run), *closing(swap))


def _usage(done: Done) -> dict[str, Any]:
    usage = done.usage or Usage()
    return {
        "model": usage.model, "input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens,
        "cost_usd": usage.cost_usd,
    }  # fmt: skip
