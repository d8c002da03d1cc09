"""Many who say at once how a run ended: its agent, in several ways, the runner that asked for it, and a sweep."""

from dataclasses import replace
from datetime import timedelta

import pytest

from followups.adapters.local import NoLeases, NoQueue, SystemChance
from followups.domain import claims, ids, runs
from followups.domain.changes import Add, Swap
from followups.domain.contract import Done, Pending
from followups.domain.entities import Agent, FollowUp
from followups.domain.errors import Gone, WrongState
from followups.domain.lineage import RunToken
from followups.domain.status import Outcome, Status
from followups.usecases import complete as completing
from followups.usecases import registry
from followups.usecases.settle import settle
from followups.usecases.sweep import sweep
from followups.usecases.world import Limits, World
from tests.support.beds import Bed
from tests.support.clock import ManualClock
from tests.support.race import race
from tests.support.things import follow_up, later

ROUNDS = 4


def running(world: World, agent: Agent) -> FollowUp:
    """Gives a run whose agent answered "pending"."""
    it = follow_up(due_at=later(), agent=agent.name)
    world.store.commit(Add(it))
    claim = claims.claim(it, at=later(), write_id=world.chance.new_id())
    world.store.commit(claim)
    assert isinstance(claim.new, FollowUp)
    world.store.commit(
        *runs.start(
            claim.new, agent, at=later(), write_id=world.chance.new_id(), deadline=later(minutes=5),
            process_end=later(minutes=6), lease_holder=None, global_cap=100,
        )
    )  # fmt: skip
    live = world.follow_up(it.owner, it.id)
    assert live is not None
    pending = Pending(handle="h", poll_after=timedelta(minutes=9))
    world.store.commit(runs.wait_for(live, pending, at=later(), write_id=world.chance.new_id()))
    return live


@pytest.mark.parametrize("late", [False, True], ids=["in time", "at the end of its lease"])
def test_one_word_counts_and_there_is_one_record(server_bed: Bed, late: bool) -> None:
    clock = ManualClock()
    world = World(
        store=server_bed.open(), queue=NoQueue(), clock=clock, chance=SystemChance(), leases=NoLeases(), limits=Limits()
    )
    agent = registry.put_agent(world, "@a", registry.Registration(kind="command", command=("true",), max_concurrency=100))
    live = [running(world, agent) for _ in range(ROUNDS)]
    # In time for the agent, and its process is surely gone: who ends it is a matter of moments.
    clock.advance(minutes=6 if late else 4)
    if late:
        live = [lengthened(world, it) for it in live]

    def act(racer: int, number: int) -> bool:
        old = live[number]
        if racer == 0:
            sweep(world)
            return False
        if racer == 1:
            return settle(world, old, agent, said("runner")).word == "finished"
        token = RunToken(old.owner, old.id, old.fence, later(minutes=10))
        try:
            return not completing.complete(world, token, old.run_id, said(f"agent {racer}"), f"body {racer}").replayed
        except (WrongState, Gone) as refused:
            assert refused.code in ("already_completed", "run_over")
            return False

    won = race(8, ROUNDS, act)
    for it, of_round in zip(live, won, strict=True):
        [record] = world.store.runs(it.owner, it.id, limit=10)
        now = world.follow_up(it.owner, it.id)
        assert now is not None and now.status is (Status.FAILED if record.outcome is Outcome.UNKNOWN else Status.DONE)
        winners = [racer for racer, it in enumerate(of_round) if it]
        if record.outcome is Outcome.UNKNOWN:
            assert late and winners == []
        else:
            assert record.summary == ("runner" if winners == [1] else f"agent {winners[0]}") and len(winners) == 1
    assert world.store.slots(ids.ALL_SLOTS_KEY) == frozenset()


def said(summary: str) -> Done:
    return Done(outcome=Outcome.SUCCEEDED, summary=summary)


def lengthened(world: World, it: FollowUp) -> FollowUp:
    """Gives the run with a deadline after its lease, so that its agent may speak when a sweep ends it."""
    old = world.follow_up(it.owner, it.id)
    assert old is not None
    world.store.commit(
        Swap(old, replace(old, deadline_at=later(minutes=10), version=old.version + 1, write_id=world.chance.new_id()))
    )
    return replace(old, version=old.version + 1)
