"""Cheap questions about what waits, for `run-due`."""

from datetime import timedelta

from followups.domain import ids
from followups.domain.entities import FollowUp
from followups.domain.status import Status
from followups.ports import Clock, Store
from followups.usecases.world import World


def something_to_do(store: Store, clock: Clock) -> bool:
    """Says whether an item needs a look now or a run is live. Cheap: a login hook asks it."""
    return next(store.due(clock.now()), None) is not None or bool(store.slots(ids.ALL_SLOTS_KEY))


def work_waits(world: World) -> bool:
    """Says whether a follow-up that may start waits for its turn."""
    if world.control().stopped:
        return False
    now = world.clock.now()
    return any(
        isinstance(item, FollowUp) and item.status is Status.SCHEDULED and item.start_at <= now
        for item in world.store.due(now + timedelta(seconds=world.limits.blocked_s[1]))
    )


def others_run(world: World) -> bool:
    """Says whether a run is live: its process goes on with what waits when it ends."""
    return bool(world.store.slots(ids.ALL_SLOTS_KEY))
