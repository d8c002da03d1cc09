"""The store's file: making it, recognising it, and saying in words what is wrong with it."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from followups.domain.errors import StoreBusy, StoreCorrupt, StoreError, StoreFull

#: "FOLU": says that a SQLite file is ours (https://www.sqlite.org/pragma.html#pragma_application_id).
APPLICATION_ID = 0x464F4C55
VERSION = 2
_BUSY_S = 30.0
_SCHEMA = f"""
    CREATE TABLE items (
        pk TEXT NOT NULL, sk TEXT NOT NULL, version INTEGER NOT NULL, write_id TEXT NOT NULL,
        wake_at INTEGER, poison INTEGER NOT NULL DEFAULT 0, owner_key TEXT, list_key TEXT, doc TEXT NOT NULL,
        PRIMARY KEY (pk, sk)
    );
    CREATE INDEX due ON items (wake_at, pk, sk) WHERE wake_at IS NOT NULL;
    CREATE INDEX by_owner ON items (owner_key, list_key) WHERE owner_key IS NOT NULL;
    CREATE TABLE slots (pk TEXT, sk TEXT, member TEXT, PRIMARY KEY (pk, sk, member)) WITHOUT ROWID;
    CREATE TABLE counters (pk TEXT, sk TEXT, n INTEGER NOT NULL, PRIMARY KEY (pk, sk)) WITHOUT ROWID;
    PRAGMA application_id = {APPLICATION_ID};
"""
#: What version 2 added: who waits in line for a start, by agent and then by who may start first, apart from what else needs
#: a look. One that is to be looked at before its start (it lies beyond 400 days), or is damaged, stands in no line.
_LINE = f"""
    ALTER TABLE items ADD COLUMN line_key TEXT GENERATED ALWAYS AS (
        CASE WHEN json_valid(doc) AND json_extract(doc, '$.status') = 'scheduled'
            AND json_extract(doc, '$.wake_at_text') >= json_extract(doc, '$.start_at')
        THEN json_extract(doc, '$.agent') || '#' || json_extract(doc, '$.start_at') || '#'
            || json_extract(doc, '$.created_at') || '#' || json_extract(doc, '$.id') END
    ) VIRTUAL;
    CREATE INDEX line ON items (line_key, wake_at) WHERE line_key IS NOT NULL;
    CREATE INDEX looks ON items (wake_at, pk, sk) WHERE wake_at IS NOT NULL AND line_key IS NULL;
    PRAGMA user_version = {VERSION};
"""


def connect(path: Path) -> sqlite3.Connection:
    """Opens the file, and makes it if there is none. Raises StoreCorrupt for one that is not ours or is newer."""
    db = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
    try:
        _recognise(db, path)
        # A start that a power cut forgets would run its agent twice: each commit reaches the disk.
        db.execute("PRAGMA synchronous = FULL")
    except BaseException:
        db.close()
        raise
    return db


def _recognise(db: sqlite3.Connection, path: Path) -> None:
    if _is_current(db, path):
        return
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("BEGIN IMMEDIATE")
    try:
        # Somebody else may have made it while we waited for the lock.
        if not _is_current(db, path):
            is_ours = db.execute("PRAGMA application_id").fetchone()[0] == APPLICATION_ID
            for statement in (_LINE if is_ours else _SCHEMA + _LINE).split(";"):
                db.execute(statement)
        db.execute("COMMIT")
    finally:
        if db.in_transaction:
            db.execute("ROLLBACK")


def _is_current(db: sqlite3.Connection, path: Path) -> bool:
    """Says whether the file is ours and of this version; False for an empty one, and for one of an older version."""
    application_id = db.execute("PRAGMA application_id").fetchone()[0]
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if application_id == APPLICATION_ID and version == VERSION:
        return True
    if application_id == APPLICATION_ID and version > VERSION:
        raise StoreCorrupt(
            f"{path} was written by a newer Followups (store version {version}, this one reads {VERSION}); "
            "install the newer one. The file was not touched."
        )
    if application_id == APPLICATION_ID and version > 0:
        return False
    if application_id != 0 or version != 0 or db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        raise StoreCorrupt(f"{path} is a database, but not a Followups store; the file was not touched")
    return False


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turns SQLite's errors into ours, by their primary result code (https://www.sqlite.org/rescode.html)."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise StoreBusy(f"{path} is locked by another process; try again") from error
        if code == sqlite3.SQLITE_FULL:
            raise StoreFull(f"the disk that holds {path} is full; nothing was written") from error
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            raise StoreCorrupt(
                f"{path} is damaged or no Followups store ({error}); the file was not touched. "
                "Put a backup in its place, or move it away to start afresh."
            ) from error
        raise StoreError(f"{path} cannot be used: {error}") from error
