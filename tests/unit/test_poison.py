"""What cannot be looked at: put off five times, then ended, and never in the way of others."""

from datetime import timedelta

import pytest

from followups.domain import runs
from followups.domain.changes import FreeSlot, SetAside
from followups.domain.entities import FollowUp
from followups.domain.messages import Message, read_message
from followups.domain.retry import MAX_POISON, POISON_PAUSE
from followups.domain.status import CLOSED, LIVE, Outcome, ReportStatus, Status
from tests.support.clock import START
from tests.support.decide import changed, claimed, others, recorded, recurring, running, stamp
from tests.support.things import follow_up

EXAMPLES = [follow_up(due_at=START), claimed(), running(), running(status=Status.CANCELLING)]


def poisoned(old: FollowUp, *, looks: int = 0) -> tuple[object, ...]:
    return runs.poisoned(old, "ValueError('x')", stamp=stamp(START + looks * POISON_PAUSE), pause=POISON_PAUSE)


@pytest.mark.parametrize("old", EXAMPLES, ids=lambda it: it.status)
def test_four_times_it_is_put_off_where_it_is_and_then_it_ends(old: FollowUp) -> None:
    it = old
    for look in range(MAX_POISON - 1):
        [swap] = runs.poisoned(it, "ValueError('x')", stamp=stamp(START + look * POISON_PAUSE), pause=POISON_PAUSE)
        it = changed(swap)
        assert (it.status, it.fence, it.attempt, it.start_at) == (old.status, old.fence, old.attempt, old.start_at)
        assert (it.poison, it.wake_at) == (look + 1, START + (look + 1) * timedelta(minutes=15))
    end = runs.poisoned(it, "ValueError('x')", stamp=stamp(), pause=POISON_PAUSE)
    last, run = changed(end), recorded(end)
    cancelling = old.status is Status.CANCELLING
    assert (last.status, last.reason) == (Status.CANCELLED if cancelling else Status.FAILED, "poison")
    assert (run.outcome, run.final) == (Outcome.FAILED, True)
    assert run.report_status is (ReportStatus.NONE if cancelling else ReportStatus.PENDING)
    assert "ValueError('x')" in run.summary
    freed = [change for change in others(end) if isinstance(change, FreeSlot)]
    assert len(freed) == (2 if old.status in LIVE else 0)


def test_a_recurrence_ends_too_and_its_rule_is_not_asked() -> None:
    old = follow_up(**recurring("2026-11-24T12:00", "UTC") | {"rule": "nonsense", "timezone": "Mars/Phobos"}, poison=4)
    assert changed(runs.poisoned(old, "ValueError('x')", stamp=stamp(), pause=POISON_PAUSE)).status is Status.FAILED


@pytest.mark.parametrize("fence", [0, 1, 7])
def test_the_record_of_one_that_is_not_claimed_is_its_own(fence: int) -> None:
    # The fence that it has may be that of a run before, whose record must not be hit: such a transaction always fails.
    old = follow_up(due_at=START, fence=fence, poison=4)
    end = runs.poisoned(old, "ValueError('x')", stamp=stamp(), pause=POISON_PAUSE)
    run = recorded(end)
    assert run.fence == changed(end).fence == fence + 1
    message = Message("report", run.owner, run.follow_up_id, run.fence)
    assert read_message(message.to_json()) == message, "its report can be asked for"


@pytest.mark.parametrize("status", [Status.PAUSED, *sorted(CLOSED)])
def test_what_needs_no_look_at_all_is_taken_out_of_the_index(status: Status) -> None:
    # Somebody wrote a look into it by hand. It must neither stop the sweep, nor end, nor come again.
    old = follow_up(status=status, wake_at=START, version=5)
    assert poisoned(old) == (SetAside(old.key, 5, None),)
