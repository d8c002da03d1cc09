"""The store contract: slot sets, counters, and what only a live run may do. For every store."""

import pytest

from followups.domain import ids
from followups.domain.changes import Add, FreeSlot, Live, Spend, TakeSlot
from followups.domain.entities import FollowUp
from followups.domain.status import Status
from followups.ports import Store
from tests.support.beds import Bed
from tests.support.commits import added, refused
from tests.support.things import follow_up, fresh

SLOTS = ids.agent_slots_key("@backup")
BUDGET = ids.quota_key(fresh("root"))


def test_slots_are_taken_up_to_the_cap(store: Store) -> None:
    for member in ("a", "b"):
        store.commit(TakeSlot(SLOTS, member, 2))
    third = TakeSlot(SLOTS, "c", 2)
    assert refused(store, third) == (third,)
    assert store.slots(SLOTS) == {"a", "b"}
    store.commit(TakeSlot(SLOTS, "c", 3))
    assert store.slots(SLOTS) == {"a", "b", "c"}
    fourth = TakeSlot(SLOTS, "d", 1)
    assert refused(store, fourth) == (fourth,)


def test_a_slot_that_one_has_is_taken_again_even_in_a_full_set(store: Store) -> None:
    for _ in range(3):
        store.commit(TakeSlot(SLOTS, "a", 1))
    assert store.slots(SLOTS) == {"a"}


def test_a_slot_that_one_has_is_taken_again_also_after_the_cap_was_lowered(store: Store) -> None:
    store.commit(TakeSlot(SLOTS, "a", 2))
    store.commit(TakeSlot(SLOTS, "b", 2))
    store.commit(TakeSlot(SLOTS, "a", 1))
    assert store.slots(SLOTS) == {"a", "b"}


def test_freeing_is_idempotent_and_frees_no_other(store: Store) -> None:
    store.commit(TakeSlot(SLOTS, "a", 2))
    store.commit(TakeSlot(SLOTS, "b", 2))
    for _ in range(2):
        store.commit(FreeSlot(SLOTS, "a"))
        assert store.slots(SLOTS) == {"b"}
    store.commit(TakeSlot(SLOTS, "c", 2))
    assert store.slots(SLOTS) == {"b", "c"}


def test_freeing_what_was_never_taken_makes_nothing(store: Store, bed: Bed) -> None:
    store.commit(FreeSlot(SLOTS, "a"))
    assert store.slots(SLOTS) == frozenset()
    assert bed.items() == {}
    store.commit(TakeSlot(SLOTS, "b", 1))
    assert store.slots(SLOTS) == {"b"}


def test_a_set_that_was_emptied_has_its_whole_cap_again(store: Store, bed: Bed) -> None:
    store.commit(TakeSlot(SLOTS, "a", 1))
    store.commit(FreeSlot(SLOTS, "a"))
    assert (store.slots(SLOTS), bed.items()) == (frozenset(), {})
    store.commit(TakeSlot(SLOTS, "b", 1))
    assert refused(store, TakeSlot(SLOTS, "a", 1))
    assert store.slots(SLOTS) == {"b"}


def test_slot_sets_do_not_mix(store: Store) -> None:
    store.commit(TakeSlot(SLOTS, "a", 1), TakeSlot(ids.ALL_SLOTS_KEY, "a", 1))
    store.commit(FreeSlot(SLOTS, "a"))
    assert store.slots(ids.ALL_SLOTS_KEY) == {"a"}


def test_a_counter_stops_at_its_limit(store: Store, bed: Bed) -> None:
    store.commit(Spend(BUDGET, 2, 5))
    store.commit(Spend(BUDGET, 3, 5))
    more = Spend(BUDGET, 1, 5)
    assert refused(store, more) == (more,)
    assert bed.items()[BUDGET]["spent"] == 5
    store.commit(Spend(BUDGET, 1, 6))
    assert refused(store, Spend(BUDGET, 1, 2))
    assert bed.items()[BUDGET]["spent"] == 6


def test_what_is_over_the_limit_on_its_own_is_refused_at_once(store: Store, bed: Bed) -> None:
    assert refused(store, Spend(BUDGET, 6, 5))
    assert bed.items() == {}
    store.commit(Spend(BUDGET, 5, 5))
    assert refused(store, Spend(BUDGET, 6, 5))


@pytest.mark.parametrize(
    ("status", "fence", "lives"),
    [
        (Status.RUNNING, 3, True), (Status.RUNNING, 2, False), (Status.RUNNING, 4, False), (Status.CLAIMED, 3, False),
        (Status.CANCELLING, 3, False), (Status.SCHEDULED, 3, False), (Status.DONE, 3, False),
    ],
)  # fmt: skip
def test_a_child_is_made_only_while_its_parent_runs(
    store: Store, bed: Bed, status: Status, fence: int, lives: bool
) -> None:
    parent = added(store, follow_up(status=status, fence=3))
    child, live = Add(follow_up(parent=parent.run_id, depth=1)), Live(parent.key, fence)
    if lives:
        store.commit(live, child)
    else:
        assert refused(store, live, child) == (live,)
    assert (child.entity.key in bed.items()) is lives
    assert store.get(FollowUp, parent.key) == parent


def test_a_run_lives_also_where_its_follow_up_is_of_a_newer_version(store: Store, bed: Bed) -> None:
    """Whether it lives is in two attributes; what else is there need not be understood."""
    parent = added(store, follow_up(status=Status.RUNNING, fence=3))
    bed.spoil(parent.key, lambda item: item | {"from_tomorrow": 1})
    store.commit(Live(parent.key, 3), Add(follow_up(parent=parent.run_id, depth=1)))
    other = Live(parent.key, 2)
    assert refused(store, other) == (other,)


def test_live_alone_is_asked_and_nothing_lives_that_is_not_there(store: Store) -> None:
    parent = added(store, follow_up(status=Status.RUNNING, fence=1))
    store.commit(Live(parent.key, 1))
    gone = Live(ids.follow_up_key("ada", fresh()), 1)
    assert refused(store, gone) == (gone,)
