"""The transition table, and what every write must keep (rules W1 and W4, and when a thing is closed)."""

from dataclasses import replace
from datetime import timedelta
from itertools import product

import pytest

from followups.domain.entities import FollowUp
from followups.domain.errors import IllegalTransition
from followups.domain.moves import advance, advance_report, wake
from followups.domain.status import (
    CLOSED,
    REPORT_TRANSITIONS,
    REPORT_WAKING,
    TRANSITIONS,
    WAKING,
    ReportStatus,
    Status,
)
from tests.support.clock import START
from tests.support.runs import run_record

SOON = START + timedelta(minutes=1)


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
