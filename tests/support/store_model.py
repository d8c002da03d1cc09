"""The store contract as a few dicts: what a commit does or whom it refuses, and what each read then gives."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from followups.domain.census import Count, SlotSet, Stored
from followups.domain.changes import Add, Change, FreeSlot, Live, Remove, SetAside, Spend, Swap, TakeSlot
from followups.domain.entities import Agent, Entity, FollowUp, Run, Unreadable
from followups.domain.ids import Key
from followups.domain.status import CLOSED, Status

#: What is seen of a stored thing past the store: (version, write id), a set's members, or what was spent.
Seen = tuple[int, str] | frozenset[str] | int
Place = tuple[int, datetime, str]


class ModelStore:
    """What a store over these items must hold and answer."""

    def __init__(self) -> None:
        self.entities: dict[Key, Entity] = {}
        #: Under these keys lies what no store can read.
        self.spoiled: set[Key] = set()
        self.members: dict[Key, frozenset[str]] = {}
        self.spent: dict[Key, int] = {}
        #: All that was ever stored, by key, oldest first.
        self.history: dict[Key, list[Entity]] = {}

    def commit(self, *changes: Change) -> tuple[Change, ...]:
        """Gives the changes that are refused, a swap or add first; if there are none, all are made."""
        if any(self._is_ours(change) for change in changes):
            return ()
        failed = [change for change in changes if not self._holds(change)]
        for change in () if failed else changes:
            self._do(change)
        return tuple(sorted(failed, key=lambda change: not isinstance(change, Swap | Add)))

    def _is_ours(self, change: Change) -> bool:
        match change:
            case Swap(_, entity) | Add(entity):
                stored = self.entities.get(entity.key)
                return stored is not None and stored.write_id == entity.write_id
        return False

    def _holds(self, change: Change) -> bool:
        match change:
            case Swap(old, _) | Remove(old):
                return self._version(old.key) == old.version
            case Add(entity):
                return entity.key not in self.entities
            case TakeSlot(key, member, cap):
                members = self.members.get(key, frozenset())
                return member in members or len(members) < cap
            case Spend(key, amount, limit):
                return self.spent.get(key, 0) + amount <= limit
            case Live(key, fence):
                parent = self.entities.get(key)
                return isinstance(parent, FollowUp) and (parent.status, parent.fence) == (Status.RUNNING, fence)
            case SetAside(key, version, _):
                return self._version(key) == version
        return True

    def _do(self, change: Change) -> None:
        match change:
            case Swap(_, entity) | Add(entity):
                self.spoiled.discard(entity.key)
                self._put(entity)
            case Remove(entity):
                self.spoiled.discard(entity.key)
                del self.entities[entity.key]
            case TakeSlot(key, member, _):
                self.members[key] = self.members.get(key, frozenset()) | {member}
            case FreeSlot(key, member):
                self.members[key] = self.members.get(key, frozenset()) - {member}
            case Spend(key, amount, _):
                self.spent[key] = self.spent.get(key, 0) + amount
            case SetAside(key, version, wake_at):
                old = self.entities[key]
                assert isinstance(old, FollowUp | Run)
                self._put(replace(old, version=version + 1, poison=old.poison + 1, wake_at=wake_at))

    def _put(self, entity: Entity) -> None:
        self.entities[entity.key] = entity
        self.history.setdefault(entity.key, []).append(entity)

    def _version(self, key: Key) -> int | None:
        stored = self.entities.get(key)
        return stored.version if stored else None

    def seen(self) -> dict[Key, Seen]:
        """Gives what is stored, as `seen` gives it of a bed."""
        entities: dict[Key, Seen] = {key: (it.version, it.write_id) for key, it in self.entities.items()}
        return entities | {key: it for key, it in self.members.items() if it} | self.spent

    def due(self, until: datetime) -> dict[Key, FollowUp | Run | Unreadable]:
        """Gives what needs a look by then."""
        waiting = [it for it in self.entities.values() if isinstance(it, FollowUp | Run)]
        return {it.key: self._as_found(it) for it in waiting if it.wake_at is not None and it.wake_at <= until}

    def may_be_left_out(self, key: Key, found: Iterable[Key], line: int) -> bool:
        """Says whether one that is due may be missing among those found: it waits, and so many others of its agent that
        may start no later are there."""
        missing = self.entities[key]
        if not (isinstance(missing, FollowUp) and missing.status is Status.SCHEDULED):
            return False
        others = [it for it in map(self.entities.__getitem__, found) if isinstance(it, FollowUp)]
        waiting = [it for it in others if it.status is Status.SCHEDULED and it.agent == missing.agent]
        return sum(it.start_at <= missing.start_at for it in waiting) >= line

    def everything(self) -> dict[Key, Stored]:
        """Gives all that is stored, by key."""
        found: dict[Key, Stored] = {key: self._as_found(it) for key, it in self.entities.items()}
        found |= {key: SlotSet(key=key, members=it) for key, it in self.members.items() if it}
        return found | {key: Count(key=key, spent=it) for key, it in self.spent.items()}

    def _as_found(self, it: Any) -> Any:
        poison = getattr(it, "poison", 0)
        return Unreadable(key=it.key, version=it.version, poison=poison) if it.key in self.spoiled else it

    def looks_at(self, key: Key) -> datetime:
        """Gives when something that is due needs its look."""
        it = self.entities[key]
        assert isinstance(it, FollowUp | Run) and it.wake_at is not None
        return it.wake_at

    def page(self, owner: str, group: str, after: Place | None, limit: int) -> tuple[list[FollowUp], Place | None]:
        """Gives a page of a list and its last place, or None at the list's end. What cannot be read has its place too."""
        own = [it for it in self.entities.values() if isinstance(it, FollowUp) and it.owner == owner]
        line = sorted(((place(it), it) for it in own if group in ("all", _group(it))), key=lambda pair: pair[0])
        rest = [(where, it) for where, it in line if after is None or where > after]
        found = [it for _, it in rest[:limit] if it.key not in self.spoiled]
        return found, rest[limit - 1][0] if len(rest) > limit else None

    def runs(self, owner: str, follow_up_id: str, limit: int) -> list[Run]:
        """Gives the latest runs, newest first. What cannot be read counts among them and is left out."""
        records = [it for it in self.entities.values() if isinstance(it, Run)]
        own = [it for it in records if (it.owner, it.follow_up_id) == (owner, follow_up_id)]
        latest = sorted(own, key=lambda it: it.fence, reverse=True)[:limit]
        return [it for it in latest if it.key not in self.spoiled]

    def agents(self) -> list[Agent]:
        """Gives the agents that can be read, by name."""
        found = [it for it in self.entities.values() if isinstance(it, Agent) and it.key not in self.spoiled]
        return sorted(found, key=lambda it: it.name)


def place(it: FollowUp) -> Place:
    """Gives where a follow-up stands in its owner's list: the open ones first, the soonest first."""
    return int(it.status in CLOSED), it.due_at, it.id


def seen(items: Mapping[Key, Mapping[str, Any]]) -> dict[Key, Seen]:
    """Takes a bed's items; gives what of them tells one commit from another."""
    return {key: _seen(it) for key, it in items.items()}


def without_error(found: Iterable[Any]) -> list[Any]:
    """Gives what was found, the words in which each store says what it cannot read left out."""
    return [replace(it, error="") if isinstance(it, Unreadable) else it for it in found]


def _seen(item: Mapping[str, Any]) -> Seen:
    if "members" in item:
        return frozenset(item["members"])
    return int(item["spent"]) if "spent" in item else (item["version"], item["write_id"])


def _group(it: FollowUp) -> str:
    return "closed" if it.status in CLOSED else "open"
