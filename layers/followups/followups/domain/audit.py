"""The promises of FAILURES.md §2, seen from outside: what one stored item must be like at an instant.

Written anew on purpose. Nothing here calls what it checks, neither the moves nor their sets of states nor their bounds: a
mistake there must not excuse itself here. (`tests/unit/test_audit.py` says where both must give the same numbers.)
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from followups.domain.census import Count, SlotSet
from followups.domain.entities import FollowUp, Run, Unreadable
from followups.domain.findings import Finding, Repair, View, Weight, about, said
from followups.domain.status import ReportStatus, Status

#: A look this late is nobody's: fifteen ticks, and longer than anything sets an item aside for.
LATE = timedelta(minutes=15)
#: How far apart the clocks of two machines may be, and a little more.
SKEW = timedelta(minutes=5)
#: A claim is sent eight times, 2 to 256 minutes apart, and each look at it may be late: then it ends.
LONGEST_CLAIM = timedelta(minutes=510) + 8 * LATE
LONGEST_RESEND = timedelta(minutes=256)
#: Who is refused waits until the next hour at the longest, then looks again.
LONGEST_REFUSAL = timedelta(hours=1)
#: A lease outlasts its process. An hour later a run has no end, however often somebody looks at it.
LEASE_OVER = timedelta(hours=1)
#: A run takes a week at most, and is asked for a little longer; a lease beyond this holds its slot for nobody.
LONGEST_LEASE = timedelta(days=8)
#: A run that outlives its process is still asked for this long after its deadline.
ASKED_FOR = timedelta(minutes=10)
#: Eight tries of a mail are over within six hours.
REPORT_SENT = timedelta(hours=8)
LONGEST_MAIL_PAUSE = timedelta(hours=1)
#: A report that failed is told of this long; then it is history.
FAILURE_TOLD = timedelta(days=3)
FURTHEST_LOOK = timedelta(days=400)
KEPT = timedelta(days=90)
#: A mail that is in somebody's hands may still be noted within this.
MAIL_LEASE = timedelta(minutes=3)
MOST_SENDS, MOST_ATTEMPTS, MOST_MAIL_TRIES, MOST_POISON, MOST_FAILURES = 8, 10, 8, 5, 3
#: No installation allows more than that, whatever it allows.
DEEPEST, MOST_DESCENDANTS = 10, 100
HIGHEST_FENCE = 999_999

ENDED = (Status.DONE, Status.FAILED, Status.CANCELLED)
ALIVE = (Status.RUNNING, Status.CANCELLING)
ON_ITS_WAY = (ReportStatus.PENDING, ReportStatus.SENDING)


#: What says that more may be wrong with an item than can be seen.
_DAMAGE = frozenset({"count_out_of_bounds", "too_deep", "lost_family"})


@dataclass(frozen=True, slots=True)
class _Fault:
    code: str
    says: str
    since: datetime | None = None
    #: Fields that a repair sets; an empty mapping writes the item anew as it is; None: no repair.
    mend: Mapping[str, Any] | None = None
    does: str = ""


def judge(it: FollowUp | Run, view: View) -> list[Finding]:
    """Gives what is wrong with one item by itself. All its findings share one repair."""
    faults = list(_of_follow_up(it, view) if isinstance(it, FollowUp) else _of_run(it, view))
    # What is damaged is kept and taken out of the way, but nothing is set going by it.
    damaged = any(fault.code in _DAMAGE for fault in faults)
    mends = [fault for fault in faults if fault.mend is not None and not (damaged and _sets_going(fault.mend))]
    repair = None
    if mends:
        fields: dict[str, Any] = {}
        for fault in mends:
            fields |= fault.mend or {}
        does = "; ".join(dict.fromkeys(fault.does for fault in mends))
        repair = Repair(does=does, old=it, new=replace(it, **fields))
    return [
        Finding(
            code=fault.code, key=it.key, says=fault.says, about=about(it), since=fault.since,
            repair=repair if fault in mends else None,
        )
        for fault in faults
    ]  # fmt: skip


def _sets_going(mend: Mapping[str, Any]) -> bool:
    return not mend or mend.get("wake_at") is not None


def judge_count(it: Count, view: View) -> list[Finding]:
    """Gives what is wrong with the counter of an owner's hour."""
    name = it.key.pk
    if it.key.sk.startswith("HOUR#") and view.runs_per_hour and it.spent > view.runs_per_hour:
        says = (
            f"{name} started {it.spent} runs in the hour {it.key.sk[5:]}; {view.runs_per_hour} is the limit now. "
            "Right only if the limit was lowered since."
        )
        return [Finding(code="hour_overspent", key=it.key, weight=Weight.DOUBT, says=says)]
    return []


