"""The sweep: one look at everything that needs one. Any number of sweeps at once is harmless."""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from functools import partial

from followups.domain import claims, delivery, editing, retry, runs
from followups.domain.changes import SetAside
from followups.domain.entities import FollowUp, Run, Unreadable
from followups.domain.errors import Conflict, StoreError, UnreadableItem
from followups.domain.hearing import WAITING, nobody_took
from followups.domain.messages import Message
from followups.domain.moves import advance, advance_report
from followups.domain.status import ReportStatus, Status
from followups.usecases.line import Line
from followups.usecases.outgoing import Outgoing, Swept
from followups.usecases.world import World

#: Time that a sweep keeps back for those whose turn it is and for the messages that wait.
_RESERVE = timedelta(seconds=10)


def sweep(world: World, *, remaining: timedelta = timedelta(hours=1)) -> Swept:
    """Claims what is due, sends again what was not picked up, ends what broke off, sends what was not reported.

    `remaining` is the time until this process is killed: what it does not come to, the next sweep does. Gives what it
    did, counted. Raises StoreError if the store cannot be read; one bad item never stops it.
    """
    at = world.clock.now()
    facts: Swept = Counter()
    outgoing = Outgoing(world, facts)
    stopped = world.control().stopped
    # One more than can have their turn: then it is known that others wait.
    line = Line(world.limits.claims_at_once + 2 * world.limits.global_cap + 1)
    horizon = at + max(world.limits.look_ahead, timedelta(seconds=world.limits.blocked_s[1]))
    try:
        items = _in_time(world, world.store.due(horizon, line=line.most), at + remaining - _RESERVE, facts)
        _look_at_all(world, items, line, at, stopped, outgoing, facts)
        chosen = [] if stopped else line.next(world)
        facts["waiting"] += line.length - len(chosen)
        for item in chosen:
            guarded(world, item, facts, partial(_claim, world, item, at, outgoing, facts))
    finally:
        # What is claimed already must not lose its message because something else went wrong.
        outgoing.flush()
    return +facts


def _in_time(
    world: World, items: Iterable[FollowUp | Run | Unreadable], end: datetime, facts: Swept
) -> Iterator[FollowUp | Run | Unreadable]:
    """Gives the items until the time is over. Nothing is lost by it: what was not looked at is as due as before."""
    for item in items:
        yield item
        if world.clock.now() >= end:
            facts["cut_off"] += 1
            return


def _look_at_all(
    world: World, items: Iterable[FollowUp | Run | Unreadable], line: Line, at: datetime, stopped: bool,
    outgoing: Outgoing, facts: Swept,
) -> None:  # fmt: skip
    """Looks at each item, all pages; who was refused, or is one of too many at once, goes to the line."""
    soon = at + world.limits.look_ahead
    for item in items:
        crowded = not stopped and facts["claimed"] >= world.limits.claims_at_once
        if isinstance(item, FollowUp) and _waits(item, soon, crowded):
            line.add(item)
        else:
            guarded(world, item, facts, partial(_look, world, item, at, stopped, outgoing, facts))


def _waits(item: FollowUp, soon: datetime, crowded: bool) -> bool:
    if item.status is not Status.SCHEDULED or item.wake_at is None:
        return False
    return item.blocked_reason is not None or (crowded and max(item.wake_at, item.start_at) <= soon)


def claim_now(world: World, old: FollowUp) -> FollowUp:
    """Claims a follow-up that is due within the look-ahead at once, where the queue outlives the request.

    Gives the follow-up as it is then. A lost race or an unreachable queue leaves it to the sweeper.
    """
    at = world.clock.now()
    near = old.status is Status.SCHEDULED and old.start_at <= at + world.limits.look_ahead
    if not (near and world.limits.claim_at_birth) or world.control().stopped:
        return old
    facts: Swept = Counter()
    outgoing = Outgoing(world, facts)
    try:
        claimed = _claim(world, old, at, outgoing, facts)
    except (Conflict, StoreError):
        return old
    outgoing.flush()
    return claimed


def look_now(world: World, item: FollowUp) -> None:
    """Looks at one follow-up as a sweep would, and at nothing else. Raises StoreError."""
    facts: Swept = Counter()
    outgoing = Outgoing(world, facts)
    stopped = world.control().stopped
    guarded(world, item, facts, partial(_look, world, item, world.clock.now(), stopped, outgoing, facts))
    outgoing.flush()


