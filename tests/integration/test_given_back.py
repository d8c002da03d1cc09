"""A run whose agent surely did not start is given back; whatever happened to it meanwhile counts first."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from followups.adapters.agents.worker import WorkerAgent
from followups.domain import ids
from followups.domain.changes import Change
from followups.domain.contract import AgentCall, Done, Pending
from followups.domain.entities import FollowUp, Run
from followups.domain.errors import AgentBusy, StoreBusy
from followups.domain.status import Outcome, Status
from followups.usecases import manage, registry, work
from followups.usecases.create import Request, create
from followups.usecases.run import Crew, run
from tests.support.world import ME, SECRET, Bench, FakeAgent

LIMIT = 5


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "followups.db", runs_per_hour=LIMIT)


def make(bench: Bench, agent: str, **more: str) -> FollowUp:
    request = Request(agent=agent, task="Task", when="in 10 seconds", timezone="UTC", **more)
    return create(bench.world, ME, request, idempotency_key=None, allow_commands=True).follow_up


def refuses(meanwhile: Callable[[], object]) -> FakeAgent:
    """An agent for which there is no room; something happens before that is said."""

    def does(_call: AgentCall) -> Done | Pending:
        meanwhile()
        raise AgentBusy("no room")

    return FakeAgent(does)


def start(bench: Bench, it: FollowUp) -> str:
    bench.clock.advance(seconds=15)
    bench.sweep()
    [word] = bench.run_all()
    assert (bench.now(it).fence, bench.live()) == (1, frozenset())
    return word


def test_one_that_was_replaced_meanwhile_does_not_come_back(bench: Bench) -> None:
    it = make(bench, "@a", replace_key="backup")
    bench.agent = refuses(lambda: make(bench, "@a", replace_key="backup"))
    assert start(bench, it) == "finished"
    now, [record] = bench.now(it), bench.runs(it)
    assert (now.status, now.attempt, now.replaced_by is not None) == (Status.DONE, 0, True)
    assert (record.outcome, record.started_at, record.attempt) == (Outcome.SKIPPED, None, 0)
    assert "has taken its place" in record.summary


def test_one_that_was_cancelled_meanwhile_is_cancelled_at_once(bench: Bench) -> None:
    it = make(bench, "@a")
    bench.agent = refuses(lambda: manage.cancel(bench.world, ME, it.id))
    assert start(bench, it) == "finished"
    [record] = bench.runs(it)
    assert (bench.now(it).status, record.outcome, record.started_at) == (Status.CANCELLED, Outcome.CANCELLED, None)


@pytest.mark.parametrize("what", ["blocked", "replaced", "cancelled"])
def test_the_hours_run_is_given_back_with_it(bench: Bench, what: str) -> None:
    it = make(bench, "@a", replace_key="backup")
    act = {
        "blocked": lambda: None, "replaced": lambda: make(bench, "@a", replace_key="backup"),
        "cancelled": lambda: manage.cancel(bench.world, ME, it.id),
    }[what]  # fmt: skip
    bench.agent = refuses(act)
    start(bench, it)
    bench.agent = FakeAgent()
    line = [bench.create("in 10 seconds") for _ in range(LIMIT + 1)]
    bench.clock.advance(minutes=1)
    ended = 0
    for _ in range(2 * LIMIT):
        bench.sweep()
        ended += bench.run_all().count("finished")
        bench.clock.advance(minutes=1)
    assert ended == LIMIT, f"{len(line)} would like to"


class Worked:
    """A bench with an agent that workers ask for."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        registry.put_agent(bench.world, "@w", registry.Registration(kind="worker", timeout_s=600))
        assert self.take("early") is None
        self.it = make(bench, "@w", replace_key="backup")
        bench.clock.advance(seconds=15)
        bench.sweep()

    def take(self, name: str) -> AgentCall | None:
        return work.pull(self.bench.world, SECRET, "@w", name, frozenset())

    def run(self, target: WorkerAgent | None = None) -> list[str]:
        crew = Crew(targets={"worker": target or WorkerAgent()}, secret=SECRET)
        messages = self.bench.queue.take("start")
        return [run(self.bench.world, crew, it, remaining=timedelta(minutes=15)).word for it in messages]


def test_one_that_a_worker_has_taken_meanwhile_is_the_workers(bench: Bench) -> None:
    worked = Worked(bench)
    assert worked.run() == ["pending"]
    bench.clock.advance(minutes=2)
    assert bench.sweep()["polled"] == 1

    class Slow(WorkerAgent):
        def poll(self, call: AgentCall, handle: str) -> Pending:
            assert worked.take("desk") is not None
            return super().poll(call, handle)

    assert worked.run(Slow()) == ["stale"]
    now = bench.now(worked.it)
    assert (now.status, now.handle, worked.take("rack")) == (Status.RUNNING, "worker desk", None)


def test_a_note_that_landed_unheard_takes_the_run_from_nobody(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    worked = Worked(bench)
    commit, taken = bench.store.commit, []

    def lost(*changes: Change) -> None:
        commit(*changes)
        if bench.now(worked.it).handle == "waiting" and not taken:
            taken.append(worked.take("desk"))
            raise StoreBusy("the answer was lost")

    monkeypatch.setattr(bench.store, "commit", lost)
    worked.run()
    assert taken and taken[0] is not None
    assert (bench.now(worked.it).handle, worked.take("rack")) == ("worker desk", None)


@pytest.mark.parametrize("slept", [False, True], ids=["awake", "slept"])
def test_one_that_waits_for_a_worker_and_was_replaced_does_not_come_back(bench: Bench, slept: bool) -> None:
    worked = Worked(bench)
    worked.run()
    make(bench, "@w", replace_key="backup")
    bench.clock.advance(hours=3 if slept else 0, minutes=2)
    bench.sweep()
    worked.run()
    [record] = bench.runs(worked.it)
    assert (bench.now(worked.it).status, record.outcome) == (Status.DONE, Outcome.SKIPPED)


def test_what_a_worker_is_given_again_has_its_lease_anew(bench: Bench) -> None:
    worked = Worked(bench)
    worked.run()
    assert worked.take("desk") is not None, "and the answer was lost"
    bench.clock.advance(minutes=4)
    assert worked.take("desk") is not None
    now = bench.now(worked.it)
    assert now.lease_until == bench.clock.now() + timedelta(minutes=5) == now.wake_at


def test_a_worker_that_could_not_tell_in_time_is_not_given_the_run_again(bench: Bench) -> None:
    worked = Worked(bench)
    worked.run()
    assert worked.take("desk") is not None
    bench.clock.advance(minutes=10)
    assert worked.take("desk") is None


def test_it_is_still_in_its_line(bench: Bench) -> None:
    it = make(bench, "@a")
    bench.agent = refuses(lambda: None)
    assert start(bench, it) == "blocked"
    now = bench.now(it)
    assert (now.status, now.attempt, now.blocked_reason) == (Status.SCHEDULED, 0, "no room")
    assert bench.store.get(Run, ids.run_key(it.owner, it.id, 1)) is None
