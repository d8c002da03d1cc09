"""The run: fenced start, the agent, and its finish. Duplicates and stale messages are dropped and counted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from followups.domain import claims, lineage, retry, runs
from followups.domain.briefing import agent_request
from followups.domain.changes import Spend, Swap, TakeSlot
from followups.domain.contract import AgentCall, Done, Pending
from followups.domain.entities import Agent, FollowUp, Run
from followups.domain.errors import AgentBusy, AgentUncertain, Conflict, UnreadableItem
from followups.domain.hearing import OVERDUE_AFTER
from followups.domain.lineage import RunToken
from followups.domain.messages import Message
from followups.domain.status import LIVE, Outcome, Status
from followups.domain.targets import is_lasting
from followups.ports import AgentTarget
from followups.usecases.settle import Ran, queue_report, release, settle
from followups.usecases.world import World

#: A poll is short, however long the run may take.
_POLL = timedelta(seconds=30)
#: Among so many records the last of a run that was started is looked for.
_EARLIER = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class Crew:
    """What a runner works with beside the world."""

    #: The agent targets, by kind.
    targets: Mapping[str, AgentTarget]
    #: Signs run tokens.
    secret: bytes


def run(world: World, crew: Crew, message: Message, *, remaining: timedelta) -> Ran:
    """Takes a start message, what the runner works with, and the time until this process is killed. Gives what came of
    it."""
    old = world.follow_up(message.owner, message.follow_up_id)
    if old is None or old.fence != message.fence:
        return Ran("stale")
    if old.status in LIVE and old.handle is not None:
        return replace(_poll(world, crew, old, remaining), agent=old.agent)
    if old.status is not Status.CLAIMED:
        return Ran("stale")
    try:
        return replace(_start(world, crew, old, remaining), agent=old.agent)
    except Conflict:
        return Ran("stale")


def _start(world: World, crew: Crew, old: FollowUp, remaining: timedelta) -> Ran:
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
    target = crew.targets.get(agent.kind) if agent else None
    if agent is None or target is None:
        why = (
            f"no agent is called {old.agent} any more" if agent is None else f"agents of kind {agent.kind} cannot run here"
        )
        return _refuse(world, old, why, at)
    if (why_held := claims.held_up(agent, at, test=old.test)) is not None:
        return _give_back(world, old, why_held, at)
    return _go(world, crew, target, agent, old, at, remaining)


def _refuse(world: World, old: FollowUp, why: str, at: datetime) -> Ran:
    world.store.commit(*runs.refuse_start(old, why, stamp=world.stamp(at)))
    queue_report(world, old)
    return Ran("refused", outcome=Outcome.FAILED)


def _skip(world: World, old: FollowUp, overdue: timedelta, at: datetime) -> Ran:
    world.store.commit(*runs.skip(old, overdue, stamp=world.stamp(at)))
    queue_report(world, old)
    return Ran("skipped", outcome=Outcome.SKIPPED)


def _go(
    world: World, crew: Crew, target: AgentTarget, agent: Agent, old: FollowUp, at: datetime, remaining: timedelta
) -> Ran:
    limits = world.limits
    # Read before the start is noted: what fails between that and the call would leave a run that nobody knows of.
    previous = previous_run(world, old)
    seconds = min(timedelta(seconds=agent.timeout_s), remaining - limits.reserve)
    lasting = is_lasting(agent.kind, agent.mode)
    changes = runs.start(
        old, agent, at=at, write_id=world.chance.new_id(),
        deadline=at + (timedelta(seconds=agent.timeout_s) if lasting else seconds),
        # What outlives us is asked for as soon as the call that starts it is surely over.
        process_end=at + (seconds if lasting else remaining) + limits.lease_margin, lease_holder=world.leases.holder,
        global_cap=limits.global_cap, runs_per_hour=limits.runs_per_hour,
    )  # fmt: skip
    try:
        world.store.commit(*changes)
    except Conflict as conflict:
        return _not_now(world, agent, old, conflict, at)
    assert isinstance(changes[0], Swap) and isinstance(changes[0].new, FollowUp)
    live = changes[0].new
    # The deadline stands in the store, and the lease with it: what the store took to note them is the agent's no more.
    seconds -= world.clock.now() - at
    if seconds <= timedelta(0):
        why = "The agent was not started: the store took so long to note its start that its time was over."
        return settle(world, live, agent, Done(outcome=Outcome.FAILED, summary=why))
    call = call_of(world, crew.secret, live, agent, at, seconds, previous)
    try:
        answer = target.start(call)
    except AgentUncertain:
        # Nothing is written: the agent may be alive, and only the lease knows when it surely is not.
        return Ran("uncertain")
    except AgentBusy as busy:
        return release(world, live, agent, busy)
    if isinstance(answer, Pending) and agent.kind == "https" and call.request["callback"] is None:
        why = "The webhook answered that it will call back, and there is no API here that it could call."
        answer = Done(outcome=Outcome.UNKNOWN, summary=why)
    return settle(world, live, agent, answer)


def _not_now(world: World, agent: Agent, old: FollowUp, conflict: Conflict, at: datetime) -> Ran:
    """Gives the claim back whose start was refused, or drops a stale one."""
    limits = world.limits
    if isinstance(conflict.failed[0], Swap):
        return Ran("stale")
    if any(isinstance(change, Spend) for change in conflict.failed):
        why = f"this hour's {limits.runs_per_hour} runs are spent: that many may be started for one owner"
        return _give_back(world, old, why, at, until=retry.next_hour(at))
    return _give_back(world, old, _busy(conflict.failed, agent, limits.global_cap), at)


def _busy(failed: Sequence[object], agent: Agent, global_cap: int) -> str:
    if any(isinstance(change, TakeSlot) and change.key == agent.slots_key for change in failed):
        return f"{agent.name} is busy: {agent.max_concurrency} at once is its limit"
    return f"{global_cap} agents are running: that many may at once"


def _poll(world: World, crew: Crew, live: FollowUp, remaining: timedelta) -> Ran:
    at = world.clock.now()
    agent = world.agent(live.agent)
    target = crew.targets.get(agent.kind) if agent else None
    if agent is None or target is None or live.handle is None or live.deadline_at is None:
        return Ran("stale")
    call = call_of(world, crew.secret, live, agent, at, min(_POLL, remaining - world.limits.reserve))
    over = live.deadline_at + OVERDUE_AFTER <= at
    try:
        if live.status is Status.CANCELLING:
            target.cancel(call, live.handle)
        # Also at its deadline: it may have ended since it was asked last.
        answer: Done | Pending | None = target.poll(call, live.handle)
    except AgentUncertain:
        answer = None
    except AgentBusy as busy:
        return release(world, live, agent, busy)
    if over and not isinstance(answer, Done):
        target.cancel(call, live.handle)
        answer = _overdue(live, agent)
    return Ran("uncertain") if answer is None else settle(world, live, agent, answer)


def _overdue(live: FollowUp, agent: Agent) -> Done:
    if live.handle == live.run_id and live.heard_at is None:
        summary = (
            f"No answer came within the {agent.timeout_s} s that the run had. The agent may or may not have done its work."
        )
        return Done(outcome=Outcome.UNKNOWN, summary=summary)
    summary = f"The agent was still at work at its deadline, {agent.timeout_s} s after its start."
    return Done(outcome=Outcome.TIMED_OUT, summary=summary)


def call_of(
    world: World, secret: bytes, live: FollowUp, agent: Agent, at: datetime, seconds: timedelta, previous: Run | None = None
) -> AgentCall:
    """Gives the call of a live run's agent, which may take that long. `previous` is the record of the run before."""
    deadline = live.deadline_at or at + seconds
    token = lineage.sign_run(RunToken(live.owner, live.id, live.fence, deadline), secret)
    return AgentCall(
        run_id=live.run_id, agent=agent, owner=live.owner, deadline=deadline, seconds=seconds.total_seconds(), token=token,
        request=agent_request(
            live, now=at, deadline=deadline, previous=previous, callback=_callback(world, agent),
            # What a command prints is its answer, also where a worker runs it, who says that for it.
            completes=agent.kind not in ("command", "worker"),
        ),
    )  # fmt: skip


