"""What is heard of a live run: a worker takes it, its agent lives, and what is said when it is over already."""

import json
from dataclasses import fields, replace
from datetime import timedelta
from itertools import product
from typing import Any

import pytest

from followups.domain import hearing
from followups.domain.changes import Swap
from followups.domain.contract import Done
from followups.domain.entities import FollowUp, Run
from followups.domain.errors import IllegalTransition
from followups.domain.status import Outcome, ReportStatus, Status
from tests.support.clock import START
from tests.support.decide import changed, running
from tests.support.things import follow_up, later, run

S = Status
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def waiting(**more: Any) -> FollowUp:
    """Gives a run of a worker agent that waits for a worker."""
    usual = {
        "handle": hearing.WAITING, "progress": "waits for a worker", "deadline_at": later(hours=1),
        "lease_until": later(hours=1, minutes=10), "wake_at": later(minutes=2),
    }  # fmt: skip
    return running(**(usual | more))


def in_hand(**more: Any) -> FollowUp:
    """Gives a run that a worker has had in hand since the start, and may for an hour."""
    usual = {"handle": "worker w1", "progress": None, "lease_until": later(minutes=5), "wake_at": later(minutes=5)}
    return waiting(**(usual | more))


# A worker takes it


def test_a_run_is_the_workers_from_when_it_took_it() -> None:
    at = later(minutes=1, seconds=30)
    old = waiting(fence=3, attempt=2)
    it = changed(hearing.take(old, "w-1.local", timeout=HOUR, at=at, write_id="w"))
    assert (it.status, it.handle, it.progress) == (S.RUNNING, "worker w-1.local", None)
    assert (it.started_at, it.heard_at, it.deadline_at) == (at, at, at + HOUR), "waiting was no time of its own"
    assert (it.lease_until, it.wake_at) == (at + 5 * MINUTE, at + 5 * MINUTE)
    assert (it.fence, it.attempt, it.slot_id) == (3, 2, old.slot_id), "it is the same run"


def test_a_run_that_may_take_less_than_a_lease_is_looked_at_at_its_deadline() -> None:
    it = changed(hearing.take(waiting(), "w", timeout=MINUTE, at=later(minutes=1), write_id="w"))
    over = later(minutes=2, seconds=30)
    assert (it.wake_at, it.deadline_at, it.lease_until) == (over, later(minutes=2), later(minutes=6))


@pytest.mark.parametrize("status", [it for it in S if it not in (S.RUNNING, S.CLAIMED)])
def test_only_a_run_that_is_not_to_end_is_taken(status: Status) -> None:
    with pytest.raises(IllegalTransition):
        hearing.take(follow_up(status=status), "w", timeout=HOUR, at=START, write_id="w")


# It is heard of


def test_a_worker_that_is_heard_of_has_its_lease_anew_until_its_deadline() -> None:
    it = changed(hearing.heard(in_hand(), at=later(minutes=4), write_id="w", progress="3 of 4"))
    assert (it.heard_at, it.progress, it.handle) == (later(minutes=4), "3 of 4", "worker w1")
    assert (it.lease_until, it.wake_at, it.deadline_at) == (later(minutes=9), later(minutes=9), later(hours=1))
    near = changed(hearing.heard(in_hand(progress="3 of 4"), at=later(minutes=58), write_id="w"))
    over = later(hours=1, seconds=30)
    assert (near.lease_until, near.wake_at) == (later(minutes=63), over), "surely past its deadline it is stopped"
    assert near.progress == "3 of 4", "a heartbeat says nothing new of it"


def test_a_worker_whose_run_was_cancelled_has_its_lease_and_no_later_look() -> None:
    old = in_hand(status=S.CANCELLING, wake_at=later(seconds=30))
    it = changed(hearing.heard(old, at=later(seconds=20), write_id="w"))
    assert (it.status, it.lease_until, it.wake_at) == (S.CANCELLING, later(minutes=5, seconds=20), later(seconds=30))


