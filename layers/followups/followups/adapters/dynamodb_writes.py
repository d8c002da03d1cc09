"""Changes as DynamoDB's conditional writes: each names its condition, none may make an item by mistake."""

from typing import Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

from followups.adapters import codec
from followups.domain.changes import Add, Change, FreeSlot, Live, Remove, SetAside, Spend, Swap, TakeSlot
from followups.domain.entities import Entity
from followups.domain.ids import Key
from followups.domain.status import Status

_SERIALIZE = TypeSerializer().serialize
_DESERIALIZE = TypeDeserializer().deserialize
Operation = dict[str, dict[str, Any]]


def operation(change: Change, table: str, shards: int) -> Operation:
    """Gives one change in the form that TransactWriteItems takes: `{"Put": {…}}` and so on."""
    name, request = _operation(change, shards)
    return {name: request | {"TableName": table, "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}}


def key(it: Key) -> dict[str, Any]:
    """Gives a primary key as DynamoDB takes it."""
    return {"pk": {"S": it.pk}, "sk": {"S": it.sk}}


def plain(item: dict[str, Any]) -> codec.Item:
    """Gives an item as DynamoDB answers it as a plain one: numbers as int, sets as sorted lists."""
    return {name: _plain(_DESERIALIZE(value)) for name, value in item.items()}


def written(change: Change) -> Entity | None:
    """Gives the entity that a change puts, if it puts one: its `write_id` tells whether the write was ours."""
    if isinstance(change, Swap):
        return change.new
    return change.entity if isinstance(change, Add) else None


def _operation(change: Change, shards: int) -> tuple[str, dict[str, Any]]:
    match change:
        case Swap(old, new):
            return "Put", {"Item": _item(new, shards)} | _if_version(old.version)
        case Add(entity):
            return "Put", {"Item": _item(entity, shards), "ConditionExpression": "attribute_not_exists(pk)"}
        case TakeSlot(at, member, cap):
            return "Update", _update(
                at, "ADD members :member SET #type = :type", {":member": {"SS": [member]}, ":type": {"S": "slots"}},
                "attribute_not_exists(members) OR contains(members, :one) OR size(members) < :cap",
                {":one": {"S": member}, ":cap": {"N": str(cap)}}, {"#type": "type"},
            )  # fmt: skip
        case FreeSlot(at, member):
            # The only unconditional one: taking out what is not there is no change, whatever is stored.
            values = {":member": {"SS": [member]}, ":type": {"S": "slots"}}
            return "Update", _update(at, "DELETE members :member SET #type = :type", values, None, {}, {"#type": "type"})
        case Spend(at, amount, limit):
            return "Update", _update(
                at, "ADD spent :amount SET #type = :type", {":amount": {"N": str(amount)}, ":type": {"S": "budget"}},
                "(attribute_not_exists(spent) AND :amount <= :limit) OR spent <= :room",
                {":room": {"N": str(limit - amount)}, ":limit": {"N": str(limit)}}, {"#type": "type"},
            )  # fmt: skip
        case Live(at, fence):
            values = {":running": {"S": Status.RUNNING.value}, ":fence": {"N": str(fence)}}
            condition = {"ConditionExpression": "#status = :running AND fence = :fence"}
            names = {"ExpressionAttributeNames": {"#status": "status"}, "ExpressionAttributeValues": values}
            return "ConditionCheck", {"Key": key(at)} | condition | names
        case Remove(entity):
            return "Delete", {"Key": key(entity.key)} | _if_version(entity.version)
        case SetAside(at, version, wake_at):
            return "Update", _set_aside(
                at, version, None if wake_at is None else (codec.epoch_ms(wake_at), codec.iso(wake_at))
            )


def _set_aside(at: Key, version: int, wake_at: tuple[int, str] | None) -> dict[str, Any]:
    expression = "SET poison = if_not_exists(poison, :none) + :one, version = version + :one"
    values = {":none": {"N": "0"}, ":one": {"N": "1"}}
    if wake_at is None:
        expression += " REMOVE wake_at, wake_at_text, wake_shard"
    else:
        expression += ", wake_at = :wake_at, wake_at_text = :text"
        values |= {":wake_at": {"N": str(wake_at[0])}, ":text": {"S": wake_at[1]}}
    return _update(at, expression, values, "version = :version", {":version": {"N": str(version)}}, {})


def _update(
    at: Key, expression: str, values: dict[str, Any], condition: str | None, more: dict[str, Any], names: dict[str, str]
) -> dict[str, Any]:
    request: dict[str, Any] = {
        "Key": key(at), "UpdateExpression": expression, "ExpressionAttributeValues": values | more,
    }  # fmt: skip
    if condition:
        request["ConditionExpression"] = condition
    if names:
        request["ExpressionAttributeNames"] = names
    return request


def _if_version(version: int) -> dict[str, Any]:
    return {"ConditionExpression": "version = :version", "ExpressionAttributeValues": {":version": {"N": str(version)}}}


def _item(entity: Entity, shards: int) -> dict[str, Any]:
    return {name: _SERIALIZE(value) for name, value in codec.to_item(entity, shards=shards).items()}


def _plain(value: Any) -> Any:
    if isinstance(value, set):
        return sorted(value)
    if isinstance(value, list):
        return [_plain(part) for part in value]
    # boto3 reads every number as a Decimal; ours are whole.
    return int(value) if hasattr(value, "to_integral_value") and value == value.to_integral_value() else value
