"""The embedded store: one SQLite file in WAL mode, safe for several processes and threads."""

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from followups.adapters import codec
from followups.adapters.sqlite_commits import Commits
from followups.adapters.sqlite_file import connect, translated
from followups.domain import ids
from followups.domain.census import Count, SlotSet, Stored
from followups.domain.changes import Change, refuse_doubles
from followups.domain.entities import Agent, Entity, FollowUp, Run, Unreadable
from followups.domain.errors import UnreadableItem
from followups.domain.ids import Key
from followups.ports import E, Listing

_PAGE = 500
_DUE = """
    SELECT wake_at, pk, sk, doc, version, poison FROM items
    WHERE wake_at <= ? AND (wake_at, pk, sk) > (?, ?, ?) ORDER BY wake_at, pk, sk LIMIT ?
"""
_DUE_APART = _DUE.replace("WHERE", "WHERE line_key IS NULL AND")
_LINE = """
    SELECT pk, sk, doc, version, poison FROM items
    WHERE line_key > ? AND line_key < ? AND wake_at <= ? ORDER BY line_key LIMIT ?
"""


class SQLiteStore:
    """A store in one file. Makes the file if there is none; raises StoreCorrupt for one that is not ours to use."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._local = threading.local()
        # SQLite lets writers of one process starve each other in its busy loop; here they stand in one line.
        self._commits = Commits(self._transaction)
        with translated(path):
            self._connection()

    def commit(self, *changes: Change) -> None:
        """Makes all changes in one transaction. Raises Conflict, StoreError, and ValueError for two changes of one item."""
        refuse_doubles(changes)
        self._commits.commit(changes)

    def get(self, kind: type[E], key: Key) -> E | None:
        """Gives the entity under the key, or None. Raises UnreadableItem, StoreError."""
        rows = self._read("SELECT doc FROM items WHERE pk = ? AND sk = ?", key)
        if not rows:
            return None
        entity = _entity(rows[0][0])
        if not isinstance(entity, kind):
            raise UnreadableItem(f"{key.pk} {key.sk} is a {type(entity).__name__}, not a {kind.__name__}")
        return entity

    def due(self, until: datetime, *, line: int | None = None) -> Iterator[FollowUp | Run | Unreadable]:
        """Gives each item with `wake_at` <= `until`, soonest first. With `line`: first so many of those that are scheduled
        for each agent, who may start soonest, then all else."""
        if line is not None:
            for agent in self._agents_in_line():
                yield from self._line(agent, until, line)
        which = _DUE if line is None else _DUE_APART
        after: tuple[int, str, str] = (-1, "", "")
        while True:
            rows = self._read(which, (codec.epoch_ms(until), *after, _PAGE))
            for wake_at, pk, sk, doc, version, poison in rows:
                after = (wake_at, pk, sk)
                yield _due_item(Key(pk, sk), doc, version, poison)
            if len(rows) < _PAGE:
                return

    def _agents_in_line(self) -> Iterator[str]:
        """Gives the agents that somebody is scheduled for, each by one look into the index."""
        after = ""
        while rows := self._read("SELECT line_key FROM items WHERE line_key > ? ORDER BY line_key LIMIT 1", (after,)):
            agent = rows[0][0].partition("#")[0]
            yield agent
            after = f"{agent}$"  # "$" comes after "#"

    def _line(self, agent: str, until: datetime, most: int) -> Iterator[FollowUp | Run | Unreadable]:
        first, last = f"{agent}#", f"{agent}#{codec.iso(until)}$"
        for pk, sk, doc, version, poison in self._read(_LINE, (first, last, codec.epoch_ms(until), most)):
            yield _due_item(Key(pk, sk), doc, version, poison)

    def list_follow_ups(self, owner: str, *, group: str, after: str | None, limit: int) -> Listing:
        """Gives a page of an owner's follow-ups and where the next one starts, or None."""
        low, high = codec.list_range(group)
        rows = self._read(
            "SELECT list_key, doc FROM items WHERE owner_key = ? AND list_key >= ? AND list_key < ? AND list_key > ?"
            " ORDER BY list_key LIMIT ?",
            (owner, low, high, after or "", limit + 1),
        )
        found = [_readable(doc) for _, doc in rows[:limit]]
        follow_ups = [entity for entity in found if isinstance(entity, FollowUp)]
        return follow_ups, rows[limit - 1][0] if len(rows) > limit else None

    def runs(self, owner: str, follow_up_id: str, *, limit: int) -> list[Run]:
        """Gives the latest runs, newest first."""
        rows = self._read(
            "SELECT doc FROM items WHERE pk = ? AND sk >= 'RUN#' AND sk < 'RUN$' ORDER BY sk DESC LIMIT ?",
            (ids.follow_up_key(owner, follow_up_id).pk, limit),
        )
        return [run for (doc,) in rows if isinstance(run := _readable(doc), Run)]

    def agents(self) -> list[Agent]:
        """Gives all registered agents, by name."""
        rows = self._read("SELECT doc FROM items WHERE owner_key = ? ORDER BY list_key", (codec.AGENTS_OWNER_KEY,))
        return [agent for (doc,) in rows if isinstance(agent := _readable(doc), Agent)]

    def slots(self, key: Key) -> frozenset[str]:
        """Gives the members of a slot set."""
        return frozenset(member for (member,) in self._read("SELECT member FROM slots WHERE pk = ? AND sk = ?", key))

    def everything(self) -> Iterator[Stored]:
        """Gives each stored item once, a partition's one after another; then slot sets and counters. Raises StoreError."""
        for pk, sk, doc, version, poison in self._pages("SELECT pk, sk, doc, version, poison FROM items"):
            try:
                yield _entity(doc)
            except UnreadableItem as error:
                yield Unreadable(key=Key(pk, sk), version=version, poison=poison, error=str(error))
        for key in self._read("SELECT DISTINCT pk, sk FROM slots", ()):
            if members := self.slots(Key(*key)):
                yield SlotSet(key=Key(*key), members=members)
        for pk, sk, spent in self._pages("SELECT pk, sk, n FROM counters"):
            yield Count(key=Key(pk, sk), spent=spent)

    def _pages(self, select: str) -> Iterator[Any]:
        """Gives all rows of a table by their key, page by page: what is written meanwhile moves none."""
        after = ("", "")
        while rows := self._read(f"{select} WHERE (pk, sk) > (?, ?) ORDER BY pk, sk LIMIT {_PAGE}", after):
            yield from rows
            after = (rows[-1][0], rows[-1][1])

    def close(self) -> None:
        """Closes this thread's connection."""
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is not None:
            connection.close()
            del self._local.connection

    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = connect(self._path)
        return connection

    def _read(self, sql: str, parameters: tuple[Any, ...]) -> list[Any]:
        with translated(self._path):
            return self._connection().execute(sql, parameters).fetchall()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with translated(self._path):
            db = self._connection()
            try:
                # The write lock is taken before the first read, so that what a condition reads is still so when it is
                # written. Inside the try: Ctrl-C may arrive while it waits for the lock, and just after it got it.
                db.execute("BEGIN IMMEDIATE")
                yield db
                db.execute("COMMIT")
            finally:
                if db.in_transaction:
                    db.execute("ROLLBACK")


def _entity(doc: str) -> Entity:
    try:
        item = json.loads(doc)
    except (ValueError, RecursionError) as error:
        raise UnreadableItem(f"a stored document is not JSON: {error}") from error
    return codec.from_item(item)


def _readable(doc: str) -> Entity | None:
    """Gives the entity, or None: one item that cannot be read must not hide the others of a list."""
    try:
        return _entity(doc)
    except UnreadableItem:
        return None


def _due_item(key: Key, doc: str, version: int, poison: int) -> FollowUp | Run | Unreadable:
    try:
        entity = _entity(doc)
    except UnreadableItem as error:
        return Unreadable(key=key, version=version, poison=poison, error=str(error))
    if isinstance(entity, FollowUp | Run):
        return entity
    return Unreadable(key=key, version=version, poison=poison, error=f"a {type(entity).__name__} is never due")
