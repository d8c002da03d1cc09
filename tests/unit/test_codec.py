"""Entities as items and back: exact, and nothing that is not understood is ever dropped."""

from collections.abc import Callable
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any, get_args, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from followups.adapters.codec import KINDS, epoch_ms, from_item, iso, list_range, shard_of, to_item
from followups.domain import ids
from followups.domain.entities import Entity, FollowUp, Run
from followups.domain.errors import StoreError, UnreadableItem
from followups.domain.status import CLOSED, Status
from tests.support.things import agent, control, follow_up, later, run

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: Times as they are stored: whole milliseconds.
instants = st.integers(0, 253401955200000).map(lambda ms: EPOCH + timedelta(milliseconds=ms))
RULES = st.sampled_from(["FREQ=DAILY;INTERVAL=1", "FREQ=WEEKLY;INTERVAL=12"])
WALLS = st.datetimes().map(datetime.isoformat)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


def values_of(hint: Any) -> st.SearchStrategy[Any]:
    """Gives any value that a field may have."""
    if args := [it for it in get_args(hint) if it is type(None)]:
        return st.none() | values_of(next(it for it in get_args(hint) if it not in args))
    if isinstance(hint, type) and issubclass(hint, Enum):
        return st.sampled_from(hint)
    known = {datetime: instants, int: st.integers(0, 10**9), bool: st.booleans(), str: texts}
    return known[hint] if hint in known else st.lists(texts, max_size=3).map(tuple)


def entities(kind: type[Entity]) -> st.SearchStrategy[Entity]:
    hints = get_type_hints(kind)
    exact = {
        "rule": st.none() | RULES, "timezone": st.sampled_from(["UTC", "Europe/Berlin"]), "anchor": st.none() | WALLS,
        "due_wall": st.none() | WALLS, "late": st.sampled_from([None, "skip", "run_within 6h"]),
        "stagger_s": st.none() | st.integers(0, 3600), "ladder": st.sampled_from([None, "1d,2d,4d", "5m"]),
    }  # fmt: skip
    return st.builds(kind, **{it.name: exact.get(it.name, values_of(hints[it.name])) for it in fields(kind)})


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS.keys())
def test_every_entity_comes_back_as_it_was(kind: type[Entity]) -> None:
    @given(entities(kind), st.integers(1, 256))
    def check(entity: Entity, shards: int) -> None:
        item = to_item(entity, shards=shards)
        assert from_item(item) == entity
        assert all(type(value) in (str, int, bool, list) for value in item.values())
        assert (item["pk"], item["sk"]) == entity.key

    check()


@given(st.integers(0, 253401955200000), st.integers(0, 999))
def test_epoch_milliseconds_are_exact(ms: int, us: int) -> None:
    """Floats are not: `timestamp() * 1000` is a millisecond off for many an instant."""
    moment = EPOCH + timedelta(milliseconds=ms)
    assert epoch_ms(moment + timedelta(microseconds=us)) == ms
    found = from_item(to_item(follow_up(wake_at=moment)))
    assert isinstance(found, FollowUp)
    assert found.wake_at == moment


def test_texts_sort_as_their_times_follow() -> None:
    line = [later(milliseconds=n * 37) for n in range(100)]
    assert sorted(map(iso, line)) == [iso(it) for it in line]
    assert iso(later()) == "2026-11-24T12:00:00.000Z"


def test_an_item_says_in_words_what_it_is() -> None:
    it = follow_up(owner="ada", status=Status.RUNNING, fence=2, wake_at=later(minutes=5, milliseconds=3), version=7)
    item = to_item(it, shards=16)
    assert {name: item[name] for name in ("type", "status", "agent", "due_at", "wake_at_text", "owner_key")} == {
        "type": "follow-up", "status": "running", "agent": "@backup", "due_at": "2026-11-24T13:00:00.000Z",
        "wake_at_text": "2026-11-24T12:05:00.003Z", "owner_key": "ada",
    }  # fmt: skip
    assert (item["wake_at"], item["wake_shard"], item["version"]) == (1795521900003, shard_of(it.key.pk, 16), 7)
    assert not {"rule", "handle", "expires_at", "expires_at_text", "closed_at"} & set(item)


