"""Runs that outlive the process that started them: asked for until they end, stopped at their deadline, never lost."""

from datetime import timedelta
from pathlib import Path

import pytest

from followups.domain.contract import AgentCall, Done, Pending
from followups.domain.entities import FollowUp, Run
from followups.domain.errors import AgentBusy, AgentUncertain
from followups.domain.messages import Message
from followups.domain.status import Outcome, Status
from followups.usecases import registry
from followups.usecases.manage import cancel
from followups.usecases.run import Crew, run
from tests.support.world import ME, SECRET, Bench

GOOD = Done(outcome=Outcome.SUCCEEDED, summary="all is well")
WAIT = Pending(handle="arn:execution", poll_after=timedelta(minutes=2))
MACHINE = "arn:aws:states:eu-central-1:123456789012:stateMachine:nightly"
TIMEOUT = timedelta(hours=2)


class Machine:
    """A target whose answers a test sets: an answer, or an error that it raises."""

    def __init__(self) -> None:
        self.starts: Done | Pending | Exception = WAIT
        self.polls: Done | Pending | Exception = WAIT
        self.started: list[AgentCall] = []
        self.asked: list[str] = []
        self.cancelled: list[str] = []

    def start(self, call: AgentCall) -> Done | Pending:
        self.started.append(call)
        return _say(self.starts)

    def poll(self, call: AgentCall, handle: str) -> Done | Pending:
        self.asked.append(handle)
        return _say(self.polls)

    def cancel(self, call: AgentCall, handle: str) -> None:
        self.cancelled.append(handle)


def _say(answer: Done | Pending | Exception) -> Done | Pending:
    if isinstance(answer, Exception):
        raise answer
    return answer


class Long:
    """A bench with a state machine as agent, and one follow-up of it."""

    def __init__(self, path: Path, **limits: object) -> None:
        self.bench, self.machine = Bench(path, look_ahead=timedelta(0), **limits), Machine()
        wanted = registry.Registration(kind="states", target=MACHINE, timeout_s=int(TIMEOUT.total_seconds()))
        registry.put_agent(self.bench.world, "@night", wanted)
        self.it = self.bench.create("in 10 seconds", agent="@night")

    def go(self, **time: float) -> list[str]:
        """Lets time pass, sweeps, and runs what was sent; gives what came of it."""
        self.bench.clock.advance(**time)
        self.bench.sweep()
        return [self.take(message) for message in self.bench.queue.take("start")]

    def take(self, message: Message) -> str:
        crew = Crew(targets={"states": self.machine}, secret=SECRET)
        return run(self.bench.world, crew, message, remaining=timedelta(minutes=15)).word

    @property
    def now(self) -> FollowUp:
        return self.bench.now(self.it)

    def record(self) -> Run:
        [found] = self.bench.runs(self.it)
        return found


@pytest.fixture
def long(tmp_path: Path) -> Long:
    return Long(tmp_path / "f.db", runs_per_hour=5)


def test_a_pending_run_is_asked_for_until_it_ends(long: Long) -> None:
    assert long.go(seconds=11) == ["pending"]
    assert long.now.deadline_at and long.now.started_at
    assert long.now.deadline_at - long.now.started_at == TIMEOUT
    assert long.go(minutes=1) == [], "it is not time to ask"
    assert long.go(minutes=1, seconds=1) == ["pending"]

    long.machine.polls = GOOD
    assert long.go(minutes=3) == ["finished"]
    assert long.record().outcome is Outcome.SUCCEEDED and long.record().target_id == "arn:execution"
    assert len(long.machine.started) == 1 and long.bench.live() == frozenset()


def test_what_ended_since_it_was_asked_last_is_not_timed_out(long: Long) -> None:
    long.go(seconds=11)
    long.machine.polls = GOOD
    assert long.go(hours=2) == ["finished"]
    assert long.record().outcome is Outcome.SUCCEEDED and long.machine.cancelled == []


def test_clocks_differ_so_a_run_has_half_a_minute_more_than_it_is_told(long: Long) -> None:
    long.go(seconds=11)
    assert long.go(seconds=TIMEOUT.total_seconds() + 29) == ["pending"]
    assert long.machine.cancelled == []
    assert long.go(seconds=31) == ["finished"]
    assert long.record().outcome is Outcome.TIMED_OUT