def _callback(world: World, agent: Agent) -> str | None:
    """Gives where the agent may call back. Who is waited for elsewhere must not think that it may go on, and a webhook on
    the internet does not reach a laptop."""
    root = world.limits.callback
    if root is None or agent.kind == "command":
        return root
    reachable = agent.kind != "https" or root.startswith("https:")
    return root if is_lasting(agent.kind, agent.mode) and reachable else None


def previous_run(world: World, live: FollowUp) -> Run | None:
    """Gives the record of the run before: the agent is told what it said last. Of a first run there is none."""
    if live.fence == 1:
        return None
    try:
        earlier = world.store.runs(live.owner, live.id, limit=_EARLIER)
    except UnreadableItem:
        return None  # A damaged record keeps no follow-up from running.
    return next((it for it in earlier if it.fence < live.fence and it.started_at is not None), None)


def _give_back(world: World, old: FollowUp, reason: str, at: datetime, *, until: datetime | None = None) -> Ran:
    # A little after, so that not all who wait for the same hour come at once.
    wake_at = (until or at) + retry.blocked_pause(*world.limits.blocked_s, world.chance.luck())
    world.store.commit(claims.give_back(old, reason, at=at, write_id=world.chance.new_id(), wake_at=wake_at))
    return Ran("blocked")
