"""Commits that reach the disk together."""

import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from followups.adapters.sqlite_changes import write
from followups.domain.changes import Change
from followups.domain.errors import Conflict, StoreError

#: Commits that share a transaction at most: others of this machine wait for its end.
_MOST = 100


@dataclass(slots=True, eq=False)
class _Wish:
    changes: Sequence[Change]
    done: bool = False
    error: Exception | None = None


class Commits:
    """Lets those who commit at the same moment share one transaction: to wait for the disk is what takes the time.

    Whoever gets the lock writes for all who wait for it. Each one's changes are made or refused by themselves, one after
    another, as if each had a transaction of its own; none is told before all are on the disk.
    """

    def __init__(self, transaction: Callable[[], AbstractContextManager[sqlite3.Connection]]) -> None:
        self._transaction = transaction
        self._writing = threading.Lock()
        #: Who is not in a transaction yet.
        self.waiting: deque[_Wish] = deque()

    def commit(self, changes: Sequence[Change]) -> None:
        """Makes all changes or none. Raises Conflict, StoreError."""
        wish = _Wish(changes)
        self.waiting.append(wish)
        try:
            while not wish.done:
                with self._writing:
                    if not wish.done:
                        self._write_all()
        finally:
            if not wish.done and wish in self.waiting:
                self.waiting.remove(wish)  # Ctrl-C: what nobody waits for is not written.
        if wish.error is not None:
            raise wish.error

    def _write_all(self) -> None:
        wishes = [self.waiting.popleft() for _ in range(min(_MOST, len(self.waiting)))]
        try:
            with self._transaction() as db:
                for wish in wishes:
                    wish.error = _written(db, wish.changes)
        except StoreError as error:
            for wish in wishes:
                # What one was told of the others is as void as what they wrote.
                wish.error = type(error)(*error.args)
                wish.error.__cause__ = error.__cause__
        except BaseException:
            self.waiting.extendleft(reversed(wishes))
            raise
        for wish in wishes:
            wish.done = True


def _written(db: sqlite3.Connection, changes: Sequence[Change]) -> Exception | None:
    """Makes all changes, or none and gives why."""
    db.execute("SAVEPOINT wish")
    try:
        write(db, changes)
    except (Conflict, ValueError, OverflowError) as error:
        db.execute("ROLLBACK TO wish")
        return error
    finally:
        if db.in_transaction:
            db.execute("RELEASE wish")
    return None
