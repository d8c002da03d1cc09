"""What becomes of an answer: what a record takes of it, where the rest is kept, and what is given back into the line."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from followups.adapters.output_files import OutputFiles
from followups.domain import ids
from followups.domain.contract import REPORT_LIMIT, AgentCall, Done, Pending, fit
from followups.domain.entities import FollowUp, Run
from followups.domain.errors import AgentBusy, WrongState
from followups.domain.lineage import RunToken
from followups.domain.status import Outcome, Status
from followups.usecases import manage, registry, work
from followups.usecases.complete import complete
from followups.usecases.report import with_whole
from followups.usecases.run import Crew, run
from followups.usecases.settle import INLINE, keep_apart, settle
from followups.usecases.world import NoOutputs
from tests.support.world import ME, SECRET, Bench, FakeAgent

LONG, OTHER = "one\n" * 5_000, "two\n" * 5_000
WELL = Outcome.SUCCEEDED


class Shelf:
    """Keeps outputs in memory."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}

    def keep(self, run_id: str, text: str) -> str:
        self.kept[f"shelf/{run_id}"] = text
        return f"shelf/{run_id}"

    def read(self, ref: str) -> str | None:
        return self.kept.get(ref)


def said(report: str, **more: str) -> Done:
    return Done(outcome=WELL, summary="s", report=report, **more)


@pytest.fixture
def files(bench: Bench, tmp_path: Path) -> OutputFiles:
    outputs = OutputFiles(tmp_path / "runs")
    bench.world = replace(bench.world, outputs=outputs)
    return outputs


def due(bench: Bench, agent: str = "@a") -> FollowUp:
    """Gives one whose start message is on its way, and whose time has come."""
    it = bench.create(agent=agent)
    bench.sweep()
    bench.clock.advance(seconds=10)
    return it


def live(bench: Bench) -> FollowUp:
    """Gives a run of an agent that works on."""
    bench.agent.does = lambda _call: Pending(handle="h", poll_after=timedelta(minutes=1))
    it = due(bench)
    assert bench.run_all() == ["pending"]
    return bench.now(it)


def record(bench: Bench, it: FollowUp) -> Run:
    (found,) = bench.runs(it)
    return found


# What a record takes


