"""A long line: a hundred follow-ups wait behind one agent that takes ten minutes for each. Nobody starves or pushes in."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from followups.domain.contract import AgentCall, Done, Pending
from followups.domain.entities import FollowUp, Run
from followups.domain.status import Outcome, Status
from followups.usecases.report import send_report
from tests.support.world import Bench

COUNT, RUN_S = 100, 600
#: A slot that falls free is used by the next tick but one at the latest: whoever is next may still wait out a refusal.
GAP = timedelta(minutes=2)


class Line:
    """A hundred that wait, and the agent, whose runs take their time while ticks come each so many minutes."""

    def __init__(self, path: Path, minutes: int) -> None:
        self.bench, self.minutes = Bench(path), minutes
        self.bench.register("@a", timeout_s=840)
        #: The runs, as the agent had them: whose it was, its beginning and its end.
        self.runs: list[tuple[str, datetime, datetime]] = []
        self.working = False
        self.made: list[FollowUp] = []
        for number in range(COUNT):
            self.made.append(self.bench.create(f"in {60 + number} seconds"))
            self.bench.clock.advance(seconds=0.001)

    def work(self, call: AgentCall) -> Done:
        """Works for ten minutes; meanwhile others are refused."""
        assert not self.working, "never two at once"
        self.working, began = True, self.bench.clock.now()
        for _ in range(RUN_S // 60 // self.minutes):
            self.tick(self.minutes)
        self.working = False
        self.runs.append((call.request["follow_up_id"], began, self.bench.clock.now()))
        return Done(outcome=Outcome.SUCCEEDED, summary="well")

    def send(self, run: Run) -> str:
        """Takes a report, as the mailer does."""
        return run.id

    def tick(self, minutes: int) -> None:
        """Lets the sweeper look, what it found happen, and some minutes pass."""
        self.bench.sweep()
        self.bench.run_all()
        for message in self.bench.queue.take("report"):
            send_report(self.bench.world, self, message)
        self.bench.clock.advance(minutes=minutes)

    def until_all_have_ended(self) -> None:
        until = self.bench.clock.now() + COUNT * (timedelta(seconds=RUN_S) + GAP)
        while len(self.runs) < COUNT:
            assert self.bench.clock.now() < until, "somebody waits for ever"
            self.tick(1)

    def check(self) -> None:
        """All have run, the oldest first, each once, and the slot was never idle for long."""
        assert [name for name, _, _ in self.runs] == [it.id for it in self.made]
        for it in self.made:
            [record] = self.bench.runs(it)
            assert (record.outcome, record.attempt) == (Outcome.SUCCEEDED, 1), record.summary
            assert self.bench.now(it).status is Status.DONE
        gaps = [began - ended for (_, _, ended), (_, began, _) in zip(self.runs, self.runs[1:], strict=False)]
        assert timedelta(0) <= min(gaps) and max(gaps) <= GAP


@pytest.mark.slow
@pytest.mark.parametrize("minutes", [5, 1])
def test_all_run_in_their_order_behind_one_that_is_waited_for(tmp_path: Path, minutes: int) -> None:
    line = Line(tmp_path / "followups.db", minutes)
    line.bench.agent.does = line.work
    line.until_all_have_ended()
    line.check()


@pytest.mark.slow
def test_all_run_in_their_order_behind_one_that_is_asked_how_far_it_is(tmp_path: Path) -> None:
    line = Line(tmp_path / "followups.db", 1)
    began: dict[str, datetime] = {}

    def asked(call: AgentCall) -> Done | Pending:
        name, now = str(call.request["follow_up_id"]), line.bench.clock.now()
        since = began.setdefault(name, now)
        if (left := since + timedelta(seconds=RUN_S) - now) > timedelta(0):
            return Pending(handle=call.run_id, poll_after=left)
        line.runs.append((name, since, now))
        return Done(outcome=Outcome.SUCCEEDED, summary="well")

    line.bench.agent.does = asked
    line.until_all_have_ended()
    line.check()
