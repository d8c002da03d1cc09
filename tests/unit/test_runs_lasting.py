"""Runs that outlive the process that started them: their start, how they are asked for, and how they are given back."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from followups.domain import ids, runs
from followups.domain.changes import Change, FreeSlot, Spend
from followups.domain.contract import Done, Pending
from followups.domain.entities import FollowUp
from followups.domain.errors import IllegalTransition
from followups.domain.hearing import OVERDUE_AFTER
from followups.domain.ids import Key
from followups.domain.moves import UNCLAIMED
from followups.domain.status import Outcome, ReportStatus, Status
from tests.support.clock import START
from tests.support.decide import changed, claimed, others, recorded, recurring, running, stamp
from tests.support.things import agent, follow_up, fresh, later

S = Status
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
LASTING = [
    ("lambda", "async"), ("lambda", "durable"), ("agentcore", "async"), ("states", None), ("https", None), ("worker", None),
]  # fmt: skip
WAITED_FOR = [("lambda", None), ("lambda", "sync"), ("agentcore", "sync"), ("command", None), ("checklist", None)]


def start(kind: str, mode: str | None, *, deadline: datetime, process_end: datetime) -> FollowUp:
    return changed(
        runs.start(
            claimed(), agent(kind=kind, mode=mode), at=START, write_id="w", deadline=deadline, process_end=process_end,
            lease_holder="locks/1", global_cap=5,
        )
    )  # fmt: skip


def lasting(**fields: Any) -> FollowUp:
    """Gives a live run that may take a day, and is to be looked at in a minute."""
    usual = {"deadline_at": START + DAY, "lease_until": START + DAY + 10 * MINUTE, "wake_at": START + MINUTE, "handle": "h"}
    return running(**(usual | fields))


@pytest.mark.parametrize(("kind", "mode"), LASTING)
def test_a_run_that_outlives_its_process_has_its_own_deadline_and_a_lease_beyond_it(kind: str, mode: str | None) -> None:
    it = start(kind, mode, deadline=START + 7 * DAY, process_end=later(minutes=16))
    assert (it.deadline_at, it.lease_until) == (START + 7 * DAY, START + 7 * DAY + 10 * MINUTE)
    assert it.wake_at == later(minutes=16), "it is looked at when the process that starts it is surely gone"
    assert (it.lease_holder, it.handle) == (None, None), "what becomes of a process tells nothing of the run"


@pytest.mark.parametrize(("kind", "mode"), WAITED_FOR)
def test_a_run_that_is_waited_for_ends_with_its_process(kind: str, mode: str | None) -> None:
    it = start(kind, mode, deadline=later(minutes=10), process_end=later(minutes=16))
    assert (it.deadline_at, it.lease_until, it.wake_at) == (later(minutes=10), later(minutes=16), later(minutes=16))
    assert it.lease_holder == "locks/1"


def test_a_short_lasting_run_is_held_as_long_as_the_process_may_live() -> None:
    it = start("https", None, deadline=later(seconds=5), process_end=later(minutes=16))
    assert (it.lease_until, it.wake_at) == (later(minutes=16), later(minutes=16))


# Asking for it


def test_a_run_that_is_asked_for_goes_by_its_own_id_where_no_answer_was_stored() -> None:
    it = changed(runs.ask(lasting(handle=None), at=later(minutes=1), write_id="w"))
    assert (it.status, it.handle, it.wake_at) == (S.RUNNING, it.run_id, later(minutes=3))
    named = changed(runs.ask(lasting(handle="arn:x"), at=later(minutes=1), write_id="w"))
    assert (named.handle, named.wake_at) == ("arn:x", later(minutes=3)), "should nothing come of it, again in 2 minutes"


def test_it_is_asked_for_until_its_lease_ends() -> None:
    old = lasting(lease_until=later(minutes=2))
    it = changed(runs.ask(old, at=later(minutes=1), write_id="w"))
    assert it.wake_at == old.lease_until
    cancelling = changed(runs.ask(lasting(status=S.CANCELLING), at=later(minutes=1), write_id="w"))
    assert (cancelling.status, cancelling.wake_at) == (S.CANCELLING, later(minutes=3))


def test_the_name_that_we_gave_it_is_not_the_targets() -> None:
    done = Done(outcome=Outcome.SUCCEEDED, summary="s")
    for handle, told in ((None, None), ("arn:x", "arn:x"), (running(id="a" * 26).run_id, None)):
        end = runs.finish(lasting(id="a" * 26, handle=handle), done, rerun_safe=False, stamp=stamp(), kind="states")
        assert (recorded(end).target_id, recorded(end).kind) == (told, "states")


# Waiting for it


@pytest.mark.parametrize(
    ("fields", "at", "after", "look"),
    [
        ({}, START, 5 * MINUTE, later(minutes=5)),
        ({}, START, timedelta(0), START),
        # At its deadline it is to be ended, and not before its target was asked once more.
        ({}, later(hours=23), 2 * HOUR, START + DAY + OVERDUE_AFTER),
        ({}, START + DAY - timedelta(seconds=10), 5 * MINUTE, START + DAY + OVERDUE_AFTER),
        ({}, START + DAY + timedelta(seconds=10), 5 * MINUTE, START + DAY + timedelta(seconds=40)),
        # Past that it is stopped, and asked soon whether it has.
        ({}, START + DAY, 5 * MINUTE, START + DAY + timedelta(seconds=30)),
        ({}, START + DAY + 5 * MINUTE, 5 * MINUTE, START + DAY + timedelta(minutes=5, seconds=30)),
        ({}, START + DAY + 5 * MINUTE, timedelta(seconds=10), START + DAY + timedelta(minutes=5, seconds=10)),
        # Whoever is never told that it has ends with its lease.
        ({}, START + DAY + timedelta(minutes=9, seconds=50), 5 * MINUTE, START + DAY + 10 * MINUTE),
        ({}, START + DAY + 11 * MINUTE, 5 * MINUTE, START + DAY + 10 * MINUTE),
        # One that is cancelled is asked soon, whatever its target says.
        ({"status": S.CANCELLING}, START, 5 * MINUTE, later(seconds=30)),
        ({"status": S.CANCELLING}, START, timedelta(seconds=10), later(seconds=10)),
        ({"status": S.CANCELLING}, START + DAY, 5 * MINUTE, START + DAY + timedelta(seconds=30)),
    ],
)
def test_when_it_is_looked_at_next(fields: dict[str, Any], at: datetime, after: timedelta, look: datetime) -> None:
    old = lasting(**fields)
    it = changed(runs.wait_for(old, Pending(handle="h2", poll_after=after), at=at, write_id="w"))
    assert (it.status, it.wake_at, it.handle) == (old.status, look, "h2")
    assert (it.deadline_at, it.lease_until, it.attempt, it.fence) == (
        old.deadline_at, old.lease_until, old.attempt, old.fence,
    )  # fmt: skip


def test_a_note_is_kept_until_there_is_another_and_a_handle_has_its_bounds() -> None:
    old = lasting(progress="half way")
    silent = changed(runs.wait_for(old, Pending(handle="h" * 2_000, poll_after=MINUTE), at=START, write_id="w"))
    assert (silent.progress, silent.handle) == ("half way", "h" * 1_024)
    told = changed(runs.wait_for(old, Pending(handle="h", poll_after=MINUTE, note="3 of 4"), at=START, write_id="w"))
    assert told.progress == "3 of 4"


# Giving it back


def release(old: FollowUp, *, at: datetime = START, **more: Any) -> tuple[Change, ...]:
    return runs.release(old, "the target has no room", at=at, write_id=fresh(), wake_at=at + MINUTE, **more)


def test_what_surely_did_not_start_is_as_it_was_before_its_start() -> None:
    old = lasting(attempt=2, fence=3, missed=2, folded_to=START, refused=1, refused_why="full", progress="waits")
    decision = release(old, at=later(seconds=9))
    it = changed(decision)
    assert (it.status, it.attempt, it.fence, it.start_at, it.due_at) == (S.SCHEDULED, 1, 3, old.start_at, old.due_at)
    assert (it.wake_at, it.blocked_reason) == (later(minutes=1, seconds=9), "the target has no room")
    assert {name: getattr(it, name) for name in UNCLAIMED} == UNCLAIMED, "nothing of the run is left"
    assert others(decision) == [
        FreeSlot(ids.agent_slots_key("@backup"), old.slot_id), FreeSlot(ids.ALL_SLOTS_KEY, old.slot_id),
    ]  # fmt: skip
    assert len(decision) == 3, "blocked is not failed: there is no record of it"


def test_it_has_waited_since_it_was_held_up_first() -> None:
    assert changed(release(lasting(), at=later(minutes=2))).blocked_since == START, "since its start"
    before = changed(release(lasting(blocked_since=START - HOUR), at=later(minutes=2)))
    assert before.blocked_since == START - HOUR, "a start that came to nothing ended no waiting"


def test_the_run_of_the_hour_in_which_it_started_is_given_back() -> None:
    started = START.replace(minute=59, second=50)
    *_, spend = release(lasting(started_at=started), at=later(hours=1, minutes=2), runs_per_hour=7)
    assert spend == Spend(Key("OWNER#ada", "HOUR#2026-11-24T12"), -1, 7, expires_at=started + DAY)
    assert not any(isinstance(it, Spend) for it in release(lasting()))


def test_a_start_and_its_release_leave_nothing_spent() -> None:
    old = claimed(**recurring("2026-11-24T12:00", "UTC"), attempt=1)
    begun = runs.start(
        old, agent(kind="https"), at=START + 2 * DAY, write_id="w", deadline=START + 3 * DAY, process_end=START + 3 * DAY,
        lease_holder=None, global_cap=5, runs_per_hour=7,
    )  # fmt: skip
    live = changed(begun)
    assert (live.attempt, live.missed) == (2, 2)
    back = release(live, at=START + 2 * DAY, runs_per_hour=7)
    it = changed(back)
    assert (it.attempt, it.missed, it.due_at, it.occurrence) == (1, 0, START, 1), "its next start counts anew"
    taken = {change.key for change in others(begun)}
    assert {change.key for change in others(back)} == taken, "whatever a start takes is given back"
    amounts = [change.amount for change in (*begun, *back) if isinstance(change, Spend)]
    assert amounts == [1, -1]


@pytest.mark.parametrize("status", [it for it in S if it is not S.RUNNING])
def test_only_what_is_running_is_given_back(status: Status) -> None:
    with pytest.raises(IllegalTransition):
        release(follow_up(status=status, fence=1, attempt=1, started_at=START))


# Not started, and not to come back


def not_started(old: FollowUp, **more: Any) -> tuple[Change, ...]:
    return runs.not_started(old, "no room", stamp=stamp(later(minutes=1)), wake_at=later(minutes=2), kind="https", **more)


def test_what_did_not_start_goes_back_into_its_line() -> None:
    it = changed(not_started(lasting(attempt=2)))
    assert (it.status, it.attempt, it.wake_at, it.blocked_reason) == (S.SCHEDULED, 1, later(minutes=2), "no room")


@pytest.mark.parametrize("kind", [{}, recurring("2026-11-24T12:00", "UTC")])
@pytest.mark.parametrize(
    ("fields", "status", "outcome", "why"),
    [
        ({"status": S.CANCELLING}, S.CANCELLED, Outcome.CANCELLED, "The agent was not started."),
        ({"replaced_by": "b" * 26}, S.DONE, Outcome.SKIPPED, f"(no room), and {'b' * 26} has taken its place."),
    ],
)
def test_what_did_not_start_and_is_over_ends_with_all_that_it_took(
    kind: dict[str, Any], fields: dict[str, Any], status: Status, outcome: Outcome, why: str
) -> None:
    old = lasting(**kind, **fields, attempt=2, counted=True, blocked_since=START)
    decision = not_started(old, runs_per_hour=7)
    it, run = changed(decision), recorded(decision)
    assert (it.status, it.attempt, it.blocked_since, it.reason) == (status, 1, None, None)
    assert (run.outcome, run.started_at, run.attempt, run.final, run.kind) == (outcome, None, 1, True, "https")
    assert run.summary.endswith(why)
    assert run.report_status is (ReportStatus.NONE if status is S.CANCELLED else ReportStatus.PENDING)
    given_back = others(decision)
    assert {it for it in given_back if isinstance(it, FreeSlot)} == {
        FreeSlot(ids.agent_slots_key("@backup"), old.slot_id), FreeSlot(ids.ALL_SLOTS_KEY, old.slot_id),
    }  # fmt: skip
    assert [(it.key.sk, it.amount) for it in given_back if isinstance(it, Spend)] == [
        ("QUOTA", -1), ("HOUR#2026-11-24T12", -1),
    ]  # fmt: skip
