"""Making a follow-up: once for each idempotency key, on the account of whoever asks, in the place of one of its name."""

import difflib
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from followups.domain import checklist, editing, ids, lineage, policies, preview, verdicts, when
from followups.domain.changes import Add, Change, Live, Spend, Swap, TakeSlot, key_of
from followups.domain.editing import Wish
from followups.domain.entities import Agent, FollowUp, Named
from followups.domain.errors import Conflict, Forbidden, Invalid, StoreBusy, WrongState
from followups.domain.late import RUN_ONCE, check_stagger
from followups.domain.lineage import Lineage, live_parent
from followups.domain.meaning import When
from followups.domain.moves import MAX_QUOTA, closing
from followups.domain.onward import GOOD
from followups.domain.preview import Preview
from followups.domain.status import Status
from followups.domain.walltime import format_instant
from followups.usecases.family import note_refusal
from followups.usecases.manage import RACES, Asker, get, no_token
from followups.usecases.sweep import claim_now
from followups.usecases.world import BUILTIN, World


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """A create request whose fields have the right form; None takes the default."""

    agent: str
    #: Either these two, or a sentence that says both.
    task: str | None = None
    when: str | None = None
    text: str | None = None
    message: str = ""
    timezone: str
    report_to: str | None = None
    max_attempts: int | None = None
    late: str | None = None
    stagger: str | None = None
    replace_key: str | None = None
    done_when: str | None = None
    retry_until_met: str | None = None
    give_up_at: str | None = None
    #: An operator's try of an agent.
    test: bool = False

    def digest(self) -> str:
        """Gives the hash that tells a replay from a reuse of an idempotency key."""
        fields = [self.agent, self.task, self.message, self.when, self.timezone, self.report_to, self.max_attempts]
        more = [self.text, self.late, self.stagger, self.replace_key]
        # Requests of earlier versions had none of these, and are hashed as they were.
        fields += more if any(more) else []
        met = [self.done_when, self.retry_until_met, self.give_up_at, self.test]
        fields += met if any(met) else []
        return hashlib.sha256(json.dumps(fields).encode()).hexdigest()[:32]


@dataclass(frozen=True, kw_only=True, slots=True)
class Created:
    follow_up: FollowUp
    #: Whether this request had been answered before.
    replayed: bool
    #: What was understood, and what was done otherwise than asked.
    preview: Preview


def create(world: World, asker: Asker, request: Request, *, idempotency_key: str | None, allow_commands: bool) -> Created:
    """Makes a follow-up, once for each idempotency key. Raises Invalid, Forbidden, StoreError."""
    return _once(
        world, asker, request.digest(), idempotency_key, lambda at: _wish(world, request, at, allow_commands=allow_commands)
    )


def retry(world: World, asker: Asker, follow_up_id: str, *, idempotency_key: str | None) -> Created:
    """Makes a follow-up like one that ended without its work being done, due now: what is closed stays closed. Without a
    key it is made once for each that failed. Raises WrongState `not_failed`, NotFound, Invalid `unknown_agent`."""
    no_token(asker)
    old = get(world, asker, follow_up_id)
    undone = old.status is Status.DONE and old.last_outcome is not None and old.last_outcome not in GOOD
    if old.status is not Status.FAILED and not undone:
        detail = f"only one that ended without its work being done can be tried again; this one is {old.status}"
        raise WrongState("not_failed", detail)

    def again(at: datetime) -> Wish:
        # It goes by the old one's name, unless another does by now.
        name = world.store.get(Named, ids.name_key(old.owner, old.replace_key)) if old.replace_key else None
        return Wish(
            agent=_known_agent(world, old.agent).name, task=old.task, message=old.message, report_to=old.report_to,
            max_attempts=old.max_attempts, when=When(text="now", due_at=at, local=None, timezone=old.timezone),
            replace_key=old.replace_key if name and name.follow_up_id == old.id else None,
            # What makes it a success goes with the task; a time to give it up that has passed does not.
            done_when=old.done_when, ladder=old.ladder, test=old.test,
            give_up_at=old.give_up_at if old.give_up_at and old.give_up_at > at else None,
        )  # fmt: skip

    digest = hashlib.sha256(f"retry {old.id}".encode()).hexdigest()[:32]
    return _once(world, asker, digest, idempotency_key or f"retry of {old.id}", again)