def test_ttl_is_in_seconds_and_the_text_beside_it_in_milliseconds() -> None:
    item = to_item(follow_up(status=Status.DONE, expires_at=later(days=90, milliseconds=999)))
    assert (item["expires_at"], item["expires_at_text"]) == (1803297600, "2027-02-22T12:00:00.999Z")


def test_only_what_waits_for_a_look_has_index_attributes() -> None:
    for it in (follow_up(status=Status.PAUSED), run(wake_at=None), agent(), control()):
        assert not {"wake_at", "wake_at_text", "wake_shard"} & set(to_item(it, shards=4))
    assert {"wake_at", "wake_at_text", "wake_shard"} <= set(to_item(run(), shards=4))


def test_who_moves_a_look_by_hand_writes_one_number() -> None:
    moved = from_item(to_item(follow_up()) | {"wake_at": epoch_ms(later(minutes=1))})
    assert isinstance(moved, FollowUp)
    assert moved.wake_at == later(minutes=1)


def test_shards_are_the_same_on_every_machine_and_day() -> None:
    assert [shard_of(f"ada#{n}", 16) for n in range(8)] == [14, 8, 2, 4, 7, 1, 11, 13]
    assert {shard_of(f"ada#{n}", 16) for n in range(200)} == set(range(16))
    assert {shard_of("ada#1", 1), shard_of("", 1)} == {0}


def test_a_run_lies_in_the_shard_of_its_follow_up() -> None:
    it = follow_up()
    assert to_item(run(it), shards=16)["wake_shard"] == to_item(it, shards=16)["wake_shard"]


def test_list_keys_are_open_first_and_soonest_first() -> None:
    line = [
        follow_up(status=status, wake_at=None, due_at=later(hours=hours))
        for status in sorted(Status, key=lambda it: it in CLOSED)
        for hours in (1, 2, 100)
    ]
    by_group = sorted(line, key=lambda it: (it.is_closed, it.due_at, it.id))
    assert sorted(line, key=lambda it: to_item(it)["list_key"]) == by_group
    for group, wanted in (("open", {False}), ("closed", {True}), ("all", {False, True})):
        low, high = list_range(group)
        found = [it for it in line if low <= to_item(it)["list_key"] < high]
        assert found == [it for it in line if it.is_closed in wanted]


Change = Callable[[dict[str, Any]], dict[str, Any]]


def without(*names: str) -> Change:
    return lambda item: {name: value for name, value in item.items() if name not in names}


def having(**values: Any) -> Change:
    return lambda item: item | values


