"""The run: its fenced start, and how it ends, for each outcome and each kind of follow-up."""

from datetime import timedelta
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from followups.domain import ids, retry, runs
from followups.domain.changes import Change, FreeSlot, Spend, TakeSlot
from followups.domain.contract import Done, Pending
from followups.domain.entities import FollowUp
from followups.domain.errors import IllegalTransition
from followups.domain.ids import Key
from followups.domain.moves import RETENTION
from followups.domain.status import Outcome, ReportStatus, Status
from tests.support.clock import START
from tests.support.decide import changed, claimed, others, recorded, recurring, running, stamp
from tests.support.things import agent, follow_up, later

S = Status
DAILY = recurring("2026-11-24T12:00", "UTC")
GOOD, BAD = (Outcome.SUCCEEDED, Outcome.ATTENTION), (Outcome.FAILED, Outcome.TIMED_OUT, Outcome.UNKNOWN)


def start(old: FollowUp, **agents: int) -> tuple[Change, ...]:
    return runs.start(
        old, agent(**agents), at=later(seconds=2), write_id="w", deadline=later(minutes=10), process_end=later(minutes=16),
        lease_holder="me", global_cap=5,
    )  # fmt: skip


def finish(old: FollowUp, outcome: Outcome, *, rerun_safe: bool = False, luck: float = 0.5) -> tuple[Change, ...]:
    done = Done(outcome=outcome, summary="in short", report="at length", output_ref="file")
    return runs.finish(old, done, rerun_safe=rerun_safe, stamp=stamp(later(minutes=5), luck))


def test_a_start_counts_the_attempt_before_the_work_and_takes_both_slots_with_it() -> None:
    old = claimed(fence=3, attempt=1, blocked_reason="busy", blocked_since=START)
    decision = start(old, max_concurrency=4)
    it = changed(decision)
    assert (it.status, it.attempt, it.fence, it.started_at) == (S.RUNNING, 2, 3, later(seconds=2))
    assert (it.deadline_at, it.lease_until, it.lease_holder) == (later(minutes=10), later(minutes=16), "me")
    assert it.wake_at == it.lease_until, "the next look is when the process is surely dead"
    assert it.blocked_reason is None
    assert it.blocked_since == START, "it goes on waiting since then, should nothing have been started"
    member = f"ada#{it.run_id}"
    assert others(decision) == [
        TakeSlot(ids.agent_slots_key("@backup"), member, 4), TakeSlot(ids.ALL_SLOTS_KEY, member, 5),
    ]  # fmt: skip


def test_a_start_spends_one_of_its_owners_runs_of_the_hour() -> None:
    last = START.replace(minute=59, second=59)
    *_, spend = runs.start(
        claimed(), agent(), at=last, write_id="w", deadline=later(hours=1), process_end=later(hours=1), lease_holder=None,
        global_cap=5, runs_per_hour=7,
    )  # fmt: skip
    assert spend == Spend(Key("OWNER#ada", "HOUR#2026-11-24T12"), 1, 7, expires_at=last + timedelta(days=1))


@pytest.mark.parametrize("status", [it for it in S if it not in (S.CLAIMED, S.RUNNING)])
def test_only_what_is_claimed_starts(status: Status) -> None:
    with pytest.raises(IllegalTransition):
        start(follow_up(status=status))


def test_an_agent_that_works_on_is_polled_when_it_says_and_at_its_deadline_at_the_latest() -> None:
    old = running()
    soon = changed(runs.wait_for(old, Pending(handle="h", poll_after=timedelta(minutes=1)), at=START, write_id="w"))
    assert (soon.status, soon.wake_at, soon.handle) == (S.RUNNING, later(minutes=1), "h")
    assert (soon.fence, soon.attempt, soon.lease_until) == (old.fence, old.attempt, old.lease_until)
    late = changed(runs.wait_for(old, Pending(handle="h", poll_after=timedelta(hours=1)), at=START, write_id="w"))
    assert late.wake_at == later(minutes=10, seconds=30), "surely past its deadline"
    cancelling = running(status=S.CANCELLING)
    now = changed(runs.wait_for(cancelling, Pending(handle="h", poll_after=timedelta(0)), at=START, write_id="w"))
    assert (now.status, now.wake_at) == (S.CANCELLING, START)


def expected(outcome: Outcome, *, left: bool, rerun_safe: bool, again: bool, cancelling: bool) -> Status:
    """What DESIGN.md §2 says that the follow-up becomes. `again`: it recurs; `left`: attempts are left."""
    if cancelling:
        return S.CANCELLED
    if left and (outcome is Outcome.FAILED or (outcome in (Outcome.TIMED_OUT, Outcome.UNKNOWN) and rerun_safe)):
        return S.SCHEDULED
    if again:
        return S.SCHEDULED
    return S.DONE if outcome in GOOD else S.FAILED


