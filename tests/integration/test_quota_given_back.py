"""The quota of open follow-ups is given back exactly once, however a follow-up closes, and not before."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from followups.domain import ids, runs
from followups.domain.contract import Pending
from followups.domain.retry import MAX_POISON, POISON_PAUSE
from followups.domain.status import CLOSED, Status, Verdict
from tests.support.api_engine import LAPTOP
from tests.support.api_play import PATH, POLL, Play, break_off, done
from tests.support.things import fresh

QUOTA = ids.quota_key("me")


@pytest.fixture
def play() -> Iterator[Play]:
    """An installation where an owner may have three open."""
    made = Play(replace(LAPTOP, max_open=3))
    yield made
    made.close()


def close_by_skipping(play: Play, it: dict[str, Any]) -> None:
    play.call("PUT", "/v1/control", {"stopped": True})
    play.tick(days=1)
    play.call("PUT", "/v1/control", {"stopped": False})
    play.tick()


def close_by_poison(play: Play, it: dict[str, Any]) -> None:
    """As the sweep does with what it cannot look at, for the fifth time."""
    old = play.now(it)
    play.put(replace(old, poison=MAX_POISON - 1, version=old.version + 1, write_id=fresh()))
    stamp = play.world.stamp(play.clock.now())
    play.store.commit(*runs.poisoned(play.now(it), "ValueError('x')", stamp=stamp, pause=POISON_PAUSE))


def close_unstarted(play: Play, it: dict[str, Any]) -> None:
    for _ in range(9):
        play.tick(minutes=0)
        play.queue.take("start")
        play.clock.advance(hours=9)


def close_without_agent(play: Play, it: dict[str, Any]) -> None:
    play.call("DELETE", "/v1/agents/@a")
    play.tick(seconds=10)


def run_with(does: Any, **later: float) -> Callable[[Play, dict[str, Any]], None]:
    """Gives a way to close: its agent does that, and if time is named, that passes then."""

    def close(play: Play, it: dict[str, Any]) -> None:
        play.agent.does = does
        play.tick(seconds=10)
        for _ in range(3 if later else 0):
            play.tick(**later)

    return close


def cancel_while(does: Any, *, complete: bool) -> Callable[[Play, dict[str, Any]], None]:
    def close(play: Play, it: dict[str, Any]) -> None:
        run_with(does)(play, it)
        assert play.call("DELETE", f"{PATH}/{it['id']}")[0] == 202
        assert play.spent(QUOTA) == 1, "what is cancelling is still at work"
        if complete:
            play.say(play.agent.calls[-1], "complete", {"outcome": "succeeded"})
        else:
            play.tick(hours=1)

    return close


def ask(method: str, suffix: str = "") -> Callable[[Play, dict[str, Any]], None]:
    return lambda play, it: play.call(method, f"{PATH}/{it['id']}{suffix}") and None


def pause_and_cancel(play: Play, it: dict[str, Any]) -> None:
    ask("POST", "/pause")(play, it)
    assert play.spent(QUOTA) == 1
    ask("DELETE")(play, it)
    ask("DELETE")(play, it)


def complete_late(play: Play, it: dict[str, Any]) -> None:
    run_with(break_off)(play, it)
    play.clock.advance(minutes=61)
    assert play.say(play.agent.calls[-1], "complete", {"outcome": "succeeded"})[0] == 410


def on(_call: object) -> Pending:
    return Pending(handle="h", poll_after=POLL)


SO = {"done_when": "it is so"}
WAYS: list[Any] = [
    pytest.param({}, run_with(lambda _: done()), id="done"),
    pytest.param({"max_attempts": 1}, run_with(lambda _: done("failed")), id="failed"),
    pytest.param({"max_attempts": 3}, run_with(lambda _: done("failed"), hours=1), id="failed-three-times"),
    pytest.param({}, run_with(on, minutes=6), id="timed-out"),
    pytest.param({}, run_with(break_off, hours=1), id="unknown"),
    pytest.param({"agent": "@hook"}, complete_late, id="completed-late"),
    pytest.param({}, ask("DELETE"), id="cancelled"),
    pytest.param({}, pause_and_cancel, id="cancelled-paused-and-twice"),
    pytest.param({}, cancel_while(on, complete=True), id="cancelling-completed"),
    pytest.param({}, cancel_while(break_off, complete=False), id="cancelling-lease-over"),
    pytest.param({"late": "skip"}, close_by_skipping, id="skipped"),
    pytest.param({}, close_by_poison, id="poisoned"),
    pytest.param({}, close_unstarted, id="never-started"),
    pytest.param({}, close_without_agent, id="agent-gone"),
    pytest.param({}, ask("POST", "/stop-tree"), id="stop-tree"),
    pytest.param(SO | {"due": "every 10 minutes"}, run_with(lambda _: done(verdict=Verdict.MET), minutes=10), id="met"),
    pytest.param(SO, run_with(lambda _: done(verdict=Verdict.NOT_MET)), id="not-met"),
    pytest.param(SO | {"retry_until_met": "1d"}, run_with(lambda _: done(), days=1), id="ladder-at-its-end"),
    pytest.param({"due": "every 10 minutes 2 times"}, run_with(lambda _: done(), minutes=10), id="rule-at-its-end"),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "close"), WAYS)
def test_each_way_of_closing_gives_it_back_once(
    play: Play, fields: dict[str, Any], close: Callable[[Play, dict[str, Any]], None]
) -> None:
    it = play.make(**fields)
    assert (play.now(it).counted, play.spent(QUOTA)) == (True, 1)
    close(play, it)
    assert play.now(it).status in CLOSED, play.now(it)
    assert play.spent(QUOTA) == 0
    play.tick(days=1)
    assert play.spent(QUOTA) == 0


def test_what_stays_open_stays_counted(play: Play) -> None:
    it = play.make(due="every 10 minutes")
    path = f"{PATH}/{it['id']}"
    play.tick(minutes=10)
    play.agent.does = lambda _: done("failed")
    for _ in range(30):
        play.tick(minutes=5)
    assert play.now(it).status is Status.PAUSED, "three occurrences in a row failed"
    for verb, body in (("resume", None), ("snooze", {"until": "1d"}), ("pause", None), ("resume", None), ("run", None)):
        assert play.call("POST", f"{path}/{verb}", body)[0] < 300
        assert play.spent(QUOTA) == 1
