"""Cheap questions about what waits, for `run-due`."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta

from followups.domain import ids
from followups.domain.entities import Agent, FollowUp
from followups.domain.errors import UnreadableItem
from followups.domain.status import Status
from followups.ports import Clock, Store
from followups.usecases.line import is_held_up
from followups.usecases.world import World

#: As far ahead as a claim's next look may lie whose process is gone, or that of one that was refused.
_HORIZON = timedelta(minutes=5)


def something_to_do(store: Store, clock: Clock) -> bool:
    """Says whether an item needs a look now, may wait in a line, or is left over. Cheap: a login hook asks it."""
    now = clock.now()
    for item in store.due(now + _HORIZON):
        if not (isinstance(item, FollowUp) and _is_ahead(item, now)):
            return True
    return bool(store.slots(ids.ALL_SLOTS_KEY))


def _is_ahead(item: FollowUp, now: datetime) -> bool:
    starts_at = {Status.SCHEDULED: item.start_at, Status.PAUSED: item.wake_at}.get(item.status)
    return starts_at is not None and starts_at > now


def is_work_waiting(world: World) -> bool:
    """Says whether a follow-up may start and waits for its turn. Cheap, however many do."""
    return any(_waiting(world, line=1))


def work_waiting(world: World) -> int:
    """Gives how many follow-ups may start and wait for their turn. Looks at all of them."""
    return sum(_waiting(world, line=None))


def refused(world: World) -> Counter[str]:
    """Gives why what may start was not started, and how many follow-ups were told so. Looks at all of them."""
    return Counter(it.blocked_reason for it, _ in _in_line(world, line=None) if it.blocked_reason is not None)


def _waiting(world: World, *, line: int | None) -> Iterator[bool]:
    return (not held for _, held in _in_line(world, line=line))


def _in_line(world: World, *, line: int | None) -> Iterator[tuple[FollowUp, bool]]:
    """Gives each that may start, and whether its agent is out of use."""
    now = world.clock.now()
    until = now + timedelta(seconds=world.limits.blocked_s[1])
    agents: dict[str, Agent | None] = {}
    for item in () if world.control().stopped else world.store.due(until, line=line):
        if not isinstance(item, FollowUp) or item.status is not Status.SCHEDULED or item.start_at > now:
            continue
        if item.blocked_reason is not None and item.agent not in agents:
            try:
                agents[item.agent] = world.agent(item.agent)
            except UnreadableItem:
                agents[item.agent] = None
        yield item, is_held_up(item, agents.get(item.agent), now)


def runs_under_way(world: World) -> int:
    """Gives how many runs are live. Asked when none of ours is, they are other processes': those go on with what waits when
    they end."""
    return len(world.store.slots(ids.ALL_SLOTS_KEY))
