"""What one sweep takes on is bounded, whatever is due: the rest waits in line, and nothing behind it is hidden."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from followups.domain.contract import Done
from followups.domain.entities import FollowUp
from followups.domain.errors import AgentUncertain
from followups.domain.status import Status
from followups.handlers.sweeper import sweeper
from followups.usecases import registry
from followups.usecases.line import Line
from followups.usecases.sweep import Swept, sweep
from tests.support.clock import ManualClock
from tests.support.things import follow_up, later
from tests.support.world import Bench

Make = Callable[..., Bench]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Gives a world with those limits, on a laptop as a rule: nothing is claimed ahead, everybody stands in line."""
    usual = {"look_ahead": timedelta(0), "claims_at_once": 0, "blocked_s": (1.0, 5.0)}
    return lambda **limits: Bench(tmp_path / "followups.db", **(usual | limits))


def due(bench: Bench, count: int, agent: str = "@a") -> list[FollowUp]:
    """Gives so many whose time has come, the first first."""
    line = [bench.create(f"in {number + 1} seconds", agent=agent) for number in range(count)]
    bench.clock.advance(seconds=count)
    return line


def claimed(bench: Bench, line: list[FollowUp]) -> list[int]:
    return [number for number, it in enumerate(line) if bench.now(it).status is Status.CLAIMED]


def test_everybody_stands_in_line_and_the_oldest_come_first(make: Make) -> None:
    bench = make(global_cap=4)
    bench.register("@many", max_concurrency=3)
    line = due(bench, 30, "@many")
    found = bench.sweep()
    assert found["claimed"] == 6 and found["waiting"] > 0
    assert claimed(bench, line) == [0, 1, 2, 3, 4, 5]


def test_nobody_is_claimed_while_no_slot_is_free(make: Make) -> None:
    bench = make(global_cap=1)
    line = due(bench, 3)
    bench.agent.does = _uncertain
    bench.sweep()
    assert sorted(bench.run_all()) == ["blocked", "uncertain"]
    assert bench.sweep() == {"waiting": 2}
    assert claimed(bench, line) == []


def test_a_long_line_hides_no_other_agent_and_no_report(make: Make) -> None:
    bench = make(global_cap=2)
    bench.register("@b")
    first = bench.create("in 1 second")
    bench.clock.advance(seconds=1)
    bench.sweep()
    bench.run_all()
    bench.queue.sent.clear()
    due(bench, 50)
    [other] = due(bench, 1, "@b")
    found = bench.sweep()
    assert (found["claimed"], found["reports"]) == (3, 1)
    assert bench.now(other).status is Status.CLAIMED
    assert [message.follow_up_id for message in bench.queue.take("report")] == [first.id]


def test_up_to_a_number_they_are_claimed_as_they_come_and_those_beyond_stand_in_line(make: Make) -> None:
    bench = make(claims_at_once=5, global_cap=1)
    line = due(bench, 9)
    assert bench.sweep() == {"claimed": 7, "waiting": 1, "late_s": 8}
    assert claimed(bench, line) == [0, 1, 2, 3, 4, 5, 6]
    assert len(bench.queue.take("start")) == 7


def test_who_is_not_due_stands_in_no_line(make: Make) -> None:
    bench = make()
    bench.create("in 3 seconds")
    assert bench.sweep() == {}


def test_the_kill_switch_holds_those_in_line_too(make: Make) -> None:
    bench = make()
    line = due(bench, 3)
    registry.switch(bench.world, stopped=True, reason=None)
    assert bench.sweep() == {"held": 3}
    assert claimed(bench, line) == []


def test_no_more_reports_are_queued_again_than_are_allowed_and_the_next_sweep_goes_on(make: Make) -> None:
    bench = make(global_cap=9, reports_at_once=2)
    bench.register("@many", max_concurrency=9)
    due(bench, 5, "@many")
    bench.sweep()
    bench.run_all()
    bench.queue.sent.clear()
    assert [bench.sweep()["reports"] for _ in range(4)] == [2, 2, 1, 0]
    assert len(set(bench.queue.take("report"))) == 5


class SlowClock(ManualClock):
    """Each look at it takes a second."""

    def now(self) -> datetime:
        self.advance(seconds=1)
        return super().now()


def test_a_sweep_whose_time_is_over_leaves_the_rest_to_the_next(make: Make) -> None:
    bench = make(claims_at_once=100, look_ahead=timedelta(seconds=120))
    line = due(bench, 20)
    clock = SlowClock(bench.clock.now())
    world = replace(bench.world, clock=clock)
    found: list[Swept] = []
    while len(claimed(bench, line)) < len(line):
        found.append(sweep(world, remaining=timedelta(seconds=16)))
    assert [it["cut_off"] for it in found[:-1]] == [1] * (len(found) - 1)
    assert 3 <= len(found) <= 5
    assert {it.fence for it in map(bench.now, line)} == {1}
    assert len(bench.queue.take("start")) == 20


def test_a_line_keeps_those_whose_turn_can_come_and_counts_the_others(make: Make) -> None:
    bench, line = make(global_cap=2), Line(4)
    bench.register("@b", max_concurrency=1)
    waiting = [follow_up(agent="@b", start_at=later(seconds=n)) for n in range(1_000)]
    for it in reversed(waiting):
        line.add(it)
        assert line.kept <= 16
    assert line.length == 1_000
    assert line.next(bench.world) == waiting[:2]


class _Context:
    def __init__(self, clock: ManualClock, seconds: float) -> None:
        self._clock, self._end = clock, clock.now() + timedelta(seconds=seconds)

    def get_remaining_time_in_millis(self) -> int:
        return int((self._end - self._clock.now()).total_seconds() * 1000)


def test_a_tick_sweeps_again_while_somebody_waits_and_time_is_left(make: Make) -> None:
    bench = make(global_cap=1)
    line = due(bench, 30)
    handle = sweeper(bench.world, again=timedelta(seconds=5))
    found = handle({}, _Context(bench.clock, 55))
    assert found["claimed"] == 16 and found["waiting"] > 0
    assert bench.clock.slept == [timedelta(seconds=5)] * 7
    assert claimed(bench, line) == list(range(16))


def test_a_tick_sweeps_once_if_nobody_waits_or_everything_is_stopped(make: Make) -> None:
    bench = make(global_cap=9)
    handle = sweeper(bench.world, again=timedelta(seconds=5))
    due(bench, 1)
    assert handle({}, _Context(bench.clock, 55)) == {"claimed": 1}
    bench.sweep()
    registry.switch(bench.world, stopped=True, reason=None)
    bench.run_all()
    assert handle({}, _Context(bench.clock, 55)) == {"waiting": 1}
    assert bench.clock.slept == []


def _uncertain(_call: object) -> Done:
    raise AgentUncertain("the line went dead")