def judge_tree(it: SlotSet) -> list[Finding]:
    """Gives what is wrong with the set of all that a root's runs have led to, which is its budget."""
    if len(it.members) <= MOST_DESCENDANTS:
        return []
    says = f"the tree of {it.key.pk} has {len(it.members)} descendants; {MOST_DESCENDANTS} is the limit"
    return [Finding(code="budget_overspent", key=it.key, says=says)]


def judge_unreadable(it: Unreadable) -> list[Finding]:
    """Gives the finding that an item cannot be read: nobody can keep what was promised of it."""
    return [Finding(code="unreadable", key=it.key, says=f"it cannot be read, so nothing becomes of it: {it.error}")]


def _of_follow_up(it: FollowUp, view: View) -> Iterator[_Fault]:
    yield from _looks(it, view)
    if it.status in ENDED:
        if it.expires_at is None or it.closed_at is None:
            mend = {"closed_at": it.closed_at or it.updated_at, "expires_at": it.expires_at or view.at + KEPT}
            says = f"it is {it.status}, but not noted is when it ended or when it may be forgotten"
            yield _Fault("never_forgotten", says, it.closed_at or it.updated_at, mend, "the missing times are set")
    elif it.expires_at is not None or it.closed_at is not None:
        says = f"it is {it.status}, yet marked as ended: the store may forget it before its time"
        yield _Fault("forgotten_while_open", says, it.updated_at, {"closed_at": None, "expires_at": None}, "it is kept")
    if it.status in ALIVE:
        yield from _alive(it, view.at)
    elif it.deadline_at or it.handle or it.heard_at:
        says = f"it is {it.status}, yet it knows of a live run (deadline, handle, or when it was heard of)"
        nothing = dict.fromkeys(("deadline_at", "handle", "heard_at"))
        yield _Fault("run_left_over", says, it.updated_at, nothing, "what is left of the run is taken out")
    if it.status is Status.CLAIMED:
        since = max(it.start_at, it.claimed_at or it.updated_at)
        if view.at - since > LONGEST_CLAIM:
            yield _Fault("claimed_too_long", f"claimed at {said(since)} and neither started nor given up since", since)
    least = {"fence": int(it.status in (Status.CLAIMED, *ALIVE)), "attempt": int(it.status in ALIVE)}
    yield from _bounds(
        it, fence=(least["fence"], HIGHEST_FENCE), attempt=(least["attempt"], MOST_ATTEMPTS),
        max_attempts=(1, MOST_ATTEMPTS), sends=(int(it.status is Status.CLAIMED), MOST_SENDS), poison=(0, MOST_POISON),
        failures_in_row=(0, MOST_FAILURES),
    )  # fmt: skip
    yield from _family(it)


