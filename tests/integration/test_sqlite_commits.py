"""Commits that share a transaction: each is done or refused by itself, and told when the disk has it."""

import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest

from followups.adapters.sqlite import SQLiteStore
from followups.adapters.sqlite_commits import Commits
from followups.adapters.sqlite_file import connect
from followups.domain.changes import Add, Change, Swap
from followups.domain.entities import FollowUp
from followups.domain.errors import Conflict, StoreFull
from tests.support.race import PATIENCE_S
from tests.support.things import follow_up, fresh


class Shared:
    """Commits on one file, whose first transaction is held open until all others wait."""

    def __init__(self, path: Path) -> None:
        SQLiteStore(path)
        self.path = path
        self.commits = Commits(self._transaction)
        self.entered, self.go_on = Event(), Event()
        self.transactions = 0
        #: What the second transaction, the shared one, raises at its end.
        self.fails: BaseException | None = None

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        self.transactions += 1
        number = self.transactions
        db = connect(self.path)
        try:
            db.execute("BEGIN IMMEDIATE")
            yield db
            if number == 1:
                self.entered.set()
                assert self.go_on.wait(PATIENCE_S)
            if number == 2 and self.fails is not None:
                raise self.fails
            db.execute("COMMIT")
        finally:
            db.close()

    def all_at_once(self, *wishes: Change | tuple[Change, ...]) -> list[Future[None]]:
        """Commits each in a thread of its own, all but the first while the first is at the disk; gives how each ended."""
        commits = [wish if isinstance(wish, tuple) else (wish,) for wish in wishes]
        with ThreadPoolExecutor(len(wishes)) as pool:
            first = pool.submit(self.commits.commit, commits[0])
            assert self.entered.wait(PATIENCE_S)
            others = [pool.submit(self.commits.commit, changes) for changes in commits[1:]]
            _until(lambda: len(self.commits.waiting) == len(others))
            self.go_on.set()
            return [first, *others]

    def stored(self, it: FollowUp) -> FollowUp | None:
        return SQLiteStore(self.path).get(FollowUp, it.key)


@pytest.fixture
def shared(tmp_path: Path) -> Shared:
    return Shared(tmp_path / "followups.db")


def _until(holds: Callable[[], bool]) -> None:
    waiting = Event()
    while not holds():
        waiting.wait(0.001)


def _later(old: FollowUp) -> Swap:
    return Swap(old, replace(old, version=old.version + 1, write_id=fresh()))


def test_who_commits_while_another_is_at_the_disk_shares_the_next_transaction(shared: Shared) -> None:
    line = [follow_up() for _ in range(6)]
    ended = shared.all_at_once(*map(Add, line))
    assert [it.exception() for it in ended] == [None] * 6
    assert shared.transactions == 2
    assert [shared.stored(it) for it in line] == line


def test_each_is_refused_or_done_by_itself(shared: Shared) -> None:
    old, ones, others = follow_up(), follow_up(), follow_up()
    first, second = _later(old), _later(old)
    ended = shared.all_at_once(Add(old), (Add(ones), first), (Add(others), second))
    won = [it.exception() is None for it in ended]
    assert won[0] and won[1] != won[2], "one of the two racers won"
    assert isinstance(ended[1].exception() or ended[2].exception(), Conflict)
    assert shared.stored(old) == (first if won[1] else second).new
    assert [shared.stored(it) is not None for it in (ones, others)] == won[1:], "who lost has done nothing"


def test_what_cannot_be_written_harms_nobody_else(shared: Shared) -> None:
    good, bad = [follow_up() for _ in range(4)], follow_up(owner="\ud800")
    ended = shared.all_at_once(*map(Add, good), Add(bad))
    assert [type(it.exception()) for it in ended] == [type(None)] * 4 + [UnicodeEncodeError]
    assert [shared.stored(it) for it in good] == good


def test_a_disk_that_is_full_is_told_to_all(shared: Shared) -> None:
    shared.fails = StoreFull("the disk is full")
    line = [follow_up() for _ in range(3)]
    ended = shared.all_at_once(*map(Add, line), Add(line[1]))
    assert [type(it.exception()) for it in ended] == [type(None), StoreFull, StoreFull, StoreFull]
    assert [shared.stored(it) is None for it in line] == [False, True, True]


def test_who_is_interrupted_takes_nobody_with_him(shared: Shared) -> None:
    shared.fails = KeyboardInterrupt()
    line = [follow_up() for _ in range(4)]
    ended = shared.all_at_once(*map(Add, line))
    interrupted = [number for number, it in enumerate(ended) if isinstance(it.exception(), KeyboardInterrupt)]
    assert len(interrupted) == 1
    assert [number for number, it in enumerate(line) if shared.stored(it) is None] == interrupted
