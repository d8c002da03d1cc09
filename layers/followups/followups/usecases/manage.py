"""What people and agents ask of a follow-up that is there: look, change, stop. Every refusal says what would be right."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from followups.domain import checklist, editing, ids, lineage, verdicts
from followups.domain.changes import Swap
from followups.domain.editing import Patch
from followups.domain.entities import FollowUp, Run
from followups.domain.errors import Conflict, Forbidden, Invalid, NotFound, Stale, StoreBusy, WrongState
from followups.domain.late import check_stagger
from followups.domain.lineage import RunToken
from followups.domain.moves import closing
from followups.usecases.sweep import claim_now
from followups.usecases.world import World

#: So often whoever loses a race decides anew.
RACES = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class Asker:
    """Who asks: a verified owner, and the run on whose account it is said, if an agent says it."""

    owner: str
    token: RunToken | None = None


def check_live(world: World, asker: Asker) -> None:
    """A run's token is dead when the run ends. Raises Forbidden `run_not_live`."""
    if asker.token is not None:
        lineage.live_parent(world.follow_up(asker.token.owner, asker.token.follow_up_id), asker.token)


def get(world: World, asker: Asker, follow_up_id: str) -> FollowUp:
    """Gives the owner's follow-up. Raises NotFound for one that is not there, forgotten, or somebody else's."""
    old = world.follow_up(asker.owner, follow_up_id) if ids.is_id(follow_up_id) else None
    if old is None or forgotten(world, old):
        raise NotFound("not_found", f"there is no follow-up {follow_up_id[:60]}")
    return old


def made_with(world: World, asker: Asker, idempotency_key: str) -> FollowUp | None:
    """Gives the follow-up that the owner made with this key, whatever became of it, or None."""
    try:
        return get(world, asker, ids.derive_id(asker.owner, idempotency_key))
    except NotFound:
        return None


def get_run(world: World, asker: Asker, run_id: str) -> Run:
    """Gives the record of a run that ended. Raises NotFound, or WrongState `in_progress` while it runs."""
    named = ids.parse_run_id(run_id)
    if named:
        run = world.store.get(Run, ids.run_key(asker.owner, *named))
        if run is not None and not forgotten(world, run):
            return run
        old = world.follow_up(asker.owner, named[0])
        if old and old.fence == named[1] and old.started_at is not None and not old.is_closed:
            raise WrongState("in_progress", f"run {run_id} is in progress since {old.started_at:%H:%M:%S} UTC")
    raise NotFound("not_found", f"there is no run {run_id[:60]}")


def runs(world: World, asker: Asker, follow_up_id: str, *, limit: int) -> list[Run]:
    """Gives the follow-up's latest runs, newest first. Raises NotFound."""
    get(world, asker, follow_up_id)
    return [it for it in world.store.runs(asker.owner, follow_up_id, limit=limit) if not forgotten(world, it)]


def edit(world: World, asker: Asker, follow_up_id: str, patch: Patch, *, version: int, allow_commands: bool) -> FollowUp:
    """Changes what the patch names, if the follow-up is still at that version. Raises Stale, Invalid, WrongState,
    NotFound."""
    no_token(asker)
    old = get(world, asker, follow_up_id)
    if old.version != version:
        raise Stale("stale", f"it was changed meanwhile: it is at version {old.version}, not {version}; look again")
    agent = world.agent(old.agent)
    if patch.message is not None and agent is not None and agent.kind == "checklist":
        checklist.parse(patch.message, allow_commands=allow_commands)
    if patch.when is not None and old.stagger_s:
        check_stagger(patch.when, old.stagger_s)
    if patch.when or patch.done_when or patch.ladder or patch.give_up_at:
        verdicts.check(
            kind=agent.kind if agent else "", done_when=patch.done_when or old.done_when, ladder=patch.ladder or old.ladder,
            give_up_at=patch.give_up_at or old.give_up_at, due_at=patch.when.due_at if patch.when else old.due_at,
            recurs=(patch.when.rule if patch.when else old.rule) is not None,
        )  # fmt: skip
    swap = editing.edit(old, patch, at=world.clock.now(), write_id=world.chance.new_id())
    try:
        world.store.commit(swap)
    except Conflict as conflict:
        raise Stale("stale", "it was changed meanwhile; look again") from conflict
    return claim_now(world, _of(swap))


