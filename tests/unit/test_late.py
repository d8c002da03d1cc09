"""What becomes of an occurrence that cannot start at its time, and starts that are spread on purpose."""

from datetime import UTC, datetime, timedelta

import pytest

from followups.domain import claims, editing, late, policies, runs
from followups.domain.entities import FollowUp
from followups.domain.errors import Invalid
from followups.domain.status import Outcome, ReportStatus, Status
from tests.support.clock import START
from tests.support.decide import changed, claimed, recorded, recurring, running, stamp
from tests.support.things import follow_up, later

DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
DAILY = recurring("2026-11-24T12:00", "UTC")


@pytest.mark.parametrize(
    ("text", "stored", "within"),
    [
        ("run_once", "run_once", None), (" Run_Once ", "run_once", None), ("skip", "skip", 5 * MINUTE),
        ("run_within 6h", "run_within 6h", 6 * HOUR), ("run_within: 90m", "run_within 90m", 90 * MINUTE),
        ("run_within 36 hours", "run_within 36h", 36 * HOUR), ("RUN_WITHIN:2d", "run_within 2d", 2 * DAY),
        ("run_within 1w", "run_within 7d", 7 * DAY), ("run_within PT6H", "run_within 6h", 6 * HOUR),
        ("run_within 1h30m", "run_within 90m", 90 * MINUTE), ("run_within 48h", "run_within 2d", 2 * DAY),
    ],
)  # fmt: skip
def test_a_policy_is_read_and_stored_in_one_way(text: str, stored: str, within: timedelta | None) -> None:
    assert policies.read_late(text) == stored
    assert late.allowed(stored) == within
    assert policies.read_late(stored) == stored


@pytest.mark.parametrize(
    "text",
    ["", "never", "run_within", "run_within 4m", "run_within 1m", "run_within 1mo", "run_within 1y", "run_within -6h",
     "run_within 367d", "run_within 999999999999w", "run_within 301s", "skip 6h", "run_within 6h or so", "run within 6h"],
)  # fmt: skip
def test_what_is_no_policy_says_which_there_are(text: str) -> None:
    with pytest.raises(Invalid, match="run_once, skip or run_within 6h") as refused:
        policies.read_late(text)
    assert (refused.value.code, refused.value.field) == ("invalid_late", "late")


def test_what_is_stored_is_not_half_understood() -> None:
    for text in ("ask", "run_within 6 h", "run_within h", "SKIP"):
        with pytest.raises(ValueError, match="not a late policy"):
            late.allowed(text)


@pytest.mark.parametrize(
    ("fields", "after", "too_late"),
    [
        ({}, 300 * DAY, None),
        ({"late": "skip"}, 5 * MINUTE, None),
        ({"late": "skip"}, 5 * MINUTE + timedelta(seconds=1), 5 * MINUTE + timedelta(seconds=1)),
        ({"late": "run_within 6h"}, 6 * HOUR, None),
        ({"late": "run_within 6h"}, 7 * HOUR, 7 * HOUR),
        # A second attempt, a run by hand, and one that was put off have a time of their own.
        ({"late": "skip", "attempt": 1}, DAY, None),
        ({"late": "skip", "extra": True}, DAY, None),
        ({"late": "skip", "snoozed_to": START + DAY}, DAY + MINUTE, None),
        ({"late": "skip", "snoozed_to": START + DAY}, DAY + HOUR, HOUR),
        ({"late": "skip", "stagger_s": 3_600}, timedelta(minutes=5, seconds=1), None),
    ],
)
def test_how_late_is_too_late(fields: dict[str, object], after: timedelta, too_late: timedelta | None) -> None:
    assert runs.lateness(claimed(**fields), START + after) == too_late


def skipped(old: FollowUp, after: timedelta) -> tuple[FollowUp, object]:
    at = START + after
    overdue = runs.lateness(old, at)
    assert overdue is not None
    end = runs.skip(old, overdue, stamp=stamp(at))
    return changed(end), recorded(end)


def test_one_that_comes_once_is_done_and_told() -> None:
    it, run = skipped(claimed(late="skip", blocked_reason="@backup is busy"), 2 * HOUR)
    assert (it.status, it.last_outcome, it.failures_in_row) == (Status.DONE, Outcome.SKIPPED, 0)
    assert (run.outcome, run.started_at, run.attempt) == (Outcome.SKIPPED, None, 0)  # type: ignore[attr-defined]
    assert run.report_status is ReportStatus.PENDING  # type: ignore[attr-defined]
    assert run.summary == (  # type: ignore[attr-defined]
        "Its turn came 2 h after its time, and it is not to start more than 5 min late (it waited: @backup is busy)."
    )


