"""The store of the simulation: items in memory, with the semantics of `commit` that the contract suite holds every store
to, and indexes that lag behind as a real one's do."""

import heapq
import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from followups.adapters import codec
from followups.domain import ids
from followups.domain.census import Count, SlotSet
from followups.domain.changes import (
    Add,
    Change,
    FreeSlot,
    Live,
    Remove,
    SetAside,
    Spend,
    Swap,
    TakeSlot,
    refuse_doubles,
)
from followups.domain.entities import Agent, Entity, FollowUp, Run, Unreadable
from followups.domain.errors import Conflict, UnreadableItem
from followups.domain.ids import Key
from followups.domain.status import Status
from followups.ports import E, Listing


@dataclass(frozen=True, kw_only=True, slots=True)
class Stored:
    """One item: an entity, or what was spoiled and cannot be read (`raw`, and why)."""

    key: Key
    version: int
    write_id: str
    poison: int = 0
    wake_at: datetime | None = None
    entity: Entity | None = None
    raw: Mapping[str, Any] | None = None
    error: str = ""


def stored(entity: Entity) -> Stored:
    """Gives the entity as it is kept."""
    waking = isinstance(entity, FollowUp | Run)
    return Stored(
        key=entity.key, version=entity.version, write_id=entity.write_id, entity=entity,
        wake_at=entity.wake_at if waking else None, poison=entity.poison if waking else 0,
    )  # fmt: skip


#: Told of a commit that happened: what each item was before and is now.
Watch = Callable[[Mapping[Key, Stored | None], Mapping[Key, Stored | None]], None]


class Tables:
    """All that is stored, and the indexes as they show it: `lag` gives the milliseconds that an index is behind a write."""

    def __init__(self, *, now: Callable[[], int] = lambda: 0, lag: Callable[[], int] = lambda: 0) -> None:
        self.items: dict[Key, Stored] = {}
        self.slots: dict[Key, set[str]] = {}
        self.counters: dict[Key, int] = {}
        self.watch: Watch | None = None
        self._now, self._lag = now, lag
        self._shown: dict[Key, Stored] = {}
        self._behind: list[tuple[int, int, Key, Stored | None]] = []
        self._order = itertools.count()
        self._last: dict[Key, int] = {}

    def commit(self, changes: tuple[Change, ...]) -> None:
        """Makes all changes or none. Raises Conflict with those whose condition failed, a Swap or Add first."""
        refuse_doubles(changes)
        if any(self._is_written(change) for change in changes):
            return
        failed = [change for change in changes if not self._holds(change)]
        if failed:
            raise Conflict(sorted(failed, key=lambda change: not isinstance(change, Swap | Add)))
        before: dict[Key, Stored | None] = {}
        for change in changes:
            self._make(change, before)
        self._tell(before)

    def replace(self, items: Mapping[Key, Stored | None]) -> None:
        """Takes over what a store of its own has written."""
        before = {key: self.items.get(key) for key in items}
        for key, item in items.items():
            if item is None:
                self.items.pop(key, None)
            else:
                self.items[key] = item
        self._tell(before)

    def _tell(self, before: Mapping[Key, Stored | None]) -> None:
        after = {key: self.items.get(key) for key in before}
        for key, item in after.items():
            self._show_later(key, item)
        if self.watch:
            self.watch(before, after)

    def put(self, item: Stored) -> None:
        """Puts an item past all conditions."""
        self.items[item.key] = self.shown()[item.key] = item

    def shown(self) -> dict[Key, Stored]:
        """Gives the items as the indexes show them now."""
        while self._behind and self._behind[0][0] <= self._now():
            _, _, key, item = heapq.heappop(self._behind)
            if item is None:
                self._shown.pop(key, None)
            else:
                self._shown[key] = item
        return self._shown

    def _show_later(self, key: Key, item: Stored | None) -> None:
        # An index follows the writes of one item in their order.
        when = max(self._now() + self._lag(), self._last.get(key, 0))
        self._last[key] = when
        heapq.heappush(self._behind, (when, next(self._order), key, item))

    def _is_written(self, change: Change) -> bool:
        if not isinstance(change, Swap | Add):
            return False
        entity = change.new if isinstance(change, Swap) else change.entity
        item = self.items.get(entity.key)
        return item is not None and item.write_id == entity.write_id

    def _holds(self, change: Change) -> bool:
        match change:
            case Swap(old, new):
                item = self.items.get(new.key)
                return item is not None and item.version == old.version
            case Add(entity):
                return entity.key not in self.items
            case TakeSlot(key, member, cap):
                members = self.slots.get(key, set())
                return member in members or len(members) < cap
            case FreeSlot():
                return True
            case Spend(key, amount, limit):
                return self.counters.get(key, 0) + amount <= limit
            case Live(key, fence):
                return _is_live(self.items.get(key), fence)
            case Remove(entity):
                item = self.items.get(entity.key)
                return item is not None and item.version == entity.version
            case SetAside(key, version):
                item = self.items.get(key)
                return item is not None and item.version == version

    def _make(self, change: Change, before: dict[Key, Stored | None]) -> None:
        match change:
            case Swap(_, entity) | Add(entity):
                before[entity.key] = self.items.get(entity.key)
                self.items[entity.key] = stored(entity)
            case TakeSlot(key, member, _):
                self.slots.setdefault(key, set()).add(member)
            case FreeSlot(key, member):
                self.slots.get(key, set()).discard(member)
            case Spend(key, amount, _):
                self.counters[key] = self.counters.get(key, 0) + amount
            case Remove(entity):
                before[entity.key] = self.items.pop(entity.key)
            case SetAside(key, version, wake_at):
                item = before[key] = self.items[key]
                moved = {"version": version + 1, "poison": item.poison + 1, "wake_at": wake_at}
                entity = replace(item.entity, **moved) if isinstance(item.entity, FollowUp | Run) else item.entity
                self.items[key] = replace(item, entity=entity, **moved)


