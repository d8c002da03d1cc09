"""The store contract, writing several things: all or none, and a refusal that names what failed. For every store."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from followups.domain import ids
from followups.domain.changes import Add, Change, FreeSlot, Live, Remove, SetAside, Spend, Swap, TakeSlot
from followups.domain.editing import pause
from followups.domain.entities import FollowUp, Run
from followups.domain.ids import Key
from followups.domain.status import Status
from followups.ports import Store
from tests.support.beds import Bed
from tests.support.commits import added, moved, refused
from tests.support.things import agent, follow_up, fresh, later, run

SLOTS = ids.agent_slots_key("@backup")
BUDGET = ids.quota_key(fresh("root"))


def scene(store: Store) -> tuple[FollowUp, list[Change]]:
    """Gives a live parent, and changes of every kind that a transaction may have, all of which hold."""
    first = added(store, follow_up())
    parent = added(store, follow_up(status=Status.RUNNING, fence=1))
    old = agent("@old")
    store.commit(Add(old))
    store.commit(TakeSlot(SLOTS, "leaves", 3))
    changes: list[Change] = [
        Spend(BUDGET, 1, 5), TakeSlot(SLOTS, "comes", 3), FreeSlot(ids.ALL_SLOTS_KEY, "goes"), Live(parent.key, 1),
        Remove(old), moved(first, status=Status.CLAIMED), Add(run(first)),
    ]  # fmt: skip
    return parent, changes


def test_a_transaction_does_all_it_is_told(store: Store, bed: Bed) -> None:
    store.commit(TakeSlot(ids.ALL_SLOTS_KEY, "goes", 1))
    _, changes = scene(store)
    store.commit(*changes)
    items = bed.items()
    swap, add = changes[5], changes[6]
    assert isinstance(swap, Swap) and isinstance(add, Add)
    assert items[BUDGET]["spent"] == 1
    assert (store.slots(SLOTS), store.slots(ids.ALL_SLOTS_KEY)) == (frozenset({"leaves", "comes"}), frozenset())
    assert store.get(FollowUp, swap.new.key) == swap.new
    assert store.get(Run, add.entity.key) == add.entity
    assert store.agents() == []


_OTHER = follow_up()
FAILING: dict[str, Callable[[FollowUp], Change]] = {
    "swap": lambda _: moved(_OTHER),
    "add": lambda parent: Add(replace(parent, write_id=fresh())),
    "slot": lambda _: TakeSlot(Key("SLOTS", "FULL"), "b", 1),
    "spend": lambda _: Spend(Key("ada#x", "BUDGET"), 6, 5),
    "live": lambda _: Live(_OTHER.key, 1),
    "remove": lambda _: Remove(agent("@gone")),
    "set aside": lambda _: SetAside(_OTHER.key, 1, None),
}


@pytest.mark.parametrize("kind", FAILING)
@pytest.mark.parametrize("first", [True, False], ids=["first", "last"])
def test_if_one_change_fails_nothing_happens(store: Store, bed: Bed, kind: str, first: bool) -> None:
    store.commit(TakeSlot(ids.ALL_SLOTS_KEY, "goes", 1))
    store.commit(TakeSlot(Key("SLOTS", "FULL"), "a", 1))
    parent, changes = scene(store)
    bad = FAILING[kind](parent)
    if kind == "add":
        changes = [it for it in changes if not isinstance(it, Live)]
    before = bed.items()
    assert refused(store, *([bad, *changes] if first else [*changes, bad])) == (bad,)
    assert bed.items() == before


def test_a_refusal_names_all_that_failed_the_swap_first(store: Store) -> None:
    store.commit(TakeSlot(SLOTS, "a", 1))
    there = added(store, follow_up())
    slot, spend, live = TakeSlot(SLOTS, "b", 1), Spend(BUDGET, 9, 5), Live(there.key, 1)
    fine, other = FreeSlot(ids.ALL_SLOTS_KEY, "x"), Add(follow_up())
    swap, add = moved(follow_up()), Add(replace(there, write_id=fresh()))
    assert refused(store, slot, fine, swap, spend, other) == (swap, slot, spend)
    assert refused(store, spend, other, slot, add) == (add, spend, slot)
    assert refused(store, fine, live, spend) == (live, spend)


def test_a_stale_setting_aside_is_named_among_others(store: Store) -> None:
    there = added(store, follow_up())
    aside, gone, swap = SetAside(there.key, 7, None), SetAside(_OTHER.key, 1, later()), moved(follow_up())
    assert refused(store, aside, swap, gone) == (swap, aside, gone)


def test_two_changes_of_one_item_are_a_mistake(store: Store, bed: Bed) -> None:
    first = added(store, follow_up(status=Status.RUNNING, fence=1))
    before = bed.items()
    for changes in (
        (moved(first), Live(first.key, 1)), (TakeSlot(SLOTS, "a", 9), FreeSlot(SLOTS, "b")),
        (Spend(BUDGET, 1, 9), Spend(BUDGET, 1, 9)), (Add(first), SetAside(first.key, 1, None)),
    ):  # fmt: skip
        with pytest.raises(ValueError, match="two changes of one item in one commit: "):
            store.commit(*changes)
    assert bed.items() == before


def test_a_start_that_is_blocked_by_a_slot_can_be_told_from_a_stale_one(store: Store) -> None:
    store.commit(TakeSlot(SLOTS, "a", 1))
    first = added(store, follow_up(status=Status.CLAIMED, fence=1))
    start, slot = moved(first, status=Status.RUNNING), TakeSlot(SLOTS, first.slot_id, 1)
    assert refused(store, start, slot) == (slot,)
    swap = pause(first, None, at=later(), write_id=fresh())
    assert swap is not None
    store.commit(swap)
    assert refused(store, start, slot) == (start, slot)


def test_the_same_transaction_again_was_ours_and_is_done_once(store: Store, bed: Bed) -> None:
    first = added(store, follow_up())
    changes = (moved(first, task="New"), TakeSlot(SLOTS, "a", 1), Add(follow_up()), Spend(BUDGET, 1, 1))
    store.commit(*changes)
    before = bed.items()
    store.commit(*changes)
    assert bed.items() == before


def test_the_same_transaction_again_was_ours_whatever_else_it_did(store: Store, bed: Bed) -> None:
    first, aside = added(store, follow_up()), added(store, follow_up())
    changes = (SetAside(aside.key, 1, later(days=1)), moved(first, task="New"))
    store.commit(*changes)
    before = bed.items()
    store.commit(*changes)
    assert bed.items() == before