def _once(
    world: World, asker: Asker, digest: str, idempotency_key: str | None, wished: Callable[[datetime], Wish]
) -> Created:
    follow_up_id = ids.derive_id(asker.owner, idempotency_key) if idempotency_key else world.chance.new_id()
    at = world.clock.now()
    old = world.follow_up(asker.owner, follow_up_id) if idempotency_key else None
    if old is not None and (old.expires_at is None or old.expires_at > at):
        return _replay(old, digest)
    wish = wished(at)
    family, conditions = _descent(world, asker, follow_up_id)
    if family is not None:
        wish = replace(wish, when=_no_sooner(wish.when, at))
    new = editing.create(
        wish, owner=asker.owner, follow_up_id=follow_up_id, request_hash=digest, lineage=family, at=at,
        write_id=world.chance.new_id(), counted=bool(world.limits.max_open),
    )  # fmt: skip
    if old is not None:
        # Its time in the history is over, and the store has not forgotten it yet: the key is free again.
        new = replace(new, version=old.version + 1, fence=old.fence)
    elif idempotency_key and (left := world.store.runs(asker.owner, follow_up_id, limit=1)):
        # It has forgotten the follow-up but not its runs: a fence that came again could not store its result.
        new = replace(new, fence=left[0].fence)
    return _store(world, asker, wish, Swap(old, new) if old else Add(new), new, conditions)


def _store(
    world: World, asker: Asker, wish: Wish, change: Change, new: FollowUp, conditions: tuple[Change, ...]
) -> Created:
    for _ in range(RACES):
        place, notes = _take_place(world, asker, new)
        # Who takes its own run's place is held to that run's being live by the change of it.
        live = [it for it in conditions if key_of(it) not in {key_of(other) for other in place}]
        try:
            world.store.commit(change, *place, *live, *_quota(world, new, place))
        except Conflict as conflict:
            if any(key_of(it) == new.key for it in conflict.failed if isinstance(it, Add | Swap)):
                return _created_by_another(world, new, conflict)
            _refuse(world, asker, new, conflict)
            continue
        told = preview.preview(wish.when)
        told = replace(told, warnings=told.warnings + notes)
        return Created(follow_up=claim_now(world, new), replayed=False, preview=told)
    raise StoreBusy(f"others make follow-ups with the replace_key {new.replace_key} at this moment; try again")


def _quota(world: World, new: FollowUp, place: tuple[Change, ...]) -> tuple[Change, ...]:
    """Gives the change that counts it as open; one that takes another's place takes that one's count as well."""
    freed = any(closing(it) for it in place if isinstance(it, Swap))
    if new.counted and not freed:
        return (Spend(ids.quota_key(new.owner), 1, world.limits.max_open),)
    if freed and not new.counted:
        return (Spend(ids.quota_key(new.owner), -1, MAX_QUOTA),)
    return ()


def _wish(world: World, request: Request, at: datetime, *, allow_commands: bool) -> Wish:
    """Gives the request checked and understood. Raises Invalid."""
    if request.test:
        task, found = request.task or "", When(text="now", due_at=at, local=None, timezone=request.timezone)
    elif request.text is not None:
        task, found = when.read_sentence(request.text, at=at, timezone=request.timezone)
    else:
        task, found = request.task or "", when.parse(request.when or "", at=at, timezone=request.timezone)
    agent = _known_agent(world, request.agent)
    if agent.kind == "checklist":
        checklist.parse(request.message, allow_commands=allow_commands)
    policy = None if request.late is None else policies.read_late(request.late)
    stagger_s = None if request.stagger is None else policies.read_stagger(request.stagger)
    if stagger_s:
        check_stagger(found, stagger_s)
    until_met = _until_met(request, found, at)
    verdicts.check(kind=agent.kind, due_at=found.due_at, recurs=found.rule is not None, **until_met)
    return Wish(
        agent=agent.name, task=task, message=request.message, when=found, report_to=request.report_to,
        max_attempts=request.max_attempts or agent.max_attempts, late=None if policy == RUN_ONCE else policy,
        stagger_s=stagger_s, replace_key=request.replace_key, test=request.test, **until_met,
    )  # fmt: skip


def _until_met(request: Request, found: When, at: datetime) -> dict[str, Any]:
    """Gives what is said of when it is a success. Raises Invalid."""
    ladder, end, give_up_at = request.retry_until_met, request.give_up_at, None
    if end is not None:
        give_up_at = when.put_off(end, base=found.due_at, at=at, timezone=found.timezone, field="give_up_at")
    return {
        "done_when": request.done_when, "give_up_at": give_up_at,
        "ladder": None if ladder is None else policies.read_ladder(ladder),
    }  # fmt: skip


