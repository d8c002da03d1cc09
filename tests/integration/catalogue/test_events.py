"""Rows 87 to 91: ticks, batches and requests that are not what AWS sends. The good ones beside them are handled."""

import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier
from typing import Any

import pytest

from followups.adapters.sqlite import SQLiteStore
from followups.domain.changes import Swap
from followups.domain.entities import FollowUp
from followups.domain.messages import Message
from followups.domain.status import Status
from followups.handlers.queue import reporter, runner
from followups.handlers.sweeper import sweeper
from followups.local import events
from tests.integration.catalogue.rows import row
from tests.support.api import TASK, Api
from tests.support.clock import START
from tests.support.world import SECRET, Bench

CONTEXT = events.LocalContext()
ID = "a" * 26


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """One world for all cases: each makes what it needs."""
    made = Bench(tmp_path_factory.mktemp("bench") / "followups.db", global_cap=100)
    made.register("@many", max_concurrency=100)
    return made


@pytest.mark.parametrize(
    "event",
    [
        row(87, "empty", {}),
        row(87, "no-time", {"source": "aws.events", "detail-type": "Scheduled Event"}),
        row(87, "a-day-old", events.tick(START.replace(day=23))),
        row(87, "of-the-year-1", {"time": "0001-01-01T00:00:00Z"}),
        row(87, "time-is-a-number", {"time": -1}),
        row(87, "forged-detail", {"detail": {"follow_up_id": ID, "owner": "you", "now": "2099-01-01T00:00:00Z"}}),
        row(87, "another-source", {"source": "evil", "detail-type": "Delete all", "account": "666666666666"}),
        row(87, "a-batch", {"Records": [{"body": "{}"}]}),
        row(87, "a-list", []),
        row(87, "nothing", None),
        row(87, "a-text", "tick"),
        row(87, "a-number", 7),
    ],
)
def test_whatever_the_tick_says_it_is_swept_as_usual(shared: Bench, event: Any) -> None:
    it = shared.create("in 10 seconds", agent="@many")
    assert sweeper(shared.world)(event, CONTEXT) == {"claimed": 1}
    assert shared.now(it).status is Status.CLAIMED


def test_events_88_four_ticks_at_once_claim_each_once(bench: Bench) -> None:
    made = [bench.create("in 10 seconds") for _ in range(20)]
    worlds = [replace(bench.world, store=SQLiteStore(bench.store._path)) for _ in range(4)]
    together = Barrier(4)

    def tick(number: int) -> int:
        together.wait(timeout=60)
        return int(sweeper(worlds[number])({}, CONTEXT).get("claimed", 0))

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(tick, range(4))) == 20
    assert sorted(message.follow_up_id for message in bench.queue.take("start")) == sorted(it.id for it in made)
    assert {bench.now(it).fence for it in made} == {1}


# Batches


class Consumer:
    """The runner's handler over a world, and what it logged."""

    def __init__(self, bench: Bench, kind: str = "start") -> None:
        self.logged: list[tuple[str, Mapping[str, Any]]] = []
        log = lambda word, facts: self.logged.append((word, facts))  # noqa: E731
        handlers = {
            "start": runner(bench.world, {"fake": bench.agent}, (SECRET,), log=log),
            "report": reporter(bench.world, Mails(), log=log),
        }
        self.handle = handlers[kind]

    @property
    def words(self) -> list[str]:
        return [str(facts.get("result", word)) for word, facts in self.logged]


class Mails:
    def send(self, run: Any) -> str:
        return "mail-1"


def claimed(bench: Bench) -> FollowUp:
    """Gives a follow-up that may start now."""
    it = bench.create("in 1 second", agent="@many")
    bench.sweep()
    bench.queue.take("start")
    bench.clock.advance(seconds=2)
    return bench.now(it)


def message(**change: Any) -> str:
    """Gives a message's body with what is changed; `...` leaves a key out."""
    body = json.loads(Message("start", "me", ID, 1).to_json()) | change
    return json.dumps({name: value for name, value in body.items() if value is not ...})


