"""Changes as conditional statements inside a SQLite transaction."""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from followups.adapters import codec
from followups.domain.changes import Add, Change, FreeSlot, Live, Remove, SetAside, Spend, Swap, TakeSlot, key_of
from followups.domain.entities import Entity
from followups.domain.errors import Conflict
from followups.domain.ids import Key
from followups.domain.status import Status

_PUT = """
    INSERT OR REPLACE INTO items (pk, sk, version, write_id, wake_at, poison, owner_key, list_key, doc)
    VALUES (:pk, :sk, :version, :write_id, :wake_at, :poison, :owner_key, :list_key, :doc)
"""


def write(db: sqlite3.Connection, changes: Sequence[Change]) -> None:
    """Makes all changes inside the transaction. Raises Conflict for those whose condition failed: then undo the others."""
    if any(_is_written(db, change) for change in changes):
        return  # The answer to our own transaction was lost: all of it happened.
    failed = [change for change in changes if not _apply(db, change)]
    if failed:
        raise Conflict(sorted(failed, key=lambda change: not isinstance(change, Swap | Add)))


def _apply(db: sqlite3.Connection, change: Change) -> bool:
    """Makes one change inside the transaction; says whether its condition held."""
    key = key_of(change)
    match change:
        case Swap(old, new):
            return _put(db, new, expected=old.version)
        case Add(entity):
            return _put(db, entity, expected=None)
        case TakeSlot(_, member, cap):
            members = {it for (it,) in db.execute("SELECT member FROM slots WHERE pk = ? AND sk = ?", key)}
            if member not in members and len(members) >= cap:
                return False
            db.execute("INSERT OR IGNORE INTO slots VALUES (?, ?, ?)", (*key, member))
        case FreeSlot(_, member):
            db.execute("DELETE FROM slots WHERE pk = ? AND sk = ? AND member = ?", (*key, member))
        case Spend(_, amount, limit, _):
            row = db.execute("SELECT n FROM counters WHERE pk = ? AND sk = ?", key).fetchone()
            total = (row[0] if row else 0) + amount
            if total > limit:
                return False
            db.execute("INSERT OR REPLACE INTO counters VALUES (?, ?, ?)", (*key, total))
        case Live(_, fence):
            return _is_live(db, key, fence)
        case Remove(entity):
            sql = "DELETE FROM items WHERE pk = ? AND sk = ? AND version = ?"
            return db.execute(sql, (*key, entity.version)).rowcount == 1
        case SetAside(_, version, wake_at):
            return _set_aside(db, key, version, wake_at)
    return True


def _put(db: sqlite3.Connection, entity: Entity, *, expected: int | None) -> bool:
    stored = _stored(db, entity.key)
    if (stored[0] if stored else None) != expected:
        return False
    item = codec.to_item(entity)
    row = {name: item.get(name) for name in ("wake_at", "owner_key", "list_key")}
    row |= {"pk": entity.key.pk, "sk": entity.key.sk, "version": entity.version, "write_id": entity.write_id}
    row |= {"poison": item.get("poison", 0), "doc": _document(item)}
    db.execute(_PUT, row)
    return True


def _is_live(db: sqlite3.Connection, key: Key, fence: int) -> bool:
    """Reads no more of the item than it asks for, as DynamoDB does: also one of a newer version is live or is not."""
    stored = _stored(db, key)
    try:
        item = json.loads(stored[2]) if stored else None
    except ValueError:
        return False
    return isinstance(item, dict) and (item.get("status"), item.get("fence")) == (Status.RUNNING.value, fence)


def _is_written(db: sqlite3.Connection, change: Change) -> bool:
    if not isinstance(change, Swap | Add):
        return False
    entity = change.new if isinstance(change, Swap) else change.entity
    stored = _stored(db, entity.key)
    return stored is not None and stored[1] == entity.write_id


def _set_aside(db: sqlite3.Connection, key: Key, version: int, wake_at: datetime | None) -> bool:
    stored = _stored(db, key)
    if stored is None or stored[0] != version:
        return False
    moment = None if wake_at is None else codec.epoch_ms(wake_at)
    sql = "UPDATE items SET wake_at = ?, poison = poison + 1, version = version + 1, doc = ? WHERE pk = ? AND sk = ?"
    db.execute(sql, (moment, _aside(stored[2], version, wake_at), *key))
    return True


def _aside(doc: str, version: int, wake_at: datetime | None) -> str:
    """Gives the document with what the columns say of it, so that it goes on once it can be read; otherwise untouched."""
    try:
        item = json.loads(doc)
    except (ValueError, RecursionError):
        return doc
    if not isinstance(item, dict):
        return doc
    poison = item.get("poison", 0)
    item |= {"version": version + 1, "poison": poison + 1 if isinstance(poison, int) else 1}
    for name in ("wake_at", "wake_at_text"):
        item.pop(name, None)
    if wake_at is not None:
        item |= {"wake_at": codec.epoch_ms(wake_at), "wake_at_text": codec.iso(wake_at)}
    return _document(item)


def _stored(db: sqlite3.Connection, key: Key) -> tuple[int, str, str] | None:
    row: tuple[int, str, str] | None
    row = db.execute("SELECT version, write_id, doc FROM items WHERE pk = ? AND sk = ?", key).fetchone()
    return row


def _document(item: Mapping[str, Any]) -> str:
    # Half of a surrogate pair, in an item that somebody spoiled, stays the escape that it is in JSON: a file takes UTF-8.
    return json.dumps(item, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace").decode()
