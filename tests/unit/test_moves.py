"""The transition table, and what every write must keep (rules W1 and W4, and when a thing is closed)."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from itertools import product

import pytest

from followups.domain import claims, delivery, editing, hearing, runs
from followups.domain.changes import Change, Spend, Swap
from followups.domain.contract import Done, Pending
from followups.domain.editing import Patch
from followups.domain.entities import FollowUp, Run
from followups.domain.errors import IllegalTransition, WrongState
from followups.domain.ids import Key
from followups.domain.moves import MAX_QUOTA, RETENTION, advance, advance_report, closing, wake
from followups.domain.status import (
    CLOSED,
    REPORT_TRANSITIONS,
    REPORT_WAKING,
    TRANSITIONS,
    WAKING,
    Outcome,
    ReportStatus,
    Status,
)
from followups.domain.when import parse
from tests.support import things
from tests.support.clock import START
from tests.support.decide import claimed, recurring, running, stamp
from tests.support.runs import run_record

SOON = START + timedelta(minutes=1)
WEEKLY = recurring("2026-11-24T12:00:00", "UTC", every="WEEKLY")


def follow_up(status: Status) -> FollowUp:
    return FollowUp(
        owner="me", id="a" * 26, agent="@a", task="t", when="7d", timezone="UTC", due_at=START, start_at=START,
        status=status, wake_at=START if status in WAKING else None, root="a" * 26, created_at=START, updated_at=START,
        write_id="w0",
    )  # fmt: skip


@pytest.mark.parametrize(("old", "new"), list(product(Status, Status)))
def test_only_the_moves_of_the_table_happen(old: Status, new: Status) -> None:
    wake_at = SOON if new in WAKING else None
    if new not in TRANSITIONS[old]:
        with pytest.raises(IllegalTransition):
            advance(follow_up(old), new, at=START, write_id="w1", wake_at=wake_at)
        return
    moved = advance(follow_up(old), new, at=START, write_id="w1", wake_at=wake_at).new
    assert isinstance(moved, FollowUp)
    assert (moved.version, moved.write_id, moved.updated_at) == (2, "w1", START)
    assert (moved.wake_at is not None) == (new in WAKING)
    assert (moved.closed_at is not None) == (moved.expires_at is not None) == (new in CLOSED)


@pytest.mark.parametrize(("old", "new"), list(product(ReportStatus, ReportStatus)))
def test_only_the_moves_of_a_reports_table_happen(old: ReportStatus, new: ReportStatus) -> None:
    run = run_record(report_status=old, wake_at=START if old in REPORT_WAKING else None)
    wake_at = SOON if new in REPORT_WAKING else None
    if new not in REPORT_TRANSITIONS[old]:
        with pytest.raises(IllegalTransition):
            advance_report(run, new, at=START, write_id="w1", wake_at=wake_at)
        return
    moved = advance_report(run, new, at=START, write_id="w1", wake_at=wake_at).new
    assert moved.version == 2


@pytest.mark.parametrize("status", list(Status))
def test_a_look_is_set_for_just_those_that_need_one(status: Status) -> None:
    old = follow_up(next(old for old in Status if status in TRANSITIONS[old]))
    with pytest.raises(IllegalTransition):
        advance(old, status, at=START, write_id="w1", wake_at=None if status in WAKING else SOON)


def test_a_look_is_never_further_off_than_400_days() -> None:
    assert wake(START + timedelta(days=20_000), START) == START + timedelta(days=400)
    assert wake(SOON, START) == SOON


def test_closed_is_for_good() -> None:
    assert all(not TRANSITIONS[status] for status in CLOSED)


def test_a_naive_time_is_refused_at_birth() -> None:
    with pytest.raises(ValueError, match="due_at must be in UTC"):
        replace(follow_up(Status.SCHEDULED), due_at=START.replace(tzinfo=None))


def test_what_is_written_and_when_it_closed() -> None:
    old = follow_up(Status.CLAIMED)
    open_ = advance(old, Status.SCHEDULED, at=SOON, write_id="w1", wake_at=SOON + timedelta(days=500)).new
    closed = advance(old, Status.FAILED, at=SOON, write_id="w1").new
    assert isinstance(open_, FollowUp) and isinstance(closed, FollowUp)
    assert (open_.wake_at, open_.closed_at, open_.expires_at) == (SOON + timedelta(days=400), None, None)
    assert (closed.wake_at, closed.closed_at, closed.expires_at) == (None, SOON, SOON + RETENTION)


@pytest.mark.parametrize(("old", "status"), [(old, new) for old in ReportStatus for new in sorted(REPORT_TRANSITIONS[old])])
def test_a_report_is_kept_while_it_is_on_its_way_and_for_a_while_after(old: ReportStatus, status: ReportStatus) -> None:
    run = run_record(report_status=old, wake_at=START if old in REPORT_WAKING else None)
    waking = status in REPORT_WAKING
    far = START + timedelta(days=500)
    new = advance_report(run, status, at=START, write_id="w1", wake_at=far if waking else None).new
    assert isinstance(new, Run)
    assert new.expires_at == (None if waking else START + RETENTION)
    assert new.wake_at == (START + timedelta(days=400) if waking else None)
    with pytest.raises(IllegalTransition):
        advance_report(run, status, at=START, write_id="w1", wake_at=None if waking else SOON)


@pytest.mark.parametrize(("old", "new"), [(old, new) for old in Status for new in sorted(TRANSITIONS[old])])
@pytest.mark.parametrize("counted", [True, False])
def test_what_closes_is_one_open_less_if_it_was_counted(old: Status, new: Status, counted: bool) -> None:
    swap = advance(
        replace(follow_up(old), counted=counted), new, at=START, write_id="w1", wake_at=SOON if new in WAKING else None
    )
    freed = (Spend(Key("OWNER#me", "QUOTA"), -1, MAX_QUOTA),) if counted and new in CLOSED else ()
    assert closing(swap) == freed, "and once only: what is closed moves no more"


@pytest.mark.parametrize("counted", [True, False])
def test_each_end_of_a_run_that_closes_counts_it_off_in_the_same_transaction(counted: bool) -> None:
    done = Done(outcome=Outcome.SUCCEEDED, summary="s")
    freed = [Spend(Key("OWNER#ada", "QUOTA"), -1, MAX_QUOTA)] if counted else []
    for decision in (
        runs.finish(running(counted=counted), done, rerun_safe=False, stamp=stamp()),
        runs.finish(running(counted=counted, status=Status.CANCELLING), done, rerun_safe=False, stamp=stamp()),
        runs.refuse_start(claimed(counted=counted), "gone", stamp=stamp()),
        runs.skip(claimed(counted=counted, late="skip"), timedelta(hours=1), stamp=stamp()),
        runs.poisoned(claimed(counted=counted, poison=4), "error", stamp=stamp(), pause=timedelta(minutes=15)),
    ):
        assert [it for it in decision if isinstance(it, Spend)] == freed
    weekly = runs.finish(running(**WEEKLY, counted=counted), done, rerun_safe=False, stamp=stamp())
    assert not any(isinstance(it, Spend) for it in weekly), "it is open still"


Decision = Callable[[FollowUp], Swap | tuple[Change, ...] | None]
DECISIONS: list[Decision] = [
    lambda it: claims.claim(it, at=START, write_id="w"),
    lambda it: claims.look_later(it, at=START, write_id="w"),
    lambda it: claims.resend(it, at=START, write_id="w"),
    lambda it: claims.give_back(it, "busy", at=START, write_id="w", wake_at=SOON),
    lambda it: claims.return_unstarted(it, at=START, write_id="w"),
    lambda it: runs.start(
        it, things.agent(), at=START, write_id="w", deadline=SOON, process_end=SOON, lease_holder=None, global_cap=2
    ),
    lambda it: runs.wait_for(it, Pending(handle="h", poll_after=timedelta(0)), at=START, write_id="w"),
    lambda it: runs.finish(it, Done(outcome=Outcome.SUCCEEDED, summary="s"), rerun_safe=False, stamp=stamp()),
    lambda it: runs.finish(it, Done(outcome=Outcome.FAILED, summary="s"), rerun_safe=False, stamp=stamp()),
    lambda it: runs.lease_over(it, rerun_safe=True, stamp=stamp()),
    lambda it: runs.refuse_start(it, "gone", stamp=stamp()),
    lambda it: runs.poisoned(it, "error", stamp=stamp(), pause=timedelta(minutes=15)),
    lambda it: editing.edit(it, Patch(task="New"), at=START, write_id="w"),
    lambda it: editing.edit(it, Patch(when=parse("7d", at=START, timezone="UTC")), at=START, write_id="w"),
    lambda it: editing.cancel(it, at=START, write_id="w"),
    lambda it: editing.pause(it, None, at=START, write_id="w"),
    lambda it: editing.resume(it, at=START, write_id="w"),
    lambda it: editing.run_now(it, at=START, write_id="w"),
    lambda it: editing.snooze(it, SOON, at=START, write_id="w"),
    lambda it: editing.make_way(it, "b" * 26, at=START, write_id="w"),
    lambda it: runs.skip(replace(it, late="skip"), timedelta(hours=1), stamp=stamp()),
    lambda it: runs.ask(it, at=START, write_id="w"),
    lambda it: hearing.heard(it, at=START, write_id="w"),
]
#: Only what the use cases ask a decision of: none asks to claim what is claimed, nor to start what runs.
ASKED = {Status.SCHEDULED: (0, 1, 11), Status.CLAIMED: (2, 3, 4, 5, 10, 11, 20), Status.PAUSED: (11,)}
VERBS = tuple(range(12, 20))


def test_each_move_of_the_table_is_somebodys_decision() -> None:
    examples = [
        things.follow_up(due_at=START), things.follow_up(poison=4), things.follow_up(status=Status.PAUSED), claimed(),
        things.follow_up(status=Status.PAUSED, paused_until=SOON, wake_at=SOON, poison=4),
        claimed(sends=8), claimed(poison=4), claimed(**WEEKLY), claimed(**WEEKLY, failures_in_row=2), running(),
        running(attempt=3), running(**WEEKLY), running(**WEEKLY, attempt=3, failures_in_row=2),
        running(status=Status.CANCELLING), *(things.follow_up(status=it, closed_at=START) for it in CLOSED),
    ]  # fmt: skip
    reached: dict[Status, set[Status]] = {status: set() for status in Status}
    for it in examples:
        asked = () if it.status in CLOSED else ASKED.get(it.status, (6, 7, 8, 9, 11, 21, 22))
        for number in (*asked, *VERBS):
            try:
                decision = DECISIONS[number](it)
            except WrongState:
                continue
            swap = decision[0] if isinstance(decision, tuple) else decision
            if isinstance(swap, Swap) and isinstance(swap.new, FollowUp):
                reached[it.status].add(swap.new.status)
    assert reached == {status: set(allowed) for status, allowed in TRANSITIONS.items()}


def test_each_move_of_a_report_is_made_or_awaits_the_mail_services_events() -> None:
    pending = things.run(report_status=ReportStatus.PENDING)
    sending = things.run(report_status=ReportStatus.SENDING, report_tries=8)
    swaps = [
        delivery.queued(pending, at=START, write_id="w"), delivery.begin(pending, at=START, write_id="w"),
        delivery.accepted(sending, "mail-1", at=START, write_id="w"),
        delivery.refused(sending, "no", at=START, write_id="w"),
        delivery.not_sent(sending, "no", at=START, write_id="w", luck=0),
        delivery.not_sent(replace(sending, report_tries=1), "no", at=START, write_id="w", luck=0),
        # A report at which the sweep raised five times.
        advance_report(pending, ReportStatus.FAILED, at=START, write_id="w"),
    ]  # fmt: skip
    made = {(s.old.report_status, s.new.report_status) for s in swaps if isinstance(s.old, Run) and isinstance(s.new, Run)}
    events = {ReportStatus.DELIVERED, ReportStatus.BOUNCED}
    table = {(old, new) for old, allowed in REPORT_TRANSITIONS.items() for new in allowed}
    assert {move for move in table if move[1] not in events} == made
    assert {old for old, new in table if new in events} == {
        ReportStatus.SENDING, ReportStatus.SENT, ReportStatus.DELIVERED,
    }  # fmt: skip
