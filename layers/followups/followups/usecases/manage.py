"""What people and agents ask for: create, look, change, stop. Every refusal says what would be right."""

import difflib
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace

from followups.domain import checklist, editing, ids, lineage, when
from followups.domain.changes import Add, Change, Spend, Swap
from followups.domain.editing import Patch, Wish
from followups.domain.entities import Agent, FollowUp, Run
from followups.domain.errors import Conflict, Forbidden, Invalid, NotFound, Stale, StoreBusy, WrongState
from followups.domain.lineage import Lineage, RunToken
from followups.domain.schedule import format_instant
from followups.usecases.sweep import claim_now
from followups.usecases.world import BUILTIN, World

_RACES = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class Asker:
    """Who asks: a verified owner, and the run on whose account it is said, if an agent says it."""

    owner: str
    token: RunToken | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """A create request whose fields have the right form; None takes the default."""

    agent: str
    task: str
    when: str
    message: str = ""
    timezone: str
    report_to: str | None = None
    max_attempts: int | None = None

    def digest(self) -> str:
        """Gives the hash that tells a replay from a reuse of an idempotency key."""
        fields = [self.agent, self.task, self.message, self.when, self.timezone, self.report_to, self.max_attempts]
        return hashlib.sha256(json.dumps(fields).encode()).hexdigest()[:32]


@dataclass(frozen=True, kw_only=True, slots=True)
class Created:
    follow_up: FollowUp
    #: Whether this request had been answered before.
    replayed: bool
    #: What was understood, in words.
    understood: str
    #: What was done otherwise than asked.
    notes: tuple[str, ...] = ()


def check_live(world: World, asker: Asker) -> None:
    """A run's token is dead when the run ends. Raises Forbidden `run_not_live`."""
    if asker.token is not None:
        lineage.live_parent(world.follow_up(asker.token.owner, asker.token.follow_up_id), asker.token)


def create(world: World, asker: Asker, request: Request, *, idempotency_key: str | None, allow_commands: bool) -> Created:
    """Makes a follow-up, once for each idempotency key. Raises Invalid, Forbidden, StoreError."""
    digest = request.digest()
    follow_up_id = ids.derive_id(asker.owner, idempotency_key) if idempotency_key else world.chance.new_id()
    at = world.clock.now()
    old = world.follow_up(asker.owner, follow_up_id) if idempotency_key else None
    if old is not None and (old.expires_at is None or old.expires_at > at):
        return _replay(old, digest)
    parsed = when.parse(request.when, at=at, timezone=request.timezone)
    agent = _known_agent(world, request.agent)
    if agent.kind == "checklist":
        checklist.parse(request.message, allow_commands=allow_commands)
    family, conditions, notes = _descent(world, asker)
    if family is not None and lineage.earliest_child(parsed.due_at, at) != parsed.due_at:
        parsed = replace(parsed, due_at=lineage.earliest_child(parsed.due_at, at))
        first = format_instant(parsed.due_at, parsed.timezone)
        notes = (f"moved to {first}: what an agent creates is due in 5 minutes at the soonest",)
    wish = Wish(
        agent=agent.name, task=request.task, message=request.message, when=parsed, report_to=request.report_to,
        max_attempts=request.max_attempts or agent.max_attempts,
    )  # fmt: skip
    new = editing.create(
        wish, owner=asker.owner, follow_up_id=follow_up_id, request_hash=digest, lineage=family, at=at,
        write_id=world.chance.new_id(),
    )  # fmt: skip
    if old is not None:
        # Its time in the history is over, and the store has not forgotten it yet: the key is free again.
        new = replace(new, version=old.version + 1, fence=old.fence)
    elif idempotency_key and (left := world.store.runs(asker.owner, follow_up_id, limit=1)):
        # It has forgotten the follow-up but not its runs: a fence that came again could not store its result.
        new = replace(new, fence=left[0].fence)
    try:
        world.store.commit(Swap(old, new) if old else Add(new), *conditions)
    except Conflict as conflict:
        return _created_by_another(world, asker, new, conflict, digest)
    return Created(follow_up=claim_now(world, new), replayed=False, understood=parsed.words, notes=notes)


def get(world: World, asker: Asker, follow_up_id: str) -> FollowUp:
    """Gives the owner's follow-up. Raises NotFound for one that is not there, forgotten, or somebody else's."""
    old = world.follow_up(asker.owner, follow_up_id) if ids.is_id(follow_up_id) else None
    if old is None or _forgotten(world, old):
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
        if run is not None and not _forgotten(world, run):
            return run
        old = world.follow_up(asker.owner, named[0])
        if old and old.fence == named[1] and old.started_at is not None and not old.is_closed:
            raise WrongState("in_progress", f"run {run_id} is in progress since {old.started_at:%H:%M:%S} UTC")
    raise NotFound("not_found", f"there is no run {run_id[:60]}")


def runs(world: World, asker: Asker, follow_up_id: str, *, limit: int) -> list[Run]:
    """Gives the follow-up's latest runs, newest first. Raises NotFound."""
    get(world, asker, follow_up_id)
    return [it for it in world.store.runs(asker.owner, follow_up_id, limit=limit) if not _forgotten(world, it)]


