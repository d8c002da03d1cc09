"""Changes of mind that race a claim, or each other, on real servers."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from followups.adapters.local import NoLeases, SystemChance
from followups.domain import ids
from followups.domain.editing import Patch
from followups.domain.entities import FollowUp, Named
from followups.domain.errors import Stale, StoreBusy
from followups.domain.messages import Message
from followups.domain.status import Status
from followups.domain.when import parse
from followups.usecases import manage, registry
from followups.usecases.create import Request, create
from followups.usecases.run import Crew, run
from followups.usecases.sweep import sweep
from followups.usecases.world import Limits, World
from tests.support.beds import Bed
from tests.support.clock import START, ManualClock
from tests.support.race import race
from tests.support.world import ME, SECRET, FakeAgent, ListQueue


def make(world: World, **fields: Any) -> FollowUp:
    usual: dict[str, Any] = {"agent": "@a", "task": "Check it", "when": "in 1 hour", "timezone": "Europe/Berlin"}
    return create(world, fields.pop("asker", ME), Request(**(usual | fields)), idempotency_key=None,
                  allow_commands=False).follow_up  # fmt: skip


def world_of(bed: Bed) -> World:
    limits = replace(Limits(), look_ahead=timedelta(0))
    world = World(store=bed.open(), queue=ListQueue(), clock=ManualClock(), chance=SystemChance(), leases=NoLeases(),
                  limits=limits)  # fmt: skip
    registry.put_agent(world, "@a", registry.Registration(kind="fake"))
    return world


def test_of_many_that_take_a_place_at_once_one_has_it(server_bed: Bed) -> None:
    world = world_of(server_bed)

    def take(racer: int, number: int) -> bool:
        try:
            return bool(make(world, replace_key=f"disk-{number}"))
        except StoreBusy:  # as it says, it may be asked again
            return False

    won = race(6, 4, take)
    made, _ = world.store.list_follow_ups("me", group="all", after=None, limit=100)
    assert len(made) == sum(map(sum, won))
    for number in range(4):
        line = [it for it in made if it.replace_key == f"disk-{number}"]
        [holder] = [it for it in line if it.status is Status.SCHEDULED]
        name = world.store.get(Named, ids.name_key("me", f"disk-{number}"))
        assert name is not None and name.follow_up_id == holder.id and name.version == len(line)
        # Each made way for the next: a chain that ends at the one that is open.
        assert {it.replaced_by for it in line} == {it.id for it in line} - _first(line) | {None}


def _first(line: list[FollowUp]) -> set[str]:
    """Gives the one that took nobody's place."""
    return {it.id for it in line} - {it.replaced_by for it in line if it.replaced_by}


CHANGES: dict[str, Callable[[World, FollowUp], FollowUp]] = {
    "snooze": lambda world, it: manage.snooze(world, ME, it.id, "1h"),
    "pause": lambda world, it: manage.pause(world, ME, it.id, None, "in 2 hours"),
    "edit": lambda world, it: manage.edit(
        world, ME, it.id, Patch(when=parse("2h", at=START, timezone="UTC")), version=1, allow_commands=False
    ),
    "replace": lambda world, it: make(world, replace_key=it.replace_key),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_of_mind_that_races_a_claim_leaves_one_truth(server_bed: Bed, change: str) -> None:
    """Whatever was first: once the change was answered, no message starts the claim that it took back."""
    world, agent = world_of(server_bed), FakeAgent()
    clock, queue = world.clock, world.queue
    assert isinstance(clock, ManualClock) and isinstance(queue, ListQueue)
    line = [make(world, when="in 1 second", replace_key=f"it-{number}") for number in range(6)]
    clock.advance(seconds=2)

    def act(racer: int, number: int) -> bool:
        if racer:
            sweep(world)
            return False
        try:
            CHANGES[change](world, line[number])
        except (Stale, StoreBusy):
            return False
        return True

    won = race(3, len(line), act)
    assert change == "edit" or any(map(any, won))
    messages = [message for message, _ in queue.sent] + [Message("start", it.owner, it.id, 1) for it in line]
    for message in messages:
        run(world, Crew(targets={"fake": agent}, secret=SECRET), message, remaining=timedelta(minutes=15))
    ran = {call.request["follow_up_id"] for call in agent.calls}
    changed = {it.id for it, of_round in zip(line, won, strict=True) if of_round[0]}
    assert not ran & changed and len(agent.calls) == len(ran)
