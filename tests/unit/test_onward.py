"""What follows a run of what is to be brought about: the next look, or the end, which tells whether it was met."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from followups.domain import claims, editing, runs
from followups.domain.contract import Done
from followups.domain.entities import FollowUp, Run
from followups.domain.errors import IllegalTransition
from followups.domain.status import LIVE, Outcome, ReportStatus, Status, Verdict
from tests.support.clock import START
from tests.support.decide import changed, claimed, recorded, recurring, running, stamp
from tests.support.things import agent, fresh, later

S, V = Status, Verdict
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
DAILY = recurring("2026-11-24T12:00", "UTC")
#: What a run says that did not find it met.
NOT_YET = [V.NOT_MET, V.CANNOT_TELL, None]
BAD = [Outcome.FAILED, Outcome.TIMED_OUT, Outcome.UNKNOWN]
NO_MORE, GIVEN_UP = "it was not met, and no further look is planned", "given up: it was not met in time"


def wished(**fields: Any) -> FollowUp:
    """Gives a live run of something with a condition, its last attempt."""
    return running(**({"done_when": "the invoice is paid", "attempt": 1, "max_attempts": 1} | fields))


def ended(
    old: FollowUp, verdict: Verdict | None = None, outcome: Outcome = Outcome.SUCCEEDED, *, at: datetime = START
) -> tuple[FollowUp, Run]:
    done = Done(outcome=outcome, summary="s", verdict=verdict, evidence="seen")
    decision = runs.finish(old, done, rerun_safe=False, stamp=stamp(at))
    return changed(decision), recorded(decision)


def again(old: FollowUp, at: datetime) -> FollowUp:
    """Claims and starts it at that instant."""
    claim = changed(claims.claim(old, at=at, write_id=fresh()))
    return changed(
        runs.start(
            claim, agent(), at=at, write_id=fresh(), deadline=at + HOUR, process_end=at + HOUR, lease_holder=None,
            global_cap=2,
        )
    )  # fmt: skip


@pytest.mark.parametrize("outcome", [Outcome.SUCCEEDED, Outcome.ATTENTION])
@pytest.mark.parametrize("kind", [{}, {"ladder": "1d,2d"}, DAILY])
def test_met_ends_it_also_a_recurrence_and_a_ladder(kind: dict[str, Any], outcome: Outcome) -> None:
    it, run = ended(wished(**kind, failures_in_row=2), V.MET, outcome)
    assert (it.status, it.last_verdict, it.last_outcome, it.failures_in_row) == (S.DONE, V.MET, outcome, 0)
    assert (it.reason, it.wake_at, run.next_at) == (None, None, None)
    assert (run.outcome, run.verdict, run.evidence, run.done_when) == (outcome, V.MET, "seen", "the invoice is paid")
    assert (run.follow_up_status, run.report_status) == (S.DONE, ReportStatus.PENDING)


@pytest.mark.parametrize("verdict", NOT_YET)
def test_what_is_not_met_comes_again_by_its_rule(verdict: Verdict | None) -> None:
    it, run = ended(wished(**DAILY), verdict)
    assert (it.status, it.due_at, it.start_at, it.occurrence, it.attempt) == (S.SCHEDULED, *[START + DAY] * 2, 2, 0)
    assert (it.last_verdict, it.last_outcome) == (verdict or V.CANNOT_TELL, Outcome.ATTENTION), "never a success"
    assert (run.outcome, run.verdict, run.next_at) == (Outcome.ATTENTION, verdict or V.CANNOT_TELL, START + DAY)


@pytest.mark.parametrize("verdict", NOT_YET)
def test_what_is_not_met_comes_again_by_its_ladder_until_that_ends(verdict: Verdict | None) -> None:
    it, times = wished(ladder="1d,2d,4d"), []
    for occurrence in (2, 3, 4):
        it, run = ended(it, verdict, at=it.start_at + HOUR)
        assert (it.status, it.occurrence, it.attempt, run.final) == (S.SCHEDULED, occurrence, 0, True)
        assert it.due_at == it.start_at == it.wake_at == run.next_at
        times.append(it.due_at)
        it = again(it, it.start_at)
        it = changed(runs.wait_for(it, runs.Pending(handle="h", poll_after=HOUR), at=it.due_at, write_id=fresh()))
    assert times == [START + days * DAY for days in (1, 3, 7)]
    it, run = ended(it, verdict, at=it.due_at)
    assert (it.status, it.reason, run.next_at) == (S.FAILED, NO_MORE, None)
    assert (run.outcome, run.follow_up_status) == (Outcome.ATTENTION, S.FAILED), "the look went well, the thing did not"


@pytest.mark.parametrize("verdict", NOT_YET)
@pytest.mark.parametrize("kind", [{}, DAILY | {"rule": DAILY["rule"] + ";COUNT=1"}])
def test_the_last_look_that_finds_it_not_met_is_a_failure(kind: dict[str, Any], verdict: Verdict | None) -> None:
    it, _ = ended(wished(**kind), verdict)
    assert (it.status, it.reason, it.failures_in_row) == (S.FAILED, NO_MORE, 0)


def test_without_a_condition_a_verdict_moves_nothing() -> None:
    for verdict in (None, *V):
        once, run = ended(running(), verdict)
        assert (once.status, once.last_verdict, run.verdict, run.evidence) == (S.DONE, None, None, "")
        assert ended(running(**DAILY), verdict)[0].status is S.SCHEDULED
    last, _ = ended(running(**DAILY | {"rule": DAILY["rule"] + ";COUNT=1"}), outcome=Outcome.UNKNOWN)
    assert (last.status, last.reason) == (S.DONE, None), "a recurrence is over, however its last run went"


@pytest.mark.parametrize("outcome", BAD)
def test_a_run_that_failed_has_the_next_look_too(outcome: Outcome) -> None:
    it, run = ended(wished(ladder="1d"), V.MET, outcome)
    assert (it.status, it.due_at, it.occurrence, it.attempt, it.failures_in_row) == (S.SCHEDULED, START + DAY, 2, 0, 1)
    assert (it.last_verdict, run.verdict, run.outcome) == (V.CANNOT_TELL, V.CANNOT_TELL, outcome), "who failed cannot tell"
    last, _ = ended(wished(ladder="1d", occurrence=2), None, outcome)
    assert (last.status, last.reason) == (S.FAILED, NO_MORE)


def test_a_failed_look_is_tried_again_before_the_next_one() -> None:
    it, run = ended(wished(ladder="1d", max_attempts=2), None, Outcome.FAILED)
    assert (it.status, it.due_at, it.occurrence, it.attempt, run.final) == (S.SCHEDULED, START, 1, 1, False)
    assert (it.start_at, run.report_status) == (START + timedelta(seconds=30), ReportStatus.NONE)


@pytest.mark.parametrize("kind", [{"ladder": "1d"}, DAILY])
def test_three_failed_looks_in_a_row_pause_it(kind: dict[str, Any]) -> None:
    end = {} if "rule" in kind else {"give_up_at": START + 30 * DAY}
    it = wished(**kind, **end)
    for failures in (1, 2, 3):
        it, run = ended(it, None, Outcome.FAILED, at=it.start_at)
        assert (it.failures_in_row, it.occurrence, it.due_at) == (failures, failures + 1, START + failures * DAY)
        it = again(it, it.start_at) if failures < 3 else it
    assert (it.status, it.wake_at, run.next_at) == (S.PAUSED, None, None)
    assert it.reason == "paused by Followups after 3 failed occurrences in a row"
    resumed = changed(editing.resume(it, at=later(days=2), write_id="w"))
    assert (resumed.wake_at, resumed.failures_in_row, resumed.reason) == (START + 3 * DAY, 0, None)
    assert ended(wished(**kind, failures_in_row=2), V.NOT_MET)[0].failures_in_row == 0, "who looked has not failed"


# A time to give up at


@pytest.mark.parametrize("kind", [{"ladder": "1d"}, DAILY])
def test_no_look_is_planned_after_the_time_to_give_up(kind: dict[str, Any]) -> None:
    it, _ = ended(wished(**kind, give_up_at=START + DAY), V.NOT_MET)
    assert (it.status, it.due_at) == (S.SCHEDULED, START + DAY), "a look at the very time is none after it"
    it, run = ended(wished(**kind, give_up_at=START + DAY - timedelta(seconds=1)), V.NOT_MET)
    assert (it.status, it.reason, run.next_at, run.follow_up_status) == (S.FAILED, GIVEN_UP, None, S.FAILED)
    assert (it.due_at, it.occurrence) == (START, 1), "it keeps the time of its last look"


def test_until_the_time_to_give_up_the_last_wait_is_repeated() -> None:
    it, times = wished(ladder="1d,2d", give_up_at=START + 6 * DAY), []
    while it.status in LIVE:
        it, _ = ended(it, V.NOT_MET, at=it.due_at)
        times.append(it.due_at - START)
        it = again(it, it.start_at) if it.status is S.SCHEDULED else it
    assert times == [1 * DAY, 3 * DAY, 5 * DAY, 5 * DAY]
    assert (it.status, it.reason) == (S.FAILED, GIVEN_UP)


def test_a_look_whose_spread_start_would_come_too_late_is_given_up() -> None:
    spread = wished(ladder="1d", stagger_s=3_600, give_up_at=START + DAY)
    assert spread.stagger > timedelta(0)
    assert ended(spread, V.NOT_MET)[0].reason == GIVEN_UP


# Looks that did not take place, or not at their time


def test_a_look_that_was_missed_counts_from_now() -> None:
    it, _ = ended(wished(ladder="1d"), V.NOT_MET, at=START + 5 * DAY + HOUR)
    assert (it.due_at, it.due_wall) == (START + 6 * DAY + HOUR, "2026-11-30T13:00:00")
    hours, _ = ended(wished(ladder="4h"), V.NOT_MET, at=START + DAY)
    assert (hours.due_at, hours.due_wall, hours.tzdata) == (START + DAY + 4 * HOUR, None, None)


def test_the_days_of_a_ladder_keep_the_wall_time_through_a_change_of_the_clock() -> None:
    # Berlin leaves summer time in the night to 25 October 2026.
    due = datetime(2026, 10, 24, 7, tzinfo=UTC)
    it, _ = ended(wished(ladder="1d", timezone="Europe/Berlin", due_at=due), V.NOT_MET, at=due)
    assert (it.due_at, it.due_wall) == (due + 25 * HOUR, "2026-10-25T09:00:00")
    assert it.tzdata is not None, "new data of the zones moves it"


def test_a_look_that_came_too_late_is_skipped_and_the_next_one_is_planned() -> None:
    old = claimed(done_when="it is so", ladder="1d", late="skip", failures_in_row=2)
    skip = runs.skip(old, 2 * HOUR, stamp=stamp(START + 2 * HOUR))
    it, run = changed(skip), recorded(skip)
    assert (it.status, it.due_at, it.occurrence, it.failures_in_row) == (S.SCHEDULED, START + DAY, 2, 2)
    assert (it.last_outcome, it.last_verdict, run.outcome, run.verdict) == (Outcome.SKIPPED, None, Outcome.SKIPPED, None)
    last = runs.skip(claimed(done_when="it is so", late="skip"), 2 * HOUR, stamp=stamp(START + 2 * HOUR))
    assert (changed(last).status, changed(last).reason) == (S.FAILED, NO_MORE), "nobody has seen that it is so"


def test_a_look_that_cannot_start_is_a_failed_one() -> None:
    refusal = runs.refuse_start(claimed(done_when="it is so", ladder="1d"), "no agent", stamp=stamp())
    it, run = changed(refusal), recorded(refusal)
    assert (it.status, it.due_at, it.failures_in_row, run.verdict) == (S.SCHEDULED, START + DAY, 1, V.CANNOT_TELL)
    last = runs.refuse_start(claimed(done_when="it is so"), "no agent", stamp=stamp())
    assert (changed(last).status, changed(last).reason, recorded(last).summary) == (S.FAILED, NO_MORE, "no agent")


def test_a_run_by_hand_between_two_times_of_a_rule_uses_none_up_and_may_meet_it() -> None:
    by_hand = wished(**DAILY | {"due_at": START + DAY}, extra=True, give_up_at=START + 2 * DAY)
    it, _ = ended(by_hand, V.NOT_MET, at=START + HOUR)
    assert (it.status, it.due_at, it.start_at, it.occurrence, it.extra) == (S.SCHEDULED, *[START + DAY] * 2, 1, False)
    assert ended(by_hand, V.MET, at=START + HOUR)[0].status is S.DONE


def test_a_run_by_hand_of_what_has_a_ladder_is_its_next_look() -> None:
    waits, _ = ended(wished(ladder="1d,2d"), V.NOT_MET)
    asked = changed(editing.run_now(waits, at=START + HOUR, write_id="w"))
    it, _ = ended(again(asked, START + HOUR), V.NOT_MET, at=START + 2 * HOUR)
    assert (it.due_at, it.occurrence, it.extra, it.attempt) == (START + 3 * DAY, 3, False, 0), "from the nominal time on"


# Ends that are no verdict's


def test_nothing_follows_one_whose_place_was_taken() -> None:
    for kind in ({"ladder": "1d"}, DAILY):
        live = changed(editing.make_way(wished(**kind, max_attempts=3), "b" * 26, at=START, write_id="w"))
        for verdict, status in ((V.NOT_MET, S.DONE), (V.MET, S.DONE)):
            it, run = ended(live, verdict)
            assert (it.status, it.reason, run.next_at) == (status, None, None), "the other one looks for it now"
        failed, run = ended(live, None, Outcome.FAILED)
        assert (failed.status, run.final) == (S.DONE if "rule" in kind else S.FAILED, True), "and is not tried again"


@pytest.mark.parametrize("verdict", [V.MET, V.NOT_MET])
def test_one_that_was_cancelled_is_cancelled_whatever_it_says(verdict: Verdict) -> None:
    live = wished(**DAILY, status=S.CANCELLING, blocked_since=START)
    it, run = ended(live, verdict)
    assert (it.status, it.last_verdict, it.blocked_since) == (S.CANCELLED, None, None)
    assert (run.outcome, run.verdict, run.report_status) == (Outcome.CANCELLED, V.CANNOT_TELL, ReportStatus.NONE)


def test_an_operators_try_of_an_agent_is_told_by_nobody() -> None:
    it, run = ended(wished(test=True), V.MET)
    assert (it.status, run.test, run.report_status, run.final) == (S.DONE, True, ReportStatus.NONE, True)
    with pytest.raises(IllegalTransition):
        ended(it, V.MET)