def _of_run(it: Run, view: View) -> Iterator[_Fault]:
    yield from _report_looks(it, view)
    failed = it.expires_at - KEPT if it.expires_at else it.finished_at
    if it.report_status in ON_ITS_WAY:
        if it.expires_at is not None:
            says = "its report is still to be sent, yet the store may forget it before"
            yield _Fault("forgotten_while_open", says, it.finished_at, {"expires_at": None}, "it is kept")
        if view.at - it.finished_at > REPORT_SENT:
            tries = f"{it.report_tries} tries, the last: {it.report_note}" if it.report_note else f"{it.report_tries} tries"
            says = f"the run ended at {said(it.finished_at)} and its report was not sent ({tries})"
            yield _Fault("report_not_sent", says, it.finished_at)
    elif it.expires_at is None:
        mend = {"expires_at": view.at + KEPT}
        says = "its report is done with, but not noted is when it may be forgotten"
        yield _Fault("never_forgotten", says, it.finished_at, mend, "the missing time is set")
    if it.report_status is ReportStatus.FAILED and view.at - failed <= FAILURE_TOLD:
        yield _Fault("report_failed", f"its report will never be sent: {it.report_note or 'not noted why'}", failed)
    untold = it.report_status is ReportStatus.NONE and it.final and not it.test
    if untold and it.follow_up_status is not Status.CANCELLED:
        yield _Fault("report_missing", f"it ended as {it.outcome}, and nobody is to be told", it.finished_at)
    yield from _bounds(
        it, fence=(1, HIGHEST_FENCE), attempt=(0, MOST_ATTEMPTS), report_tries=(0, MOST_MAIL_TRIES), poison=(0, MOST_POISON)
    )


def _looks(it: FollowUp, view: View) -> Iterator[_Fault]:
    """W1, W4, and that somebody looks when it is time."""
    right = _right_look(it, view.at)
    does = "its next look is set to the time that its state asks for"
    if it.status in ENDED or (it.status is Status.PAUSED and it.paused_until is None):
        if it.wake_at is not None:
            says = f"it is {it.status}, yet to be looked at, at {said(it.wake_at)}"
            yield _Fault("needless_look", says, it.updated_at, {"wake_at": None}, "the look is taken out")
    elif it.wake_at is None:
        says = f"it is {it.status}, and nothing will ever look at it again (no wake_at)"
        yield _Fault("no_look", says, it.updated_at, {"wake_at": right} if right else None, does)
    elif it.wake_at > _latest_look(it, view.at) + SKEW:
        says = f"it is {it.status}, and nothing looks at it before {said(it.wake_at)}"
        yield _Fault("sleeps_too_long", says, it.updated_at, {"wake_at": right} if right else None, does)
    elif view.at - _awaited(it, view) > LATE and not _may_wait(it, view):
        says = f"it is {it.status} and should have been looked at by {said(_awaited(it, view))}: nobody does"
        yield _Fault("overdue", says, _awaited(it, view), {}, "it is written anew, so that the index has it")


def _may_wait(it: FollowUp, view: View) -> bool:
    """Who stands in a line waits as long as that is; and the kill switch holds what is not claimed."""
    in_line = it.blocked_reason is not None or view.all_in_line
    return it.status is Status.SCHEDULED and (in_line or view.control.stopped)


def _awaited(it: FollowUp, view: View) -> datetime:
    """Gives since when a look may be expected. Resumed or released with its time long past, it has to be seen first."""
    moments = [it.wake_at or it.updated_at, it.updated_at]
    if it.status is Status.SCHEDULED and view.control.changed_at:
        moments.append(view.control.changed_at)
    return max(moments)


def _right_look(it: FollowUp, at: datetime) -> datetime | None:
    """Gives when to look, never too late; None where nobody can tell (an agent may be alive, without a lease)."""
    if it.status is Status.SCHEDULED:
        return min(it.start_at, at + FURTHEST_LOOK)
    if it.status is Status.CLAIMED:
        return min(max(it.start_at, at), at + FURTHEST_LOOK)
    ends = it.paused_until if it.status is Status.PAUSED else it.lease_until
    return min(ends, at + FURTHEST_LOOK) if ends else None


def _latest_look(it: FollowUp, at: datetime) -> datetime:
    if it.status is Status.SCHEDULED:
        latest = max(it.start_at, it.updated_at + LONGEST_REFUSAL)
    elif it.status is Status.CLAIMED:
        latest = max(it.start_at, it.updated_at) + LONGEST_RESEND
    elif it.status is Status.PAUSED:
        latest = max(it.paused_until or it.updated_at, it.updated_at)
    else:
        latest = max(it.lease_until or it.updated_at, it.updated_at + LATE)
    return min(latest, at + FURTHEST_LOOK)


