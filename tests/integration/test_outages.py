"""Outages and jumps of the clock: each passes without an operator, and each follow-up ends with one true outcome."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from followups.domain.entities import FollowUp, Run
from followups.domain.errors import StoreBusy, StoreError, StoreFull
from followups.domain.report import compose
from followups.domain.status import Outcome, ReportStatus, Status
from tests.support.api import TASK, Api
from tests.support.weather import LOSES, REFUSES, Weather

#: `make races` runs it: it waits for other processes.
pytestmark = pytest.mark.slow

DAY_S = 86_400


@pytest.fixture(params=["AWS", "laptop"])
def weather(request: pytest.FixtureRequest, tmp_path: Path) -> Weather:
    home = tmp_path / "locks" if request.param == "laptop" else None
    return Weather(tmp_path, home=home, global_cap=2)


def all_well(weather: Weather, line: list[FollowUp], *, at_most_s: float, mails: int = 1) -> None:
    """Each ran once, within so many seconds of its time; its outcome is recorded once and was reported."""
    for it in line:
        now = weather.real.get(FollowUp, it.key)
        assert now is not None and now.status is Status.DONE
        [run] = weather.ended(it)
        assert (run.outcome, run.report_status) == (Outcome.SUCCEEDED, ReportStatus.SENT)
        assert run.started_at is not None
        assert (run.started_at - it.due_at).total_seconds() <= at_most_s
    assert set(weather.agent.calls.values()) == {1} and len(weather.agent.calls) == len(line)
    assert len(weather.mailer.mails) == mails * len(line)
    assert weather.real.slots(("SLOTS", "ALL")) == frozenset()


@pytest.mark.parametrize("how", [REFUSES, LOSES])
def test_a_queue_that_is_down_for_ten_minutes(weather: Weather, how: str) -> None:
    line = [weather.create(f"in {30 + 90 * number} seconds", number) for number in range(6)]
    weather.queue.down, weather.queue.how = weather.between(20, 620), how
    weather.go_on(minutes=30)
    # Sent again after 2, 6 and 14 minutes: the last outlives the outage.
    all_well(weather, line, at_most_s=15 * 60)
    assert weather.queue.lost >= 6


def test_a_queue_that_is_down_when_the_runs_end_loses_no_report(weather: Weather) -> None:
    line = [weather.create("in 10 seconds", number) for number in range(3)]
    weather.queue.down = weather.between(15, 615)
    weather.agent.during = lambda: weather.clock.advance(seconds=10)
    weather.go_on(minutes=30)
    all_well(weather, line, at_most_s=120)


ERRORS: dict[str, StoreError] = {
    "busy": StoreBusy("locked by another process"), "full": StoreFull("the disk is full"),
    "broken": StoreError("disk I/O error"),
}  # fmt: skip


@pytest.mark.parametrize("begins_s", [0, 55, 61, 65, 100, 119], ids="down from {} s".format)
def test_a_store_that_is_down_for_a_minute(weather: Weather, begins_s: int) -> None:
    """A run starts each 10 seconds from 60 on and takes 1: the outage meets ticks, starts, ends and reports."""
    line = [weather.create(f"in {60 + 10 * number} seconds", number) for number in range(6)]
    weather.store.down = weather.between(begins_s, begins_s + 60)
    weather.go_on(minutes=20)
    all_well(weather, line, at_most_s=5 * 60)
    assert weather.store.refused


@pytest.mark.parametrize("error", ERRORS)
def test_a_result_outlives_a_store_that_is_down_for_a_minute(weather: Weather, error: str) -> None:
    it = weather.create("in 10 seconds")
    weather.store.error = ERRORS[error]

    def breaks() -> None:
        weather.store.down = weather.between(0, 60)

    weather.agent.during = breaks
    weather.go_on(minutes=5)
    all_well(weather, [it], at_most_s=60)
    assert weather.store.refused > 3


def test_a_result_that_a_store_never_takes_ends_as_unknown_which_is_true(weather: Weather) -> None:
    it = weather.create("in 10 seconds")

    def breaks() -> None:
        weather.store.down = weather.between(0, 20 * 60)

    weather.agent.during = breaks
    weather.go_on(minutes=120, step_s=30)
    [run] = weather.ended(it)
    assert (run.outcome, run.report_status) == (Outcome.UNKNOWN, ReportStatus.SENT)
    assert weather.agent.calls.total() == 1


@pytest.mark.parametrize("error", ERRORS)
def test_the_api_says_not_now_and_goes_on_when_the_store_is_back(tmp_path: Path, error: str) -> None:
    path = tmp_path / "store"
    path.mkdir()
    weather = Weather(path)
    api = Api(tmp_path, store=weather.store)
    weather.store.error, weather.store.down = ERRORS[error], lambda: True
    own = "a" * 26
    asked: list[Callable[[], Any]] = [
        lambda: api.call("GET", "/v1/follow-ups"), lambda: api.call("GET", f"/v1/follow-ups/{own}"),
        lambda: api.call("POST", "/v1/follow-ups", TASK, idempotency_key="k"),
        lambda: api.call("POST", f"/v1/follow-ups/{own}/pause"), lambda: api.call("GET", "/v1/agents"),
        lambda: api.call("DELETE", f"/v1/follow-ups/{own}"), lambda: api.call("GET", "/v1/control"),
    ]  # fmt: skip
    for ask in asked:
        status, body, headers = ask()
        assert (status, body["code"]) == (503, {"busy": "try_again", "full": "store_full"}.get(error, "store_unusable"))
        assert int(headers["retry-after"]) > 0
    weather.store.down = lambda: False
    first, second = (api.call("POST", "/v1/follow-ups", TASK, idempotency_key="k") for _ in range(2))
    assert (first[0], second[0], first[1]["id"]) == (201, 200, second[1]["id"])


@pytest.mark.parametrize("jump_s", [DAY_S, -DAY_S], ids=["a day forward", "a day back"])
@pytest.mark.parametrize("after_s", [0, 58, 62, 70], ids="after {} s".format)
def test_a_clock_that_jumps_by_a_day(weather: Weather, jump_s: int, after_s: int) -> None:
    """Some are to be claimed yet, some wait at the queue, some are refused, some are done."""
    line = [weather.create(f"in {60 + 2 * number} seconds", number) for number in range(9)]
    weather.go_on(minutes=after_s / 60, step_s=2)
    weather.clock.advance(seconds=jump_s)
    weather.go_on(minutes=10)
    # What was written by a clock that was ahead may wait until the true time is there, and no longer.
    weather.clock.advance(seconds=max(0, -jump_s))
    weather.go_on(minutes=20)
    all_well(weather, line, at_most_s=DAY_S + 1_200)


@pytest.mark.parametrize("jump_s", [DAY_S, -DAY_S], ids=["a day forward", "a day back"])
def test_a_clock_that_jumps_while_an_agent_works(weather: Weather, jump_s: int) -> None:
    it = weather.create("in 10 seconds")

    def jumps() -> None:
        weather.clock.advance(seconds=jump_s)
        weather.tick()

    weather.agent.during = jumps
    weather.go_on(minutes=5)
    [run] = weather.ended(it)
    # Where leases end by time, a clock that jumps over one ends it; what a laptop's process holds, it holds.
    over = weather.leases is None and jump_s > 0
    assert run.outcome is (Outcome.UNKNOWN if over else Outcome.SUCCEEDED)
    assert (weather.agent.calls.total(), len(weather.mailer.mails)) == (1, 1)
    assert ("took" in compose(run).text) == (jump_s > 0 and not over), "a span that is not known is not told"


@pytest.mark.parametrize("jump_s", [DAY_S, -DAY_S], ids=["a day forward", "a day back"])
def test_a_clock_that_jumps_while_a_report_is_sent(weather: Weather, jump_s: int) -> None:
    it = weather.create("in 10 seconds")
    send = weather.mailer.send

    def jumps(run: Run) -> str:
        if not weather.mailer.mails:
            weather.clock.advance(seconds=jump_s)
            weather.tick()
        return send(run)

    weather.mailer.send = jumps  # type: ignore[method-assign]
    weather.go_on(minutes=10)
    [run] = weather.ended(it)
    assert run.report_status is ReportStatus.SENT
    assert 1 <= len(weather.mailer.mails) <= 2


def test_a_line_of_ten_hours_is_no_reason_to_give_up(tmp_path: Path) -> None:
    """A claim is given up after eight and a half hours; one that waits for its turn is none."""
    weather = Weather(tmp_path, global_cap=1)
    line = [weather.create(f"in {10 + number} seconds", 0) for number in range(20)]
    deep = 0

    def half_an_hour() -> None:
        # Meanwhile the ticks go on, and the other runners refuse who comes.
        nonlocal deep
        deep += 1
        assert deep == 1, "one at a time"
        for _ in range(6):
            weather.clock.advance(minutes=5)
            weather.tick()
            while weather.handle():
                pass
        deep -= 1

    weather.agent.during = half_an_hour
    weather.go_on(minutes=60, step_s=60)
    records = [run for it in line for run in weather.ended(it)]
    assert [run.outcome for run in records] == [Outcome.SUCCEEDED] * 20
    assert [run.follow_up_id for run in sorted(records, key=_started)] == [it.id for it in line], "the oldest first"


def _started(run: Run) -> Any:
    assert run.started_at is not None
    return run.started_at
