"""The store contract, writing: every change, every condition, and that nothing is ever half done. For every store."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from followups.domain import claims, ids
from followups.domain.changes import Add, Change, FreeSlot, Live, Remove, SetAside, Spend, Swap, TakeSlot
from followups.domain.editing import pause
from followups.domain.entities import Agent, Control, Entity, FollowUp, Run
from followups.domain.errors import Conflict, UnreadableItem
from followups.domain.ids import Key
from followups.domain.status import Outcome, Status
from followups.ports import Store
from tests.support.beds import Bed
from tests.support.things import agent, control, follow_up, fresh, later, run

SLOTS = ids.agent_slots_key("@backup")
BUDGET = ids.budget_key("ada", fresh("root"))


def refused(store: Store, *changes: Change) -> tuple[object, ...]:
    """Commits what must be refused; gives the changes that the refusal names."""
    with pytest.raises(Conflict) as conflict:
        store.commit(*changes)
    return conflict.value.failed


def moved(old: FollowUp, **fields: Any) -> Swap:
    """Gives a swap to the next version."""
    return Swap(old, replace(old, **({"version": old.version + 1, "write_id": fresh()} | fields)))


def added(store: Store, thing: FollowUp) -> FollowUp:
    store.commit(Add(thing))
    return thing


FULL = follow_up(
    message="Look at /srv\n- and at the moon 🌙", rule="every monday 08:00", anchor="2026-11-30T08:00:00",
    report_to="a@b.co", status=Status.RUNNING, wake_at=later(minutes=7, milliseconds=1), fence=3, attempt=2, sends=1, extra=True, missed=4,
    folded_to=later(hours=2), claimed_at=later(seconds=1), started_at=later(seconds=2), deadline_at=later(seconds=3),
    lease_until=later(seconds=4), lease_holder="locks/1", handle="h-1", blocked_reason="busy", blocked_since=later(hours=9),
    failures_in_row=1, last_outcome=Outcome.TIMED_OUT, reason="why", parent=ids.run_id(fresh(), 1), depth=1,
    request_hash="abc", closed_at=later(days=1), expires_at=later(days=91, milliseconds=250), poison=2, version=9,
)  # fmt: skip


@pytest.mark.parametrize(
    "thing",
    [
        follow_up(), FULL, run(),
        run(FULL, report_to="a@b.co", report="# All well\n" * 99, output_ref="s3://b/k", wake_at=None), agent(), agent("@list", kind="checklist", command=(), rerun_safe=True, timeout_s=3600), control(),
        control(stopped=True, reason="fire drill", changed_at=later(minutes=1)),
    ],
    ids=["follow-up", "full follow-up", "run", "full run", "agent", "other agent", "control", "stopped control"],
)  # fmt: skip
def test_what_is_added_is_found_as_it_was(store: Store, bed: Bed, thing: Entity) -> None:
    store.commit(Add(thing))
    assert store.get(type(thing), thing.key) == thing
    assert bed.open().get(type(thing), thing.key) == thing


def test_nothing_is_found_where_nothing_is(store: Store) -> None:
    thing = added(store, follow_up())
    assert store.get(FollowUp, ids.follow_up_key("bob", thing.id)) is None
    assert store.get(Run, ids.run_key("ada", thing.id, 1)) is None
    assert store.get(Control, ids.CONTROL_KEY) is None
    assert store.slots(SLOTS) == frozenset()


def test_who_asks_for_another_kind_is_told_so(store: Store) -> None:
    store.commit(Add(agent()))
    with pytest.raises(UnreadableItem, match="AGENT#@backup META is a Agent, not a FollowUp"):
        store.get(FollowUp, ids.agent_key("@backup"))


def test_nothing_to_commit_is_fine(store: Store, bed: Bed) -> None:
    store.commit()
    assert bed.items() == {}


def test_add_is_for_what_is_not_there(store: Store) -> None:
    first = added(store, follow_up())
    second = Add(replace(first, task="Another", write_id=fresh()))
    assert refused(store, second) == (second,)
    assert store.get(FollowUp, first.key) == first


def test_swap_is_for_what_is_still_as_it_was_read(store: Store) -> None:
    first = added(store, follow_up())
    good, stale = moved(first, task="Mine"), moved(first, task="Theirs")
    store.commit(good)
    assert refused(store, stale) == (stale,)
    assert store.get(FollowUp, first.key) == good.new


def test_swap_of_what_is_not_there_is_refused(store: Store, bed: Bed) -> None:
    swap = moved(follow_up())
    assert refused(store, swap) == (swap,)
    assert bed.items() == {}


def test_a_swap_from_the_future_is_refused(store: Store) -> None:
    first = added(store, follow_up())
    swap = moved(replace(first, version=2))
    assert refused(store, swap) == (swap,)
    assert store.get(FollowUp, first.key) == first


def test_what_becomes_none_is_gone(store: Store, bed: Bed) -> None:
    first = added(store, replace(FULL, version=1))
    swap = moved(first, wake_at=None, expires_at=None, handle=None, rule=None, last_outcome=None)
    store.commit(swap)
    assert store.get(FollowUp, first.key) == swap.new
    assert not {"wake_at", "wake_at_text", "wake_shard", "expires_at", "handle", "rule"} & set(bed.items()[first.key])


@pytest.mark.parametrize("kind", ["add", "swap"])
def test_the_same_write_again_was_ours_and_is_done(store: Store, bed: Bed, kind: str) -> None:
    first = follow_up()
    change: Change = Add(first)
    store.commit(change)
    if kind == "swap":
        change = moved(first, task="Second")
        store.commit(change)
    before = bed.items()
    store.commit(change)
    assert bed.items() == before


def test_two_who_write_the_same_are_not_one(store: Store) -> None:
    """Two sweeps at the same instant make equal claims; only the write id tells whose it is."""
    first = added(store, follow_up(due_at=later()))
    mine, theirs = (claims.claim(first, at=later(), write_id=fresh()) for _ in range(2))
    store.commit(mine)
    assert replace(mine.new, write_id="") == replace(theirs.new, write_id="")
    assert refused(store, theirs) == (theirs,)


def test_a_write_that_others_wrote_over_is_not_done_again(store: Store) -> None:
    first = added(store, follow_up())
    mine = moved(first, task="Mine")
    store.commit(mine)
    assert isinstance(mine.new, FollowUp)
    theirs = moved(mine.new, task="Theirs")
    store.commit(theirs)
    assert refused(store, mine) == (mine,)
    assert store.get(FollowUp, first.key) == theirs.new


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


def test_live_alone_is_asked_and_nothing_lives_that_is_not_there(store: Store) -> None:
    parent = added(store, follow_up(status=Status.RUNNING, fence=1))
    store.commit(Live(parent.key, 1))
    gone = Live(ids.follow_up_key("ada", fresh()), 1)
    assert refused(store, gone) == (gone,)


def test_remove_is_for_what_is_still_as_it_was_read(store: Store) -> None:
    old = agent()
    new = replace(old, version=2, timeout_s=5, write_id=fresh())
    store.commit(Add(old))
    store.commit(Swap(old, new))
    stale = Remove(old)
    assert refused(store, stale) == (stale,)
    assert store.get(Agent, old.key) == new
    store.commit(Remove(new))
    assert (store.get(Agent, old.key), store.agents()) == (None, [])
    again = Remove(new)
    assert refused(store, again) == (again,)
    store.commit(Add(old))
    assert store.agents() == [old]


def test_an_unreadable_item_is_set_aside_and_counted_but_not_rewritten(store: Store, bed: Bed) -> None:
    bad = added(store, follow_up())
    bed.spoil(bad.key, lambda item: item | {"from_tomorrow": "keep me"})
    for round_, moment in enumerate((later(minutes=15), later(minutes=30)), start=1):
        (found,) = store.due(later(days=1))
        store.commit(SetAside(bad.key, round_, moment))
        assert list(store.due(later(minutes=15 * round_, milliseconds=-1))) == []
        (found,) = store.due(moment)
        assert (found.key, found.version, found.poison) == (bad.key, round_ + 1, round_)
        assert bed.items()[bad.key]["from_tomorrow"] == "keep me"
    stale = SetAside(bad.key, 1, later(days=2))
    assert refused(store, stale) == (stale,)
    store.commit(SetAside(bad.key, 3, None))
    assert list(store.due(later(days=999))) == []


def test_setting_aside_what_is_not_there_makes_nothing(store: Store, bed: Bed) -> None:
    gone = SetAside(ids.follow_up_key("ada", fresh()), 1, later())
    assert refused(store, gone) == (gone,)
    assert bed.items() == {}


def test_what_was_set_aside_goes_on_once_it_can_be_read(store: Store, bed: Bed) -> None:
    """A newer version wrote it, this one set it aside, and then this one is upgraded."""
    bad = added(store, follow_up())
    bed.spoil(bad.key, lambda item: item | {"from_tomorrow": 1})
    store.commit(SetAside(bad.key, 1, later(minutes=15)))
    bed.spoil(bad.key, lambda item: {name: value for name, value in item.items() if name != "from_tomorrow"})
    (found,) = store.due(later(minutes=15))
    assert isinstance(found, FollowUp)
    assert (found.version, found.poison, found.wake_at) == (2, 1, later(minutes=15))
    store.commit(moved(found))


def scene(store: Store) -> tuple[FollowUp, list[Change]]:
    """Gives a live parent, and changes of every kind that a transaction may have, all of which hold."""
    first = added(store, follow_up())
    parent = added(store, follow_up(status=Status.RUNNING, fence=1))
    old = agent("@old")
    store.commit(Add(old))
    store.commit(TakeSlot(SLOTS, "leaves", 3))
    changes = [
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
    assert (store.slots(SLOTS), store.slots(ids.ALL_SLOTS_KEY)) == ({"leaves", "comes"}, frozenset())
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
