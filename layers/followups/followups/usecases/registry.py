"""What operators do: register agents, and stop everything."""

from dataclasses import dataclass, replace

from followups.domain import ids
from followups.domain.changes import Add, Remove, Swap
from followups.domain.entities import Agent, Control
from followups.domain.errors import Conflict, Invalid, NotFound, StoreBusy, WrongState
from followups.usecases.world import BUILTIN, World

NAME = ids.AGENT_NAME
_RACES = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class Registration:
    """An agent as an operator describes it; the form of each field is checked before."""

    kind: str
    command: tuple[str, ...] = ()
    target: str | None = None
    mode: str | None = None
    timeout_s: int = 600
    max_concurrency: int = 1
    rerun_safe: bool = False
    max_attempts: int = 3


def put_agent(world: World, name: str, wanted: Registration) -> Agent:
    """Registers the agent, or replaces what was registered under its name. Raises Invalid, WrongState, StoreBusy."""
    if not NAME.fullmatch(name):
        example = "write it like @backup: an @, then up to 39 of a-z 0-9 . _ -"
        raise Invalid("invalid_agent_name", f"{name[:60]!r} is no agent's name; {example}", field="name")
    _refuse_builtin(name)
    for _ in range(_RACES):
        old = world.store.get(Agent, ids.agent_key(name))
        if old is not None and (old.kind, old.mode) != (wanted.kind, wanted.mode) and world.store.slots(old.slots_key):
            # Its live runs are asked for where they were started.
            raise WrongState("in_progress", f"{name} has runs in progress; its kind can be changed when they have ended")
        new = Agent(
            name=name, kind=wanted.kind, command=wanted.command, target=wanted.target, mode=wanted.mode,
            timeout_s=wanted.timeout_s, max_concurrency=wanted.max_concurrency, rerun_safe=wanted.rerun_safe,
            max_attempts=wanted.max_attempts, disabled=old.disabled if old else None,
            asked_at=old.asked_at if old else None, created_at=old.created_at if old else world.clock.now(),
            version=old.version + 1 if old else 1, write_id=world.chance.new_id(),
        )  # fmt: skip
        try:
            world.store.commit(Swap(old, new) if old else Add(new))
        except Conflict:
            continue
        return new
    raise StoreBusy(f"agent {name} is being changed by others; try again")


def get_agent(world: World, name: str) -> Agent:
    """Gives the agent. Raises NotFound."""
    if agent := world.agent(name):
        return agent
    raise NotFound("not_found", f"there is no agent {name[:60]}")


def list_agents(world: World) -> list[Agent]:
    """Gives all agents, built-in ones first."""
    return [*BUILTIN.values(), *world.store.agents()]


def disable(world: World, name: str, why: str | None) -> Agent:
    """Takes an agent out of use, or with None back into it: what names it waits, as blocked. What runs runs on.

    Raises NotFound, WrongState, StoreBusy.
    """
    _refuse_builtin(name)
    for _ in range(_RACES):
        old = get_agent(world, name)
        if old.disabled == why:
            return old
        new = replace(old, disabled=why, version=old.version + 1, write_id=world.chance.new_id())
        try:
            world.store.commit(Swap(old, new))
        except Conflict:
            continue
        return new
    raise StoreBusy(f"agent {name} is being changed by others; try again")


def remove_agent(world: World, name: str) -> None:
    """Removes the agent; what still names it fails at its time, and its report says so. Raises NotFound, WrongState."""
    _refuse_builtin(name)
    for _ in range(_RACES):
        try:
            world.store.commit(Remove(get_agent(world, name)))
        except Conflict:
            continue
        return
    raise StoreBusy(f"agent {name} is being changed by others; try again")


def switch(world: World, *, stopped: bool, reason: str | None) -> Control:
    """Turns the kill switch: while it is on nothing starts; what runs runs on, and reports go out."""
    for _ in range(_RACES):
        old = world.store.get(Control, ids.CONTROL_KEY)
        new = Control(
            stopped=stopped, reason=reason if stopped else None, changed_at=world.clock.now(),
            write_id=world.chance.new_id(),
        )  # fmt: skip
        try:
            world.store.commit(Swap(old, replace(new, version=old.version + 1)) if old else Add(new))
        except Conflict:
            continue
        return new
    raise StoreBusy("the kill switch is being turned by others; try again")


def _refuse_builtin(name: str) -> None:
    if name in BUILTIN:
        raise WrongState("builtin_agent", f"{name} is built in and cannot be changed")
