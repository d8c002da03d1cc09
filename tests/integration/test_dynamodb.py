"""How DynamoDB is asked, and what is then in the table."""

import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest

from followups.adapters.codec import shard_of
from followups.adapters.dynamodb import DynamoDBStore
from followups.adapters.dynamodb_shards import most_shards
from followups.domain import ids
from followups.domain.changes import Add, FreeSlot, Live, Remove, SetAside, Spend, TakeSlot
from followups.domain.entities import FollowUp, Unreadable
from followups.domain.status import Status
from tests.support.beds import DynamoDBBed, dynamodb_client, moto_bed
from tests.support.commits import moved
from tests.support.things import agent, control, follow_up, later, run

SLOTS = ids.agent_slots_key("@backup")


@pytest.fixture
def bed() -> Iterator[DynamoDBBed]:
    with moto_bed() as bed:
        yield bed


@pytest.fixture
def store(bed: DynamoDBBed) -> DynamoDBStore:
    return bed.open()


def test_each_transaction_has_a_fresh_token(bed: DynamoDBBed) -> None:
    tokens: list[str] = []
    before = "before-call.dynamodb.TransactWriteItems"
    client = dynamodb_client()
    client.meta.events.register(before, lambda params, **_: tokens.append(json.loads(params["body"])["ClientRequestToken"]))
    store, changes = DynamoDBStore(client, bed.table), (Add(follow_up()), Add(follow_up()))
    for _ in range(3):
        store.commit(*changes)
    assert len(set(tokens)) == 3


def test_one_change_is_one_write_and_several_are_one_transaction(bed: DynamoDBBed) -> None:
    calls: list[str] = []
    client = dynamodb_client()
    client.meta.events.register("before-call.dynamodb", lambda model, **_: calls.append(model.name))
    store, first, old = DynamoDBStore(client, bed.table), follow_up(), agent()
    for changes in (
        (Add(first),), (Add(old),), (moved(first),), (TakeSlot(SLOTS, "a", 1),), (FreeSlot(SLOTS, "a"),),
        (Spend(ids.quota_key("r"), 1, 1),), (Remove(old),), (Add(follow_up()), TakeSlot(SLOTS, "a", 1)),
    ):  # fmt: skip
        store.commit(*changes)
    assert calls == ["PutItem"] * 3 + ["UpdateItem"] * 3 + ["DeleteItem", "TransactWriteItems"]


def test_two_changes_of_one_item_are_a_mistake(store: DynamoDBStore) -> None:
    first = follow_up(status=Status.RUNNING, fence=1)
    with pytest.raises(ValueError, match=r"two changes of one item in one commit: add .*, live "):
        store.commit(Add(first), Live(first.key, 1))


def test_people_can_read_what_is_in_the_table(bed: DynamoDBBed, store: DynamoDBStore) -> None:
    it = follow_up(
        due_at=later(hours=1, milliseconds=5), status=Status.DONE, wake_at=later(days=1), expires_at=later(days=90)
    )
    store.commit(Add(it), Add(agent()), Add(control()), Add(run(it)), TakeSlot(SLOTS, "a", 1))
    items = bed.items()
    stored = items[it.key]
    assert (stored["type"], stored["status"], stored["due_at"]) == ("follow-up", "done", "2026-11-24T13:00:00.005Z")
    assert (stored["wake_at"], stored["wake_at_text"]) == (1795608000000, "2026-11-25T12:00:00.000Z")
    assert (stored["expires_at"], stored["expires_at_text"]) == (1803297600, "2027-02-22T12:00:00.000Z")
    assert stored["list_key"] == f"2-closed#2026-11-24T13:00:00.005Z#{it.id}"
    types = {(key.pk.split("#")[0], key.sk.split("#")[0]): item["type"] for key, item in items.items()}
    assert types == {
        ("ada", "META"): "follow-up", ("AGENT", "META"): "agent", ("CONTROL", "META"): "control", ("ada", "RUN"): "run",
        ("AGENT", "SLOTS"): "slots",
    }  # fmt: skip


@pytest.mark.slow
def test_the_due_index_is_spread_and_may_be_spread_wider(bed: DynamoDBBed, store: DynamoDBStore) -> None:
    line = [follow_up() for _ in range(40)]
    for it in line:
        store.commit(Add(it))
    shards = {key: item["wake_shard"] for key, item in bed.items().items()}
    assert shards == {it.key: shard_of(it.key.pk, 4) for it in line}
    assert set(shards.values()) == {0, 1, 2, 3}
    wider = DynamoDBStore(bed.client, bed.table, shards=16)
    found = [it for it in wider.due(later(days=1)) if isinstance(it, FollowUp)]
    assert sorted(it.key for it in found) == sorted(shards)
    wider.commit(moved(line[0]))
    assert bed.items()[line[0].key]["wake_shard"] == shard_of(line[0].key.pk, 16)


def test_fewer_partitions_than_before_leave_nothing_unseen(bed: DynamoDBBed) -> None:
    assert most_shards(bed.client, bed.table, 16) == 16
    wide = DynamoDBStore(bed.client, bed.table, shards=16)
    line = [follow_up() for _ in range(40)]
    for it in line:
        wide.commit(Add(it))
    assert most_shards(bed.client, bed.table, 4) == 16, "the table remembers"
    assert most_shards(bed.client, bed.table, 32) == 32
    lowered = DynamoDBStore(bed.client, bed.table, shards=most_shards(bed.client, bed.table, 4))
    assert {it.key for it in lowered.due(later(days=1)) if isinstance(it, FollowUp)} == {it.key for it in line}


DAMAGE: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "version is a text": lambda item: item | {"version": "two"},
    "version is no whole number": lambda item: item | {"version": Decimal("1.5")},
    "no version": lambda item: {name: value for name, value in item.items() if name != "version"},
    "poison is a text": lambda item: item | {"poison": "much", "from_tomorrow": 1},
    "everything is gone": lambda item: {name: item[name] for name in ("pk", "sk", "wake_at", "wake_shard")},
    "a type of another world": lambda item: item | {"type": {"a": [1, True, None]}},
}


@pytest.mark.parametrize("how", DAMAGE)
def test_whatever_is_damaged_is_found_counted_and_leaves_the_index_in_the_end(
    bed: DynamoDBBed, store: DynamoDBStore, how: str
) -> None:
    bad = follow_up()
    store.commit(Add(bad))
    bed.spoil(bad.key, DAMAGE[how])
    for poison in range(5):
        (found,) = store.due(later(days=1))
        assert isinstance(found, Unreadable)
        assert found.poison == poison
        store.commit(SetAside(found.key, found.version, later(hours=2) if poison < 4 else None))
    assert list(store.due(later(days=999))) == []
    assert not {"wake_at", "wake_at_text", "wake_shard"} & set(bed.items()[bad.key])


def test_the_count_of_an_hour_is_forgotten_by_the_tables_ttl(bed: DynamoDBBed, store: DynamoDBStore) -> None:
    hour = ids.hour_key("ada", later())
    store.commit(Spend(hour, 1, 5, expires_at=later(days=1)))
    store.commit(Spend(hour, 1, 5, expires_at=later(days=1, seconds=9)))
    assert bed.items()[hour]["expires_at"] == later(days=1, seconds=9).timestamp()
    assert bed.items()[hour]["spent"] == 2
