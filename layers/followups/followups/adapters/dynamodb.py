"""The store on AWS: one DynamoDB table, defined in template.yaml (DESIGN.md §5)."""

import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import islice
from typing import Any

from botocore.exceptions import ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as BotoConnectionError

from followups.adapters import codec
from followups.adapters.dynamodb_changes import (
    Operation,
    Raw,
    count,
    operation,
    plain_item,
    raw_item,
    raw_key,
    raw_value,
)
from followups.domain import ids
from followups.domain.census import Count, SlotSet, Stored
from followups.domain.changes import Add, Change, Swap, refuse_doubles
from followups.domain.entities import Agent, Entity, FollowUp, Run, Unreadable
from followups.domain.errors import Conflict, StoreBusy, UnreadableItem
from followups.domain.ids import Key
from followups.ports import E, Listing

#: Error codes that say: not now. Each 5xx says so too.
_BUSY = frozenset(
    {
        "ProvisionedThroughputExceededException", "ThrottlingException", "RequestLimitExceeded", "InternalServerError",
        "TransactionInProgressException",
    }
)  # fmt: skip
#: Another transaction is at one of our items at this moment. That is no failed condition: try again.
_COLLISIONS = frozenset({"TransactionConflictException", "ReplicatedWriteConflictException"})
_PASSING = frozenset({"TransactionConflict", "ProvisionedThroughputExceeded", "ThrottlingError"})
_REFUSED = "ConditionalCheckFailed"
_TRIES = 8
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.02, 1.0
#: One write: the client's method for each verb. A ConditionCheck alone is a transaction of one.
_METHODS = {"Put": "put_item", "Update": "update_item", "Delete": "delete_item"}


class DynamoDBStore:
    """A store in one table.

    `client` is boto3's low-level client. `shards` is the number of partitions of the due index that are written to, and
    that `due` reads: who sweeps gives the most that there ever were (`dynamodb_shards.py`). `sleep` and `luck` (0 to 1)
    are for the pauses between tries.
    """

    def __init__(
        self, client: Any, table_name: str, *, shards: int = 16, sleep: Callable[[float], None] = time.sleep,
        luck: Callable[[], float] = random.random,
    ) -> None:  # fmt: skip
        self._client = client
        self._table = table_name
        self._shards = shards
        self._sleep = sleep
        self._luck = luck

    def commit(self, *changes: Change) -> None:
        """Makes all changes or none: one as one conditional write, several as one transaction.

        Raises Conflict, StoreBusy (which leaves open whether it was written: commit the same again), and ValueError for
        two changes of one item.
        """
        refuse_doubles(changes)
        operations = [operation(it, self._table, shards=self._shards, read=self._read) for it in changes]
        collision: ClientError | None = None
        for attempt in range(_TRIES):
            if collision is not None:
                self._sleep(min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2**attempt) * self._luck())
            try:
                self._write(operations)
            except ClientError as error:
                reasons = _reasons(error)
                if reasons is None:
                    raise
                failed = [change for change, (code, _) in zip(changes, reasons, strict=True) if code == _REFUSED]
                if any(_is_ours(change, stored) for change, (_, stored) in zip(changes, reasons, strict=True)):
                    return  # The answer to our own write was lost: it was us, and all of it.
                if failed:
                    raise Conflict(sorted(failed, key=lambda change: not isinstance(change, Swap | Add))) from error
                collision = error
            else:
                return
        raise StoreBusy(f"others are writing too: {', '.join(map(str, changes))}; try again") from collision

    def get(self, kind: type[E], key: Key) -> E | None:
        """Gives the entity under the key, or None; strongly consistent. Raises UnreadableItem, StoreBusy."""
        stored = self._read(key)
        if stored is None:
            return None
        entity = codec.from_item(plain_item(stored))
        if not isinstance(entity, kind):
            raise UnreadableItem(f"{key.pk} {key.sk} is a {type(entity).__name__}, not a {kind.__name__}")
        return entity

    def due(self, until: datetime, *, line: int | None = None) -> Iterator[FollowUp | Run | Unreadable]:  # noqa: ARG002
        """Gives each item with `wake_at` <= `until`, soonest first within a shard, whatever `line` is. Raises StoreBusy.

        It begins at any shard: who has no time for all must not leave out the same ones each time.
        """
        first = int(self._luck() * self._shards) % self._shards
        for shard in (*range(first, self._shards), *range(first)):
            condition = "wake_shard = :shard AND wake_at <= :until"
            values = {":shard": shard, ":until": codec.epoch_ms(until)}
            for raw in self._query(condition, values, IndexName="due"):
                yield _due_item(raw)

    def list_follow_ups(self, owner: str, *, group: str, after: str | None, limit: int) -> Listing:
        """Gives a page of an owner's follow-ups and where the next one starts, or None. Raises StoreBusy."""
        low, high = codec.list_range(group)
        # Both ends of BETWEEN are included. No list key continues another one, so the "!" skips `after` itself only.
        values = {":owner": owner, ":low": f"{after}!" if after else low, ":high": high}
        condition = "owner_key = :owner AND list_key BETWEEN :low AND :high"
        found = list(islice(self._query(condition, values, IndexName="by_owner", Limit=limit + 1), limit + 1))
        page = found[:limit]
        return _readable(page, FollowUp), page[-1]["list_key"]["S"] if len(found) > limit else None

    def runs(self, owner: str, follow_up_id: str, *, limit: int) -> list[Run]:
        """Gives the latest runs, newest first; strongly consistent. Raises StoreBusy."""
        values = {":pk": ids.follow_up_key(owner, follow_up_id).pk, ":run": "RUN#"}
        condition = "pk = :pk AND begins_with(sk, :run)"
        newest = self._query(condition, values, ScanIndexForward=False, ConsistentRead=True, Limit=limit)
        return _readable(islice(newest, limit), Run)

    def agents(self) -> list[Agent]:
        """Gives all registered agents, by name. Raises StoreBusy."""
        values = {":owner": codec.AGENTS_OWNER_KEY, ":at": "@"}
        condition = "owner_key = :owner AND begins_with(list_key, :at)"
        return _readable(self._query(condition, values, IndexName="by_owner"), Agent)

    def slots(self, key: Key) -> frozenset[str]:
        """Gives the members of a slot set; strongly consistent. Raises StoreBusy."""
        stored = self._read(key) or {}
        return frozenset(stored["members"]["SS"]) if "members" in stored else frozenset()

    def everything(self) -> Iterator[Stored]:
        """Gives each stored item once, each page strongly consistent, a partition's one after another. Raises StoreBusy."""
        for raw in _pages(self._client.scan, TableName=self._table, ConsistentRead=True):
            # An empty set is as good as none.
            if (it := _stored_item(raw)) is not None:
                yield it

    def _write(self, operations: Sequence[Operation]) -> None:
        if not operations:
            return
        with translated():
            if len(operations) == 1 and operations[0].verb in _METHODS:
                getattr(self._client, _METHODS[operations[0].verb])(**operations[0].arguments)
            else:
                # boto3 gives each call a fresh ClientRequestToken, which only its own byte-identical retries share.
                self._client.transact_write_items(TransactItems=[{it.verb: it.arguments} for it in operations])

    def _read(self, key: Key) -> Raw | None:
        with translated():
            answer = self._client.get_item(TableName=self._table, Key=raw_key(key), ConsistentRead=True)
        stored: Raw | None = answer.get("Item")
        return stored

    def _query(self, condition: str, values: Mapping[str, Any], **more: Any) -> Iterator[Raw]:
        """Gives all that a query finds, page by page."""
        more |= {"TableName": self._table, "KeyConditionExpression": condition}
        return _pages(self._client.query, ExpressionAttributeValues=raw_item(values), **more)


