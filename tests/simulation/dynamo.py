"""DynamoDB as far as our adapter uses it, so that the simulation runs over the real adapter too: conditional writes and
transactions that are atomic, tokens of transactions, indexes that lag. What it does not know it refuses.

It reads the expressions that the adapter writes (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/
Expressions.OperatorsAndFunctions.html), by a grammar of just those forms.
"""

import itertools
import re
from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import ClientError

from followups.adapters import codec
from followups.adapters.dynamodb_changes import plain_item
from followups.domain.entities import FollowUp, Run
from followups.domain.errors import UnreadableItem
from followups.domain.ids import Key
from tests.simulation.tables import Stored, Tables, stored

Raw = dict[str, Any]
_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda a, b: a == b,
    "<=": lambda a, b: a <= b,
    "<": lambda a, b: a < b,
}
_ATOM = re.compile(r"(?:(\w+)\(#(\w+)(?:, (:\w+))?\)|#(\w+))(?: (=|<=|<) (:\w+))?")
_CLAUSE = re.compile(r"(SET|ADD|DELETE|REMOVE) (.*?)(?= (?:SET|ADD|DELETE|REMOVE) |$)")
_SETTING = re.compile(r"#(\w+) = (?:(:\w+)|if_not_exists\(#(\w+), (:\w+)\) \+ (:\w+))")


class FakeDynamoDB:
    """The client. `collides` says now and then that another transaction is at work at the item."""

    def __init__(self, tables: Tables, collides: Callable[[], bool] = lambda: False) -> None:
        self.tables = tables
        self.raw: dict[Key, Raw] = {}
        #: Each item as every index entry may still show it, by key and what was written.
        self._written: dict[tuple[Key, str, int], Raw] = {}
        self._tokens: dict[str, str] = {}
        self._fresh = (f"token-{number}" for number in itertools.count())
        self._collides = collides

    def get_item(self, *, Key: Raw, **_more: Any) -> Raw:  # noqa: N803 - boto3's names
        found = self.raw.get(_key(Key))
        return {"Item": dict(found)} if found else {}

    def put_item(self, **arguments: Any) -> Raw:
        return self._one("Put", arguments)

    def update_item(self, **arguments: Any) -> Raw:
        return self._one("Update", arguments)

    def delete_item(self, **arguments: Any) -> Raw:
        return self._one("Delete", arguments)

    def transact_write_items(self, *, TransactItems: list[Raw], ClientRequestToken: str | None = None) -> Raw:  # noqa: N803
        token, asked = ClientRequestToken or next(self._fresh), repr(TransactItems)
        if token in self._tokens:
            if self._tokens[token] != asked:
                raise _error("IdempotentParameterMismatchException")
            return {}
        operations = [next(iter(it.items())) for it in TransactItems]
        reasons = [self._refusal(arguments) for _, arguments in operations]
        if self._collides():
            reasons[0] = {"Code": "TransactionConflict"}
        if any(reason["Code"] != "None" for reason in reasons):
            raise _error("TransactionCanceledException", CancellationReasons=reasons)
        self._tokens[token] = asked
        self._make(operations)
        return {}

    def query(
        self, *, KeyConditionExpression: str, ExpressionAttributeValues: Raw, IndexName: str | None = None,  # noqa: N803
        ScanIndexForward: bool = True, **_more: Any,  # noqa: N803
    ) -> Raw:  # fmt: skip
        values = {name: _value(value) for name, value in ExpressionAttributeValues.items()}
        items = list(self.raw.values()) if IndexName is None else self._shown()
        found = [it for it in items if _matches(KeyConditionExpression, it, values)]
        order = {"due": "wake_at", "by_owner": "list_key", None: "sk"}[IndexName]
        return {"Items": sorted(found, key=lambda it: _value(it[order]), reverse=not ScanIndexForward)}

    def scan(self, **_more: Any) -> Raw:
        return {"Items": [dict(self.raw[key]) for key in sorted(self.raw)]}

    def _one(self, verb: str, arguments: Raw) -> Raw:
        if self._collides():
            raise _error("TransactionConflictException")
        reason = self._refusal(arguments)
        if reason["Code"] != "None":
            raise _error("ConditionalCheckFailedException", Item=reason.get("Item"))
        self._make([(verb, arguments)])
        return {}

    def _refusal(self, arguments: Raw) -> Raw:
        key = _key(arguments.get("Key") or arguments["Item"])
        item = self.raw.get(key)
        if _holds(arguments.get("ConditionExpression", ""), item or {}, arguments):
            return {"Code": "None"}
        return {"Code": "ConditionalCheckFailed"} | ({"Item": item} if item else {})

    def _make(self, operations: list[tuple[str, Raw]]) -> None:
        changed: dict[Key, tuple[Raw | None, Raw | None]] = {}
        for verb, arguments in operations:
            key = _key(arguments.get("Key") or arguments["Item"])
            old = self.raw.get(key)
            if verb == "ConditionCheck":
                continue
            if verb == "Put":
                new: Raw | None = dict(arguments["Item"])
            elif verb == "Delete":
                new = None
            else:
                new = _updated(dict(old or arguments["Key"]), arguments)
            changed[key] = (old, new)
        for key, (_, new) in changed.items():
            if new is None:
                del self.raw[key]
            else:
                self.raw[key] = new
        self._mirror(changed)

    def _mirror(self, changed: Mapping[Key, tuple[Raw | None, Raw | None]]) -> None:
        """Tells the tables, which the checks look at."""
        items: dict[Key, Stored | None] = {}
        for key, (_, new) in changed.items():
            kind = new.get("type", {}).get("S") if new else None
            if kind == "slots":
                self.tables.slots[key] = set((new or {}).get("members", {}).get("SS", ()))
            elif kind == "counter":
                self.tables.counters[key] = int((new or {})["spent"]["N"])
            else:
                items[key] = _stored(key, new) if new else None
                if new:
                    it = items[key]
                    assert it is not None
                    self._written[key, it.write_id, it.version] = new
        self.tables.replace(items)

    def _shown(self) -> list[Raw]:
        return [self._written[key, it.write_id, it.version] for key, it in self.tables.shown().items()]