class SimStore:
    """The Store port over the tables; no time passes and nothing goes wrong here."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def commit(self, *changes: Change) -> None:
        self._tables.commit(changes)

    def get(self, kind: type[E], key: Key) -> E | None:
        item = self._tables.items.get(key)
        if item is None:
            return None
        if not isinstance(item.entity, kind):
            what = type(item.entity).__name__
            raise UnreadableItem(item.error or f"{key.pk} {key.sk} is a {what}, not a {kind.__name__}")
        return item.entity

    def due(self, until: datetime, *, line: int | None = None) -> Iterator[FollowUp | Run | Unreadable]:
        waking = [it for it in self._tables.shown().values() if it.wake_at is not None and it.wake_at <= until]
        found = [_due(it) for it in sorted(waking, key=lambda it: (it.wake_at, it.key))]
        return iter(found if line is None else _without_the_rest(found, line))

    def list_follow_ups(self, owner: str, *, group: str, after: str | None, limit: int) -> Listing:
        low, high = codec.list_range(group)
        found = []
        for item in self._tables.shown().values():
            entity, raw = item.entity, item.raw
            if isinstance(entity, FollowUp):
                raw = codec.to_item(entity) if entity.owner == owner else None
            if raw and raw.get("owner_key") == owner and low <= raw["list_key"] < high and raw["list_key"] > (after or ""):
                found.append((raw["list_key"], entity))
        found.sort(key=lambda pair: pair[0])
        page = [entity for _, entity in found[:limit] if isinstance(entity, FollowUp)]
        return page, found[limit - 1][0] if len(found) > limit else None

    def runs(self, owner: str, follow_up_id: str, *, limit: int) -> list[Run]:
        pk = ids.follow_up_key(owner, follow_up_id).pk
        found = [it for it in self._tables.items.values() if it.key.pk == pk and it.key.sk.startswith("RUN#")]
        latest = sorted(found, key=lambda it: it.key, reverse=True)[:limit]
        return [it.entity for it in latest if isinstance(it.entity, Run)]

    def agents(self) -> list[Agent]:
        found = [it.entity for it in self._tables.shown().values() if isinstance(it.entity, Agent)]
        return sorted(found, key=lambda agent: agent.name)

    def everything(self) -> Iterator[Entity | SlotSet | Count | Unreadable]:
        """Gives each item as it is when it is asked for: no snapshot."""
        tables = self._tables
        for key in sorted(tables.items):
            if item := tables.items.get(key):
                yield item.entity or _due(item)
        for key in sorted(tables.slots):
            if members := tables.slots[key]:
                yield SlotSet(key=key, members=frozenset(members))
        for key in sorted(tables.counters):
            yield Count(key=key, spent=tables.counters[key])

    def slots(self, key: Key) -> frozenset[str]:
        return frozenset(self._tables.slots.get(key, ()))


def _is_live(item: Stored | None, fence: int) -> bool:
    if item is None or item.entity is None:
        # What cannot be read has its attributes all the same, as in a table.
        raw = item.raw if item and item.raw else {}
        return (raw.get("status"), raw.get("fence")) == (Status.RUNNING.value, fence)
    it = item.entity
    return isinstance(it, FollowUp) and it.status is Status.RUNNING and it.fence == fence


def _without_the_rest(found: list[FollowUp | Run | Unreadable], line: int) -> list[FollowUp | Run | Unreadable]:
    """Leaves out all that may be left out: of those that are scheduled, whoever may start later than so many others of the
    same agent. One that is to be looked at before its start stands in no line."""
    lines: dict[str, list[FollowUp]] = {}
    for it in found:
        if isinstance(it, FollowUp) and it.status is Status.SCHEDULED and it.wake_at and it.wake_at >= it.start_at:
            lines.setdefault(it.agent, []).append(it)
    left_out = {
        it.key for waiting in lines.values() for it in sorted(waiting, key=lambda it: (it.start_at, it.created_at))[line:]
    }
    return [it for it in found if it.key not in left_out]


def _due(item: Stored) -> FollowUp | Run | Unreadable:
    if isinstance(item.entity, FollowUp | Run):
        return item.entity
    error = item.error or "it is never due"
    return Unreadable(key=item.key, version=item.version, poison=item.poison, error=error)