def test_all_that_is_too_late_is_one_record_and_what_is_not_runs() -> None:
    it, run = skipped(claimed(**DAILY, late="run_within 6h", failures_in_row=2), 3 * DAY + HOUR)
    assert (run.missed, run.folded_to, run.due_at) == (2, START + 2 * DAY, START)  # type: ignore[attr-defined]
    assert (it.status, it.due_at, it.start_at, it.occurrence) == (Status.SCHEDULED, START + 3 * DAY, START + 3 * DAY, 2)
    assert it.failures_in_row == 2, "it neither failed nor did well"
    # Its claim of the day is in time.
    claim = changed(claims.claim(it, at=START + 3 * DAY + HOUR, write_id="w2"))
    assert runs.lateness(claim, START + 3 * DAY + HOUR) is None


def test_one_that_is_just_in_time_is_not_skipped_with_the_others() -> None:
    it, run = skipped(claimed(**DAILY, late="run_within 6h"), 2 * DAY + 6 * HOUR)
    assert (run.missed, it.due_at) == (1, START + 2 * DAY)  # type: ignore[attr-defined]


def test_a_rule_that_has_come_to_its_end_is_done() -> None:
    rule = DAILY["rule"] + ";COUNT=3"
    it, run = skipped(claimed(**DAILY | {"rule": rule}, late="skip"), 30 * DAY)
    assert (it.status, run.missed, it.last_outcome) == (Status.DONE, 2, Outcome.SKIPPED)  # type: ignore[attr-defined]


def test_starts_are_spread_and_each_keeps_its_share() -> None:
    shares = {follow_up(id=name * 26, stagger_s=600).stagger for name in "abcdefghijklmnopqrstuvwxyz"}
    assert len(shares) > 20 and max(shares) <= timedelta(seconds=600) and min(shares) < timedelta(seconds=120)
    it = running(**DAILY, stagger_s=600)
    assert it.planned_at == START + it.stagger and it.stagger > timedelta(0)
    end = runs.finish(it, runs.Done(outcome=Outcome.SUCCEEDED, summary="s"), rerun_safe=False, stamp=stamp())
    following = changed(end)
    assert (following.due_at, following.start_at) == (START + DAY, START + DAY + it.stagger)
    assert recorded(end).planned_at == START + it.stagger


def test_a_nominal_time_whose_stagger_is_still_to_come_is_not_missed() -> None:
    it = claimed(**recurring("2026-11-24T12:00", "UTC"), stagger_s=3_600)
    assert it.stagger > timedelta(minutes=1)
    early = START + DAY + it.stagger - timedelta(minutes=1)
    assert changed(runs.refuse_start(it, "gone", stamp=stamp(early))).due_at == START + DAY
    assert changed(runs.refuse_start(it, "gone", stamp=stamp(early + MINUTE))).due_at == START + 2 * DAY


@pytest.mark.parametrize(("text", "seconds"), [("10m", 600), ("1h", 3_600), ("in 90 seconds", 90), ("PT5M", 300)])
def test_a_stagger_is_a_short_time(text: str, seconds: int) -> None:
    assert policies.read_stagger(text) == seconds


@pytest.mark.parametrize("text", ["", "0s", "1d", "61m", "1m", "daily", "9am", "-5m", "999999999999999h"])
def test_what_is_no_stagger(text: str) -> None:
    with pytest.raises(Invalid) as refused:
        policies.read_stagger(text)
    assert (refused.value.code, refused.value.field) == ("invalid_stagger", "stagger")


# Other data of the zones


def test_new_data_of_the_zones_moves_what_is_next_by_its_wall_time() -> None:
    # Written when Berlin was thought to keep summer time: nine o'clock was 07:00Z.
    due = datetime(2026, 12, 1, 7, tzinfo=UTC)
    old = follow_up(
        timezone="Europe/Berlin", due_at=due, start_at=due, wake_at=due, due_wall="2026-12-01T09:00:00", tzdata="2020a"
    )  # fmt: skip
    moved = changed(claims.read_anew(old, at=due, write_id="w2"))
    assert moved.due_at == moved.start_at == moved.wake_at == due + HOUR
    assert claims.read_anew(moved, at=due, write_id="w3") is None


def test_what_was_put_off_or_waits_for_another_try_keeps_its_start() -> None:
    due = datetime(2026, 12, 1, 7, tzinfo=UTC)
    fields = {"timezone": "Europe/Berlin", "due_at": due, "due_wall": "2026-12-01T09:00:00", "tzdata": "2020a"}
    snoozed = follow_up(**fields, snoozed_to=due + DAY, start_at=due + DAY, wake_at=due + DAY)
    again = follow_up(**fields, attempt=1, start_at=due + 9 * MINUTE, wake_at=due + 10 * MINUTE)
    for old in (snoozed, again):
        moved = changed(claims.read_anew(old, at=due, write_id="w2"))
        assert (moved.due_at, moved.start_at, moved.wake_at) == (due + HOUR, old.start_at, old.wake_at)


