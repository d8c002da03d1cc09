"""What a person may do at each status, and what it changes."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from followups.domain import claims, editing
from followups.domain.changes import Swap
from followups.domain.editing import Patch
from followups.domain.entities import FollowUp
from followups.domain.errors import WrongState
from followups.domain.status import WAKING, Status
from followups.domain.when import parse
from tests.support.clock import START

S = Status
LATER = START + timedelta(hours=1)
NEW_TIME = Patch(when=parse("7d", at=START, timezone="UTC"))
VERBS: dict[str, Callable[[FollowUp], Swap | None]] = {
    "cancel": lambda it: editing.cancel(it, at=START, write_id="w1"),
    "pause": lambda it: editing.pause(it, "holiday", at=START, write_id="w1"),
    "resume": lambda it: editing.resume(it, at=START, write_id="w1"),
    "run": lambda it: editing.run_now(it, at=START, write_id="w1"),
    "text": lambda it: editing.edit(it, Patch(task="New"), at=START, write_id="w1"),
    "time": lambda it: editing.edit(it, NEW_TIME, at=START, write_id="w1"),
    "pause until": lambda it: editing.pause(it, None, LATER, at=START, write_id="w1"),
    "snooze": lambda it: editing.snooze(it, LATER, at=START, write_id="w1"),
    "make way": lambda it: editing.make_way(it, "b" * 26, at=START, write_id="w1"),
}
#: Verb -> status -> the status after it, None for nothing to do, or the refusal's code.
TABLE: dict[str, dict[Status, Status | str | None]] = {
    "cancel": {
        S.SCHEDULED: S.CANCELLED, S.PAUSED: S.CANCELLED, S.CLAIMED: S.CANCELLED, S.RUNNING: S.CANCELLING,
        S.CANCELLING: None, S.CANCELLED: None, S.DONE: "already_finished", S.FAILED: "already_finished",
    },
    "pause": {
        S.SCHEDULED: S.PAUSED, S.PAUSED: S.PAUSED, S.CLAIMED: S.PAUSED, S.RUNNING: "in_progress",
        S.CANCELLING: "in_progress", S.CANCELLED: "already_finished", S.DONE: "already_finished",
        S.FAILED: "already_finished",
    },
    "resume": {status: S.SCHEDULED if status is S.PAUSED else "not_paused" for status in Status},
    "run": {
        S.SCHEDULED: S.SCHEDULED, S.PAUSED: "paused", S.CLAIMED: S.SCHEDULED, S.RUNNING: "in_progress",
        S.CANCELLING: "in_progress", S.CANCELLED: "already_finished", S.DONE: "already_finished",
        S.FAILED: "already_finished",
    },
    "text": {
        S.SCHEDULED: S.SCHEDULED, S.PAUSED: S.PAUSED, S.CLAIMED: S.CLAIMED, S.RUNNING: "in_progress",
        S.CANCELLING: "in_progress", S.CANCELLED: "already_finished", S.DONE: "already_finished",
        S.FAILED: "already_finished",
    },
    "time": {
        S.SCHEDULED: S.SCHEDULED, S.PAUSED: S.PAUSED, S.CLAIMED: S.SCHEDULED, S.RUNNING: "in_progress",
        S.CANCELLING: "in_progress", S.CANCELLED: "already_finished", S.DONE: "already_finished",
        S.FAILED: "already_finished",
    },
    "pause until": {
        S.SCHEDULED: S.PAUSED, S.PAUSED: S.PAUSED, S.CLAIMED: S.PAUSED, S.RUNNING: "in_progress",
        S.CANCELLING: "in_progress", S.CANCELLED: "already_finished", S.DONE: "already_finished",
        S.FAILED: "already_finished",
    },
    "snooze": {
        S.SCHEDULED: S.SCHEDULED, S.PAUSED: S.PAUSED, S.CLAIMED: S.SCHEDULED, S.RUNNING: "in_progress",
        S.CANCELLING: "in_progress", S.CANCELLED: "already_finished", S.DONE: "already_finished",
        S.FAILED: "already_finished",
    },
    "make way": {
        S.SCHEDULED: S.CANCELLED, S.PAUSED: S.CANCELLED, S.CLAIMED: S.CANCELLED, S.RUNNING: S.RUNNING,
        S.CANCELLING: None, S.CANCELLED: None, S.DONE: None, S.FAILED: None,
    },
}  # fmt: skip


def follow_up(status: Status = S.SCHEDULED, **changed: object) -> FollowUp:
    it = FollowUp(
        owner="me", id="a" * 26, agent="@a", task="t", when="in 1 hour", timezone="UTC", due_at=LATER, start_at=LATER,
        status=status, wake_at=LATER if status in WAKING else None, root="a" * 26, created_at=START, updated_at=START,
        fence=3, attempt=1, write_id="w0", closed_at=START if status in (S.DONE, S.FAILED, S.CANCELLED) else None,
    )  # fmt: skip
    return replace(it, **changed)  # type: ignore[arg-type]


@pytest.mark.parametrize(("verb", "status"), [(verb, status) for verb in VERBS for status in Status])
def test_each_verb_at_each_status(verb: str, status: Status) -> None:
    expected = TABLE[verb][status]
    if isinstance(expected, str) and not isinstance(expected, Status):
        with pytest.raises(WrongState) as refused:
            VERBS[verb](follow_up(status))
        assert refused.value.code == expected
        return
    swap = VERBS[verb](follow_up(status))
    assert (swap.new.status if swap and isinstance(swap.new, FollowUp) else None) == expected


def test_a_new_text_keeps_a_claims_place() -> None:
    claimed = _of(claims.claim(follow_up(), at=START, write_id="w1"))
    edited = _of(editing.edit(claimed, Patch(task="New"), at=START, write_id="w2"))
    assert (edited.fence, edited.wake_at, edited.sends) == (claimed.fence, claimed.wake_at, claimed.sends)


def test_a_new_time_gives_a_claim_back_with_fresh_attempts() -> None:
    claimed = _of(claims.claim(follow_up(), at=START, write_id="w1"))
    edited = _of(editing.edit(claimed, NEW_TIME, at=START, write_id="w2"))
    assert (edited.attempt, edited.sends, edited.fence) == (0, 0, claimed.fence)
    assert edited.start_at == edited.due_at == edited.wake_at == START + timedelta(days=7)


def test_resume_keeps_the_time_also_of_a_retry_under_way() -> None:
    waiting = follow_up(start_at=LATER + timedelta(minutes=9), wake_at=LATER + timedelta(minutes=9))
    paused = editing.pause(waiting, None, at=START, write_id="w1")
    assert paused is not None
    resumed = _of(editing.resume(_of(paused), at=START, write_id="w2"))
    assert resumed.start_at == resumed.wake_at == waiting.start_at


def test_run_now_moves_to_the_front_and_is_nothing_for_what_may_start_already() -> None:
    moved = editing.run_now(follow_up(), at=START, write_id="w1")
    assert moved is not None
    assert (_of(moved).start_at, _of(moved).wake_at, _of(moved).due_at) == (START, START, LATER)
    ready = _of(claims.claim(follow_up(start_at=START), at=START, write_id="w1"))
    assert editing.run_now(ready, at=START, write_id="w2") is None


def _of(swap: Swap) -> FollowUp:
    assert isinstance(swap.new, FollowUp)
    return swap.new