def _alive(it: FollowUp, at: datetime) -> Iterator[_Fault]:
    started = it.started_at or it.updated_at
    if it.lease_until is None:
        yield _Fault("run_without_end", f"it is {it.status} without a lease, so it never ends", started)
    elif at - it.lease_until > LEASE_OVER:
        yield _Fault("run_without_end", f"the lease of its run ended at {said(it.lease_until)}, the run did not", started)
    elif it.lease_until - started > LONGEST_LEASE:
        says = f"its run started at {said(started)} and may go on until {said(it.lease_until)}"
        yield _Fault("run_without_end", says, started)
    elif it.deadline_at and it.lease_until < it.deadline_at and not _in_hand(it):
        says = f"the lease of its run ends at {said(it.lease_until)}, before its deadline, {said(it.deadline_at)}"
        does = "the lease outlasts the deadline"
        yield _Fault("lease_too_short", says, started, {"lease_until": it.deadline_at + ASKED_FOR}, does)
    if it.heard_at and it.started_at and it.heard_at < it.started_at - SKEW:
        says = f"its run was heard of at {said(it.heard_at)}, before it started, {said(it.started_at)}"
        yield _Fault("heard_too_soon", says, it.started_at)
    if it.started_at and it.started_at < it.start_at:
        says = f"its run started at {said(it.started_at)}, before its time, {said(it.start_at)}"
        yield _Fault("started_too_soon", says, it.started_at)


def _in_hand(it: FollowUp) -> bool:
    """Says whether a worker has the run: its lease is as long as a worker may be silent."""
    return it.handle is not None and it.handle.startswith("worker ")


def _report_looks(it: Run, view: View) -> Iterator[_Fault]:
    if it.report_status not in ON_ITS_WAY:
        if it.wake_at is not None:
            says = f"its report is {it.report_status}, yet to be looked at, at {said(it.wake_at)}"
            yield _Fault("needless_look", says, it.finished_at, {"wake_at": None}, "the look is taken out")
        return
    # One that is in somebody's hands must not be sent a second time while he may note it.
    right = view.at if it.report_status is ReportStatus.PENDING else view.at + MAIL_LEASE
    does = "its next look is set to now"
    if it.wake_at is None:
        says = f"its report is {it.report_status}, and nothing will ever look at it again (no wake_at)"
        yield _Fault("no_look", says, it.finished_at, {"wake_at": right}, does)
    elif it.wake_at > view.at + LONGEST_MAIL_PAUSE + SKEW:
        says = f"its report is {it.report_status}, and nothing looks at it before {said(it.wake_at)}"
        yield _Fault("sleeps_too_long", says, it.finished_at, {"wake_at": right}, does)
    elif view.at - it.wake_at > LATE:
        says = f"its report is {it.report_status} and should have been looked at by {said(it.wake_at)}: nobody does"
        yield _Fault("overdue", says, it.wake_at, {}, "it is written anew, so that the index has it")


def _bounds(it: FollowUp | Run, **bounds: tuple[int, int]) -> Iterator[_Fault]:
    for name, (low, high) in bounds.items():
        value = getattr(it, name)
        if not low <= value <= high:
            yield _Fault("count_out_of_bounds", f"its {name} is {value}, which is not between {low} and {high}")


def _family(it: FollowUp) -> Iterator[_Fault]:
    if it.depth > DEEPEST:
        says = f"it is {it.depth} generations below a person's follow-up; {DEEPEST} is the limit"
        yield _Fault("too_deep", says, it.created_at)
    if not ((it.depth == 0) == (it.parent is None) == (it.root == it.id)) or it.depth < 0:
        says = f"its parent ({it.parent}), root ({it.root}) and depth ({it.depth}) do not go together"
        yield _Fault("lost_family", says, it.created_at)
