"""From scheduled to a message on its way, and back into the line: claims, their resends, and what is blocked."""

from datetime import timedelta

import pytest

from followups.domain import claims, retry, runs
from followups.domain.errors import IllegalTransition
from followups.domain.status import Outcome, ReportStatus, Status
from tests.support.clock import START
from tests.support.decide import changed, claimed, others, recorded, stamp
from tests.support.things import follow_up, later

MINUTE = timedelta(minutes=1)


def test_a_claim_raises_the_fence_and_is_looked_at_two_minutes_after_its_time() -> None:
    old = follow_up(due_at=later(seconds=90), fence=6)
    it = changed(claims.claim(old, at=START, write_id="w"))
    assert (it.status, it.fence, it.sends, it.claimed_at) == (Status.CLAIMED, 7, 1, START)
    assert (it.start_at, it.wake_at, it.attempt) == (old.start_at, later(seconds=90) + 2 * MINUTE, 0)


def test_a_late_claim_is_looked_at_two_minutes_from_now() -> None:
    it = changed(claims.claim(follow_up(due_at=later(days=-3)), at=START, write_id="w"))
    assert it.wake_at == START + 2 * MINUTE


def test_a_claim_names_the_process_that_holds_its_message_and_nothing_of_the_claim_before() -> None:
    left = {"lease_until": later(days=-1), "lease_holder": "gone", "handle": "h", "missed": 4, "folded_to": START}
    old = follow_up(**left, started_at=START, deadline_at=START)
    it = changed(claims.claim(old, at=START, write_id="w", holder="me"))
    assert (it.lease_holder, it.lease_until, it.handle, it.missed) == ("me", None, None, 0)
    assert (it.folded_to, it.started_at, it.deadline_at) == (None, None, None)


@pytest.mark.parametrize("status", [it for it in Status if it not in (Status.SCHEDULED, Status.CLAIMED)])
def test_nothing_else_can_be_claimed(status: Status) -> None:
    with pytest.raises(IllegalTransition):
        claims.claim(follow_up(status=status), at=START, write_id="w")


def test_a_resend_keeps_the_fence_and_the_time_and_waits_twice_as_long() -> None:
    it, at, waits = claimed(fence=3, attempt=1), later(minutes=2), []
    while claims.can_resend(it):
        again = changed(claims.resend(it, at=at, write_id="w" * (it.sends + 1)))
        assert (again.status, again.fence, again.start_at, again.attempt) == (Status.CLAIMED, 3, it.start_at, 1)
        assert again.wake_at is not None
        waits.append((again.wake_at - at) / MINUTE)
        it, at = again, again.wake_at
    assert waits == [4, 8, 16, 32, 64, 128, 256]
    assert it.sends == retry.MAX_SENDS == 8


def test_a_claim_that_was_never_picked_up_ends_as_failed_and_is_reported() -> None:
    old = claimed(sends=8, fence=3)
    assert not claims.can_resend(old)
    end = runs.refuse_start(old, "never started: nobody picked it up", stamp=stamp())
    it, run = changed(end), recorded(end)
    assert (it.status, it.attempt, it.last_outcome) == (Status.FAILED, 0, Outcome.FAILED)
    assert (run.outcome, run.started_at, run.final) == (Outcome.FAILED, None, True)
    assert (run.report_status, run.summary) == (ReportStatus.PENDING, "never started: nobody picked it up")
    assert others(end) == [], "it never held a slot"


def test_blocked_is_not_failed() -> None:
    old = claimed(fence=3, attempt=2, sends=4)
    it = changed(claims.give_back(old, "@backup is busy", at=START, write_id="w", wake_at=later(seconds=30)))
    assert (it.status, it.attempt, it.fence, it.sends) == (Status.SCHEDULED, 2, 3, 0)
    assert (it.wake_at, it.start_at, it.claimed_at) == (later(seconds=30), old.start_at, None)
    assert (it.blocked_reason, it.blocked_since) == ("@backup is busy", START)


def test_who_is_blocked_again_waits_since_the_first_time_and_keeps_its_place() -> None:
    first = changed(claims.give_back(claimed(), "busy", at=START, write_id="w1", wake_at=later(seconds=30)))
    again = changed(claims.claim(first, at=later(minutes=1), write_id="w2"))
    assert again.blocked_since == START, "a claim alone is no start"
    second = changed(claims.give_back(again, "stopped", at=later(minutes=2), write_id="w3", wake_at=later(minutes=3)))
    assert (second.blocked_since, second.blocked_reason) == (START, "stopped")
    assert (second.start_at, second.created_at) == (first.start_at, first.created_at)


def test_a_claim_whose_message_will_not_come_goes_back_to_its_own_time() -> None:
    old = claimed(due_at=later(seconds=100), attempt=1)
    it = changed(claims.return_unstarted(old, at=START, write_id="w"))
    assert (it.status, it.wake_at, it.start_at, it.attempt) == (Status.SCHEDULED, old.start_at, old.start_at, 1)
    assert it.blocked_reason is None


def test_what_is_years_away_is_looked_at_each_400_days_and_in_the_end_at_its_time() -> None:
    due = later(days=1_000)
    it, looks = follow_up(due_at=due, wake_at=later(days=400)), []
    while it.wake_at != due:
        assert it.wake_at is not None
        it = changed(claims.look_later(it, at=it.wake_at, write_id=f"w{len(looks)}"))
        looks.append(it.wake_at)
    assert looks == [later(days=800), due]
    assert (it.status, it.fence, it.start_at) == (Status.SCHEDULED, 0, due)
