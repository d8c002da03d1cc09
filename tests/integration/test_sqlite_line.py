"""A long line in the laptop's file: only its beginning is read, and a file of the first version learns it."""

import sqlite3
from contextlib import closing
from pathlib import Path

from followups.adapters.sqlite import SQLiteStore
from followups.domain.changes import Add
from followups.domain.claims import claim
from followups.domain.entities import FollowUp
from followups.domain.status import Status
from tests.support.things import follow_up, fresh, later, run

FIRST_VERSION = """
    DROP INDEX line;
    DROP INDEX looks;
    ALTER TABLE items DROP COLUMN line_key;
    PRAGMA user_version = 1;
"""


def fill(store: SQLiteStore) -> list[FollowUp]:
    """Gives a line of two agents, the first to start first; beside it lie others that need a look."""
    line = [follow_up(agent=name, start_at=later(seconds=n)) for n in range(50) for name in ("@a", "@b")]
    store.commit(*(Add(it) for it in reversed(line)), Add(follow_up(status=Status.CLAIMED)), Add(run()))
    return line


def tasks(store: SQLiteStore, line: int) -> tuple[list[FollowUp], int]:
    """Gives those in line that are read, and how many others are."""
    found = list(store.due(later(hours=2), line=line))
    waiting = [it for it in found if isinstance(it, FollowUp) and it.status is Status.SCHEDULED]
    return sorted(waiting, key=lambda it: (it.start_at, it.agent)), len(found) - len(waiting)


def test_no_more_of_a_line_is_read_than_asked_for(tmp_path: Path) -> None:
    store = SQLiteStore(tmp_path / "followups.db")
    line = fill(store)
    assert tasks(store, 3) == (line[:6], 2)
    assert tasks(store, 0) == ([], 2)


def test_who_is_claimed_leaves_the_line(tmp_path: Path) -> None:
    store = SQLiteStore(tmp_path / "followups.db")
    line = fill(store)
    store.commit(claim(line[0], at=later(), write_id=fresh()))
    assert tasks(store, 1) == ([line[1], line[2]], 3)


def test_a_file_of_the_first_version_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "followups.db"
    line = fill(SQLiteStore(path))
    with closing(sqlite3.connect(path)) as db:
        db.executescript(FIRST_VERSION)
        db.execute("UPDATE items SET doc = 'damaged' WHERE pk = ?", (line[0].key.pk,))
        db.commit()
    stores = [SQLiteStore(path) for _ in range(2)]
    for store in stores:
        waiting, others = tasks(store, 2)
        assert (waiting, others) == ([line[1], line[2], line[3], line[4]], 3), "the damaged one is found by its look"
    new = follow_up(agent="@a", start_at=later())
    stores[0].commit(Add(new))
    assert tasks(stores[1], 1)[0] == [new, line[1]]