def _stored(key: Key, raw: Raw) -> Stored:
    plain = plain_item(raw)
    try:
        entity = codec.from_item(plain)
    except UnreadableItem as error:
        return Stored(
            key=key, version=plain.get("version", 0), write_id=plain.get("write_id", ""), poison=plain.get("poison", 0),
            wake_at=None, raw=plain, error=str(error),
        )  # fmt: skip
    it = stored(entity)
    if isinstance(entity, FollowUp | Run) and ("wake_shard" in raw) != (entity.wake_at is not None):
        raise AssertionError(f"{key}: the due index and wake_at differ")
    return it


def _key(raw: Raw) -> Key:
    return Key(raw["pk"]["S"], raw["sk"]["S"])


def _value(raw: Raw) -> Any:
    [(kind, value)] = raw.items()
    return int(value) if kind == "N" else value


def _holds(expression: str, item: Raw, arguments: Raw) -> bool:
    if not expression:
        return True
    values = {name: _value(it) for name, it in arguments.get("ExpressionAttributeValues", {}).items()}
    return any(all(_atom(atom, item, values) for atom in part.split(" AND ")) for part in expression.split(" OR "))


def _atom(text: str, item: Raw, values: Mapping[str, Any]) -> bool:
    found = _ATOM.fullmatch(text)
    if not found:
        raise NotImplementedError(text)
    function, named, argument, plain, operator, value = found.groups()
    has = item.get(named or plain)
    if function == "attribute_not_exists":
        return has is None
    if function == "attribute_exists":
        return has is not None
    if has is None:
        return False
    if function == "contains":
        return values[argument] in _value(has)
    left = len(_value(has)) if function == "size" else _value(has)
    return _OPERATORS[operator](left, values[value])


def _updated(item: Raw, arguments: Raw) -> Raw:
    values = arguments["ExpressionAttributeValues"]
    for verb, body in _CLAUSE.findall(arguments["UpdateExpression"]):
        if verb == "SET":
            for name, value, _, start, amount in _SETTING.findall(body):
                sum_ = None if value else _value(item.get(name, values[start])) + _value(values[amount])
                item[name] = values[value] if value else {"N": str(sum_)}
        elif verb == "REMOVE":
            for name in re.findall(r"#(\w+)", body):
                item.pop(name, None)
        else:
            [(name, value)] = re.findall(r"#(\w+) (:\w+)", body)
            members, given = set(item.get(name, {}).get("SS", ())), set(values[value]["SS"])
            members = members | given if verb == "ADD" else members - given
            item.pop(name, None)
            if members:
                item[name] = {"SS": sorted(members)}
    return item


def _matches(expression: str, item: Raw, values: Mapping[str, Any]) -> bool:
    """Says whether an item is what a query's key condition asks for: an equality, and a range of a second key."""
    first, _, rest = expression.partition(" AND ")
    name, value = first.split(" = ")
    if name not in item or _value(item[name]) != values[value]:
        return False
    if found := re.fullmatch(r"(\w+) <= (:\w+)", rest):
        return found[1] in item and _value(item[found[1]]) <= values[found[2]]
    if found := re.fullmatch(r"(\w+) BETWEEN (:\w+) AND (:\w+)", rest):
        return found[1] in item and values[found[2]] <= _value(item[found[1]]) <= values[found[3]]
    if found := re.fullmatch(r"begins_with\((\w+), (:\w+)\)", rest):
        return found[1] in item and str(_value(item[found[1]])).startswith(values[found[2]])
    raise NotImplementedError(expression)


def _error(code: str, *, Item: Raw | None = None, CancellationReasons: list[Raw] | None = None) -> ClientError:  # noqa: N803
    response: Any = {"Error": {"Code": code, "Message": code}, "ResponseMetadata": {"HTTPStatusCode": 400}}
    if Item is not None:
        response["Item"] = Item
    if CancellationReasons is not None:
        response["CancellationReasons"] = CancellationReasons
    return ClientError(response, "Fake")
