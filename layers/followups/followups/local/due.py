"""Cheap questions about what waits, for `run-due`."""

from datetime import timedelta

from followups.domain import ids
from followups.domain.entities import FollowUp
from followups.domain.status import Status
from followups.ports import Clock, Store
from followups.usecases.world import World

#: As far ahead as a claim's next look may lie whose process is gone, or that of one that was refused.
_HORIZON = timedelta(minutes=5)


def something_to_do(store: Store, clock: Clock) -> bool:
    """Says whether an item needs a look now, may wait in a line, or is left over. Cheap: a login hook asks it."""
    now = clock.now()
    for item in store.due(now + _HORIZON):
        ahead = isinstance(item, FollowUp) and item.status is Status.SCHEDULED and item.start_at > now
        if not ahead:
            return True
    return bool(store.slots(ids.ALL_SLOTS_KEY))


def work_waiting(world: World) -> int:
    """Gives how many follow-ups may start and wait for their turn."""
    if world.control().stopped:
        return 0
    now = world.clock.now()
    return sum(
        isinstance(item, FollowUp) and item.status is Status.SCHEDULED and item.start_at <= now
        for item in world.store.due(now + timedelta(seconds=world.limits.blocked_s[1]))
    )


def others_run(world: World) -> bool:
    """Says whether a run is live: its process goes on with what waits when it ends."""
    return bool(world.store.slots(ids.ALL_SLOTS_KEY))