@pytest.mark.parametrize(
    ("outcome", "left", "rerun_safe", "again", "cancelling"),
    list(product((*GOOD, *BAD), (True, False), (True, False), (True, False), (True, False))),
)
def test_how_a_run_ends(outcome: Outcome, left: bool, rerun_safe: bool, again: bool, cancelling: bool) -> None:
    old = running(
        status=S.CANCELLING if cancelling else S.RUNNING, fence=4, attempt=1 if left else 3, missed=2,
        **(DAILY if again else {}),
    )  # fmt: skip
    decision = finish(old, outcome, rerun_safe=rerun_safe)
    it, run = changed(decision), recorded(decision)
    assert it.status is expected(outcome, left=left, rerun_safe=rerun_safe, again=again, cancelling=cancelling)

    retried = it.status is S.SCHEDULED and it.due_at == old.due_at
    assert run.final is not retried
    assert run.outcome is (Outcome.CANCELLED if cancelling else outcome)
    assert run.report_status is (ReportStatus.NONE if cancelling or retried else ReportStatus.PENDING)
    assert run.wake_at == (None if cancelling or retried else later(minutes=5))
    assert run.next_at == (it.start_at if it.status is S.SCHEDULED else None)
    assert (run.fence, run.attempt, run.started_at, run.finished_at) == (4, old.attempt, START, later(minutes=5))
    assert (run.summary, run.report, run.output_ref, run.missed) == ("in short", "at length", "file", 2)
    assert (run.due_at, run.occurrence, run.rule) == (old.due_at, 1, old.rule)

    assert it.fence == 4, "only a claim raises it"
    assert (it.lease_until, it.lease_holder, it.handle, it.started_at, it.deadline_at) == (None,) * 5
    assert (it.sends, it.missed, it.folded_to, it.claimed_at) == (0, 0, None, None)
    if not (retried or cancelling):
        assert it.last_outcome is outcome
        assert it.failures_in_row == (0 if outcome in GOOD else 1)
    assert others(decision) == [
        FreeSlot(ids.agent_slots_key("@backup"), old.slot_id), FreeSlot(ids.ALL_SLOTS_KEY, old.slot_id),
    ]  # fmt: skip


@pytest.mark.parametrize("status", [S.SCHEDULED, S.PAUSED, S.CLAIMED, S.DONE, S.FAILED, S.CANCELLED])
def test_a_run_that_is_not_live_cannot_succeed(status: Status) -> None:
    with pytest.raises(IllegalTransition):
        finish(follow_up(status=status, fence=1, attempt=1), Outcome.SUCCEEDED)


def test_a_retry_waits_from_now_and_keeps_its_nominal_time() -> None:
    it = changed(finish(running(), Outcome.FAILED, luck=0.5))
    assert it.start_at == it.wake_at == later(minutes=5, seconds=30)
    assert (it.due_at, it.attempt, it.occurrence, it.failures_in_row) == (START, 1, 1, 0)


@given(st.integers(1, 10), st.floats(0, 1, exclude_max=True))
def test_a_retry_waits_between_15_seconds_and_an_hour(attempt: int, luck: float) -> None:
    wait = retry.backoff(attempt, luck)
    assert timedelta(seconds=15) <= wait <= timedelta(minutes=60)
    assert wait <= timedelta(minutes=4 ** (attempt - 1))
    assert wait <= retry.backoff(attempt + 1, luck), "it never waits less after more failures"


def test_the_bounds_of_a_retry_are_reached() -> None:
    assert [retry.backoff(attempt, 0).total_seconds() for attempt in (1, 5, 10)] == [15, 15, 15]
    assert [retry.backoff(attempt, 1).total_seconds() for attempt in (1, 2, 3, 4, 10)] == [60, 240, 960, 3600, 3600]


@pytest.mark.parametrize("allowed", [1, 2, 10])
def test_what_always_fails_is_tried_as_often_as_allowed_and_reported_once(allowed: int) -> None:
    it, records = claimed(max_attempts=allowed), []
    for fence in range(1, 20):
        decision = finish(changed(start(it)), Outcome.FAILED)
        records.append(recorded(decision))
        after = changed(decision)
        if after.is_closed:
            break
        it = claimed(max_attempts=allowed, attempt=after.attempt, fence=fence + 1)
    assert [run.attempt for run in records] == list(range(1, allowed + 1))
    assert [run.report_status for run in records] == [ReportStatus.NONE] * (allowed - 1) + [ReportStatus.PENDING]


def test_a_run_that_broke_off_is_unknown_and_run_again_only_if_that_is_safe() -> None:
    end = runs.lease_over(running(), rerun_safe=False, stamp=stamp())
    assert (changed(end).status, recorded(end).outcome) == (S.FAILED, Outcome.UNKNOWN)
    assert "may or may not have done its work" in recorded(end).summary
    again = runs.lease_over(running(), rerun_safe=True, stamp=stamp())
    assert (changed(again).status, changed(again).attempt, recorded(again).final) == (S.SCHEDULED, 1, False)
    spent = runs.lease_over(running(attempt=3), rerun_safe=True, stamp=stamp())
    assert (changed(spent).status, recorded(spent).report_status) == (S.FAILED, ReportStatus.PENDING)
    cancelled = runs.lease_over(running(status=S.CANCELLING), rerun_safe=True, stamp=stamp())
    assert (changed(cancelled).status, recorded(cancelled).report_status) == (S.CANCELLED, ReportStatus.NONE)


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.SUCCEEDED])
def test_a_record_without_a_report_is_forgotten_like_the_others(outcome: Outcome) -> None:
    run = recorded(finish(running(status=S.RUNNING if outcome is Outcome.FAILED else S.CANCELLING), outcome))
    assert (run.report_status, run.wake_at, run.expires_at) == (ReportStatus.NONE, None, run.finished_at + RETENTION)