@pytest.mark.parametrize("answer", [WAIT, AgentUncertain("no answer")])
def test_what_is_at_work_at_its_deadline_is_stopped_and_timed_out(long: Long, answer: Pending | Exception) -> None:
    long.go(seconds=11)
    long.machine.polls = answer
    assert long.go(hours=2, seconds=30) == ["finished"]
    assert long.record().outcome is Outcome.TIMED_OUT
    assert long.machine.cancelled == ["arn:execution"]


def test_a_start_that_got_no_answer_is_asked_for_by_the_runs_own_id(long: Long) -> None:
    long.machine.starts = AgentUncertain("the line went dead")
    assert long.go(seconds=11) == ["uncertain"]
    long.machine.polls = WAIT
    assert long.go(minutes=16) == ["pending"]
    assert long.machine.asked == [long.now.run_id] and long.now.handle == "arn:execution"
    long.machine.polls = GOOD
    assert long.go(minutes=3) == ["finished"]
    assert len(long.machine.started) == 1


def test_a_start_that_never_came_through_spends_no_attempt(long: Long) -> None:
    long.machine.starts = AgentUncertain("the line went dead")
    long.go(seconds=11)
    long.machine.polls = AgentBusy("the execution never started")
    assert long.go(minutes=16) == ["blocked"]
    assert (long.now.status, long.now.attempt) == (Status.SCHEDULED, 0)
    assert long.now.blocked_reason == "the execution never started" and long.bench.runs(long.it) == []
    assert long.bench.live() == frozenset()

    long.machine.starts = GOOD
    assert long.go(minutes=2) == ["finished"]
    assert long.record().attempt == 1 and long.now.status is Status.DONE


@pytest.mark.parametrize(("late", "words"), [(105, ["finished"]), (115, [])], ids=["at its deadline", "by its lease"])
def test_a_run_that_nobody_ever_answers_for_is_unknown(long: Long, late: int, words: list[str]) -> None:
    long.machine.starts = AgentUncertain("the line went dead")
    long.go(seconds=11)
    long.machine.polls = AgentUncertain("no answer")
    assert long.go(minutes=16) == ["uncertain"]
    assert long.go(minutes=late) == words
    assert long.record().outcome is Outcome.UNKNOWN and "may or may not" in long.record().summary


def test_a_throttled_target_is_blocked_and_the_hours_run_is_given_back(long: Long) -> None:
    long.machine.starts = AgentBusy("throttled", timedelta(minutes=10))
    for number in range(8):
        assert long.go(minutes=11 if number else 1) == ["blocked"], "it would be spent after five"
    assert (long.now.attempt, long.now.blocked_since) == (0, long.machine.started[0].deadline - TIMEOUT)
    long.machine.starts = GOOD
    assert long.go(minutes=11) == ["finished"]


def test_a_cancel_reaches_the_target_at_once(long: Long) -> None:
    long.go(seconds=11)
    cancelled = cancel(long.bench.world, ME, long.it.id)
    assert cancelled.status is Status.CANCELLING
    assert long.go(seconds=1) == ["pending"]
    assert long.machine.cancelled == ["arn:execution"]
    long.machine.polls = Done(outcome=Outcome.CANCELLED, summary="aborted")
    assert long.go(seconds=31) == ["finished"]
    assert long.now.status is Status.CANCELLED and long.bench.live() == frozenset()


def test_a_duplicate_of_the_start_message_starts_nothing(long: Long) -> None:
    long.bench.clock.advance(seconds=11)
    long.bench.sweep()
    [message] = long.bench.queue.take("start")
    assert [long.take(message), long.take(message)] == ["pending", "pending"], "the second only asks"
    assert len(long.machine.started) == 1 and len(long.machine.asked) == 1


def test_an_agent_is_told_what_it_said_last(long: Long) -> None:
    long.machine.starts = Done(outcome=Outcome.FAILED, summary="the disk is full", report="df: 100 %")
    long.go(seconds=11)
    long.go(hours=1)
    first, second = (call.request["previous_report"] for call in long.machine.started)
    assert first is None
    assert (second["outcome"], second["summary"], second["report"]) == ("failed", "the disk is full", "df: 100 %")