def cancel(world: World, asker: Asker, follow_up_id: str) -> FollowUp:
    """Cancels; a live run is left to end and is not reported. An agent may cancel what its own tree made, and so not the
    person's follow-up that the tree began with: that would end it for good, and tell nobody."""
    if asker.token is not None:
        own, it = get(world, asker, asker.token.follow_up_id), get(world, asker, follow_up_id)
        if it.root != own.root or it.id == it.root:
            no_token(asker)
    return _change(world, asker, follow_up_id, editing.cancel)


def pause(world: World, asker: Asker, follow_up_id: str, reason: str | None, until: str | None = None) -> FollowUp:
    """Pauses until resumed, or until the time that `until` says in words. Raises Invalid, WrongState, NotFound."""
    from followups.domain import when  # A laptop's `list` does not wait for the grammar.

    no_token(asker)

    def decide(old: FollowUp, *, at: datetime, write_id: str) -> Swap | None:
        editing.refuse_over(old, "it can be paused when the run has ended")
        end = None if until is None else when.put_off(until, base=at, at=at, timezone=old.timezone)
        return editing.pause(old, reason, end, at=at, write_id=write_id)

    return _change(world, asker, follow_up_id, decide)


def snooze(world: World, asker: Asker, follow_up_id: str, until: str) -> FollowUp:
    """Puts its occurrence off: by a span, counted from its time or from now if that has passed, or until a time.
    Raises Invalid, WrongState, NotFound."""
    from followups.domain import when

    no_token(asker)

    def decide(old: FollowUp, *, at: datetime, write_id: str) -> Swap:
        editing.refuse_over(old, "it can be put off when the run has ended")
        base = max(at, old.planned_at, old.start_at)
        end = when.put_off(until, base=base, due=old.due_at, at=at, timezone=old.timezone)
        if old.give_up_at is not None and end >= old.give_up_at:
            given_up = (
                f"it is given up at {old.give_up_at:%Y-%m-%d %H:%M} UTC: put it off less, or edit its `give_up_at` first"
            )
            raise Invalid("conflicting_fields", given_up, field="until")
        return editing.snooze(old, end, at=at, write_id=write_id)

    return claim_now(world, _change(world, asker, follow_up_id, decide))


def resume(world: World, asker: Asker, follow_up_id: str) -> FollowUp:
    """Takes a paused one back to its own time. Raises WrongState, NotFound."""
    no_token(asker)
    return claim_now(world, _change(world, asker, follow_up_id, editing.resume))


def run_now(world: World, asker: Asker, follow_up_id: str) -> FollowUp:
    """Moves it to the front: it starts as soon as a runner is free. Raises WrongState, NotFound."""
    no_token(asker)
    return claim_now(world, _change(world, asker, follow_up_id, editing.run_now))


def _change(world: World, asker: Asker, follow_up_id: str, decide: Callable[..., Swap | None]) -> FollowUp:
    """Whoever loses a race reads again and decides anew."""
    for _ in range(RACES):
        old = get(world, asker, follow_up_id)
        swap = decide(old, at=world.clock.now(), write_id=world.chance.new_id())
        if swap is None:
            return old
        try:
            world.store.commit(swap, *closing(swap))
        except Conflict:
            continue
        return _of(swap)
    raise StoreBusy(f"follow-up {follow_up_id} is being changed by others; try again")


def forgotten(world: World, it: FollowUp | Run) -> bool:
    """Says whether its time in the history is over: a store may keep it for days after that."""
    return it.expires_at is not None and it.expires_at <= world.clock.now()


def _of(swap: Swap) -> FollowUp:
    assert isinstance(swap.new, FollowUp)
    return swap.new


def no_token(asker: Asker) -> None:
    if asker.token is not None:
        raise Forbidden("not_with_run_token", "an agent may create and read follow-ups, and cancel what its own tree made")
