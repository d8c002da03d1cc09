"""Events as AWS would send them, for the handlers on a laptop."""

import base64
import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import unquote_plus, urlsplit

from followups.domain.messages import Message

#: A runner's process on a laptop is never killed from outside; this bounds its lease.
RUNNER_TIMEOUT_MS = 3_660_000


class LocalContext:
    """Lambda's context object, as far as the handlers and Powertools read it."""

    function_name = "followups-local"
    memory_limit_in_mb = 0
    invoked_function_arn = "arn:aws:lambda:local:000000000000:function:followups-local"

    def __init__(self) -> None:
        self.aws_request_id = str(uuid.uuid4())

    def get_remaining_time_in_millis(self) -> int:
        return RUNNER_TIMEOUT_MS


def tick(at: datetime) -> dict[str, Any]:
    """Gives EventBridge's scheduled event."""
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": "000000000000",
        "time": f"{at:%Y-%m-%dT%H:%M:%SZ}",
        "region": "local",
        "resources": ["arn:aws:events:local:000000000000:rule/followups-tick"],
        "detail": {},
    }


def batch(message: Message) -> dict[str, Any]:
    """Gives an SQS batch of one message."""
    return {
        "Records": [
            {
                "messageId": str(uuid.uuid4()),
                "receiptHandle": "local",
                "body": message.to_json(),
                "attributes": {"ApproximateReceiveCount": "1"},
                "messageAttributes": {},
                "eventSource": "aws:sqs",
                "eventSourceARN": f"arn:aws:sqs:local:000000000000:followups-{message.kind}",
                "awsRegion": "local",
            }
        ]
    }


def request(
    method: str, target: str, *, user: str, headers: Mapping[str, str], body: bytes | None, at: datetime
) -> dict[str, Any]:
    """Gives an HTTP API request, payload format 2.0, of a verified local user. `target` is a path with its query."""
    path, query_text = _split(target)
    lowered = {name.lower(): value for name, value in headers.items()}
    pairs = [pair.partition("=") for pair in query_text.split("&") if pair]
    query: dict[str, str] = {}
    for name, _, value in pairs:
        name, value = unquote_plus(name), unquote_plus(value)
        query[name] = f"{query[name]},{value}" if name in query else value
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query_text,
        "headers": lowered,
        "requestContext": {
            "accountId": "000000000000",
            "apiId": "local",
            "authorizer": {"lambda": {"owner": user}},
            "domainName": lowered.get("host", "localhost"),
            "http": {
                "method": method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": "127.0.0.1",
                "userAgent": lowered.get("user-agent", ""),
            },
            "requestId": str(uuid.uuid4()),
            "routeKey": "$default",
            "stage": "$default",
            "time": f"{at:%d/%b/%Y:%H:%M:%S +0000}",
            "timeEpoch": int(at.timestamp() * 1000),
        },
        "isBase64Encoded": False,
    }
    if query:
        event["queryStringParameters"] = query
    if body is not None:
        try:
            event["body"] = body.decode("utf-8")
        except UnicodeDecodeError:
            event |= {"body": base64.b64encode(body).decode(), "isBase64Encoded": True}
    return event


def _split(target: str) -> tuple[str, str]:
    """Gives a target's path and query, also of one with a host before them (RFC 9112 §3.2)."""
    try:
        url = urlsplit(target)
    except ValueError:  # half of an IPv6 address, as in `//[`
        return target.partition("?")[0], ""
    return url.path, url.query
