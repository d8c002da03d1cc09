"""What the audit finds in items that do not go together, and what a repair makes of it."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from followups.domain import ids
from followups.domain.changes import Add, Spend, Swap, TakeSlot
from followups.domain.entities import FollowUp
from followups.domain.findings import Weight
from followups.domain.ids import Key
from followups.domain.status import ReportStatus, Status
from tests.support.audits import NOON, Books, blocked, done, having, live, sent
from tests.support.decide import claimed
from tests.support.things import agent, control, follow_up, fresh, later, run


@pytest.fixture
def books(tmp_path: Path) -> Books:
    return Books(tmp_path / "followups.db")


@pytest.mark.parametrize("status", [Status.DONE, Status.FAILED])
def test_what_ended_without_a_record_is_found(books: Books, status: Status) -> None:
    it = done(status=status, fence=3)
    books.store.commit(Add(it), Add(sent(it, fence=2)))
    finding = books.only("no_record")
    assert (finding.key, finding.repair, finding.since) == (it.key, None, later())
    assert it.run_id in finding.says
    assert books.codes(later(days=90)) == [], "the store may have forgotten the record by then"


def test_what_was_cancelled_needs_no_record(books: Books) -> None:
    books.store.commit(Add(done(status=Status.CANCELLED)))
    assert books.look().findings == ()


def test_a_live_run_that_has_its_record_already_is_found(books: Books) -> None:
    it, slots = live()
    books.store.commit(Add(it), Add(sent(it)), *slots)
    assert books.only("ended_yet_alive").key == it.key


def test_a_claim_whose_run_has_its_record_already_is_found(books: Books) -> None:
    it = claimed()
    books.store.commit(Add(it), Add(sent(it)))
    assert books.only("ended_yet_alive").key == it.key


def test_a_fence_that_fell_is_found(books: Books) -> None:
    it = follow_up(fence=1)
    books.store.commit(Add(it), Add(sent(it, fence=2)), Add(sent(it, fence=1)))
    finding = books.only("fence_fell")
    assert "at fence 1, but has a record of fence 2" in finding.says


# Slots


def slot_of(it: FollowUp, key: Key) -> TakeSlot:
    return TakeSlot(key, it.slot_id, 100)


AGENT_SLOTS = ids.agent_slots_key("@backup")


@pytest.mark.parametrize("key", [AGENT_SLOTS, ids.ALL_SLOTS_KEY])
@pytest.mark.parametrize(
    ("it", "record", "freed"),
    [
        (done(), True, True), (done(status=Status.CANCELLED), False, True), (follow_up(fence=1), True, True),
        (follow_up(fence=1), False, False), (claimed(), False, False), (None, False, False), (None, True, True),
    ],
)  # fmt: skip
def test_a_slot_that_no_live_run_holds_is_found_and_freed_where_nothing_can_ask_for_it(
    books: Books, key: Key, it: FollowUp | None, record: bool, freed: bool
) -> None:
    store, holder = books.store, it or done()
    store.commit(slot_of(holder, key), *([Add(it)] if it else []), *([Add(sent(holder))] if record else []))
    audited = books.look()
    [finding] = audited.findings
    assert (finding.code, finding.key, finding.repair is not None) == ("slot_for_nothing", key, freed)
    assert holder.run_id in finding.says
    assert books.mend(audited).left == int(not freed)
    assert store.slots(key) == (frozenset() if freed else {holder.slot_id})


def test_the_slot_of_a_past_fence_is_freed_and_that_of_the_live_run_is_not(books: Books) -> None:
    store, (it, slots) = books.store, live(fence=3)
    past = replace(it, fence=2)
    store.commit(Add(it), *slots)
    store.commit(slot_of(past, AGENT_SLOTS), slot_of(past, ids.ALL_SLOTS_KEY))
    audited = books.mend(books.look())
    assert [(it.code, it.repaired) for it in audited.findings] == [("slot_for_nothing", True)] * 2
    assert store.slots(AGENT_SLOTS) == store.slots(ids.ALL_SLOTS_KEY) == {it.slot_id}


def test_a_slot_with_no_name_of_a_run_is_found(books: Books) -> None:
    books.store.commit(TakeSlot(ids.ALL_SLOTS_KEY, "whoever", 9))
    assert "'whoever'" in books.only("slot_for_nothing").says


def test_a_live_run_in_another_agents_set_is_found(books: Books) -> None:
    it, slots = live()
    store = books.store
    store.commit(Add(it), *slots)
    store.commit(slot_of(it, ids.agent_slots_key("@other")))
    finding = books.only("slot_for_nothing")
    assert (finding.key.pk, finding.repair) == ("AGENT#@other", None)


def test_a_holder_that_cannot_be_read_may_be_alive(books: Books) -> None:
    it, slots = live()
    books.store.commit(Add(it), *slots)
    books.spoil(it.key, having(from_tomorrow=1))
    assert books.codes() == ["unreadable"]


@pytest.mark.parametrize("status", [Status.RUNNING, Status.CANCELLING])
def test_a_live_run_without_its_slots_is_found(books: Books, status: Status) -> None:
    it, slots = live(status=status)
    books.store.commit(Add(it))
    audited = books.look()
    assert [it.code for it in audited.findings] == ["run_without_slot"] * 2
    assert {said.says.split("of ")[-1].split(":")[0] for said in audited.findings} == {"@backup", "all agents"}
    books.store.commit(*slots)
    assert books.look().findings == ()


@pytest.mark.parametrize(
    ("registered", "weight"),
    [
        ({"created_at": later(minutes=-1)}, Weight.BROKEN),
        ({"created_at": later(minutes=1)}, Weight.DOUBT),
        ({"created_at": later(minutes=-1), "version": 2}, Weight.DOUBT),
    ],
)
def test_more_than_an_agents_cap_is_found_and_sure_if_the_cap_was_never_another(
    books: Books, registered: dict[str, object], weight: Weight
) -> None:
    store = books.store
    store.commit(Add(agent(max_concurrency=1, **registered)))
    for it, slots in (live(), live()):
        store.commit(Add(it), *slots)
    finding = books.only("too_many_slots")
    assert (finding.key, finding.weight) == (AGENT_SLOTS, weight)
    assert ("Right only if" in finding.says) is (weight is Weight.DOUBT)


def test_more_than_the_global_cap_is_a_doubt(books: Books) -> None:
    for it, slots in (live(agent="@x"), live(agent="@y")):
        books.store.commit(Add(it), *slots)
    finding = books.only("too_many_slots", cap=1)
    assert (finding.key, finding.weight, books.look(cap=1).broken) == (ids.ALL_SLOTS_KEY, Weight.DOUBT, 0)
    assert books.look(cap=2).findings == ()


# Lines


def test_a_line_that_nobody_is_ahead_of_and_that_does_not_move_is_found(books: Books) -> None:
    first, second = blocked(), blocked(due_at=later(seconds=1))
    books.store.commit(Add(first), Add(second))
    assert books.look(later(hours=1)).findings == ()
    assert books.only("line_stands_still", later(hours=1, minutes=2)).key == first.key


def test_where_everybody_stands_in_line_one_that_was_never_refused_waits_like_the_others(books: Books) -> None:
    books.store.commit(Add(follow_up(due_at=later())))
    assert books.codes(later(minutes=30)) == ["overdue"]
    assert books.codes(later(minutes=30), all_in_line=True) == []
    assert "None" not in books.only("line_stands_still", later(hours=1, minutes=2), all_in_line=True).says
    it, slots = live(agent="@backup", lease_until=later(hours=2), wake_at=later(hours=2))
    books.store.commit(Add(it), *slots)
    assert books.codes(later(hours=1, minutes=2), all_in_line=True) == []


def test_who_is_refused_may_sleep_until_the_next_hour(books: Books) -> None:
    books.store.commit(Add(blocked(due_at=later(minutes=-30), wake_at=later(minutes=60))))
    assert books.look().findings == ()


@pytest.mark.parametrize("who", ["same agent", "all slots", "ended"])
def test_a_line_may_wait_while_others_run(books: Books, who: str) -> None:
    store, at = books.store, later(hours=1, minutes=2)
    store.commit(Add(blocked()))
    name = "@backup" if who == "same agent" else "@other"
    if who == "ended":
        record = run(done(), agent="@backup", finished_at=later(minutes=30), report_status=ReportStatus.SENT,
                     wake_at=None, expires_at=later(days=90))  # fmt: skip
        store.commit(Add(record))
    else:
        it, slots = live(agent=name, lease_until=later(hours=2), wake_at=later(hours=2))
        store.commit(Add(it), *slots)
    assert books.look(at, cap=1 if who == "all slots" else 100).findings == ()
    expected = ["line_stands_still"] if who == "all slots" else []
    assert books.codes(at, cap=100) == expected, "there was room for another agent"


def test_a_very_long_wait_behind_others_is_a_doubt(books: Books) -> None:
    store, at = books.store, later(days=1, minutes=2)
    it, slots = live(started_at=later(hours=23), start_at=later(hours=23), lease_until=at, wake_at=at)
    store.commit(Add(blocked()), Add(it), *slots)
    finding = books.only("long_wait", at)
    assert finding.weight is Weight.DOUBT


@pytest.mark.parametrize("it", [follow_up(due_at=later()), blocked()])
def test_the_kill_switch_holds_what_waits_and_for_a_while_after(books: Books, it: FollowUp) -> None:
    store, much_later = books.store, later(days=2)
    stopped = control(stopped=True, changed_at=later())
    store.commit(Add(it), Add(stopped))
    assert books.look(much_later).findings == ()
    released = replace(stopped, stopped=False, changed_at=much_later, version=2, write_id=fresh())
    store.commit(Swap(stopped, released))
    assert books.look(much_later + timedelta(minutes=15)).findings == ()
    assert books.look(much_later + timedelta(hours=1, minutes=1)).broken == 1


# Trees and counters


def family(count: int) -> list[FollowUp]:
    root = follow_up()
    return [root, *(follow_up(root=root.id, depth=1, parent=ids.run_id(root.id, 1)) for _ in range(count))]


def test_more_descendants_than_allowed_are_found_whatever_the_counter_says(books: Books) -> None:
    root, *children = family(101)
    store = books.store
    store.commit(*map(Add, [root, *children[:99]]))
    store.commit(Add(children[99]))
    assert books.look().findings == ()
    store.commit(Add(children[100]))
    finding = books.only("too_many_descendants")
    assert (finding.key, "101 follow-ups" in finding.says) == (root.key, True)


def test_a_tree_is_a_set_that_holds_no_slots_and_has_its_limit(books: Books) -> None:
    tree = ids.tree_key("ada", fresh())
    for number in range(100):
        books.store.commit(TakeSlot(tree, f"{number}", 200))
    assert books.look().findings == ()
    books.store.commit(TakeSlot(tree, "100", 200))
    finding = books.only("budget_overspent")
    assert (finding.key, finding.weight) == (tree, Weight.BROKEN)


def test_more_runs_in_an_hour_than_allowed_is_a_doubt(books: Books) -> None:
    books.store.commit(Spend(ids.hour_key("ada", NOON), 8, 99))
    assert books.only("hour_overspent", runs_per_hour=7).weight is Weight.DOUBT
    assert books.look(runs_per_hour=0).findings == ()