def test_a_run_that_was_asked_for_by_hand_is_not_moved() -> None:
    due = datetime(2026, 12, 1, 7, tzinfo=UTC)
    fields = {"timezone": "Europe/Berlin", "due_at": due, "due_wall": "2026-12-01T09:00:00", "tzdata": "2020a"}
    moved = changed(claims.read_anew(follow_up(**fields, extra=True, start_at=due, wake_at=due), at=due, write_id="w2"))
    assert (moved.due_at, moved.start_at) == (due + HOUR, due)


def test_what_counts_hours_and_what_was_given_with_an_offset_is_not_read_anew() -> None:
    assert claims.read_anew(follow_up(tzdata=None), at=START, write_id="w2") is None


# Putting off


def test_what_is_put_off_keeps_its_nominal_time_and_its_rule() -> None:
    it = changed(
        editing.snooze(follow_up(**DAILY, start_at=START, wake_at=START), later(hours=50), at=START, write_id="w2")
    )
    assert (it.due_at, it.start_at, it.wake_at, it.planned_at) == (START, *[later(hours=50)] * 3)
    live = changed(claims.claim(it, at=later(hours=50), write_id="w3"))
    end = runs.refuse_start(live, "gone", stamp=stamp(later(hours=50)))
    following, run = changed(end), recorded(end)
    assert (run.missed, run.planned_at, following.due_at) == (2, later(hours=50), START + 3 * DAY)
    assert (following.snoozed_to, following.start_at) == (None, START + 3 * DAY)


def test_one_whose_place_was_taken_ends_with_its_run() -> None:
    live = changed(editing.make_way(running(**DAILY), "b" * 26, at=START, write_id="w2"))
    for outcome in (Outcome.SUCCEEDED, Outcome.FAILED):
        end = runs.finish(live, runs.Done(outcome=outcome, summary="s"), rerun_safe=True, stamp=stamp())
        assert (changed(end).status, recorded(end).final, recorded(end).next_at) == (Status.DONE, True, None)
    once = changed(editing.make_way(running(), "b" * 26, at=START, write_id="w2"))
    end = runs.finish(once, runs.Done(outcome=Outcome.FAILED, summary="s"), rerun_safe=True, stamp=stamp())
    assert (changed(end).status, recorded(end).final) == (Status.FAILED, True), "no second attempt"
    waiting = changed(editing.make_way(claimed(), "b" * 26, at=START, write_id="w2"))
    assert (waiting.status, waiting.reason) == (Status.CANCELLED, f"replaced by {'b' * 26}")


def test_a_pause_that_has_an_end_is_looked_at_then() -> None:
    paused = changed(editing.pause(follow_up(), "holiday", later(hours=3), at=START, write_id="w2"))
    assert (paused.wake_at, paused.paused_until) == (later(hours=3), later(hours=3))
    back = changed(editing.pause_over(paused, at=later(hours=3), write_id="w3"))
    assert (back.status, back.paused_until, back.reason, back.wake_at) == (Status.SCHEDULED, None, None, back.start_at)
    longer = changed(editing.pause(paused, "holiday", None, at=later(hours=1), write_id="w3"))
    assert (longer.wake_at, longer.paused_until) == (None, None), "now until it is resumed"
    far = changed(editing.pause(follow_up(), None, START + 500 * DAY, at=START, write_id="w2"))
    assert far.wake_at == START + 400 * DAY
    still = changed(editing.pause_over(far, at=START + 400 * DAY, write_id="w3"))
    assert (still.status, still.wake_at) == (Status.PAUSED, START + 500 * DAY)


@pytest.mark.parametrize("change", ["pause", "snooze"])
@pytest.mark.parametrize(("due", "left"), [(later(days=1), 0), (START, 1)])
def test_the_tries_of_a_run_by_hand_are_not_those_of_what_comes_next(change: str, due: datetime, left: int) -> None:
    # It failed once and waits for its next try; at or after its own time, that try is the occurrence's.
    again = later(minutes=4)
    old = follow_up(**DAILY | {"due_at": due}, extra=True, attempt=1, start_at=again, wake_at=again)
    if change == "pause":
        it = changed(editing.pause(old, None, at=later(minutes=1), write_id="w2"))
    else:
        it = changed(editing.snooze(old, later(days=2), at=later(minutes=1), write_id="w2"))
    assert (it.extra, it.attempt) == (False, left)
