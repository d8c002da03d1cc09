"""The files under events/ have the shapes that AWS sends; other tests and `sam local invoke` rely on it."""

import hashlib
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from followups.domain.ids import is_id, parse_run_id
from followups.domain.messages import read_message
from tests.support import cfn
from tests.unit.test_template_api import OF_RUNS

EVENTS = cfn.ROOT / "events"
ROUTES = {it["RouteKey"]: it for it in cfn.resources("AWS::ApiGatewayV2::Route").values()}


def load(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


API = {path.stem: load(path) for path in sorted((EVENTS / "api").glob("*.json"))}
BATCHES = {"start": load(EVENTS / "runner/start.json"), "report": load(EVENTS / "reporter/report.json")}


def test_every_function_has_an_event() -> None:
    functions = {it["CodeUri"].removeprefix("functions/") for it in cfn.resources("AWS::Serverless::Function").values()}
    assert {path.parent.name for path in EVENTS.glob("*/*.json")} == functions


def test_every_route_has_an_event() -> None:
    assert sorted(it["routeKey"] for it in API.values()) == sorted(ROUTES)


@pytest.mark.parametrize("name", API)
def test_api_event_is_of_payload_format_2(name: str) -> None:
    event = API[name]
    context, http = event["requestContext"], event["requestContext"]["http"]
    assert event["version"] == "2.0"
    assert (context["stage"], context["routeKey"]) == ("$default", event["routeKey"])
    method, pattern = event["routeKey"].split(" ")
    path = pattern.format(**event.get("pathParameters", {}))
    assert (http["method"], http["path"], event["rawPath"]) == (method, path, path)
    assert event["rawQueryString"] == urlencode(event.get("queryStringParameters", {}))
    assert all(header == header.lower() and isinstance(value, str) for header, value in event["headers"].items())
    assert event["headers"]["host"] == context["domainName"]
    assert event["isBase64Encoded"] is False


@pytest.mark.parametrize("name", API)
def test_api_event_has_the_identity_that_its_route_asks_for(name: str) -> None:
    event = API[name]
    authorizer = event["requestContext"].get("authorizer")
    if ROUTES[event["routeKey"]]["AuthorizationType"] == "NONE":
        assert authorizer is None and "authorization" not in event["headers"]
        assert (event["headers"].get("followups-run-token", "").count(".") == 2) is (event["routeKey"] in OF_RUNS)
        return
    identity = authorizer["iam"]
    assert {"accessKey", "accountId", "callerId", "cognitoIdentity", "principalOrgId", "userArn", "userId"} == set(identity)
    assert identity["userId"].partition(":")[0].startswith("AROA")


@pytest.mark.parametrize("name", API)
def test_api_event_s_body_is_what_its_headers_say(name: str) -> None:
    event = API[name]
    if "body" in event:
        assert event["headers"]["content-type"] == "application/json"
        assert int(event["headers"]["content-length"]) == len(event["body"].encode())
        assert isinstance(json.loads(event["body"]), dict)
    else:
        assert "content-type" not in event["headers"]


def test_ids_are_well_formed() -> None:
    for event in API.values():
        named = event.get("pathParameters", {}).get("id")
        assert named is None or is_id(named) or parse_run_id(named)


def test_tick_is_eventbridge_s() -> None:
    tick = load(EVENTS / "sweeper/tick.json")
    assert set(tick) == {"version", "id", "detail-type", "source", "account", "time", "region", "resources", "detail"}
    assert (tick["source"], tick["detail-type"], tick["detail"]) == ("aws.events", "Scheduled Event", {})


@pytest.mark.parametrize("kind", BATCHES)
def test_batch_holds_one_message_that_we_read(kind: str) -> None:
    (record,) = BATCHES[kind]["Records"]
    message = read_message(record["body"])
    assert message is not None
    assert (message.kind, message.fence) == (kind, 1)
    assert is_id(message.follow_up_id)
    assert record["md5OfBody"] == hashlib.md5(record["body"].encode()).hexdigest()
    assert (record["eventSource"], record["messageAttributes"]) == ("aws:sqs", {})
    assert {"ApproximateReceiveCount", "SentTimestamp", "SenderId"} <= set(record["attributes"])


def test_example_environment_names_every_function() -> None:
    assert set(load(EVENTS / "env.json")) == set(cfn.resources("AWS::Serverless::Function"))
