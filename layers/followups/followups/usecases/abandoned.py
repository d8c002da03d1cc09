"""What a process left that is gone: on a laptop that is known at once, by the locks that it held."""

from collections import Counter
from datetime import datetime, timedelta
from functools import partial

from followups.domain import claims, ids
from followups.domain.entities import FollowUp
from followups.domain.errors import UnreadableItem
from followups.domain.status import LIVE, Status
from followups.usecases.outgoing import Outgoing, Swept
from followups.usecases.sweep import end_lease, guarded
from followups.usecases.world import World

#: A claim of a process that is gone is found up to this long before its next look.
_CLAIM_LOOK = timedelta(minutes=5)


def end_abandoned(world: World) -> Swept:
    """Ends the live runs whose process is surely gone without waiting for their leases, and gives back its claims.

    The global slot set names every live run, so this looks at no more than the cap; a claim's next look is near.
    """
    at = world.clock.now()
    facts: Swept = Counter()
    outgoing = Outgoing(world, facts)
    try:
        for member in world.store.slots(ids.ALL_SLOTS_KEY):
            old = _holder_of(world, member)
            if old and old.handle is None and old.lease_holder and world.leases.surely_over(old.lease_holder, old.run_id):
                guarded(world, old, facts, partial(end_lease, world, old, at, outgoing, facts))
        for item in world.store.due(at + _CLAIM_LOOK, line=0):
            if isinstance(item, FollowUp) and item.status is Status.CLAIMED and _is_orphan(world, item):
                guarded(world, item, facts, partial(_return_claim, world, item, at, facts))
    finally:
        outgoing.flush()
    return facts


def _holder_of(world: World, member: str) -> FollowUp | None:
    """Gives the follow-up whose live run a slot is, if it is live still and can be read."""
    named = ids.parse_slot_id(member)
    try:
        old = world.follow_up(named[0], named[1]) if named else None
    except UnreadableItem:
        return None  # The sweep sets it aside when it is due.
    return old if old and named and old.fence == named[2] and old.status in LIVE else None


def _is_orphan(world: World, item: FollowUp) -> bool:
    # What this very process claimed waits in its own memory.
    if item.lease_holder in (None, world.leases.holder):
        return False
    return world.leases.surely_over(item.lease_holder or "", item.run_id)


def _return_claim(world: World, item: FollowUp, at: datetime, facts: Swept) -> None:
    world.store.commit(claims.return_unstarted(item, at=at, write_id=world.chance.new_id()))
    facts["returned"] += 1
