"""Workers that ask for work at once, and a runner that gives up waiting for them at that moment."""

from datetime import timedelta

from followups.adapters.agents.worker import WorkerAgent
from followups.adapters.local import NoLeases, NoQueue, SystemChance
from followups.domain import claims, ids
from followups.domain.changes import Add
from followups.domain.entities import FollowUp
from followups.domain.messages import Message
from followups.domain.status import Status
from followups.usecases import registry, work
from followups.usecases.run import Crew, run
from followups.usecases.world import Limits, World
from tests.support.api import SECRET
from tests.support.beds import Bed
from tests.support.clock import ManualClock
from tests.support.race import race
from tests.support.things import follow_up, later

REMAINING = timedelta(minutes=15)
CREW = Crew(targets={"worker": WorkerAgent()}, secret=SECRET)


def world_of(bed: Bed) -> World:
    world = World(
        store=bed.open(), queue=NoQueue(), clock=ManualClock(), chance=SystemChance(), leases=NoLeases(),
        limits=Limits(global_cap=50),
    )  # fmt: skip
    registry.put_agent(world, "@desk", registry.Registration(kind="worker", max_concurrency=50, timeout_s=3_600))
    work.pull(world, SECRET, "@desk", "w0", frozenset())
    return world


def waiting(world: World, count: int) -> list[FollowUp]:
    """Gives runs that wait for a worker."""
    line = [follow_up(due_at=later(), agent="@desk") for _ in range(count)]
    for it in line:
        world.store.commit(Add(it))
        world.store.commit(claims.claim(it, at=later(), write_id=world.chance.new_id()))
        assert run(world, CREW, Message("start", it.owner, it.id, 1), remaining=REMAINING).word == "pending"
    return line


def now(world: World, it: FollowUp) -> FollowUp:
    found = world.follow_up(it.owner, it.id)
    assert found is not None
    return found


def test_each_run_is_one_workers(server_bed: Bed) -> None:
    world = world_of(server_bed)
    line = waiting(world, 6)
    given: dict[str, list[str]] = {}

    def ask(racer: int, _: int) -> bool:
        call = work.pull(world, SECRET, "@desk", f"w{racer}", frozenset(given.get(f"w{racer}", ())))
        if call is not None:
            given.setdefault(f"w{racer}", []).append(call.run_id)
        return call is not None

    race(5, 4, ask)
    handed = [name for names in given.values() for name in names]
    assert sorted(handed) == sorted(ids.run_id(it.id, 1) for it in line), "each once, and none was passed over"
    for worker, names in given.items():
        for name in names:
            assert now(world, next(it for it in line if it.id in name)).handle == f"worker {worker}"


def test_a_run_is_taken_or_given_back_never_both(server_bed: Bed) -> None:
    world = world_of(server_bed)
    line = waiting(world, 5)
    world.clock.advance(seconds=100)  # type: ignore[attr-defined]
    taken: list[str] = []

    def act(racer: int, number: int) -> bool:
        it = line[number]
        if racer == 0:
            return run(world, CREW, Message("start", it.owner, it.id, 1), remaining=REMAINING).word == "blocked"
        call = work.pull(world, SECRET, "@desk", f"w{racer}", frozenset(taken))
        if call is not None:
            taken.append(call.run_id)
        return False

    won = race(3, len(line), act)
    for it, of_round in zip(line, won, strict=True):
        is_taken = ids.run_id(it.id, 1) in taken
        status = now(world, it).status
        assert (status, of_round[0]) in ((Status.RUNNING, False), (Status.SCHEDULED, True)), (status, of_round)
        assert not (is_taken and status is Status.SCHEDULED), "a worker has it, and it waits in its line"
    assert len(taken) == len(set(taken))