def _pages(call: Callable[..., Any], **request: Any) -> Iterator[Raw]:
    """Gives all items of a query or scan, page by page."""
    while True:
        with translated():
            answer = call(**request)
        yield from answer["Items"]
        if "LastEvaluatedKey" not in answer:
            return
        request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]


@contextmanager
def translated() -> Iterator[None]:
    """Turns what says "not now" into StoreBusy; the rest passes through."""
    try:
        yield
    except ClientError as error:
        code = error.response["Error"]["Code"]
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if code in _BUSY or status >= 500:
            raise StoreBusy(f"DynamoDB is busy ({code}); try again") from error
        raise
    except (HTTPClientError, BotoConnectionError) as error:
        raise StoreBusy(f"DynamoDB did not answer ({type(error).__name__}); try again") from error


def _reasons(error: ClientError) -> list[tuple[str, Raw]] | None:
    """Gives for each change why it was refused ("None": it was not) and what is stored; None for any other error."""
    code = error.response["Error"]["Code"]
    if code == "ConditionalCheckFailedException":
        return [(_REFUSED, error.response.get("Item", {}))]
    if code in _COLLISIONS:
        return [("TransactionConflict", {})]
    if code != "TransactionCanceledException":
        return None
    reasons = [(it["Code"], it.get("Item", {})) for it in error.response["CancellationReasons"]]
    known = {"None", _REFUSED} | _PASSING
    return reasons if all(reason in known for reason, _ in reasons) else None


def _is_ours(change: Change, stored: Raw) -> bool:
    match change:
        case Swap(_, entity) | Add(entity):
            return bool(stored.get("write_id") == raw_value(entity.write_id))
        case _:
            return False


def _readable(found: Iterable[Raw], kind: type[E]) -> list[E]:
    """Gives what can be read: one bad item does not hide the others of a list. The sweep tells of it."""
    entities = []
    for raw in found:
        try:
            entity = codec.from_item(plain_item(raw))
        except UnreadableItem:
            continue
        if isinstance(entity, kind):
            entities.append(entity)
    return entities


def _due_item(raw: Raw) -> FollowUp | Run | Unreadable:
    try:
        entity: Entity = codec.from_item(plain_item(raw))
    except UnreadableItem as error:
        return _unreadable(raw, str(error))
    return entity if isinstance(entity, FollowUp | Run) else _unreadable(raw, f"a {type(entity).__name__} is never due")


def _stored_item(raw: Raw) -> Stored | None:
    """Gives an item of whatever type; None for a slot set that nobody holds a slot of."""
    key, name = Key(raw["pk"]["S"], raw["sk"]["S"]), raw.get("type", {}).get("S")
    if name == "slots" and raw.keys() <= {"pk", "sk", "type"}:
        return None
    if name == "slots" and "SS" in raw.get("members", {}):
        return SlotSet(key=key, members=frozenset(raw["members"]["SS"]))
    if name == "counter" and raw_value(spent := count(raw, "spent")) == raw.get("spent"):
        return Count(key=key, spent=spent)
    try:
        return codec.from_item(plain_item(raw))
    except UnreadableItem as error:
        return _unreadable(raw, str(error))


def _unreadable(raw: Raw, error: str) -> Unreadable:
    key = Key(raw["pk"]["S"], raw["sk"]["S"])
    return Unreadable(key=key, version=count(raw, "version"), poison=count(raw, "poison"), error=error)
