"""Entities as plain items and back, for both stores; and what the indexes hold, in this one place.

An item is read by people in the AWS console: times as ISO text, statuses in words, nothing packed. Only what an index
orders by (`wake_at`) and what DynamoDB's TTL reads (`expires_at`) is a number.
"""

import types
import zlib
from collections.abc import Callable, Mapping
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from enum import Enum
from functools import cache
from typing import Any, Union, get_args, get_origin, get_type_hints

from followups.domain.entities import Agent, Control, Entity, FollowUp, Named, Run
from followups.domain.errors import UnreadableItem
from followups.domain.late import WIDEST, allowed
from followups.domain.rule import Rule
from followups.domain.status import CLOSED
from followups.domain.verdicts import check_ladder
from followups.domain.zones import known_zone

Item = dict[str, Any]
AGENTS_OWNER_KEY = "AGENTS"
KINDS: dict[str, type[Entity]] = {"follow-up": FollowUp, "run": Run, "agent": Agent, "control": Control, "name": Named}
_NAMES = {kind: name for name, kind in KINDS.items()}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST, _LAST = datetime(1, 1, 3, tzinfo=UTC), datetime(9999, 12, 29, tzinfo=UTC)
#: What an item has beside its entity's fields.
_DERIVED = frozenset({"pk", "sk", "type", "wake_at_text", "expires_at_text", "wake_shard", "owner_key", "list_key"})
#: What is never taken from a default: conditions and bounds rest on it. Another field that is missing is one that a later
#: version added, and its default is what the item means.
_NEEDED = frozenset({"status", "fence", "attempt", "sends", "report_status", "version", "write_id", "stopped"})


def epoch_ms(moment: datetime) -> int:
    """Gives whole milliseconds since 1970 in UTC."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def shard_of(pk: str, shards: int) -> int:
    """Gives the partition of the due index, the same on every machine."""
    return zlib.crc32(pk.encode()) % shards


def list_range(group: str) -> tuple[str, str]:
    """Gives the range [low, high) of list keys of a group: `open`, `closed` or `all`. Open ones sort first."""
    return {"open": ("1-open#", "1-open$"), "closed": ("2-closed#", "2-closed$"), "all": ("1", "3")}[group]


def to_item(entity: Entity, *, shards: int = 1) -> Item:
    """Gives the entity as an item: keys, type, fields that are not None, and what the indexes hold."""
    item: Item = {"pk": entity.key.pk, "sk": entity.key.sk, "type": _NAMES[type(entity)]}
    for field in fields(entity):
        value = getattr(entity, field.name)
        if value is not None:
            item[field.name] = _plain(value)
    if isinstance(entity, FollowUp | Run):
        if entity.wake_at is not None:
            item |= {"wake_at": epoch_ms(entity.wake_at), "wake_at_text": iso(entity.wake_at)}
            item["wake_shard"] = shard_of(entity.key.pk, shards)
        if entity.expires_at is not None:
            item |= {"expires_at": epoch_ms(entity.expires_at) // 1000, "expires_at_text": iso(entity.expires_at)}
    if isinstance(entity, FollowUp):
        group = "2-closed" if entity.status in CLOSED else "1-open"
        item |= {"owner_key": entity.owner, "list_key": f"{group}#{iso(entity.planned_at)}#{entity.id}"}
    elif isinstance(entity, Agent):
        item |= {"owner_key": AGENTS_OWNER_KEY, "list_key": entity.name}
    return item


def from_item(item: Mapping[str, Any]) -> Entity:
    """Gives the entity. Raises UnreadableItem for an item of another form, also a newer one: what is not understood is
    not rewritten."""
    if not isinstance(item, Mapping):
        raise UnreadableItem(f"a stored document is no object but {item!r:.60}")
    name = str(item.get("type"))
    kind = KINDS.get(name)
    if kind is None:
        raise UnreadableItem(f"{_name(item)} is of unknown type {name[:40]!r}")
    readers = _readers(name)
    if unknown := sorted(item.keys() - readers.keys() - _DERIVED):
        raise UnreadableItem(f"{_name(item)} has fields this version does not know: {', '.join(unknown)[:100]}")
    if missing := sorted((_NEEDED & readers.keys()) - item.keys()):
        raise UnreadableItem(f"{_name(item)} lacks {', '.join(missing)}")
    values: dict[str, Any] = {**_absent(name)}
    for field, raw in item.items():
        if field in _DERIVED or raw is None:
            continue
        # DynamoDB's TTL wants whole seconds; the text beside them has the milliseconds.
        raw = item.get("expires_at_text", raw) if field == "expires_at" else raw
        try:
            values[field] = readers[field](raw)
        except (TypeError, ValueError, OverflowError) as error:
            raise UnreadableItem(f"{_name(item)} has a wrong {field}: {raw!r:.60}") from error
    try:
        entity = kind(**values)
    except (TypeError, ValueError) as error:
        raise UnreadableItem(f"{_name(item)}: {error}") from error
    if entity.key != (item.get("pk"), item.get("sk")):
        raise UnreadableItem(f"{_name(item)} lies under a key that is not its own, {entity.key.pk} {entity.key.sk}")
    return entity


def iso(moment: datetime) -> str:
    """Gives the instant as ISO text in UTC with milliseconds: it sorts as it follows in time."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, Enum):
        return value.value
    return list(value) if isinstance(value, tuple) else value


