"""The simulation's store as a bed of the contract suite: the fake is held to what the real stores are held to."""

from collections.abc import Callable
from typing import Any

from followups.adapters import codec
from followups.adapters.dynamodb_changes import plain_item
from followups.domain.entities import FollowUp, Run
from followups.domain.errors import UnreadableItem
from followups.domain.ids import Key
from tests.simulation.dynamo import FakeDynamoDB
from tests.simulation.tables import SimStore, Stored, Tables, stored
from tests.support.beds import DynamoDBBed, Item


class SimulationBed:
    """Items in memory."""

    def __init__(self) -> None:
        self.tables = Tables()

    def open(self) -> SimStore:
        return SimStore(self.tables)

    def items(self) -> dict[Key, Item]:
        found = {key: _item(it) for key, it in self.tables.items.items()}
        found |= {key: {"members": sorted(members)} for key, members in self.tables.slots.items() if members}
        return found | {key: {"spent": spent} for key, spent in self.tables.counters.items()}

    def spoil(self, key: Key, change: Callable[[Item], Item]) -> None:
        raw = change(_item(self.tables.items[key]))
        try:
            self.tables.put(stored(codec.from_item(raw)))
        except UnreadableItem as error:
            self.tables.put(_unreadable(key, raw, str(error)))
        else:
            entity = self.tables.items[key].entity
            if not isinstance(entity, FollowUp | Run) and raw.get("wake_at") is not None:
                self.tables.put(_unreadable(key, raw, "it is never due"))


class FakeDynamoDBBed(DynamoDBBed):
    """The real adapter over the simulation's DynamoDB."""

    def __init__(self) -> None:
        self.client = FakeDynamoDB(Tables())
        self.table, self.shards = "fake", 4

    def items(self) -> dict[Key, Item]:
        found = [plain_item(raw) for raw in self.client.raw.values()]
        return {Key(it["pk"], it["sk"]): it for it in found if it.get("type") != "slots" or "members" in it}


def _item(it: Stored) -> Item:
    if it.entity is not None:
        return codec.to_item(it.entity)
    item = dict(it.raw or {})
    for name in ("wake_at", "wake_at_text"):
        item.pop(name, None)
    if it.wake_at is not None:
        item |= {"wake_at": codec.epoch_ms(it.wake_at), "wake_at_text": codec.iso(it.wake_at)}
    # An agent has none: one that was spoiled and is mended has none either.
    return item | {"version": it.version} | ({"poison": it.poison} if it.poison or "poison" in item else {})


def _unreadable(key: Key, raw: Item, error: str) -> Stored:
    wake_at: Any = raw.get("wake_at")
    return Stored(
        key=key, version=raw.get("version", 0), write_id=raw.get("write_id", ""), poison=raw.get("poison", 0), raw=raw,
        wake_at=codec._from_epoch_ms(wake_at) if type(wake_at) is int else None, error=error,
    )  # fmt: skip
