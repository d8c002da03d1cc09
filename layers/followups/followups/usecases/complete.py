"""What an agent says of its own run, by the run's token: that it is over, that it lives, how far it is."""

from dataclasses import dataclass
from datetime import datetime

from followups.domain import hearing, ids, runs
from followups.domain.changes import Add, Change
from followups.domain.contract import Done
from followups.domain.entities import FollowUp, Run
from followups.domain.errors import Conflict, Gone, StoreBusy, Unauthenticated, WrongState
from followups.domain.lineage import RunToken
from followups.domain.status import LIVE, Outcome, Status
from followups.domain.targets import is_lasting
from followups.usecases.settle import ended, keep_apart
from followups.usecases.world import World

_RACES = 8


@dataclass(frozen=True, kw_only=True, slots=True)
class Completed:
    """A completion that was taken."""

    record: Run
    #: Whether it had been taken before.
    replayed: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Heard:
    """How a live run stands."""

    run_id: str
    deadline_at: datetime
    #: Whether it is to end: somebody has cancelled it.
    cancelled: bool


def complete(world: World, token: RunToken, run_id: str, done: Done, completion: str) -> Completed:
    """Ends the token's run with what its agent says; the first completion wins. `completion` is its body's hash.

    Raises Unauthenticated for another run's token, WrongState `already_completed` for another body, and `waited_for` while
    its agent is waited for elsewhere, Gone `run_over` after the deadline, when it is kept as late, and StoreBusy.
    """
    _check(token, run_id)
    kept: Done | None = None
    for _ in range(_RACES):
        at = world.clock.now()
        # Read before the record: what has ended by then has its record.
        now = world.follow_up(token.owner, token.follow_up_id)
        record = world.store.get(Run, ids.run_key(token.owner, token.follow_up_id, token.fence))
        if record is not None:
            try:
                return _again(world, record, done, completion, at)
            except Conflict:
                continue  # Its report was being sent at that moment.
        old = _live(now, token)
        agent = world.agent(old.agent)
        if agent is not None and old.handle is None and not is_lasting(agent.kind, agent.mode):
            # Its process would be at work still when the run is over, beside the next one's.
            why = f"{old.agent} is waited for: what it prints or returns at its end is its answer"
            raise WrongState("waited_for", why, retryable=False)
        over = at > (old.deadline_at or token.deadline)
        if not over and kept is None:
            # Only what counts: an agent that says much again and again leaves nothing behind.
            kept = keep_apart(world.outputs, run_id, done)
        ending = _timed_out(old) if over or kept is None else kept
        changes = runs.finish(
            old, ending, rerun_safe=agent is not None and agent.rerun_safe, stamp=world.stamp(at),
            kind=agent.kind if agent else None, completion=None if over else completion,
        )  # fmt: skip
        try:
            world.store.commit(*changes)
        except Conflict:
            continue
        ended(world, old, changes)
        if not over:
            return Completed(record=_record_of(changes), replayed=False)
    raise StoreBusy(f"run {run_id} is being changed by others; try again")


def heartbeat(world: World, token: RunToken, run_id: str, progress: str | None = None) -> Heard:
    """Notes that the run's agent lives, and what it says of how far it is; gives how the run stands.

    Raises Unauthenticated, Gone `run_over`, StoreBusy.
    """
    _check(token, run_id)
    for _ in range(_RACES):
        at = world.clock.now()
        old = _live(world.follow_up(token.owner, token.follow_up_id), token)
        if old.deadline_at is None or at > old.deadline_at:
            raise _over(run_id, "its deadline has passed")
        try:
            world.store.commit(hearing.heard(old, at=at, write_id=world.chance.new_id(), progress=progress))
        except Conflict:
            continue
        return Heard(run_id=run_id, deadline_at=old.deadline_at, cancelled=old.status is Status.CANCELLING)
    raise StoreBusy(f"run {run_id} is being changed by others; try again")


def _record_of(changes: tuple[Change, ...]) -> Run:
    return next(it.entity for it in changes if isinstance(it, Add) and isinstance(it.entity, Run))


def _check(token: RunToken, run_id: str) -> None:
    if token.run_id != run_id:
        raise Unauthenticated("invalid_run_token", "the run token is another run's")


def _live(old: FollowUp | None, token: RunToken) -> FollowUp:
    if old is None or old.fence != token.fence or old.status not in LIVE:
        raise _over(token.run_id, "it is not in progress")
    return old


def _again(world: World, record: Run, done: Done, completion: str, at: datetime) -> Completed:
    """Answers a completion of a run that has ended. Raises Conflict if its record was written meanwhile."""
    if not hearing.was_unheard(record):
        if record.completion != completion:
            raise WrongState("already_completed", f"run {record.id} has ended as {record.outcome}: the first word counts")
        return Completed(record=record, replayed=True)
    note = hearing.keep_late(record, done, completion, at=at, write_id=world.chance.new_id())
    if note is not None:
        world.store.commit(note)
    raise _over(record.id, f"it has ended as {record.outcome}; what came late is kept with its record")


def _timed_out(old: FollowUp) -> Done:
    return Done(
        outcome=Outcome.TIMED_OUT, summary=f"The agent's answer came after its deadline, {old.deadline_at:%H:%M:%S} UTC."
    )


def _over(run_id: str, why: str) -> Gone:
    return Gone("run_over", f"run {run_id} is over: {why}", retryable=False)