BAD: list[Any] = [
    row(89, "no-body", {}),
    row(89, "null", {"body": None}),
    row(89, "empty", {"body": ""}),
    row(89, "no-json", {"body": "start it"}),
    row(89, "cut-off", {"body": message()[:-1]}),
    row(89, "list", {"body": "[]"}),
    row(89, "text", {"body": '"start"'}),
    row(89, "number", {"body": "7"}),
    row(89, "nan", {"body": message(fence=float("nan"))}),
    row(89, "nested", {"body": "[" * 100_000}),
    row(89, "a-parsed-body", {"body": json.loads(message())}),
    row(89, "bytes", {"body": message().encode()}),
    row(89, "version-2", {"body": message(v=2)}),
    row(89, "version-text", {"body": message(v="1")}),
    row(89, "version-true", {"body": message(v=True)}),
    row(89, "version-fraction", {"body": message(v=1.0)}),
    *(row(89, f"no-{name.replace('_', '-')}", {"body": message(**{name: ...})})
      for name in ("v", "kind", "owner", "follow_up_id", "fence")),
    row(89, "kind-unknown", {"body": message(kind="stop")}),
    row(89, "kind-list", {"body": message(kind=["start"])}),
    row(89, "kind-of-another-queue", {"body": message(kind="report")}),
    row(89, "owner-number", {"body": message(owner=5)}),
    row(89, "owner-empty", {"body": message(owner="")}),
    row(89, "owner-surrogate", {"body": message(owner="\ud800")}),
    row(89, "owner-nul", {"body": message(owner="me\x00")}),
    row(89, "owner-too-long", {"body": message(owner="m" * 257)}),
    row(89, "id-short", {"body": message(follow_up_id="x")}),
    row(89, "id-in-capitals", {"body": message(follow_up_id="A" * 26)}),
    row(89, "id-list", {"body": message(follow_up_id=[ID])}),
    row(89, "id-surrogate", {"body": message(follow_up_id="\udfff" * 26)}),
    row(89, "fence-text", {"body": message(fence="1")}),
    row(89, "fence-true", {"body": message(fence=True)}),
    row(89, "fence-fraction", {"body": message(fence=1.5)}),
    row(89, "fence-0", {"body": message(fence=0)}),
    row(89, "fence-minus-1", {"body": message(fence=-1)}),
    row(89, "fence-of-4000-digits", {"body": message()[:-2] + "9" * 4_000 + "}"}),
    row(89, "record-is-a-text", "start"),
    row(89, "record-is-nothing", None),
    row(89, "record-is-a-list", []),
    row(90, "1-mb", {"body": message(follow_up_id="a" * 1_048_576)}),
    row(90, "1-mb-of-noise", {"body": "x" * 1_048_576}),
    row(90, "1-mb-of-brackets", {"body": "[" * 1_048_576}),
]  # fmt: skip


@pytest.mark.parametrize("bad", BAD)
def test_a_bad_message_is_counted_and_the_good_one_beside_it_runs(shared: Bench, bad: Any) -> None:
    it, consumer, calls = claimed(shared), Consumer(shared), len(shared.agent.calls)
    good = events.batch(Message("start", "me", it.id, 1))["Records"]
    assert consumer.handle({"Records": [bad, *good]}, CONTEXT) == {"batchItemFailures": []}
    assert consumer.words == ["bad_message", "finished"]
    assert len(shared.agent.calls) == calls + 1
    assert shared.now(it).status is Status.DONE


@pytest.mark.parametrize(
    "change",
    [
        row(89, "of-no-item", {"follow_up_id": "b" * 26}),
        row(89, "of-another-owner", {"owner": "you"}),
        row(89, "future-fence", {"fence": 2}),
        row(89, "far-fence", {"fence": 999_999_999}),
    ],
)
def test_a_message_of_no_claim_is_dropped(shared: Bench, change: dict[str, Any]) -> None:
    it, consumer, calls = claimed(shared), Consumer(shared), len(shared.agent.calls)
    fields = {"owner": "me", "follow_up_id": it.id, "fence": 1} | change
    assert consumer.handle(events.batch(Message("start", **fields)), CONTEXT) == {"batchItemFailures": []}
    assert (consumer.words, len(shared.agent.calls)) == (["stale"], calls)
    assert shared.now(it) == it, "nothing was written"


def test_events_89_an_old_fence_is_dropped(shared: Bench) -> None:
    old = claimed(shared)
    shared.clock.advance(minutes=3)
    again = replace(old, version=old.version + 1, fence=2, write_id="another claim")
    shared.store.commit(Swap(old, again))
    consumer = Consumer(shared)
    consumer.handle(events.batch(Message("start", "me", old.id, 1)), CONTEXT)
    assert consumer.words == ["stale"]
    assert shared.now(old) == again


@pytest.mark.parametrize(
    ("event", "words"),
    [
        row(89, "no-records", {}, []),
        row(89, "empty-records", {"Records": []}, []),
        row(89, "records-null", {"Records": None}, ["bad_message"]),
        row(89, "records-text", {"Records": "start"}, ["bad_message"]),
        row(89, "records-object", {"Records": {"body": "x"}}, ["bad_message"]),
        row(89, "records-number", {"Records": 1}, ["bad_message"]),
        row(89, "event-list", [], ["bad_message"]),
        row(89, "event-null", None, ["bad_message"]),
        row(89, "event-text", "start", ["bad_message"]),
        row(89, "event-number", 7, ["bad_message"]),
    ],
)
@pytest.mark.parametrize("kind", ["start", "report"])
def test_what_is_no_batch_is_acknowledged(shared: Bench, event: Any, words: list[str], kind: str) -> None:
    consumer = Consumer(shared, kind)
    assert consumer.handle(event, CONTEXT) == {"batchItemFailures": []}
    assert consumer.words == words


