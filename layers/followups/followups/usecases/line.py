"""The line of those who wait for a slot: who may start and was refused, or is one of too many at once."""

from collections import defaultdict
from datetime import datetime

from followups.domain import claims, ids
from followups.domain.entities import Agent, FollowUp
from followups.domain.errors import UnreadableItem
from followups.usecases.world import World


class Line:
    """Keeps of each agent's those whose turn can come: however long the line is, it takes no more memory than that."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._by_agent: dict[str, list[FollowUp]] = defaultdict(list)
        #: How many stood in line, those that are not kept included.
        self.length = 0

    def add(self, item: FollowUp) -> None:
        """Takes somebody who waits, in any order."""
        self.length += 1
        waiting = self._by_agent[item.agent]
        waiting.append(item)
        if len(waiting) >= 4 * self.most:
            waiting.sort(key=_place)
            del waiting[self.most :]

    @property
    def kept(self) -> int:
        """How many are kept."""
        return sum(map(len, self._by_agent.values()))

    def next(self, world: World) -> list[FollowUp]:
        """Gives those whose turn it is: the oldest of each agent that has a slot free, and of all.

        Twice the cap of each, so that a slot that falls free before the next tick finds somebody waiting at the queue. Who
        has been told why nothing is started with his agent, and it is so still, is not claimed for being told again: that
        may go on for weeks.
        """
        if not self._by_agent:
            return []
        at = world.clock.now()
        chosen: list[FollowUp] = []
        for name, waiting in self._by_agent.items():
            try:
                agent = world.agent(name)
            except UnreadableItem:
                agent = None  # The runner says so in the run's report.
            cap = agent.max_concurrency if agent else 1
            if len(world.store.slots(ids.agent_slots_key(name))) < cap:
                chosen += sorted((it for it in waiting if not is_held_up(it, agent, at)), key=_place)[: 2 * cap]
        cap = world.limits.global_cap
        if len(world.store.slots(ids.ALL_SLOTS_KEY)) >= cap:
            return []
        return sorted(chosen, key=_place)[: 2 * cap]


def is_held_up(item: FollowUp, agent: Agent | None, at: datetime) -> bool:
    """Says whether it has been told why nothing is started with its agent, and whether that is so still."""
    return item.blocked_reason is not None and agent is not None and (
        item.blocked_reason == claims.held_up(agent, at, test=item.test)
    )  # fmt: skip


def _place(item: FollowUp) -> tuple[datetime, datetime]:
    return item.start_at, item.created_at
