"""Changes as DynamoDB's conditional writes: for each kind of change its one condition."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

from followups.adapters import codec
from followups.domain.changes import Add, Change, FreeSlot, Live, Remove, SetAside, Spend, Swap, TakeSlot
from followups.domain.ids import Key
from followups.domain.status import Status

#: An item in DynamoDB's own form, each value with its type.
Raw = Mapping[str, Any]
_SERIALIZER, _DESERIALIZER = TypeSerializer(), TypeDeserializer()


@dataclass(frozen=True, slots=True)
class Operation:
    """One conditional write: Put, Update, Delete or ConditionCheck, with arguments as both kinds of call take them."""

    verb: str
    arguments: dict[str, Any]


def raw_value(value: Any) -> dict[str, Any]:
    """Gives a value in DynamoDB's form."""
    raw: dict[str, Any] = _SERIALIZER.serialize(value)
    return raw


def raw_item(item: Mapping[str, Any]) -> dict[str, Any]:
    """Gives a plain item, or a key's parts, in DynamoDB's form."""
    return {name: raw_value(value) for name, value in item.items()}


def raw_key(key: Key) -> dict[str, Any]:
    """Gives a key as DynamoDB takes it."""
    return raw_item(key._asdict())


def plain_item(raw: Raw) -> dict[str, Any]:
    """Gives DynamoDB's form as a plain item. Whole numbers become int; others stay Decimal, which no field of ours is."""
    return {name: _plain(_DESERIALIZER.deserialize(value)) for name, value in raw.items()}


def count(raw: Raw, name: str) -> int:
    """Gives a whole number of an item, however damaged the rest is; 0 if it is none."""
    value = plain_item({name: raw[name]})[name] if name in raw else 0
    return value if type(value) is int else 0


def operation(change: Change, table: str, *, shards: int, read: Callable[[Key], Raw | None]) -> Operation:
    """Gives the change as a conditional write.

    `read` gives the item under a key as it is now, or None.
    """
    match change:
        case Swap(old, new):
            item = raw_item(codec.to_item(new, shards=shards))
            return _conditional(table, "Put", "#version = :version", {"version": old.version}, Item=item)
        case Add(entity):
            item = raw_item(codec.to_item(entity, shards=shards))
            return _conditional(table, "Put", "attribute_not_exists(#pk)", {}, Item=item)
        case Remove(entity):
            own = raw_key(entity.key)
            return _conditional(table, "Delete", "#version = :version", {"version": entity.version}, Key=own)
        case TakeSlot(key, member, cap):
            return _conditional(
                table, "Update", "attribute_not_exists(#members) OR contains(#members, :member) OR size(#members) < :cap",
                {"type": "slots", "member": member, "members": {member}, "cap": cap},
                Key=raw_key(key), UpdateExpression="SET #type = :type ADD #members :members",
            )  # fmt: skip
        case FreeSlot(key, member):
            # Without a condition, so it never fails. An update makes an item where there is none: this makes an empty set.
            return _conditional(
                table, "Update", "", {"type": "slots", "members": {member}},
                Key=raw_key(key), UpdateExpression="SET #type = :type DELETE #members :members",
            )  # fmt: skip
        case Spend(key, amount, limit, expires_at):
            # What is more than the limit on its own is too much for a new counter as well.
            room = "#spent <= :room" if amount > limit else "attribute_not_exists(#spent) OR #spent <= :room"
            values = {"type": "counter", "room": limit - amount, "zero": 0, "amount": amount}
            update = "SET #type = :type, #spent = if_not_exists(#spent, :zero) + :amount"
            if expires_at is not None:
                values["expires_at"] = codec.epoch_ms(expires_at) // 1000
                update += ", #expires_at = :expires_at"
            return _conditional(table, "Update", room, values, Key=raw_key(key), UpdateExpression=update)
        case Live(key, fence):
            return _conditional(
                table, "ConditionCheck", "#status = :running AND #fence = :fence",
                {"running": Status.RUNNING.value, "fence": fence}, Key=raw_key(key),
            )  # fmt: skip
        case SetAside():
            return _set_aside(change, table, read(change.key), shards)


def _set_aside(change: SetAside, table: str, stored: Raw | None, shards: int) -> Operation:
    # Such an item may be damaged anywhere, also where DynamoDB would have to add to it: so it is read before. A version
    # that is no number stays as it is: 1 in its place could make the item look sound.
    if stored is None or count(stored, "version") != change.version:
        # Stale already. The table is to say so, for it may have to say more: what else is refused, what was ours.
        never = "attribute_exists(#version) AND attribute_not_exists(#version)"
        return _conditional(table, "ConditionCheck", never, {}, Key=raw_key(change.key))
    values: dict[str, Any] = {"poison": count(stored, "poison") + 1}
    update, condition = "SET #poison = :poison", "attribute_not_exists(#version)"
    if "version" in stored:
        condition = "#version = :version"
        values["version"] = _DESERIALIZER.deserialize(stored["version"])
    if change.version:
        update += ", #version = :next"
        values["next"] = change.version + 1
    if change.wake_at is None:
        update += " REMOVE #wake_at, #wake_at_text, #wake_shard"
    else:
        update += ", #wake_at = :wake_at, #wake_at_text = :text, #wake_shard = :shard"
        values |= {"wake_at": codec.epoch_ms(change.wake_at), "text": codec.iso(change.wake_at)}
        values["shard"] = codec.shard_of(change.key.pk, shards)
    return _conditional(table, "Update", condition, values, Key=raw_key(change.key), UpdateExpression=update)


def _conditional(table: str, verb: str, condition: str, values: Mapping[str, Any], **arguments: Any) -> Operation:
    """Gives the write. Every name in an expression is written with a #, since many of ours are reserved words."""
    names = re.findall(r"#(\w+)", f"{condition} {arguments.get('UpdateExpression', '')}")
    arguments |= {"TableName": table}
    if names:
        arguments["ExpressionAttributeNames"] = {f"#{name}": name for name in names}
    if values:
        arguments["ExpressionAttributeValues"] = {f":{name}": raw_value(value) for name, value in values.items()}
    if condition:
        # What is stored comes with the refusal: it tells whether it was our own write that came first.
        arguments |= {"ConditionExpression": condition, "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
    return Operation(verb, arguments)


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else value
    return [_plain(part) for part in value] if isinstance(value, list) else value