def _name(item: Mapping[str, Any]) -> str:
    return f"item {item.get('pk')} {item.get('sk')}"


@cache
def _readers(name: str) -> dict[str, Callable[[Any], Any]]:
    """Gives the reader of each field of a type."""
    hints = get_type_hints(KINDS[name])
    readers = {it.name: _reader(hints[it.name]) for it in fields(KINDS[name])}
    # What the index orders by is what counts: who moves an item by hand in the console writes this number.
    exact = {"wake_at": _from_epoch_ms, "rule": _rule, "timezone": _zone, "late": _late, "stagger_s": _stagger}
    exact["ladder"] = _ladder
    exact |= dict.fromkeys(("anchor", "due_wall"), _wall_time)
    return readers | {field: reader for field, reader in exact.items() if field in readers}


@cache
def _absent(name: str) -> dict[str, None]:
    """Gives the fields of a type that may be missing, as they are then."""
    hints = get_type_hints(KINDS[name])
    return {it.name: None for it in fields(KINDS[name]) if type(None) in get_args(hints[it.name])}


def _reader(hint: Any) -> Callable[[Any], Any]:
    if get_origin(hint) in (Union, types.UnionType):
        hint = next(part for part in get_args(hint) if part is not type(None))
    if hint is datetime:
        return _instant
    if get_origin(hint) is tuple:
        return _texts
    if isinstance(hint, type) and issubclass(hint, Enum):
        return hint
    return lambda value: _exactly(hint, value)


def _instant(value: Any) -> datetime:
    moment = datetime.fromisoformat(_exactly(str, value))
    if moment.tzinfo is None:
        raise ValueError(f"{value!r} has no zone")
    return _in_the_calendar(moment.astimezone(UTC))


def _from_epoch_ms(value: Any) -> datetime:
    return _in_the_calendar(_EPOCH + timedelta(milliseconds=_exactly(int, value)))


def _in_the_calendar(moment: datetime) -> datetime:
    # In some zone, the first and the last days of all would lie beyond it.
    if not _FIRST <= moment <= _LAST:
        raise ValueError(f"{moment} is on the edge of the calendar")
    return moment


def _rule(value: Any) -> str:
    """Gives the rule as it stands. One that this version does not know, of a later one say, is not half understood."""
    return str(Rule.parse(_exactly(str, value)))


def _zone(value: Any) -> str:
    return known_zone(_exactly(str, value)).key


def _stagger(value: Any) -> int:
    if not 0 <= _exactly(int, value) <= WIDEST.seconds:
        raise ValueError(f"{value!r} is not between 0 and {WIDEST.seconds}")
    return int(value)


def _late(value: Any) -> str:
    allowed(_exactly(str, value))
    return str(value)


def _ladder(value: Any) -> str:
    check_ladder(_exactly(str, value))
    return str(value)


def _wall_time(value: Any) -> str:
    if datetime.fromisoformat(_exactly(str, value)).tzinfo is not None:
        raise ValueError(f"{value!r} has a zone, and is to be wall time")
    return str(value)


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(_exactly(str, part) for part in _exactly(list, value))


def _exactly(kind: Any, value: Any) -> Any:
    # bool is an int to Python, and never to us.
    if type(value) is not kind:
        raise TypeError(f"{value!r} is no {kind.__name__}")
    return value