UNREADABLE: dict[str, tuple[Change, str]] = {
    "no type": (without("type"), "is of unknown type 'None'"),
    "unknown type": (having(type="dream"), "is of unknown type 'dream'"),
    "a type that is no text": (having(type=["run"]), "is of unknown type"),
    "a newer field": (having(mood="good", zeal=1), "has fields this version does not know: mood, zeal"),
    "no owner": (without("owner"), "owner"),
    "no due time": (without("due_at"), "due_at"),
    "no version": (without("version"), "lacks version"),
    "no status": (without("status"), "lacks status"),
    "no fence and no attempt": (without("fence", "attempt"), "lacks attempt, fence"),
    "no write id": (without("write_id"), "lacks write_id"),
    "a text for a number": (having(fence="2"), "has a wrong fence: '2'"),
    "a truth for a number": (having(fence=True), "has a wrong fence: True"),
    "a number for a truth": (having(extra=1), "has a wrong extra: 1"),
    "a fraction": (having(attempt=1.5), "has a wrong attempt: 1.5"),
    "a number for a text": (having(task=7), "has a wrong task: 7"),
    "a list for a text": (having(task=["x"]), "has a wrong task"),
    "a status that is none": (having(status="dreaming"), "has a wrong status: 'dreaming'"),
    "an outcome that is none": (having(last_outcome="fine"), "has a wrong last_outcome"),
    "a time without a zone": (having(due_at="2026-12-01T08:00:00.000"), "has a wrong due_at"),
    "a date": (having(due_at="2026-12-01"), "has a wrong due_at"),
    "a number for a time": (having(due_at=1795608000000), "has a wrong due_at"),
    "a text for the look": (having(wake_at="2026-12-01T08:00:00.000Z"), "has a wrong wake_at"),
    "a look in no calendar": (having(wake_at=10**30), "has a wrong wake_at"),
    "a look in microseconds": (having(wake_at=1795521900003000000), "has a wrong wake_at"),
    "seconds without their text": (having(expires_at=1803297600), "has a wrong expires_at"),
    "a rule of a later version": (having(rule="FREQ=SECONDLY;INTERVAL=1"), "has a wrong rule: 'FREQ=SECONDLY"),
    "a policy of a later version": (having(late="ask"), "has a wrong late: 'ask'"),
    "a ladder of a later version": (having(ladder="1d,weekly"), "has a wrong ladder: '1d,weekly'"),
    "a ladder that goes nowhere": (having(ladder="0d"), "has a wrong ladder: '0d'"),
    "a verdict that is none": (having(last_verdict="perhaps"), "has a wrong last_verdict: 'perhaps'"),
    "a stagger of a day": (having(stagger_s=86_400), "has a wrong stagger_s: 86400"),
    "a rule in other digits": (having(rule="FREQ=DAILY;INTERVAL=1٣"), "has a wrong rule"),
    "a zone that is none": (having(timezone="Mars/Phobos"), "has a wrong timezone: 'Mars/Phobos'"),
    "an anchor that is no time": (having(anchor="nine"), "has a wrong anchor: 'nine'"),
    "an anchor with a zone": (having(anchor="2026-12-01T09:00:00Z"), "has a wrong anchor"),
    "a time that some zone has not": (having(due_at="0001-01-01T00:00:00.000Z"), "has a wrong due_at"),
    "the key of another": (having(pk="bob#x"), "lies under a key that is not its own"),
    "the key of a run": (having(sk="RUN#000001"), "lies under a key that is not its own"),
}


@pytest.mark.parametrize("how", UNREADABLE)
def test_what_is_not_understood_is_refused_and_says_why(how: str) -> None:
    change, why = UNREADABLE[how]
    with pytest.raises(UnreadableItem) as error:
        from_item(change(to_item(follow_up(), shards=4)))
    assert isinstance(error.value, StoreError)
    assert why in str(error.value)


def test_what_a_later_version_added_has_its_default_in_an_older_item() -> None:
    it = follow_up()
    assert from_item(without("message", "missed", "depth")(to_item(it))) == it
    record = run()
    assert from_item(without("message", "report_tries")(to_item(record))) == record


@pytest.mark.parametrize(("thing", "needed"), [(run(), "report_status"), (agent(), "version"), (control(), "stopped")])
def test_each_type_needs_what_conditions_rest_on(thing: Entity, needed: str) -> None:
    with pytest.raises(UnreadableItem, match=f"lacks {needed}"):
        from_item(without(needed)(to_item(thing)))


def test_a_list_of_other_things_than_texts_is_refused() -> None:
    with pytest.raises(UnreadableItem, match="has a wrong command"):
        from_item(to_item(agent()) | {"command": ["ls", 1]})


def test_nothing_at_all_is_refused() -> None:
    with pytest.raises(UnreadableItem, match="item None None is of unknown type"):
        from_item({})


def test_keys_of_all_types_are_their_own() -> None:
    it = follow_up()
    record = replace(run(it), fence=12)
    assert isinstance(from_item(to_item(record)), Run)
    assert to_item(record)["sk"] == "RUN#000012"
    assert (to_item(agent())["pk"], to_item(control())["pk"]) == ("AGENT#@backup", ids.CONTROL_KEY.pk)