def edit(world: World, asker: Asker, follow_up_id: str, patch: Patch, *, version: int, allow_commands: bool) -> FollowUp:
    """Changes what the patch names, if the follow-up is still at that version. Raises Stale, Invalid, WrongState,
    NotFound."""
    _no_token(asker)
    old = get(world, asker, follow_up_id)
    if old.version != version:
        raise Stale("stale", f"it was changed meanwhile: it is at version {old.version}, not {version}; look again")
    agent = world.agent(old.agent)
    if patch.message is not None and agent is not None and agent.kind == "checklist":
        checklist.parse(patch.message, allow_commands=allow_commands)
    swap = editing.edit(old, patch, at=world.clock.now(), write_id=world.chance.new_id())
    try:
        world.store.commit(swap)
    except Conflict as conflict:
        raise Stale("stale", "it was changed meanwhile; look again") from conflict
    return claim_now(world, _of(swap))


def cancel(world: World, asker: Asker, follow_up_id: str) -> FollowUp:
    """Cancels; a live run is left to end and is not reported. An agent may cancel what its own tree made."""
    if asker.token is not None:
        own = get(world, asker, asker.token.follow_up_id)
        if get(world, asker, follow_up_id).root != own.root:
            _no_token(asker)
    return _change(world, asker, follow_up_id, editing.cancel)


def pause(world: World, asker: Asker, follow_up_id: str, reason: str | None) -> FollowUp:
    """Pauses until resumed. Raises WrongState, NotFound."""
    _no_token(asker)
    return _change(
        world, asker, follow_up_id, lambda old, *, at, write_id: editing.pause(old, reason, at=at, write_id=write_id)
    )


def resume(world: World, asker: Asker, follow_up_id: str) -> FollowUp:
    """Takes a paused one back to its own time. Raises WrongState, NotFound."""
    _no_token(asker)
    return claim_now(world, _change(world, asker, follow_up_id, editing.resume))


def run_now(world: World, asker: Asker, follow_up_id: str) -> FollowUp:
    """Moves it to the front: it starts as soon as a runner is free. Raises WrongState, NotFound."""
    _no_token(asker)
    return claim_now(world, _change(world, asker, follow_up_id, editing.run_now))


def _change(world: World, asker: Asker, follow_up_id: str, decide: Callable[..., Swap | None]) -> FollowUp:
    """Whoever loses a race reads again and decides anew."""
    for _ in range(_RACES):
        old = get(world, asker, follow_up_id)
        swap = decide(old, at=world.clock.now(), write_id=world.chance.new_id())
        if swap is None:
            return old
        try:
            world.store.commit(swap)
        except Conflict:
            continue
        return _of(swap)
    raise StoreBusy(f"follow-up {follow_up_id} is being changed by others; try again")


def _forgotten(world: World, it: FollowUp | Run) -> bool:
    """Says whether its time in the history is over: a store may keep it for days after that."""
    return it.expires_at is not None and it.expires_at <= world.clock.now()


def _of(swap: Swap) -> FollowUp:
    assert isinstance(swap.new, FollowUp)
    return swap.new


def _known_agent(world: World, name: str) -> Agent:
    if agent := world.agent(name):
        return agent
    names = [*BUILTIN, *(agent.name for agent in world.store.agents())]
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5) or names[:5]
    raise Invalid("unknown_agent", f"no agent is called {name[:60]!r}; known are {', '.join(near)}", field="agent")


def _replay(old: FollowUp, digest: str) -> Created:
    if old.request_hash != digest:
        raise Invalid("idempotency_key_reused", "this Idempotency-Key was used for another request; take a new one")
    words = f"{old.when}, due {format_instant(old.due_at, old.timezone)}"
    return Created(follow_up=old, replayed=True, understood=words)


def _descent(world: World, asker: Asker) -> tuple[Lineage | None, tuple[Change, ...], tuple[str, ...]]:
    if asker.token is None:
        return None, (), ()
    parent = world.follow_up(asker.token.owner, asker.token.follow_up_id)
    family = lineage.descend(parent, asker.token)
    assert parent is not None
    return family, lineage.conditions(parent), ()


def _created_by_another(world: World, asker: Asker, new: FollowUp, conflict: Conflict, digest: str) -> Created:
    refused = conflict.failed[0]
    if isinstance(refused, Add | Swap):
        if old := world.follow_up(asker.owner, new.id):
            return _replay(old, digest)
        raise StoreBusy("the follow-up was written and removed meanwhile; try again") from conflict
    if isinstance(refused, Spend):
        detail = f"the tree that this run belongs to has made its {lineage.MAX_DESCENDANTS} follow-ups; do not retry"
        raise Forbidden("cascade_budget", detail) from conflict
    raise Forbidden("run_not_live", "the run that this token belongs to has ended") from conflict


def _no_token(asker: Asker) -> None:
    if asker.token is not None:
        raise Forbidden("not_with_run_token", "an agent may create and read follow-ups, and cancel what its own tree made")