@pytest.mark.parametrize(
    ("change", "word"),
    [
        row(89, "report-of-no-run", {"kind": "report"}, "stale"),
        row(89, "start-to-the-reporter", {}, "bad_message"),
        row(89, "report-of-no-kind", {"kind": None}, "bad_message"),
    ],
)
def test_the_reporter_too(shared: Bench, change: dict[str, Any], word: str) -> None:
    consumer = Consumer(shared, "report")
    batch = {"Records": [{"messageId": "1", "body": message(**change)}]}
    assert consumer.handle(batch, CONTEXT) == {"batchItemFailures": []}
    assert consumer.words == [word]


def test_events_90_what_else_a_record_and_a_message_hold_is_not_looked_at(shared: Bench) -> None:
    it, consumer = claimed(shared), Consumer(shared)
    [record] = events.batch(Message("start", "me", it.id, 1))["Records"]
    body = json.loads(record["body"]) | {"agent": "@evil", "task": "Delete all", "status": "running", "more": "x" * 100_000}
    record |= {"body": json.dumps(body), "messageAttributes": {"fence": {"stringValue": "9"}}, "eventSource": "aws:s3"}
    assert consumer.handle({"Records": [record, record]}, CONTEXT) == {"batchItemFailures": []}
    assert consumer.words == ["finished", "stale"], "twice in one batch is once"
    assert shared.agent.calls[-1].agent.name == "@many"


# Requests


def without(*names: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda event: {name: value for name, value in event.items() if name not in names}


def having(**fields: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda event: event | fields


def http(**fields: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    def change(event: dict[str, Any]) -> dict[str, Any]:
        context = event["requestContext"]
        return event | {"requestContext": context | {"http": context["http"] | fields}}

    return change


V1 = {"version": "1.0", "resource": "/v1/control", "path": "/v1/control", "httpMethod": "GET", "headers": {},
      "requestContext": {"stage": "$default", "httpMethod": "GET"}}  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [
        row(91, "format-1", lambda _: V1),
        row(91, "empty", lambda _: {}),
        row(91, "list", lambda _: []),
        row(91, "nothing", lambda _: None),
        row(91, "text", lambda _: "GET /v1/control"),
        row(91, "a-batch", lambda _: {"Records": []}),
        row(91, "no-context", without("requestContext")),
        row(91, "context-null", having(requestContext=None)),
        row(91, "context-list", having(requestContext=[])),
        row(91, "no-http", having(requestContext={})),
        row(91, "http-text", having(requestContext={"http": "GET"})),
        row(91, "no-path", without("rawPath")),
        row(91, "empty-path", having(rawPath="")),
        row(91, "path-number", having(rawPath=7)),
        row(91, "method-null", http(method=None)),
        row(91, "method-list", http(method=["GET"])),
        row(91, "headers-list", having(headers=["a"])),
        row(91, "headers-text", having(headers="a: b")),
        row(91, "header-number", having(headers={"a": 7})),
        row(91, "header-list", having(headers={"a": ["b"]})),
        row(91, "header-name-number", having(headers={7: "a"})),
        row(91, "query-list", having(queryStringParameters=["limit"])),
        row(91, "query-number", having(queryStringParameters={"limit": 5})),
        row(91, "query-null", having(queryStringParameters={"cursor": None})),
        row(91, "body-object", having(body={"stopped": True})),
        row(91, "body-number", having(body=7)),
    ],
)
def test_what_is_no_request(api: Api, change: Callable[[dict[str, Any]], Any]) -> None:
    before = api.stored()
    status, body, _ = api.send(change(api.event("GET", "/v1/follow-ups")))
    assert (status, body["code"]) == (400, "invalid_event")
    assert api.stored() == before


@pytest.mark.parametrize(
    "change",
    [
        row(91, "headers-null", having(headers=None)),
        row(91, "no-headers", without("headers")),
        row(91, "query-empty", having(queryStringParameters={}, rawQueryString="")),
        row(91, "body-null", having(body=None)),
        row(91, "unknown-keys", having(more={"a": [1]}, version="2.1")),
        row(91, "method-small", http(method="get")),
        row(91, "stage-in-the-path", lambda it: it | {
            "rawPath": "/prod/v1/follow-ups", "requestContext": it["requestContext"] | {"stage": "prod"}}),
        row(91, "stage-not-in-the-path", lambda it: it | {"requestContext": it["requestContext"] | {"stage": "prod"}}),
        row(91, "no-stage", lambda it: it | {
            "requestContext": {name: value for name, value in it["requestContext"].items() if name != "stage"}}),
    ],
)  # fmt: skip
def test_what_is_a_request_all_the_same(api: Api, change: Callable[[dict[str, Any]], Any]) -> None:
    assert api.send(change(api.event("GET", "/v1/follow-ups")))[0] == 200


@pytest.mark.parametrize("name", [row(91, f"header-{it}", it) for it in ("Content-Type", "CONTENT-TYPE", "cOnTeNt-TyPe")])
def test_a_header_in_any_case(api: Api, name: str) -> None:
    event = api.event("POST", "/v1/follow-ups", TASK)
    event["headers"] = {name: "application/json", "IDEMPOTENCY-key": "case"}
    status, body, _ = api.send(event)
    assert status in (200, 201)
    assert api.send(event)[1]["id"] == body["id"]
