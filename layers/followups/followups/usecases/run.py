"""The run: fenced start, the agent, and its finish. Duplicates and stale messages are dropped and counted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from followups.domain import claims, contract, lineage, retry, runs
from followups.domain.changes import Add, Spend, Swap, TakeSlot
from followups.domain.contract import AgentCall, Done, Pending
from followups.domain.entities import Agent, FollowUp, Run
from followups.domain.errors import AgentUncertain, Conflict, QueueError, StoreCorrupt, StoreError, UnreadableItem
from followups.domain.lineage import RunToken
from followups.domain.messages import Message
from followups.domain.status import LIVE, Outcome, Status
from followups.ports import AgentTarget
from followups.usecases.world import World

#: A store that is down for a minute or two must not cost a result: 19 pauses, which double up to a quarter of a minute.
_FINISH_TRIES = 20
_LONGEST_PAUSE_S = 16.0


@dataclass(frozen=True, slots=True)
class Ran:
    """What came of a start message."""

    #: finished, pending, uncertain, stale, early, blocked, refused or skipped.
    word: str
    #: Whom it was for, unless it was stale.
    agent: str | None = None
    #: How the run ended, if it did.
    outcome: Outcome | None = None
    #: Whether that is the occurrence's last word: no attempt follows.
    final: bool = True
    #: How long after its time it was started, if it ended.
    late: timedelta | None = None


def run(world: World, targets: Mapping[str, AgentTarget], secret: bytes, message: Message, *, remaining: timedelta) -> Ran:
    """Takes a start message, the agent targets by kind, the secret that signs run tokens, and the time until this
    process is killed. Gives what came of it."""
    old = world.follow_up(message.owner, message.follow_up_id)
    if old is None or old.fence != message.fence:
        return Ran("stale")
    if old.status in LIVE and old.handle is not None:
        return replace(_poll(world, targets, secret, old, remaining), agent=old.agent)
    if old.status is not Status.CLAIMED:
        return Ran("stale")
    try:
        return replace(_start(world, targets, secret, old, remaining), agent=old.agent)
    except Conflict:
        return Ran("stale")


def _start(world: World, targets: Mapping[str, AgentTarget], secret: bytes, old: FollowUp, remaining: timedelta) -> Ran:
    at = world.clock.now()
    if old.start_at > at + claims.SHORT_WAIT:
        world.store.commit(claims.return_unstarted(old, at=at, write_id=world.chance.new_id()))
        return Ran("early")
    if old.start_at > at:
        world.clock.sleep(old.start_at - at)
        at = max(world.clock.now(), old.start_at)
    control = world.control()
    if control.stopped:
        return _give_back(world, old, f"stopped by an operator: {control.reason or 'no reason given'}", at)
    if (overdue := runs.lateness(old, at)) is not None:
        return _skip(world, old, overdue, at)
    try:
        agent = world.agent(old.agent)
    except UnreadableItem as error:
        return _refuse(world, old, f"the agent's record cannot be read: {error}", at)
    target = targets.get(agent.kind) if agent else None
    if agent is None or target is None:
        why = (
            f"no agent is called {old.agent} any more" if agent is None else f"agents of kind {agent.kind} cannot run here"
        )
        return _refuse(world, old, why, at)
    return _go(world, target, agent, secret, old, at, remaining)


def _refuse(world: World, old: FollowUp, why: str, at: datetime) -> Ran:
    world.store.commit(*runs.refuse_start(old, why, stamp=world.stamp(at)))
    _queue_report(world, old)
    return Ran("refused", outcome=Outcome.FAILED)


def _skip(world: World, old: FollowUp, overdue: timedelta, at: datetime) -> Ran:
    world.store.commit(*runs.skip(old, overdue, stamp=world.stamp(at)))
    _queue_report(world, old)
    return Ran("skipped", outcome=Outcome.SKIPPED)


def _go(
    world: World, target: AgentTarget, agent: Agent, secret: bytes, old: FollowUp, at: datetime, remaining: timedelta
) -> Ran:
    limits = world.limits
    seconds = min(timedelta(seconds=agent.timeout_s), remaining - limits.reserve)
    changes = runs.start(
        old, agent, at=at, write_id=world.chance.new_id(), deadline=at + seconds,
        lease_until=at + remaining + limits.lease_margin, lease_holder=world.leases.holder, global_cap=limits.global_cap,
        runs_per_hour=limits.runs_per_hour,
    )  # fmt: skip
    try:
        world.store.commit(*changes)
    except Conflict as conflict:
        if isinstance(conflict.failed[0], Swap):
            return Ran("stale")
        if any(isinstance(change, Spend) for change in conflict.failed):
            why = f"this hour's {limits.runs_per_hour} runs are spent: that many may be started for one owner"
            return _give_back(world, old, why, at, until=retry.next_hour(at))
        return _give_back(world, old, _busy(conflict.failed, agent, limits.global_cap), at)
    assert isinstance(changes[0], Swap) and isinstance(changes[0].new, FollowUp)
    live = changes[0].new
    # The deadline stands in the store, and the lease with it: what the store took to note them is the agent's no more.
    seconds -= world.clock.now() - at
    if seconds <= timedelta(0):
        why = "The agent was not started: the store took so long to note its start that its time was over."
        return _settle(world, live, agent, Done(outcome=Outcome.FAILED, summary=why))
    call = _call(live, agent, secret, at, seconds)
    try:
        answer = target.start(call)
    except AgentUncertain:
        # Nothing is written: the agent may be alive, and only the lease knows when it surely is not.
        return Ran("uncertain")
    return _settle(world, live, agent, answer)


def _busy(failed: Sequence[object], agent: Agent, global_cap: int) -> str:
    if any(isinstance(change, TakeSlot) and change.key == agent.slots_key for change in failed):
        return f"{agent.name} is busy: {agent.max_concurrency} at once is its limit"
    return f"{global_cap} agents are running: that many may at once"


def _poll(world: World, targets: Mapping[str, AgentTarget], secret: bytes, live: FollowUp, remaining: timedelta) -> Ran:
    at = world.clock.now()
    agent = world.agent(live.agent)
    target = targets.get(agent.kind) if agent else None
    if agent is None or target is None or live.handle is None or live.deadline_at is None:
        return Ran("stale")
    call = _call(live, agent, secret, at, min(live.deadline_at - at, remaining - world.limits.reserve))
    try:
        if live.deadline_at <= at:
            target.cancel(call, live.handle)
            answer: Done | Pending = Done(
                outcome=Outcome.TIMED_OUT,
                summary=f"The agent was still at work at its deadline, {agent.timeout_s} s after its start.",
            )
        else:
            answer = target.poll(call, live.handle)
    except AgentUncertain:
        return Ran("uncertain")
    return _settle(world, live, agent, answer)


def _call(live: FollowUp, agent: Agent, secret: bytes, at: datetime, seconds: timedelta) -> AgentCall:
    deadline = live.deadline_at or at + seconds
    token = lineage.sign_run(RunToken(live.owner, live.id, live.fence), secret)
    return AgentCall(
        run_id=live.run_id, agent=agent, owner=live.owner, deadline=deadline, seconds=seconds.total_seconds(), token=token,
        request=contract.agent_request(live, now=at, deadline=deadline),
    )  # fmt: skip


def _settle(world: World, live: FollowUp, agent: Agent, answer: Done | Pending) -> Ran:
    """Stores what came of the call, if the follow-up is still this run's: a finish that is not fenced is no finish."""
    write_ids = world.stamp(world.clock.now())
    for attempt in range(1, _FINISH_TRIES + 1):
        try:
            # Read again each time: a cancel may have come between, and then the decision is another.
            now = world.follow_up(live.owner, live.id)
            if now is None or now.fence != live.fence or now.status not in LIVE:
                return Ran("stale")
            if isinstance(answer, Pending):
                world.store.commit(runs.wait_for(now, answer, at=world.clock.now(), write_id=world.chance.new_id()))
                return Ran("pending")
            changes = runs.finish(now, answer, rerun_safe=agent.rerun_safe, stamp=write_ids)
            world.store.commit(*changes)
        except Conflict:
            continue
        except (StoreCorrupt, UnreadableItem):
            raise
        except StoreError:
            if attempt == _FINISH_TRIES:
                raise
            pause_s = min(2.0 ** (attempt - 1), _LONGEST_PAUSE_S)
            world.clock.sleep(retry.blocked_pause(pause_s / 2, pause_s, world.chance.luck()))
            continue
        record = next((it.entity for it in changes if isinstance(it, Add) and isinstance(it.entity, Run)), None)
        if record is not None:
            _queue_report(world, live)
        late = (live.started_at or live.start_at) - live.start_at
        outcome, final = (record.outcome, record.final) if record else (answer.outcome, True)
        return Ran("finished", outcome=outcome, final=final, late=late)
    return Ran("stale")


def _give_back(world: World, old: FollowUp, reason: str, at: datetime, *, until: datetime | None = None) -> Ran:
    # A little after, so that not all who wait for the same hour come at once.
    wake_at = (until or at) + retry.blocked_pause(*world.limits.blocked_s, world.chance.luck())
    world.store.commit(claims.give_back(old, reason, at=at, write_id=world.chance.new_id(), wake_at=wake_at))
    return Ran("blocked")


def _queue_report(world: World, old: FollowUp) -> None:
    try:
        world.queue.send([(Message("report", old.owner, old.id, old.fence), 0)])
    except QueueError:
        # The run record has its own wake_at: the next sweep sends the report.
        return
