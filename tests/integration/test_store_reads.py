"""The store contract, reading: what is due, and the lists. For every store."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

import pytest

from followups.domain.changes import Add, SetAside, Swap
from followups.domain.entities import Entity, FollowUp, Run, Unreadable
from followups.domain.errors import UnreadableItem
from followups.domain.status import ReportStatus, Status
from followups.ports import Store
from tests.support.beds import Bed
from tests.support.things import agent, control, follow_up, fresh, later, run


def fill(store: Store, things: Iterable[Entity]) -> None:
    """Adds many things, in few transactions."""
    waiting = iter(things)
    while batch := list(islice(waiting, 100)):
        store.commit(*map(Add, batch))


def due_keys(store: Store, **time: float) -> list[str]:
    return sorted(it.key.pk for it in store.due(later(**time)))


def owned(number: int, **fields: Any) -> FollowUp:
    """Gives a follow-up whose task is its number."""
    return follow_up(task=str(number), **fields)


def tasks(found: Sequence[FollowUp]) -> list[str]:
    return [it.task for it in found]


def test_due_is_what_waits_for_a_look_by_then_to_the_millisecond(store: Store) -> None:
    moment = later(hours=1, milliseconds=7)
    it = follow_up(wake_at=moment)
    store.commit(Add(it))
    assert list(store.due(later(hours=1, milliseconds=6))) == []
    assert list(store.due(moment)) == [it]
    assert list(store.due(later(days=500))) == [it]


def test_due_finds_reports_as_well_and_what_has_no_look_ahead_of_it_never(store: Store) -> None:
    waiting = follow_up()
    report = run(waiting)
    sleeping: list[Entity] = [
        follow_up(status=Status.PAUSED), follow_up(status=Status.DONE, closed_at=later(), expires_at=later(days=90)),
        run(report_status=ReportStatus.SENT, wake_at=None), agent(), control(),
    ]  # fmt: skip
    fill(store, [waiting, report, *sleeping])
    assert sorted(store.due(later(days=999)), key=lambda it: it.key) == [waiting, report]


def test_what_is_paused_leaves_the_index_and_what_is_resumed_comes_back(store: Store) -> None:
    first = follow_up()
    paused = replace(first, status=Status.PAUSED, wake_at=None, version=2, write_id=fresh())
    back = replace(paused, status=Status.SCHEDULED, wake_at=later(hours=3), version=3, write_id=fresh())
    store.commit(Add(first))
    store.commit(Swap(first, paused))
    assert list(store.due(later(days=999))) == []
    store.commit(Swap(paused, back))
    assert list(store.due(later(hours=2))) == []
    assert list(store.due(later(hours=3))) == [back]


def test_due_comes_soonest_first_for_each_owner(store: Store) -> None:
    """A shard holds whole partitions, so the looks of one follow-up and its runs come in the order of their time."""
    one = follow_up(wake_at=later(minutes=30))
    runs = [run(one, fence=n, wake_at=later(minutes=60 - 10 * n)) for n in range(1, 6)]
    fill(store, [one, *runs])
    found = [it.wake_at for it in store.due(later(hours=1)) if not isinstance(it, Unreadable)]
    assert found == [later(minutes=minutes) for minutes in (10, 20, 30, 30, 40, 50)]


#: 600 items of more than 2 KB: more than one answer of DynamoDB may hold (1 MB), and than SQLite is asked for at once.
MANY, BIG = 600, "x" * 2_200


@pytest.mark.slow
def test_due_reads_all_pages_also_while_what_it_gave_moves_on(server_bed: Bed) -> None:
    store = server_bed.open()
    line = [follow_up(message=BIG, wake_at=later(seconds=n)) for n in range(MANY)]
    fill(store, line)
    seen = []
    for number, it in enumerate(store.due(later(seconds=MANY))):
        assert isinstance(it, FollowUp)
        seen.append(it.id)
        if number % 25 == 0:
            store.commit(Swap(it, replace(it, wake_at=later(days=1), version=2, write_id=fresh())))
    assert sorted(seen) == sorted(it.id for it in line)


def test_with_a_line_the_first_of_each_agent_and_all_that_is_in_no_line(store: Store) -> None:
    lines = {
        name: [follow_up(agent=name, start_at=later(minutes=n), wake_at=later(minutes=60 - n)) for n in (3, 1, 2, 4)]
        for name in ("@backup", "@backup-2", "@disk")
    }
    early = follow_up(start_at=later(days=500), wake_at=later(minutes=30))
    apart: list[Entity] = [early, follow_up(status=Status.CLAIMED), follow_up(status=Status.RUNNING), run()]
    not_yet = [follow_up(start_at=start, wake_at=later(hours=2)) for start in (later(), later(hours=2))]
    fill(store, [*(it for line in lines.values() for it in line), *apart, *not_yet])
    for most in (0, 1, 3, 9):
        found = {it.key for it in store.due(later(hours=1), line=most)}
        first = [it for line in lines.values() for it in sorted(line, key=lambda it: it.start_at)[:most]]
        assert {it.key for it in (*first, *apart)} <= found
        assert not found & {it.key for it in not_yet}


def test_a_spoiled_item_in_a_line_is_found_there(store: Store, bed: Bed) -> None:
    bad = follow_up()
    store.commit(Add(bad))
    bed.spoil(bad.key, lambda item: item | {"from_tomorrow": 1})
    (found,) = store.due(later(hours=1), line=1)
    assert isinstance(found, Unreadable)
    store.commit(SetAside(bad.key, bad.version, later(hours=2)))
    assert list(store.due(later(hours=1), line=1)) == []


SPOILED: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "newer field": lambda item: item | {"from_tomorrow": 1},
    "newer type": lambda item: item | {"type": "dream"},
    "no type": lambda item: {name: value for name, value in item.items() if name != "type"},
    "no task": lambda item: {name: value for name, value in item.items() if name != "task"},
    "no fence": lambda item: {name: value for name, value in item.items() if name != "fence"},
    "text for a number": lambda item: item | {"attempt": "two"},
    "number for a text": lambda item: item | {"task": 7},
    "unknown status": lambda item: item | {"status": "dreaming"},
    "no zone": lambda item: item | {"due_at": "2026-12-01T08:00:00.000"},
    "no time": lambda item: item | {"start_at": "soon"},
    "never due": lambda item: {"pk": item["pk"], "sk": item["sk"], "wake_at": item["wake_at"]} | {
        name: item[name] for name in ("wake_shard", "version", "write_id", "poison") if name in item
    } | {"type": "control", "stopped": False},
}  # fmt: skip


@pytest.mark.parametrize("how", SPOILED)
def test_a_spoiled_item_hides_no_other_and_can_be_set_aside(store: Store, bed: Bed, how: str) -> None:
    good = [follow_up(wake_at=later(minutes=n)) for n in (1, 2, 3, 4)]
    bad = replace(follow_up(wake_at=later(minutes=2)), version=5, poison=3)
    fill(store, [*good, bad])
    bed.spoil(bad.key, SPOILED[how])
    found = list(store.due(later(hours=1)))
    assert sorted(it.key for it in found if isinstance(it, FollowUp)) == sorted(it.key for it in good)
    (unreadable,) = (it for it in found if isinstance(it, Unreadable))
    assert (unreadable.key, unreadable.version, unreadable.poison) == (bad.key, 5, 3)
    assert unreadable.error
    with pytest.raises(UnreadableItem):
        store.get(FollowUp, bad.key)
    store.commit(SetAside(bad.key, 5, None))
    assert due_keys(store, hours=1) == sorted(it.key.pk for it in good)


def test_lists_show_the_open_ones_first_and_the_soonest_first(store: Store) -> None:
    fill(
        store,
        [
            owned(5, status=Status.DONE, due_at=later(hours=1)),
            owned(3, status=Status.PAUSED, due_at=later(hours=30)),
            owned(1, due_at=later(hours=2)),
            owned(6, status=Status.CANCELLED, due_at=later(days=50)),
            owned(4, status=Status.CLAIMED, due_at=later(days=400)),
            owned(2, status=Status.RUNNING, due_at=later(hours=10)),
            run(),
            agent(),
        ],
    )
    for group, expected in (("open", "1234"), ("closed", "56"), ("all", "123456")):
        found, after = store.list_follow_ups("ada", group=group, after=None, limit=100)
        assert ("".join(tasks(found)), after) == (expected, None)


def test_an_owner_sees_own_follow_ups_only(store: Store) -> None:
    owners = ["ada", "ada ", "ad", "adam", "AGENTS", "ada#x"]
    fill(store, [owned(n, owner=owner) for n, owner in enumerate(owners)] + [agent()])
    for number, owner in enumerate(owners):
        found, _ = store.list_follow_ups(owner, group="all", after=None, limit=10)
        assert tasks(found) == [str(number)]
    assert [it.name for it in store.agents()] == ["@backup"]


@pytest.mark.parametrize("limit", [1, 2, 3, 6, 7])
def test_pages_join_to_the_whole_list(store: Store, limit: int) -> None:
    closed = {"status": Status.DONE}
    fill(store, [owned(n, due_at=later(hours=n // 2), **(closed if n > 3 else {})) for n in range(6)])
    whole, _ = store.list_follow_ups("ada", group="all", after=None, limit=100)
    joined, after = [], None
    for number in range(-(-6 // limit)):
        assert number == 0 or after
        page, after = store.list_follow_ups("ada", group="all", after=after, limit=limit)
        joined += page
    assert (tasks(joined), after) == (tasks(whole), None)


def test_pages_stay_in_step_when_the_list_changes_between_them(store: Store) -> None:
    line = [owned(n, due_at=later(hours=n)) for n in range(6)]
    fill(store, line)
    first, after = store.list_follow_ups("ada", group="open", after=None, limit=3)
    assert (tasks(first), bool(after)) == (["0", "1", "2"], True)
    # The very one that the page ended with is closed, and a sooner one comes.
    store.commit(Swap(line[2], replace(line[2], status=Status.DONE, wake_at=None, version=2, write_id=fresh())))
    store.commit(Add(owned(9, due_at=later(minutes=1))))
    rest, after = store.list_follow_ups("ada", group="open", after=after, limit=3)
    assert (tasks(rest), after) == (["3", "4", "5"], None)


@pytest.mark.slow
def test_a_long_list_is_read_over_the_pages_of_the_server(server_bed: Bed) -> None:
    store = server_bed.open()
    fill(store, [owned(n, message=BIG, due_at=later(minutes=n)) for n in range(MANY)])
    found, after = store.list_follow_ups("ada", group="open", after=None, limit=MANY)
    assert (tasks(found), after) == ([str(n) for n in range(MANY)], None)


def test_runs_come_newest_first(store: Store) -> None:
    one, other = follow_up(), follow_up()
    fill(store, [one, other, *(run(one, fence=n) for n in (1, 2, 9, 10, 11)), run(other, fence=7)])
    assert [it.fence for it in store.runs("ada", one.id, limit=10)] == [11, 10, 9, 2, 1]
    assert [it.fence for it in store.runs("ada", one.id, limit=2)] == [11, 10]
    assert store.runs("bob", one.id, limit=10) == []
    assert all(isinstance(it, Run) for it in store.runs("ada", one.id, limit=10))


def test_agents_come_by_name(store: Store) -> None:
    fill(store, [agent(name) for name in ("@zoe", "@adam", "@mid.1", "@mid-1")])
    assert [it.name for it in store.agents()] == ["@adam", "@mid-1", "@mid.1", "@zoe"]


def test_a_spoiled_item_does_not_hide_the_others_of_a_list(store: Store, bed: Bed) -> None:
    line = [owned(n, due_at=later(hours=n)) for n in range(4)]
    records = [run(line[0], fence=n) for n in (1, 2)]
    names = [agent("@adam"), agent("@zoe")]
    fill(store, [*line, *records, *names])
    for it in (line[1], records[1], names[0]):
        bed.spoil(it.key, SPOILED["newer field"])
    first, after = store.list_follow_ups("ada", group="open", after=None, limit=3)
    rest, _ = store.list_follow_ups("ada", group="open", after=after, limit=3)
    assert (tasks(first), tasks(rest)) == (["0", "2"], ["3"])
    assert [it.fence for it in store.runs("ada", line[0].id, limit=9)] == [1]
    assert [it.name for it in store.agents()] == ["@zoe"]
