"""Saying otherwise, at any moment: put off, paused for a while, replaced, tried again, too late."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from followups.domain import lineage
from followups.domain.contract import AgentCall, Done
from followups.domain.entities import FollowUp
from followups.domain.errors import Forbidden, Invalid, WrongState
from followups.domain.lineage import RunToken
from followups.domain.preview import coming
from followups.domain.status import Outcome, Status
from followups.usecases import create as making
from followups.usecases import manage, registry
from followups.usecases.create import Request, create
from followups.usecases.manage import Asker
from followups.usecases.world import World
from tests.support.clock import START
from tests.support.things import DEADLINE
from tests.support.world import ME, Bench

HOUR = timedelta(hours=1)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "followups.db", look_ahead=timedelta(0))


def make(world: World, **fields: Any) -> FollowUp:
    usual: dict[str, Any] = {"agent": "@a", "task": "Check it", "when": "in 1 hour", "timezone": "Europe/Berlin"}
    return create(world, fields.pop("asker", ME), Request(**(usual | fields)), idempotency_key=None,
                  allow_commands=False).follow_up  # fmt: skip


def go_on(bench: Bench, **time: float) -> list[str]:
    """Lets time pass, and what is due then run."""
    bench.clock.advance(**time)
    bench.sweep()
    return bench.run_all()


# Put off


def test_snooze_puts_off_by_a_time_from_its_own_or_until_one(bench: Bench) -> None:
    it = make(bench.world)
    assert manage.snooze(bench.world, ME, it.id, "3d").start_at == START + timedelta(days=3, hours=1)
    assert manage.snooze(bench.world, ME, it.id, "3d").start_at == START + timedelta(days=6, hours=1)
    later = manage.snooze(bench.world, ME, it.id, "2026-12-24 09:00")
    assert (f"{later.start_at:%Y-%m-%dT%H:%M}", later.due_at) == ("2026-12-24T08:00", START + HOUR)
    assert go_on(bench, days=29) == [] and go_on(bench, days=1) == ["finished"]
    assert bench.now(it).status is Status.DONE


def test_one_whose_time_has_passed_is_put_off_from_now(bench: Bench) -> None:
    it = make(bench.world)
    bench.clock.advance(hours=5)
    bench.sweep()
    assert bench.now(it).status is Status.CLAIMED
    snoozed = manage.snooze(bench.world, ME, it.id, "30m")
    assert (snoozed.status, snoozed.start_at) == (Status.SCHEDULED, START + timedelta(hours=5, minutes=30))
    assert bench.run_all() == ["stale"], "its message names a claim that is none any more"
    assert go_on(bench, minutes=30) == ["finished"]


def test_a_recurrence_that_was_put_off_keeps_its_times_and_tells_what_passed(bench: Bench) -> None:
    it = make(bench.world, when="every day at 9")
    manage.snooze(bench.world, ME, it.id, "50h")
    assert go_on(bench, hours=80) == ["finished"]
    told = bench.agent.calls[0].request
    assert (told["missed"], told["missed_until"], told["lateness"]) == (2, "2026-11-27T08:00:00Z", 36_000)
    assert (bench.now(it).occurrence, bench.now(it).snoozed_to) == (2, None)


# Paused for a while


def test_a_pause_ends_by_itself_and_what_was_due_runs_then(bench: Bench) -> None:
    it = make(bench.world)
    paused = manage.pause(bench.world, ME, it.id, "holiday", "in 3 hours")
    assert (paused.status, paused.paused_until) == (Status.PAUSED, START + 3 * HOUR)
    assert go_on(bench, hours=2) == [] and bench.now(it).status is Status.PAUSED
    assert go_on(bench, hours=1) == [] and bench.now(it).status is Status.SCHEDULED
    assert go_on(bench) == ["finished"]


def test_a_pause_may_be_made_longer_shorter_or_ended(bench: Bench) -> None:
    it = make(bench.world)
    for until in ("in 3 hours", "in 1 hour", None, "in 2 hours"):
        assert (manage.pause(bench.world, ME, it.id, None, until).wake_at is None) == (until is None)
    resumed = manage.resume(bench.world, ME, it.id)
    assert (resumed.status, resumed.paused_until) == (Status.SCHEDULED, None)


# Too late


@pytest.mark.parametrize(
    ("late", "after", "words", "outcome"),
    [
        (None, timedelta(days=30), ["finished"], Outcome.SUCCEEDED),
        ("skip", timedelta(minutes=4), ["finished"], Outcome.SUCCEEDED),
        ("skip", timedelta(minutes=6), ["skipped"], Outcome.SKIPPED),
        ("run_within 6h", 6 * HOUR, ["finished"], Outcome.SUCCEEDED),
        ("run_within 6h", 7 * HOUR, ["skipped"], Outcome.SKIPPED),
    ],
)  # fmt: skip
def test_one_that_comes_once_and_late(
    bench: Bench, late: str, after: timedelta, words: list[str], outcome: Outcome
) -> None:
    it = make(bench.world, late=late)
    bench.clock.advance(seconds=(HOUR + after).total_seconds())
    bench.sweep()
    assert bench.run_all() == words
    assert (bench.now(it).status, bench.runs(it)[0].outcome) == (Status.DONE, outcome)
    assert len(bench.agent.calls) == (outcome is Outcome.SUCCEEDED)
    assert [message.kind for message, _ in bench.queue.sent] == ["report"], "whatever became of it is told"


def test_what_was_missed_is_skipped_and_what_is_in_time_runs(bench: Bench) -> None:
    it = make(bench.world, when="every day at 9", late="run_within: 2h")
    # Three days later, at ten: one that is an hour late, after two that are too late.
    assert go_on(bench, hours=70) == ["skipped"]
    assert go_on(bench) == ["finished"]
    ran, skipped = bench.runs(it)
    assert (skipped.outcome, skipped.missed, skipped.started_at) == (Outcome.SKIPPED, 1, None)
    assert (ran.outcome, ran.missed, ran.due_at) == (Outcome.SUCCEEDED, 0, START + timedelta(hours=68))
    assert bench.now(it).occurrence == 3


def test_who_asks_for_a_run_by_hand_gets_it_however_late(bench: Bench) -> None:
    it = make(bench.world, late="skip")
    registry.switch(bench.world, stopped=True, reason="too much")
    assert go_on(bench, hours=9) == []
    registry.switch(bench.world, stopped=False, reason=None)
    manage.run_now(bench.world, ME, it.id)
    assert go_on(bench) == ["finished"]


# Replaced


def test_a_new_one_takes_the_place_of_the_open_one_of_its_name(bench: Bench) -> None:
    first = make(bench.world, replace_key="disk")
    other = make(bench.world, replace_key="disk", asker=Asker(owner="you"))
    made = create(bench.world, ME, Request(agent="@a", task="Check it", when="2h", timezone="UTC", replace_key="disk"),
                  idempotency_key="k", allow_commands=False)  # fmt: skip
    second = made.follow_up
    assert made.preview.warnings == (f"it takes the place of {first.id}, which was scheduled",)
    old = bench.now(first)
    assert (old.status, old.replaced_by, old.reason) == (Status.CANCELLED, second.id, f"replaced by {second.id}")
    assert bench.now(other).status is Status.SCHEDULED, "another owner's"
    again = create(bench.world, ME, Request(agent="@a", task="Check it", when="2h", timezone="UTC", replace_key="disk"),
                   idempotency_key="k", allow_commands=False)  # fmt: skip
    assert (again.replayed, again.follow_up.id, bench.now(second).status) == (True, second.id, Status.SCHEDULED)
    assert go_on(bench, hours=3) == ["finished", "finished"]
    third = make(bench.world, replace_key="disk")
    assert (bench.now(second).status, bench.now(third).status) == (Status.DONE, Status.SCHEDULED), "over is over"


def test_one_that_is_live_ends_as_it_would_and_nothing_follows_it(bench: Bench) -> None:
    old = make(bench.world, when="every day at 9", replace_key="disk")

    def does(call: AgentCall) -> Done:
        new = make(bench.world, when="every day at 9", replace_key="disk")
        live = bench.now(old)
        assert (live.status, live.replaced_by) == (Status.RUNNING, new.id)
        return Done(outcome=Outcome.FAILED, summary="the disk is full")

    bench.agent.does = does
    assert go_on(bench, hours=24) == ["finished"]
    record = bench.runs(old)[0]
    assert (bench.now(old).status, record.outcome, record.final, record.next_at) == (
        Status.DONE,
        Outcome.FAILED,
        True,
        None,
    )


def test_an_agent_replaces_what_its_tree_made_and_nothing_else(bench: Bench) -> None:
    mine, own = make(bench.world, replace_key="mine"), make(bench.world, replace_key="own")
    told: list[str] = []

    def does(call: AgentCall) -> Done:
        live = next(it for it in (bench.now(mine), bench.now(own)) if it.run_id == call.run_id)
        asker = Asker(owner="me", token=RunToken("me", live.id, live.fence, DEADLINE))
        if live.id == own.id:
            # Its own run's place: a chain of single follow-ups, of which one is open at a time.
            told.append(bench.now(make(bench.world, when="1d", replace_key="own", asker=asker)).parent or "")
            with pytest.raises(Forbidden, match="not_with_run_token"):
                make(bench.world, when="1d", replace_key="mine", asker=asker)
        return Done(outcome=Outcome.SUCCEEDED, summary="well")

    bench.agent.does = does
    manage.snooze(bench.world, ME, mine.id, "1d")
    assert go_on(bench, hours=1) == ["finished"]
    assert (told, bench.now(own).status, bench.now(mine).status) == ([bench.runs(own)[0].id], Status.DONE, Status.SCHEDULED)


# Tried again


def test_a_failed_one_is_tried_again_as_a_new_one_that_is_due_now(bench: Bench) -> None:
    bench.agent.does = lambda _: Done(outcome=Outcome.FAILED, summary="no disk")
    it = make(bench.world, max_attempts=1, message="Is it there?")
    assert go_on(bench, hours=1) == ["finished"]
    made = making.retry(bench.world, ME, it.id, idempotency_key="again")
    again = made.follow_up
    assert (again.task, again.message, again.agent, again.due_at) == ("Check it", "Is it there?", "@a", START + HOUR)
    assert making.retry(bench.world, ME, it.id, idempotency_key="again").replayed
    bench.agent.does = lambda _: Done(outcome=Outcome.SUCCEEDED, summary="well")
    assert go_on(bench) == ["finished"]
    assert (bench.now(again).status, bench.now(it).status) == (Status.DONE, Status.FAILED)


# What is to come


def days(bench: Bench, it: FollowUp) -> list[int]:
    """Gives how many days after the first of its times each of those is that are told to come."""
    first = it.due_at
    return [round((time.utc - first) / timedelta(days=1)) for time in coming(bench.now(it), bench.clock.now())]


def test_what_is_told_to_come_is_what_will_run(bench: Bench) -> None:
    it = make(bench.world, when="every day at 9")
    assert days(bench, it) == [0, 1, 2, 3, 4]
    manage.snooze(bench.world, ME, it.id, "50h")
    assert days(bench, it) == [0, 3, 4, 5, 6], "what its rule comes to until then is missed"
    manage.pause(bench.world, ME, it.id, None, "in 6 days")
    assert days(bench, it) == [0, 6, 7, 8, 9]
    manage.pause(bench.world, ME, it.id, None)
    assert days(bench, it) == [0]
    manage.resume(bench.world, ME, it.id)
    bench.clock.advance(days=8)
    assert days(bench, it) == [0, 8, 9, 10, 11], "it makes up for those that passed"

    def does(call: AgentCall) -> Done:
        assert days(bench, it) == [8, 9, 10, 11, 12]
        manage.cancel(bench.world, ME, it.id)
        assert days(bench, it) == []
        return Done(outcome=Outcome.SUCCEEDED, summary="well")

    bench.agent.does = does
    assert go_on(bench) == ["finished"] and days(bench, it) == []


def test_a_run_by_hand_is_not_asked_for_any_more_once_it_is_paused(bench: Bench) -> None:
    it = make(bench.world, when="every day at 9")
    manage.run_now(bench.world, ME, it.id)
    manage.pause(bench.world, ME, it.id, None)
    assert manage.resume(bench.world, ME, it.id).start_at == it.due_at


def test_a_run_by_hand_of_what_is_claimed_already_is_never_too_late(bench: Bench) -> None:
    it = make(bench.world, late="skip")
    bench.clock.advance(hours=1)
    bench.sweep()
    bench.queue.sent.clear()
    manage.run_now(bench.world, ME, it.id)
    assert go_on(bench, minutes=10) == ["finished"]


def test_what_was_put_off_may_be_put_off_for_less(bench: Bench) -> None:
    it = make(bench.world, when="every day at 9")
    manage.snooze(bench.world, ME, it.id, "3d")
    assert manage.snooze(bench.world, ME, it.id, "2026-11-25 10:00").start_at == it.due_at + HOUR
    with pytest.raises(Invalid, match="sooner than it is due"):
        manage.snooze(bench.world, ME, it.id, "2026-11-25 08:00")


def test_a_dead_runs_token_takes_nobodys_place(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also if the run ends just after its being live was looked at."""
    it = make(bench.world, when="every day at 9", replace_key="it")
    tokens: list[RunToken] = []

    def does(call: AgentCall) -> Done:
        live = bench.now(it)
        tokens.append(RunToken("me", live.id, live.fence, DEADLINE))
        stale = live

        def descent(_world: World, _asker: Asker, child_id: str) -> Any:
            return lineage.descend(stale, tokens[0]), lineage.conditions(stale, child_id)

        monkeypatch.setattr(making, "_descent", descent)
        return Done(outcome=Outcome.SUCCEEDED, summary="well")

    bench.agent.does = does
    assert go_on(bench, days=1) == ["finished"]
    with pytest.raises(Forbidden, match="run_not_live"):
        make(bench.world, when="1d", replace_key="it", asker=Asker(owner="me", token=tokens[0]))
    assert bench.now(it).status is Status.SCHEDULED


def test_one_that_was_skipped_can_be_tried_again_once_and_keeps_its_name(bench: Bench) -> None:
    it = make(bench.world, late="skip", replace_key="it")
    assert go_on(bench, hours=2) == ["skipped"]
    again, twice = (making.retry(bench.world, ME, it.id, idempotency_key=None) for _ in range(2))
    assert (again.replayed, twice.replayed, twice.follow_up.id) == (False, True, again.follow_up.id)
    assert again.follow_up.replace_key == "it"
    assert go_on(bench) == ["finished"]
    with pytest.raises(WrongState, match="not_failed"):
        making.retry(bench.world, ME, again.follow_up.id, idempotency_key=None)
