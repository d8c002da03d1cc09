"""What became of a call of an agent, stored: the finish, the next poll, or the way back into the line."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

from followups.domain import contract, retry, runs
from followups.domain.changes import Add, Change
from followups.domain.contract import Done, Pending
from followups.domain.entities import Agent, FollowUp, Run
from followups.domain.errors import AgentBusy, Conflict, QueueError, StoreCorrupt, StoreError, UnreadableItem
from followups.domain.messages import Message
from followups.domain.status import LIVE, Outcome
from followups.ports import Outputs
from followups.usecases.world import World

#: A store that is down for a minute or two must not cost a result: 19 pauses, which double up to a quarter of a minute.
_FINISH_TRIES = 20
_LONGEST_PAUSE_S = 16.0
#: So much of a report stays in its record, in bytes of UTF-8; the whole of a longer one is kept apart.
INLINE = 8 * 1024
#: A target that has no room is left alone this long at least, and this long at most, whatever it says itself.
_SHORTEST_WAIT, _LONGEST_WAIT = timedelta(seconds=10), timedelta(hours=1)


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


def settle(world: World, live: FollowUp, agent: Agent, answer: Done | Pending) -> Ran:
    """Stores what came of the call, if the follow-up is still this run's: a finish that is not fenced is no finish."""
    if isinstance(answer, Pending):
        pending = answer

        def wait(now: FollowUp) -> tuple[Change, ...]:
            if now.handle not in (live.handle, pending.handle):
                # Somebody has it by now: a worker, if the note that it waits had landed, and we did not hear of that.
                return ()
            return (runs.wait_for(now, pending, at=world.clock.now(), write_id=world.chance.new_id()),)

        return Ran("pending" if _store(world, live, wait) else "stale")
    done = keep_apart(world.outputs, live.run_id, answer)
    stamp = world.stamp(world.clock.now())
    changes = _store(
        world, live, lambda now: runs.finish(now, done, rerun_safe=agent.rerun_safe, stamp=stamp, kind=agent.kind)
    )
    return ended(world, live, changes) if changes else Ran("stale")


def ended(world: World, live: FollowUp, changes: tuple[Change, ...]) -> Ran:
    """Takes a finish that was stored; queues its report, and says what came of it."""
    [record] = [it.entity for it in changes if isinstance(it, Add) and isinstance(it.entity, Run)]
    queue_report(world, live)
    late = (live.started_at or live.start_at) - live.start_at
    return Ran("finished", outcome=record.outcome, final=record.final, late=late)


def release(world: World, live: FollowUp, agent: Agent, busy: AgentBusy) -> Ran:
    """Gives back a run whose agent surely did not start: blocked is not failed, and no attempt is spent. One that was
    cancelled meanwhile, or whose place another has taken, does not come back."""
    pause = retry.blocked_pause(*world.limits.blocked_s, world.chance.luck())
    wait = min(_LONGEST_WAIT, max(pause, busy.retry_after or _SHORTEST_WAIT))
    runs_per_hour = world.limits.runs_per_hour

    def decide(now: FollowUp) -> tuple[Change, ...]:
        stamp = world.stamp(world.clock.now())
        if now.handle != live.handle:
            # A worker has taken it since it was asked for.
            return ()
        return runs.not_started(
            now, busy.reason, stamp=stamp, wake_at=stamp.at + wait, kind=agent.kind, runs_per_hour=runs_per_hour
        )

    changes = _store(world, live, decide)
    if any(isinstance(it, Add) for it in changes):
        return ended(world, live, changes)
    return Ran("blocked" if changes else "stale")


def keep_apart(outputs: Outputs, run_id: str, done: Done) -> Done:
    """Gives the answer with no more of a long report than a record takes, and where the rest lies."""
    if len(done.report.encode("utf-8", "replace")) <= INLINE:
        return done
    if done.output_ref is not None:
        # There lies what it printed, as it came. What its target has made of that stands nowhere else: an answer by the
        # contract, or the end of stderr behind the beginning.
        return replace(done, report=contract.fit(done.report))
    # By what it says: an answer that comes second, and is refused, must not take the place of the first.
    said = hashlib.sha256(done.report.encode("utf-8", "replace")).hexdigest()[:8]
    ref = outputs.keep(f"{run_id}-{said}", done.report)
    # What could not be kept apart stays where it is, as much of it as an item takes.
    return replace(done, output_ref=ref, report=contract.fit(done.report, INLINE if ref else contract.REPORT_LIMIT))


def queue_report(world: World, old: FollowUp) -> None:
    """Queues the report of a run that ended."""
    try:
        world.queue.send([(Message("report", old.owner, old.id, old.fence), 0)])
    except QueueError:
        # The run record has its own wake_at: the next sweep sends the report.
        return


def _store(world: World, live: FollowUp, decide: Callable[[FollowUp], tuple[Change, ...]]) -> tuple[Change, ...]:
    """Commits what is decided of the live run as it is now; gives that, or nothing if it is not live any more."""
    for attempt in range(1, _FINISH_TRIES + 1):
        try:
            # Read again each time: a cancel may have come between, and then the decision is another.
            now = world.follow_up(live.owner, live.id)
            if now is None or now.fence != live.fence or now.status not in LIVE:
                return ()
            if changes := decide(now):
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
        return changes
    return ()
