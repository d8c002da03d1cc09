"""What the audit finds in the counts of open follow-ups, and that a repair leaves what is counted meanwhile."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from followups.domain import ids
from followups.domain.census import Count, Stored
from followups.domain.changes import Add, Change, Spend, Swap
from followups.domain.entities import FollowUp
from followups.domain.findings import Weight
from followups.domain.moves import closing
from followups.domain.status import Status
from followups.usecases.audit import audit
from tests.support.audits import Books, done, having, sent
from tests.support.things import follow_up, later

#: Long after what these tests make was made.
LATER = later(minutes=30)
QUOTA = ids.quota_key("ada")


@pytest.fixture
def books(tmp_path: Path) -> Books:
    return Books(tmp_path / "followups.db")


def opened(count: int) -> tuple[list[FollowUp], list[Change]]:
    made = [follow_up(counted=True, due_at=later(days=1)) for _ in range(count)]
    return made, list(map(Add, made))


def spent(books: Books) -> int:
    return next((it.spent for it in books.store.everything() if isinstance(it, Count) and it.key == QUOTA), 0)


def close(it: FollowUp, at: datetime) -> list[Change]:
    new = replace(
        it, status=Status.CANCELLED, wake_at=None, closed_at=at, expires_at=at + timedelta(days=90), version=2,
        write_id=it.write_id[::-1],
    )  # fmt: skip
    return [Swap(it, new), *closing(Swap(it, new))]


@pytest.mark.parametrize("wrong", [-2, -1, 1, 7])
def test_a_count_that_is_wrong_is_found_and_set_right(books: Books, wrong: int) -> None:
    ended = done(counted=True)
    _, made = opened(2)
    books.store.commit(*made, Add(ended), Add(sent(ended)), Add(follow_up(due_at=later(days=1))), Spend(QUOTA, 2, 99))
    assert books.look(LATER).findings == ()
    books.store.commit(Spend(QUOTA, wrong, 99))
    audited = books.look(LATER)
    [finding] = audited.findings
    assert (finding.code, finding.key, finding.weight) == ("quota_wrong", QUOTA, Weight.BROKEN)
    assert f"2 open follow-ups that count, and {2 + wrong} are counted" in finding.says
    assert books.mend(audited).left == 0
    assert spent(books) == 2
    assert books.look(LATER).findings == ()


def test_a_count_that_is_missing_is_found_and_made(books: Books) -> None:
    _, made = opened(3)
    books.store.commit(*made)
    assert books.mend(books.look(LATER)).left == 0
    assert spent(books) == 3


def test_what_is_made_and_ended_after_the_look_stays_counted(books: Books) -> None:
    old, made = opened(3)
    books.store.commit(*made, Spend(QUOTA, 8, 99))
    audited = books.look(LATER)
    books.store.commit(*opened(1)[1], Spend(QUOTA, 1, 99))
    books.store.commit(*close(old[0], LATER))
    books.store.commit(*close(old[1], LATER))
    books.mend(audited)
    assert spent(books) == 2


def test_whose_follow_ups_come_and_go_just_now_is_not_judged(books: Books) -> None:
    _, made = opened(1)
    books.store.commit(*made, Spend(QUOTA, 5, 99))
    assert books.look(later(minutes=4)).findings == ()
    assert books.codes(later(minutes=6)) == ["quota_wrong"]
    ended = done(counted=True, closed_at=LATER - timedelta(minutes=4))
    books.store.commit(Add(ended), Add(sent(ended)))
    assert books.look(LATER).findings == ()


def test_what_cannot_be_read_may_be_the_difference(books: Books) -> None:
    [first, _], made = opened(2)
    books.store.commit(*made, Spend(QUOTA, 2, 99))
    books.spoil(first.key, having(from_tomorrow=1))
    found = {it.code: it for it in books.look(LATER).findings}
    assert set(found) == {"unreadable", "quota_wrong"}
    assert (found["quota_wrong"].weight, found["quota_wrong"].repair) == (Weight.DOUBT, None)


class Moved:
    """A store in which something happens while it is read for the first time: the reading has seen what was."""

    def __init__(self, books: Books, *changes: Change) -> None:
        self._store, self._changes = books.store, changes
        self.slots, self.get = books.store.slots, books.store.get

    def everything(self) -> Iterator[Stored]:
        seen = [it for it in self._store.everything() if not isinstance(it, Count)]
        if self._changes:
            self._store.commit(*self._changes)
            self._changes = ()
        yield from seen
        yield from (it for it in self._store.everything() if isinstance(it, Count))


@pytest.mark.parametrize("what", ["made", "ended"])
def test_a_count_that_moves_while_it_is_read_is_not_found_wrong(books: Books, what: str) -> None:
    [old, *_], made = opened(2)
    books.store.commit(*made, Spend(QUOTA, 2, 99))
    new = follow_up(counted=True, due_at=later(days=1), created_at=LATER, updated_at=LATER)
    changes = close(old, LATER) if what == "ended" else [Add(new), Spend(QUOTA, 1, 99)]
    ledger = Moved(books, *changes)
    assert audit(ledger, LATER, global_cap=9).findings == ()  # type: ignore[arg-type]
    assert spent(books) == (1 if what == "ended" else 3), "it has happened"