@pytest.mark.parametrize("report", ["", "short", "x" * INLINE, "漢" * (INLINE // 3)])
def test_what_a_record_takes_stays_in_it(report: str) -> None:
    shelf, done = Shelf(), said(report)
    assert keep_apart(shelf, "run-1", done) == done
    assert shelf.kept == {}


@pytest.mark.parametrize("report", ["x" * (INLINE + 1), "ä" * (INLINE // 2 + 1), "🙂" * 1_000_000, LONG])
def test_what_is_longer_is_kept_whole_elsewhere_and_begins_in_the_record(report: str) -> None:
    shelf = Shelf()
    done = keep_apart(shelf, "run-1", said(report))
    assert done.output_ref is not None and shelf.read(done.output_ref) == report
    assert INLINE - 4 <= len(done.report.encode()) <= INLINE
    assert done.report.endswith("[cut here]\n") and report.startswith(done.report.removesuffix("\n[cut here]\n"))


@pytest.mark.parametrize(("report", "size"), [(LONG, len(LONG)), ("🙂" * 1_000_000, REPORT_LIMIT)])
def test_what_can_be_kept_nowhere_stays_as_far_as_an_item_takes_it(report: str, size: int) -> None:
    done = keep_apart(NoOutputs(), "run-1", said(report))
    assert (done.output_ref, size - 4 <= len(done.report.encode()) <= size) == (None, True)
    assert done.report == fit(report)


def test_what_a_target_has_put_somewhere_itself_is_not_kept_twice() -> None:
    shelf = Shelf()
    mine = said("x" * 300_000 + "the reason", output_ref="/tmp/run-1.out")
    done = keep_apart(shelf, "run-1", mine)
    assert (done.output_ref, shelf.kept) == ("/tmp/run-1.out", {})
    assert done.report == fit(mine.report), "what the target made of it stands nowhere else"


def test_a_full_disk_costs_the_file_and_not_the_run(bench: Bench, files: OutputFiles, tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("in the way")
    bench.agent.does = lambda _call: said(LONG)
    it = due(bench)
    assert bench.run_all() == ["finished"]
    assert (record(bench, it).output_ref, record(bench, it).report) == (None, LONG)


def test_a_long_report_is_read_whole_by_whoever_shows_it(bench: Bench, files: OutputFiles) -> None:
    bench.agent.does = lambda _call: said(LONG)
    it = due(bench)
    assert bench.run_all() == ["finished"]
    kept = record(bench, it)
    assert len(kept.report) <= INLINE and kept.report.endswith("[cut here]\n")
    assert with_whole(kept, files).report == LONG
    Path(kept.output_ref or "").unlink()
    assert with_whole(kept, files).report == kept.report, "what is gone costs the rest, and not the report"


# The first word counts, whole


def token(it: FollowUp) -> RunToken:
    assert it.deadline_at is not None
    return RunToken(it.owner, it.id, it.fence, it.deadline_at)


def test_an_answer_that_came_second_does_not_take_the_place_of_the_firsts_report(bench: Bench, files: OutputFiles) -> None:
    it = live(bench)
    complete(bench.world, token(it), it.run_id, said(LONG), "1" * 32)
    agent = bench.world.agent("@a")
    assert agent is not None
    assert settle(bench.world, it, agent, said(OTHER)).word == "stale", "what its target told at the same time"
    assert with_whole(record(bench, it), files).report == LONG
    with pytest.raises(WrongState, match="already_completed"):
        complete(bench.world, token(it), it.run_id, said(OTHER), "2" * 32)
    assert with_whole(record(bench, it), files).report == LONG
    assert complete(bench.world, token(it), it.run_id, said(LONG), "1" * 32).replayed
    assert with_whole(record(bench, it), files).report == LONG


# Given back


def busy(retry_after: timedelta | None = None) -> Done:
    raise AgentBusy("the target has no room", retry_after)


@pytest.mark.parametrize(
    ("retry_after", "shortest", "longest"),
    [(None, 10, 60), (timedelta(seconds=1), 10, 60), (timedelta(minutes=9), 540, 540), (timedelta(days=9), 3600, 3600)],
)
def test_a_target_without_room_is_left_alone_for_a_while(
    bench: Bench, retry_after: timedelta | None, shortest: float, longest: float
) -> None:
    bench.agent.does = lambda _call: busy(retry_after)
    it = due(bench)
    assert bench.run_all() == ["blocked"]
    now = bench.now(it)
    assert (now.status, now.attempt, now.blocked_reason) == (Status.SCHEDULED, 0, "the target has no room")
    assert now.wake_at is not None
    assert shortest <= (now.wake_at - bench.clock.now()).total_seconds() <= longest
    assert (bench.live(), bench.runs(it), bench.queue.take("report")) == (frozenset(), [], [])


def test_the_hours_run_is_given_back_with_it(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "b.db", runs_per_hour=1)
    bench.agent.does = lambda _call: busy()
    it = due(bench)
    for _ in range(3):
        assert bench.run_all() == ["blocked"]
        assert bench.now(it).blocked_reason == "the target has no room", "and not that the hour is spent"
        bench.clock.advance(seconds=61)
        bench.sweep()
    bench.agent.does = lambda _call: said("at last")
    assert bench.run_all() == ["finished"]
    assert record(bench, it).attempt == 1


def test_one_that_was_cancelled_meanwhile_is_not_put_back_into_the_line(bench: Bench) -> None:
    it = due(bench)

    def cancelled_then_busy(_call: AgentCall) -> Done:
        manage.cancel(bench.world, ME, it.id)
        return busy()

    bench.agent.does = cancelled_then_busy
    assert bench.run_all() == ["finished"]
    assert (bench.now(it).status, record(bench, it).outcome) == (Status.CANCELLED, Outcome.CANCELLED)
    assert (record(bench, it).summary, bench.live()) == ("The agent was not started.", frozenset())


def test_a_run_that_a_worker_takes_at_the_last_moment_is_its_own(bench: Bench) -> None:
    """Whoever looks has read that it waits; the worker takes it before it is given back. It must not run a second time."""
    registry.put_agent(bench.world, "@w", registry.Registration(kind="worker"))
    target, taken = FakeAgent(lambda _call: Pending(handle="waiting", poll_after=timedelta(minutes=2))), []
    crew = Crew(targets={"worker": target}, secret=SECRET)

    def ask_for_work() -> AgentCall | None:
        return work.pull(bench.world, SECRET, "@w", "w1", frozenset())

    def taken_then_busy(_call: AgentCall) -> Done:
        taken.append(ask_for_work())
        return busy()

    def go() -> list[str]:
        bench.sweep()
        remaining = timedelta(minutes=15)
        return [run(bench.world, crew, message, remaining=remaining).word for message in bench.queue.take("start")]

    assert ask_for_work() is None, "but now there is a worker"
    it = due(bench, "@w")
    assert go() == ["pending"]
    bench.clock.advance(minutes=2)
    target.does = taken_then_busy
    assert go() == ["stale"]
    now = bench.now(it)
    assert (now.status, now.handle, now.fence) == (Status.RUNNING, "worker w1", 1)
    assert bench.live() == {ids.slot_id(it.owner, it.id, 1)}
    (call,) = taken
    assert call is not None and call.run_id == now.run_id
    complete(bench.world, token(now), now.run_id, said("done"), "1" * 32)
    assert record(bench, it).outcome is WELL
