"""Work for agents that cannot be called from here: their workers come and ask for it."""

from dataclasses import replace
from datetime import datetime, timedelta

from followups.domain import hearing, ids
from followups.domain.changes import Swap
from followups.domain.contract import AgentCall
from followups.domain.entities import Agent, FollowUp
from followups.domain.errors import Conflict, Invalid, NotFound
from followups.domain.status import Status
from followups.usecases.run import call_of, previous_run
from followups.usecases.world import World

#: That a worker asks is noted this often.
_NOTED = timedelta(seconds=30)


def pull(world: World, secret: bytes, name: str, worker: str, in_hand: frozenset[str]) -> AgentCall | None:
    """Takes the agent's name, the worker's, and the ids of the runs that it has in hand; gives the run that it is to do:
    one that it was given and has not heard of (the answer was lost), or the oldest that waits; None if there is none. While
    all is stopped nothing is begun, and while its agent is out of use nothing but a test of it.

    Raises NotFound, Invalid for an agent whose work nobody has to ask for.
    """
    agent = world.agent(name)
    if agent is None:
        raise NotFound("not_found", f"there is no agent {name[:60]}")
    if agent.kind != "worker":
        detail = f"{name} is a {agent.kind} agent, which is called; only for a worker agent is work to be asked for"
        raise Invalid("not_a_worker_agent", detail)
    at = world.clock.now()
    _note(world, agent, at)
    if world.control().stopped:
        return None
    running = (it for it in _runs(world, agent) if it.status is Status.RUNNING and (it.test or agent.disabled is None))
    live = sorted(running, key=lambda it: (it.start_at, it.created_at))
    # The lease of what it is given again begins anew: the worker counts from what it hears.
    again = [it for it in live if it.handle == hearing.WORKER + worker and it.run_id not in in_hand and _has_time(it, at)]
    waiting = [it for it in live if it.handle == hearing.WAITING]
    for old in (*again, *waiting):
        write_id = world.chance.new_id()
        if old.handle == hearing.WAITING:
            swap = hearing.take(old, worker, timeout=timedelta(seconds=agent.timeout_s), at=at, write_id=write_id)
        else:
            swap = hearing.heard(old, at=at, write_id=write_id)
        if given := _give(world, swap):
            return _call(world, secret, given, agent, at)
    return None


def _has_time(old: FollowUp, at: datetime) -> bool:
    """Says whether its deadline is to come: a worker may have come to it, and not have been heard."""
    return old.deadline_at is not None and old.deadline_at > at


def _give(world: World, swap: Swap) -> FollowUp | None:
    """Gives the run as it is in the worker's hand, or None if somebody was faster."""
    try:
        world.store.commit(swap)
    except Conflict:
        return None
    assert isinstance(swap.new, FollowUp)
    return swap.new


def _note(world: World, agent: Agent, at: datetime) -> None:
    """Notes that a worker is there: without one nothing is started that would hold a slot and wait."""
    if agent.asked_at is not None and at - agent.asked_at < _NOTED:
        return
    new = replace(agent, asked_at=at, version=agent.version + 1, write_id=world.chance.new_id())
    try:
        world.store.commit(Swap(agent, new))
    except Conflict:
        return  # Another worker's note, or an operator's change: the next time asks again.


def _runs(world: World, agent: Agent) -> list[FollowUp]:
    named = filter(None, map(ids.parse_slot_id, world.store.slots(agent.slots_key)))
    found = ((world.follow_up(owner, it), fence) for owner, it, fence in named)
    return [it for it, fence in found if it is not None and it.fence == fence]


def _call(world: World, secret: bytes, old: FollowUp, agent: Agent, at: datetime) -> AgentCall:
    left = (old.deadline_at or at) - at
    return call_of(world, secret, old, agent, at, left, previous_run(world, old))