@pytest.mark.parametrize("handle", [None, "arn:aws:states:x", "waiting", "workers"])
@pytest.mark.parametrize("status", [S.RUNNING, S.CANCELLING])
def test_an_agent_that_is_heard_of_moves_no_look(handle: str | None, status: Status) -> None:
    old = waiting(handle=handle, status=status)
    it = changed(hearing.heard(old, at=later(minutes=1), write_id="w", progress="half way"))
    assert (it.heard_at, it.progress) == (later(minutes=1), "half way")
    same = ("status", "handle", "wake_at", "lease_until", "deadline_at", "started_at", "fence", "attempt")
    assert [getattr(it, name) for name in same] == [getattr(old, name) for name in same]


@pytest.mark.parametrize("status", [S.DONE, S.FAILED, S.CANCELLED])
def test_nothing_is_heard_of_what_is_over(status: Status) -> None:
    with pytest.raises(IllegalTransition):
        hearing.heard(follow_up(status=status), at=START, write_id="w")


# The same again


def test_the_same_completion_is_known_again_whatever_the_order_of_its_fields() -> None:
    said = {"outcome": "succeeded", "summary": "well", "usage": {"model": "m", "cost_usd": 0.5}}
    turned = {"usage": {"cost_usd": 0.5, "model": "m"}, "summary": "well", "outcome": "succeeded"}
    assert hearing.digest(said) == hearing.digest(turned) == hearing.digest(json.loads(json.dumps(said)))
    assert len(hearing.digest(said)) == 32
    others = [said | {"summary": "Well"}, said | {"summary": None}, {"outcome": "succeeded"}, said | {"more": 0}, {}]
    assert len({hearing.digest(it) for it in (said, *others)}) == 6
    assert hearing.digest({"summary": "\ud800"}) != hearing.digest({"summary": "?"}), "half a character harms nobody"


# Too late


@pytest.mark.parametrize(("outcome", "told", "late"), list(product(Outcome, (None, "d" * 32), (None, START))))
def test_what_ended_without_a_word_of_its_agents_may_still_hear_it(outcome: Outcome, told: str | None, late: Any) -> None:
    ended = run(outcome=outcome, completion=told, late_at=late)
    ours = outcome in (Outcome.TIMED_OUT, Outcome.UNKNOWN, Outcome.CANCELLED)
    # One that was cancelled and then completed has heard it; one whose completion came late has not been ended by it.
    assert hearing.was_unheard(ended) is (ours and (told is None or late is not None))


def late_word(old: Run, report: str = "r") -> Swap | None:
    done = Done(outcome=Outcome.SUCCEEDED, summary="all went well", report=report)
    return hearing.keep_late(old, done, "d" * 32, at=later(hours=2), write_id="w2")


def test_what_comes_late_is_kept_beside_what_is_recorded() -> None:
    old = run(outcome=Outcome.TIMED_OUT, summary="No answer came.", report="stderr", report_status=ReportStatus.SENDING)
    swap = late_word(old)
    assert swap is not None and swap.old == old and isinstance(swap.new, Run)
    new = swap.new
    assert (new.late_at, new.late_outcome, new.late_summary) == (later(hours=2), Outcome.SUCCEEDED, "all went well")
    assert (new.late_report, new.completion, new.version, new.write_id) == ("r", "d" * 32, old.version + 1, "w2")
    noted = {*hearing.LATE, "version", "write_id"}
    kept = {it.name: getattr(old, it.name) for it in fields(old) if it.name not in noted}
    assert {name: getattr(new, name) for name in kept} == kept, "how it ended stays as it was told, and where its mail is"
    assert hearing.was_unheard(new), "and the same word again is late again"


def test_the_first_word_counts() -> None:
    swap = late_word(run(outcome=Outcome.UNKNOWN))
    assert swap is not None and isinstance(swap.new, Run)
    assert late_word(swap.new) is None
    assert late_word(replace(swap.new, completion=None)) is None


@pytest.mark.parametrize("letter", ["x", "ä", "漢", "🙂"])
def test_a_long_late_word_is_cut_by_what_it_takes_to_store_it_and_says_so(letter: str) -> None:
    swap = late_word(run(outcome=Outcome.UNKNOWN), letter * 100_000)
    assert swap is not None and isinstance(swap.new, Run)
    said = swap.new.late_report
    assert hearing.LATE_REPORT_LIMIT - 4 <= len(said.encode()) <= hearing.LATE_REPORT_LIMIT
    assert said.endswith("[cut here]\n")