def _no_sooner(found: When, at: datetime) -> When:
    """Gives the time at which a child may be due."""
    earliest = lineage.earliest_child(found.due_at, at)
    if earliest == found.due_at:
        return found
    note = f"moved to {format_instant(earliest, found.timezone)}: what an agent creates is due in 5 minutes at the soonest"
    return replace(found, due_at=earliest, local=None, notes=(*found.notes, note))


def _take_place(world: World, asker: Asker, new: FollowUp) -> tuple[tuple[Change, ...], tuple[str, ...]]:
    """Gives the changes by which it goes by its name, in the place of the one that did, and what to say of that.

    Raises Forbidden: an agent may take the place of what its own tree made.
    """
    if new.replace_key is None:
        return (), ()
    name = world.store.get(Named, ids.name_key(new.owner, new.replace_key))
    named = Named(
        owner=new.owner, replace_key=new.replace_key, follow_up_id=new.id, version=name.version + 1 if name else 1,
        write_id=world.chance.new_id(),
    )  # fmt: skip
    naming = Swap(name, named) if name else Add(named)
    old = world.follow_up(new.owner, name.follow_up_id) if name and name.follow_up_id != new.id else None
    way = editing.make_way(old, new.id, at=new.created_at, write_id=world.chance.new_id()) if old else None
    if old is None or way is None:
        return (naming,), ()
    if asker.token is not None and old.id == asker.token.follow_up_id:
        # Its change stands for the condition that the run is live: so it must be, as it was read.
        live_parent(old, asker.token)
    if old.root != new.root and asker.token is not None:
        detail = f"{new.replace_key!r} is the name of a follow-up that this run's tree did not make"
        raise Forbidden("not_with_run_token", detail, field="replace_key")
    return (naming, way), (f"it takes the place of {old.id}, which was {old.status}",)


def _known_agent(world: World, name: str) -> Agent:
    if agent := world.agent(name):
        return agent
    names = [*BUILTIN, *(agent.name for agent in world.store.agents())]
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5) or names[:5]
    detail = (
        f"no agent is called {name[:60]!r}; there is {', '.join(near)}{' and others' if len(near) < len(names) else ''}"
    )
    raise Invalid("unknown_agent", detail, field="agent")


def _replay(old: FollowUp, digest: str) -> Created:
    if old.request_hash != digest:
        raise Invalid("idempotency_key_reused", "this Idempotency-Key was used for another request; take a new one")
    return Created(follow_up=old, replayed=True, preview=preview.of(old))


def _descent(world: World, asker: Asker, child_id: str) -> tuple[Lineage | None, tuple[Change, ...]]:
    if asker.token is None:
        return None, ()
    limits = world.limits
    parent = world.follow_up(asker.token.owner, asker.token.follow_up_id)
    try:
        family = lineage.descend(parent, asker.token, max_depth=limits.max_depth)
    except WrongState as refusal:
        note_refusal(world, asker.token, refusal.detail)
        raise
    assert parent is not None
    return family, lineage.conditions(parent, child_id, max_descendants=limits.max_descendants)


def _created_by_another(world: World, new: FollowUp, conflict: Conflict) -> Created:
    if old := world.follow_up(new.owner, new.id):
        return _replay(old, new.request_hash)
    raise StoreBusy("the follow-up was written and removed meanwhile; try again") from conflict


def _refuse(world: World, asker: Asker, new: FollowUp, conflict: Conflict) -> None:
    """Raises what refuses the creation for good: a run that may not create, or not any more, or a spent quota."""
    limits, failed = world.limits, conflict.failed
    refusal: WrongState | None = None
    if any(isinstance(it, TakeSlot) for it in failed):
        refusal = lineage.no_budget(limits.max_descendants)
    elif any(isinstance(it, Live) for it in failed):
        raise Forbidden("run_not_live", "the run that this token belongs to has ended") from conflict
    elif any(isinstance(it, Spend) and it.key == ids.quota_key(new.owner) for it in failed):
        detail = f"{limits.max_open} follow-ups are open, which is as many as one owner may have; cancel some first"
        refusal = WrongState("quota_active", detail, retryable=False, hint=lineage.NO_MORE if asker.token else None)
    if refusal is not None:
        if asker.token is not None:
            note_refusal(world, asker.token, refusal.detail)
        raise refusal from conflict