def guarded(world: World, item: FollowUp | Run | Unreadable, facts: Swept, look: Callable[[], object]) -> None:
    """Looks at one item by the poison rule: what goes wrong with it never stops the page. Raises StoreError."""
    try:
        look()
    except Conflict:
        facts["raced"] += 1
    except UnreadableItem as error:
        facts["poisoned"] += 1
        _set_aside(world, item, error, facts)
    except StoreError:
        raise
    except Exception as error:  # noqa: BLE001 - any bug in reading or deciding is this item's, not the page's
        facts["poisoned"] += 1
        _set_aside(world, item, error, facts)


def _set_aside(world: World, item: FollowUp | Run | Unreadable, error: Exception, facts: Swept) -> None:
    stamp = world.stamp(world.clock.now())
    later = stamp.at + retry.POISON_PAUSE
    try:
        if isinstance(item, FollowUp):
            world.store.commit(*runs.poisoned(item, repr(error)[:200], stamp=stamp, pause=retry.POISON_PAUSE))
        elif isinstance(item, Run):
            spent = item.poison + 1 >= retry.MAX_POISON
            status = ReportStatus.FAILED if spent else ReportStatus.PENDING
            note = f"poison: {error!r}"[:200]
            world.store.commit(
                advance_report(
                    item, status, at=stamp.at, write_id=stamp.write_id, wake_at=None if spent else later,
                    poison=item.poison + 1, report_note=note,
                )
            )  # fmt: skip
        else:
            spent = item.poison + 1 >= retry.MAX_POISON
            world.store.commit(SetAside(item.key, item.version, None if spent else later))
    except Conflict:
        facts["raced"] += 1
    except StoreError:
        raise
    except Exception:  # noqa: BLE001 - what not even this does for stays where it is; the others of the page go on
        facts["stuck"] += 1


def _look(
    world: World, item: FollowUp | Run | Unreadable, at: datetime, stopped: bool, outgoing: Outgoing, facts: Swept
) -> None:
    if isinstance(item, Unreadable):
        facts["poisoned"] += 1
        _set_aside(world, item, ValueError(item.error), facts)
    elif isinstance(item, Run):
        if item.wake_at is not None and item.wake_at <= at:
            _look_at_report(world, item, at, outgoing, facts)
    elif item.status is Status.SCHEDULED:
        _look_at_scheduled(world, item, at, stopped, outgoing, facts)
    elif item.wake_at is not None and item.wake_at <= at:
        # The look-ahead is for scheduled items only: leases and resends wait for their time.
        if item.status is Status.CLAIMED:
            _send_again(world, item, at, outgoing, facts)
        elif item.status is Status.PAUSED:
            world.store.commit(editing.pause_over(item, at=at, write_id=world.chance.new_id()))
            facts["resumed"] += 1
        elif item.lease_until is not None and item.lease_until > at:
            _ask(world, item, at, outgoing, facts)
        else:
            _lease_ran_out(world, item, at, outgoing, facts)


def _look_at_scheduled(world: World, item: FollowUp, at: datetime, stopped: bool, outgoing: Outgoing, facts: Swept) -> None:
    soon = at + world.limits.look_ahead
    if item.wake_at is None or item.wake_at > soon:
        return
    if item.start_at > soon:
        world.store.commit(claims.look_later(item, at=at, write_id=world.chance.new_id()))
    elif stopped:
        facts["held"] += 1
    else:
        _claim(world, item, at, outgoing, facts)


def _claim(world: World, item: FollowUp, at: datetime, outgoing: Outgoing, facts: Swept) -> FollowUp:
    if anew := claims.read_anew(item, at=at, write_id=world.chance.new_id()):
        world.store.commit(anew)
        assert isinstance(anew.new, FollowUp)
        item = anew.new
        if item.start_at > at + world.limits.look_ahead:
            facts["moved"] += 1
            return item
    swap = claims.claim(item, at=at, write_id=world.chance.new_id(), holder=world.leases.holder)
    world.store.commit(swap)
    assert isinstance(swap.new, FollowUp)
    facts["claimed"] += 1
    if item.blocked_reason is None:
        _note_late(item, at, facts)
    outgoing.add(_start_message(swap.new), _delay(swap.new.start_at, at))
    return swap.new


