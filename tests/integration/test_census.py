"""The census contract: a store read whole. For every store."""

from dataclasses import replace

import pytest

from followups.domain import ids
from followups.domain.census import Count, SlotSet, Stored
from followups.domain.changes import Add, Change, FreeSlot, Remove, Spend, Swap, TakeSlot
from followups.domain.entities import FollowUp, Run, Unreadable
from followups.domain.status import Status
from followups.ports import Ledger
from tests.support.beds import Bed, SQLiteBed
from tests.support.things import agent, control, follow_up, fresh, later, run

REAL = pytest.mark.parametrize("bed", ["sqlite", "moto", "ministack"], indirect=True)
SLOTS = ids.agent_slots_key("@backup")
#: Items and letters in each: more than SQLite is asked for at once, and more than one answer of DynamoDB may hold (1 MB).
PAGES = pytest.mark.parametrize(
    ("server_bed", "many", "size"), [("sqlite", 520, 1), ("ministack", 30, 40_000)], indirect=["server_bed"]
)


def ledger(bed: Bed) -> Ledger:
    store = bed.open()
    assert hasattr(store, "everything")
    return store


def everything(bed: Bed) -> list[Stored]:
    return list(ledger(bed).everything())


@REAL
def test_an_empty_store_has_nothing(bed: Bed) -> None:
    assert everything(bed) == []


@REAL
def test_all_that_is_stored_comes_once_as_it_is_now(bed: Bed) -> None:
    store, budget = ledger(bed), ids.quota_key(fresh())
    waits, paused = follow_up(), follow_up(status=Status.PAUSED, owner="bob")
    closed = follow_up(status=Status.DONE, closed_at=later(), expires_at=later(days=90))
    things = [waits, paused, closed, run(closed), run(closed, fence=2), agent(), agent("@zoe"), control(stopped=True)]
    store.commit(*map(Add, things), TakeSlot(SLOTS, "a", 9), TakeSlot(ids.ALL_SLOTS_KEY, "a", 9), Spend(budget, 3, 9))
    store.commit(TakeSlot(SLOTS, "b", 9), Spend(ids.hour_key("ada", later()), 1, 9, expires_at=later(days=1)))
    moved = replace(waits, task="Another", version=2, write_id=fresh())
    store.commit(Swap(waits, moved), Remove(things[6]))
    expected = {it.key: it for it in things if it != things[6]} | {
        waits.key: moved,
        SLOTS: SlotSet(key=SLOTS, members=frozenset("ab")),
        ids.ALL_SLOTS_KEY: SlotSet(key=ids.ALL_SLOTS_KEY, members=frozenset("a")),
        budget: Count(key=budget, spent=3),
        ids.hour_key("ada", later()): Count(key=ids.hour_key("ada", later()), spent=1),
    }
    found = everything(bed)
    assert {it.key: it for it in found} == expected
    assert len(found) == len(expected)


@REAL
def test_a_set_that_was_emptied_is_as_good_as_none(bed: Bed) -> None:
    ledger(bed).commit(TakeSlot(SLOTS, "a", 9))
    ledger(bed).commit(FreeSlot(SLOTS, "a"))
    assert everything(bed) == []


@REAL
def test_what_cannot_be_read_comes_as_such_and_hides_nothing(bed: Bed) -> None:
    things = [follow_up(), follow_up(), run(), agent()]
    ledger(bed).commit(*map(Add, things))
    for it in things[1:]:
        bed.spoil(it.key, lambda item: item | {"from_tomorrow": 1})
    found = {it.key: it for it in everything(bed)}
    assert found[things[0].key] == things[0]
    for thing in things[1:]:
        it = found[thing.key]
        assert isinstance(it, Unreadable)
        assert (it.version, "from_tomorrow" in it.error) == (1, True)


@pytest.mark.parametrize("bed", ["moto"], indirect=True)
def test_a_damaged_set_or_counter_is_unreadable(bed: Bed) -> None:
    """SQLite has tables for them, in which nothing can be damaged by itself."""
    budget, store = ids.quota_key(fresh()), ledger(bed)
    store.commit(TakeSlot(SLOTS, "a", 9), Spend(budget, 1, 9))
    bed.spoil(SLOTS, lambda item: item | {"members": "a"})
    bed.spoil(budget, lambda item: item | {"spent": "one"})
    assert {it.key for it in everything(bed) if isinstance(it, Unreadable)} == {SLOTS, budget}


@REAL
def test_a_partition_comes_together_the_follow_up_before_its_runs(bed: Bed) -> None:
    things: list[Change] = []
    for it in (follow_up(), follow_up(), follow_up()):
        things += [Add(it), *(Add(run(it, fence=n)) for n in (10, 2, 1))]
    ledger(bed).commit(*things)
    found = everything(bed)
    for at in range(0, len(found), 4):
        head, *records = found[at : at + 4]
        assert isinstance(head, FollowUp)
        assert [it.fence for it in records if isinstance(it, Run) and it.follow_up_id == head.id] == [1, 2, 10]


@PAGES
def test_all_pages_are_read_also_while_things_move(server_bed: Bed, many: int, size: int) -> None:
    store = ledger(server_bed)
    line = [follow_up(message="x" * size) for _ in range(many)]
    for start in range(0, many, 100):
        store.commit(*map(Add, line[start : start + 100]))
    seen = []
    for number, it in enumerate(store.everything()):
        assert isinstance(it, FollowUp)
        seen.append(it.id)
        if number % 10 == 0:
            store.commit(Swap(it, replace(it, wake_at=later(days=1), version=it.version + 1, write_id=fresh())))
    assert sorted(seen) == sorted(it.id for it in line)


def test_a_document_that_is_no_json_is_unreadable(sqlite_bed: SQLiteBed) -> None:
    it = follow_up()
    sqlite_bed.open().commit(Add(it))
    with sqlite_bed._file() as db, db:
        db.execute("UPDATE items SET doc = '{'")
    [found] = everything(sqlite_bed)
    assert isinstance(found, Unreadable)
    assert (found.key, found.version) == (it.key, 1)
