"""How many partitions the due index ever had. Who sweeps looks at all, so that their number may change both ways."""

from typing import Any

from botocore.exceptions import ClientError

from followups.adapters.dynamodb import translated
from followups.adapters.dynamodb_changes import count, raw_key, raw_value
from followups.domain.ids import Key

#: A counter like those of budgets: the greatest number of partitions that items were ever written to.
MOST_SHARDS_KEY = Key("SHARDS", "MOST")


def most_shards(client: Any, table: str, shards: int) -> int:
    """Notes in the table that there are `shards` partitions now, and gives the most that there ever were.

    Raises StoreBusy, and the client's error if the table is not there or may not be written.
    """
    try:
        with translated():
            client.update_item(
                TableName=table, Key=raw_key(MOST_SHARDS_KEY), UpdateExpression="SET #type = :type, #spent = :shards",
                ConditionExpression="attribute_not_exists(#spent) OR #spent < :shards",
                ExpressionAttributeNames={"#type": "type", "#spent": "spent"},
                ExpressionAttributeValues={":type": raw_value("counter"), ":shards": raw_value(shards)},
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )  # fmt: skip
    except ClientError as error:
        if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
            raise
        return max(shards, count(error.response.get("Item", {}), "spent"))
    return shards
