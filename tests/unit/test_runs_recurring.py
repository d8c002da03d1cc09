"""Again and again: the next occurrence, what was missed, runs by hand in between, and when it is paused."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from followups.domain import claims, editing, runs
from followups.domain.contract import Done
from followups.domain.entities import FollowUp, Run
from followups.domain.status import Outcome, ReportStatus, Status
from followups.domain.walltime import to_utc
from tests.support.clock import START
from tests.support.decide import changed, claimed, recorded, recurring, running, stamp
from tests.support.things import agent, follow_up, fresh, later

DAY = timedelta(days=1)
DAILY = recurring("2026-11-24T12:00", "UTC")
WEEKLY = recurring("2026-11-24T12:00", "UTC", every="WEEKLY")


def started(old: FollowUp, at: datetime) -> FollowUp:
    """Claims and starts it at that instant."""
    claim = changed(claims.claim(old, at=at, write_id=fresh()))
    return changed(
        runs.start(
            claim,
            agent(),
            at=at,
            write_id=fresh(),
            deadline=at + DAY,
            process_end=at + DAY,
            lease_holder=None,
            global_cap=2,
        )
    )


def ended(old: FollowUp, outcome: Outcome, at: datetime, *, luck: float = 0.5) -> tuple[FollowUp, Run]:
    decision = runs.finish(old, Done(outcome=outcome, summary="s"), rerun_safe=False, stamp=stamp(at, luck))
    return changed(decision), recorded(decision)


def scheduled(**fields: Any) -> FollowUp:
    due = fields.get("start_at", fields["due_at"])
    return follow_up(**({"start_at": due, "wake_at": due} | fields))


@pytest.mark.parametrize("took", [timedelta(0), timedelta(hours=5), timedelta(days=6, hours=23), timedelta(days=30)])
def test_the_next_is_counted_from_the_nominal_time_however_late_the_finish(took: timedelta) -> None:
    it, run = ended(running(**WEEKLY), Outcome.SUCCEEDED, START + took)
    assert it.due_at == it.start_at == it.wake_at == run.next_at == START + 7 * DAY
    assert (it.occurrence, it.attempt, it.status) == (2, 0, Status.SCHEDULED)


def test_what_was_missed_is_folded_into_one_run_that_is_told_so() -> None:
    live = started(scheduled(**DAILY), START + 4 * DAY + timedelta(hours=3))
    assert (live.missed, live.folded_to, live.due_at) == (4, START + 4 * DAY, START)
    it, run = ended(live, Outcome.SUCCEEDED, START + 4 * DAY + timedelta(hours=4))
    assert (it.due_at, it.occurrence, it.missed) == (START + 5 * DAY, 2, 0)
    assert (run.missed, run.due_at, run.occurrence) == (4, START, 1)


def test_folding_counts_wall_days_through_a_change_of_the_clock() -> None:
    # Berlin leaves winter time on 28 March 2027: nine o'clock is 08:00Z before and 07:00Z after.
    fields = recurring("2027-03-25T09:00", "Europe/Berlin")
    live = started(scheduled(**fields), datetime(2027, 3, 30, 7, 0, tzinfo=UTC))
    assert (live.missed, live.folded_to) == (5, datetime(2027, 3, 30, 7, tzinfo=UTC))
    on_the_day_before = started(scheduled(**fields), datetime(2027, 3, 30, 6, 59, 59, tzinfo=UTC))
    assert (on_the_day_before.missed, on_the_day_before.folded_to) == (4, datetime(2027, 3, 29, 7, tzinfo=UTC))
    it, _ = ended(live, Outcome.SUCCEEDED, datetime(2027, 3, 30, 8, tzinfo=UTC))
    assert it.due_at == datetime(2027, 3, 31, 7, tzinfo=UTC)


def test_a_retry_that_starts_after_the_next_occurrence_makes_up_for_it() -> None:
    near_the_end = START + DAY - timedelta(seconds=20)
    waiting, run = ended(started(scheduled(**DAILY), near_the_end), Outcome.FAILED, near_the_end, luck=0.9)
    assert (run.final, waiting.due_at, waiting.start_at) == (False, START, near_the_end + timedelta(seconds=54))
    live = started(waiting, waiting.start_at)
    assert (live.missed, live.attempt, live.due_at) == (1, 2, START)
    it, _ = ended(live, Outcome.SUCCEEDED, waiting.start_at)
    assert (it.due_at, it.occurrence) == (START + 2 * DAY, 2)


@settings(max_examples=30)
@given(
    st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Santiago", "Antarctica/Troll"]),
    st.sampled_from(["00:00", "01:30", "02:15", "09:00"]),
    st.lists(st.tuples(st.integers(0, 200_000), st.sampled_from(list(Outcome)[:5])), min_size=5, max_size=40),
)
def test_a_chain_of_late_and_failing_runs_stays_on_the_rules_grid(
    zone_name: str, wall: str, delays: list[tuple[int, Outcome]]
) -> None:
    zone, anchor = ZoneInfo(zone_name), datetime.fromisoformat(f"2026-11-24T{wall}")
    grid = {to_utc(anchor + timedelta(days=day), zone) for day in range(120)}
    it, covered = scheduled(**recurring(anchor.isoformat(), zone_name), max_attempts=1), 0
    for seconds, outcome in delays:
        if it.status is Status.PAUSED:
            it = changed(editing.resume(it, at=it.start_at, write_id=fresh()))
        assert it.due_at in grid
        at = it.start_at + timedelta(seconds=seconds)
        live = started(it, at)
        assert live.folded_to in grid and live.folded_to <= at
        covered += 1 + live.missed
        it, _ = ended(live, outcome, at + timedelta(minutes=5))
        assert it.due_at > live.folded_to
    assert covered == sum(moment < it.due_at for moment in grid), "each occurrence is run or folded, and none twice"


def test_an_extra_run_keeps_the_rules_times() -> None:
    hand = START - 3 * DAY
    asked = editing.run_now(scheduled(**WEEKLY), at=hand, write_id="w")
    live = started(changed(asked), hand)
    assert (live.extra, live.missed, live.due_at) == (True, 0, START)
    it, run = ended(live, Outcome.SUCCEEDED, hand)
    assert (it.due_at, it.start_at, it.occurrence, it.extra) == (START, START, 1, False)
    assert (it.status, run.next_at) == (Status.SCHEDULED, START)


def test_an_extra_run_that_got_its_turn_after_the_next_time_is_that_one() -> None:
    asked = changed(editing.run_now(scheduled(**DAILY), at=START - timedelta(minutes=1), write_id="w"))
    it, _ = ended(started(asked, later(hours=1)), Outcome.SUCCEEDED, later(hours=2))
    assert (it.due_at, it.occurrence) == (START + DAY, 2)


def test_an_extra_run_that_fails_is_tried_again_before_the_next_time_but_takes_none_of_its_attempts() -> None:
    hand = START - timedelta(hours=1)
    asked = changed(editing.run_now(scheduled(**DAILY), at=hand, write_id="w"))
    soon, _ = ended(started(asked, hand), Outcome.FAILED, hand)
    assert (soon.start_at, soon.attempt, soon.extra, soon.due_at) == (hand + timedelta(seconds=30), 1, True, START)
    at_its_time, run = ended(started(asked, hand), Outcome.FAILED, START - timedelta(seconds=10))
    assert (at_its_time.start_at, at_its_time.wake_at, at_its_time.due_at) == (START, START, START)
    assert (at_its_time.attempt, at_its_time.extra, run.final) == (0, False, False)


def test_run_now_on_a_retry_of_what_is_due_already_gives_it_no_more_attempts() -> None:
    waiting = scheduled(**DAILY, attempt=1, start_at=later(minutes=4))
    asked = changed(editing.run_now(waiting, at=later(minutes=1), write_id="w"))
    it, run = ended(started(asked, later(minutes=1)), Outcome.FAILED, later(minutes=2))
    assert (it.attempt, run.final) == (2, False), "it was the occurrence's second attempt"
    assert it.start_at == later(minutes=4), "120 s of back-off after the second"
    last, run = ended(started(it, it.start_at), Outcome.FAILED, later(minutes=5))
    assert (run.attempt, run.final, last.due_at, last.occurrence) == (3, True, START + DAY, 2)


def test_three_failed_occurrences_in_a_row_pause_it_and_say_so() -> None:
    it, statuses = scheduled(**DAILY, max_attempts=1), []
    for outcome in (Outcome.FAILED, Outcome.UNKNOWN, Outcome.TIMED_OUT):
        it, run = ended(started(it, it.start_at), outcome, it.start_at)
        statuses.append(it.status)
        assert run.report_status is ReportStatus.PENDING
    assert statuses == [Status.SCHEDULED, Status.SCHEDULED, Status.PAUSED]
    assert (it.due_at, it.occurrence, it.failures_in_row) == (START + 3 * DAY, 4, 3)
    assert it.reason == "paused by Followups after 3 failed occurrences in a row"
    assert (run.follow_up_status, run.next_at) == (Status.PAUSED, None)
    resumed = changed(editing.resume(it, at=START + 2 * DAY, write_id="w"))
    assert (resumed.start_at, resumed.failures_in_row) == (START + 3 * DAY, 0)


def test_a_success_between_starts_the_count_anew_and_a_retry_does_not_count() -> None:
    good, _ = ended(running(**DAILY, failures_in_row=2), Outcome.ATTENTION, START)
    assert (good.failures_in_row, good.status) == (0, Status.SCHEDULED)
    retried, _ = ended(running(**DAILY, failures_in_row=2), Outcome.FAILED, START)
    assert (retried.failures_in_row, retried.status, retried.attempt) == (2, Status.SCHEDULED, 1)


def test_a_recurrence_that_cannot_start_goes_on_at_its_next_time() -> None:
    end = runs.refuse_start(claimed(**WEEKLY), "no agent is called @backup", stamp=stamp())
    it, run = changed(end), recorded(end)
    assert (it.status, it.due_at, it.occurrence, it.failures_in_row) == (Status.SCHEDULED, START + 7 * DAY, 2, 1)
    assert (run.report_status, run.started_at, run.next_at) == (ReportStatus.PENDING, None, START + 7 * DAY)


def test_a_start_that_is_refused_late_makes_up_for_what_was_missed_too() -> None:
    at = START + 20 * DAY + timedelta(hours=1)
    end = runs.refuse_start(claimed(**DAILY), "no agent is called @backup", stamp=stamp(at))
    it, run = changed(end), recorded(end)
    assert (it.due_at, it.failures_in_row, it.status) == (START + 21 * DAY, 1, Status.SCHEDULED), "one report, not 21"
    assert run.missed == 20