def _note_late(item: FollowUp, at: datetime, facts: Swept) -> None:
    """Notes how late the latest of those is that nobody holds up: it says how well we do, not how busy an agent is."""
    facts["late_s"] = max(facts["late_s"], math.floor((at - item.start_at).total_seconds()))


def _send_again(world: World, item: FollowUp, at: datetime, outgoing: Outgoing, facts: Swept) -> None:
    if claims.can_resend(item):
        world.store.commit(claims.resend(item, at=at, write_id=world.chance.new_id()))
        facts["resent"] += 1
        _note_late(item, at, facts)
        outgoing.add(_start_message(item))
        return
    why = f"never started: the claim was sent {item.sends} times and no runner picked it up"
    world.store.commit(*runs.refuse_start(item, why, stamp=world.stamp(at)))
    facts["given_up"] += 1
    outgoing.add(_report_message(item))


def _ask(world: World, item: FollowUp, at: datetime, outgoing: Outgoing, facts: Swept) -> None:
    world.store.commit(runs.ask(item, at=at, write_id=world.chance.new_id()))
    facts["polled"] += 1
    outgoing.add(_start_message(item))


def _lease_ran_out(world: World, item: FollowUp, at: datetime, outgoing: Outgoing, facts: Swept) -> None:
    """A lease whose time is over. Where more is known than the time (a laptop that slept, an agent that outlived its
    process), it ends only with its last process: what is left of it is told to go, and looked at again in a minute."""
    if (
        item.handle is None
        and item.lease_holder is not None
        and not world.leases.surely_over(item.lease_holder, item.run_id)
    ):
        world.leases.put_down(item.lease_holder)
        later = at + world.limits.lease_margin
        world.store.commit(advance(item, item.status, at=at, write_id=world.chance.new_id(), wake_at=later))
        facts["lease_waits"] += 1
        return
    if item.handle == WAITING:
        # A machine that slept has not asked in time, but who took it would have said so: nothing was started.
        changes = runs.not_started(
            item, nobody_took(item.agent), stamp=world.stamp(at), runs_per_hour=world.limits.runs_per_hour,
            wake_at=at + retry.blocked_pause(*world.limits.blocked_s, world.chance.luck()),
        )  # fmt: skip
        world.store.commit(*changes)
        facts["returned"] += 1
        return
    end_lease(world, item, at, outgoing, facts)


def end_lease(world: World, item: FollowUp, at: datetime, outgoing: Outgoing, facts: Swept) -> None:
    """Ends a live run whose process is surely gone, as unknown. Raises Conflict, StoreError."""
    agent = world.agent(item.agent)
    rerun_safe, kind = (agent.rerun_safe, agent.kind) if agent else (False, None)  # One that is gone may not be run again.
    changes = runs.lease_over(item, rerun_safe=rerun_safe, kind=kind, stamp=world.stamp(at))
    world.store.commit(*changes)
    facts["lease_over"] += 1
    outgoing.add(_report_message(item))


def _look_at_report(world: World, item: Run, at: datetime, outgoing: Outgoing, facts: Swept) -> None:
    if facts["reports"] >= world.limits.reports_at_once:
        facts["reports_waiting"] += 1
        return
    write_id = world.chance.new_id()
    if item.report_status is ReportStatus.SENDING:
        why = "whether the last try was sent is unknown: no answer was stored"
        world.store.commit(delivery.not_sent(item, why, at=at, write_id=write_id, luck=world.chance.luck()))
        facts["report_lease_over"] += 1
        return
    world.store.commit(delivery.queued(item, at=at, write_id=write_id))
    facts["reports"] += 1
    outgoing.add(Message("report", item.owner, item.follow_up_id, item.fence))


def _delay(start_at: datetime, at: datetime) -> int:
    return min(900, max(0, math.floor((start_at - at).total_seconds())))


def _start_message(item: FollowUp) -> Message:
    return Message("start", item.owner, item.id, item.fence)


def _report_message(item: FollowUp) -> Message:
    return Message("report", item.owner, item.id, item.fence)
