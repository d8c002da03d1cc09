"""Anything for the API: events, requests over HTTP, batches. A wrong one is refused in its form, and never a bug."""

import contextlib
import json
import socket
import threading
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from followups import bootstrap
from followups.cli.client import Reply, Unreachable
from followups.cli.http import Http
from followups.config import LaptopConfig
from followups.domain.errors import Invalid
from followups.domain.lineage import RunToken, sign_run
from followups.domain.messages import Message
from followups.handlers.queue import reporter, runner
from followups.handlers.sweeper import sweeper
from followups.local import events
from followups.local.server import ApiServer
from tests.support.api import SECRET, TASK, Api
from tests.support.fuzz import search
from tests.support.hostile import any_text, in_time, json_values, nearly, spoiled
from tests.support.things import DEADLINE
from tests.support.world import Bench

CONTEXT = events.LocalContext()
ID = "a" * 26
PATHS = st.sampled_from(["/v1/follow-ups", f"/v1/follow-ups/{ID}", f"/v1/follow-ups/{ID}/run", f"/v1/follow-ups/{ID}/runs",
                         f"/v1/follow-ups/{ID}/stop-tree", f"/v1/runs/run-{ID}-000001",
                         f"/v1/runs/run-{ID}-000001/complete",
                         "/v1/agents", "/v1/agents/%40disk", "/v1/agents/%40disk/work", "/v1/agents/%40checklist/test",
                         "/v1/control", "/openapi.json", "/v1/healthz"])  # fmt: skip
METHODS = st.sampled_from(["GET", "POST", "PATCH", "PUT", "DELETE"])
HEADERS = st.dictionaries(
    st.sampled_from(["content-type", "idempotency-key", "if-match", "followups-run-token", "Accept", "x"]) | any_text,
    st.sampled_from(["application/json", '"1"', "*", "key", "fr2.a.b"]) | any_text, max_size=4,
)  # fmt: skip
QUERIES = st.dictionaries(
    st.sampled_from(["limit", "status", "cursor", "idempotency_key"]) | any_text,
    st.sampled_from(["5", "open", "all", "eyJh"]) | any_text, max_size=3,
)  # fmt: skip
BODIES = spoiled(TASK) | spoiled({"kind": "command", "command": ["true"], "rerun": "safe"}) | spoiled({"stopped": True})
RESULT: dict[str, Any] = {
    "outcome": "succeeded", "summary": "All 12 are there.", "report_md": "db1: 2 h old\ndb2: 3 h old", "verdict": "met",
    "evidence": "the newest is 2 h old", "findings": ["db1", {"db2": [3]}],
    "usage": {"model": "m", "input_tokens": 7, "output_tokens": 8, "cost_usd": 0.25},
}  # fmt: skip
SAYINGS = st.tuples(st.just("complete"), spoiled(RESULT)) | st.tuples(st.just("progress"), spoiled({"message": "half"}))


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    made = Api(tmp_path_factory.mktemp("api"))
    yield made
    made.close()


EVENT: dict[str, Any] = events.request(
    "POST", "/v1/follow-ups?limit=5", user="me", headers={"Content-Type": "application/json", "If-Match": '"1"'},
    body=json.dumps(TASK).encode(), at=datetime(2026, 11, 24, tzinfo=UTC),
)  # fmt: skip
#: What of its context is looked at.
EVENT["requestContext"] = {name: EVENT["requestContext"][name] for name in ("http", "authorizer", "stage")}


@search(30)
@given(
    spoiled(EVENT | {"requestContext": {name: EVENT["requestContext"][name] for name in ("http", "authorizer", "stage")}})
)
def test_an_event_of_any_form_is_answered(api: Api, event: Any) -> None:
    with in_time():
        status, _, _ = api.send(event)
    assert status < 500


@search(50, share=2)
@given(METHODS,
       PATHS | nearly(PATHS) | any_text.map(lambda it: f"/{quote(it, errors='replace')}"), QUERIES, HEADERS,
       BODIES.map(json.dumps) | nearly(st.just(json.dumps(TASK))) | any_text, st.booleans())  # fmt: skip
def test_any_request_is_answered(
    api: Api, method: str, path: str, query: dict[str, str], headers: dict[str, str], body: str, encoded: bool
) -> None:
    event = api.event(method, "/v1/healthz") | {"rawPath": path, "queryStringParameters": query}
    event |= {"headers": {"content-type": "application/json"} | headers, "body": body, "isBase64Encoded": encoded}
    with in_time():
        status, _, _ = api.send(event)
    assert status < 500


@search(40)
@given(SAYINGS)
@example(("complete", RESULT | {"findings": ["a\ud800"]}))
@example(("complete", RESULT | {"findings": [{"\udfff": "\x00"}]}))
@example(("complete", RESULT | {"findings": [json.loads("[" * 400 + "]" * 400)]}))
@example(("complete", RESULT | {"findings": [10**4_000, 1e300, -0.0]}))
@example(("complete", RESULT | {"summary": "\x00\x1b[31m", "report_md": "\u202e" * 5_000}))
def test_whatever_an_agent_says_of_its_run_is_answered(api: Api, saying: tuple[str, Any]) -> None:
    verb, body = saying
    live = api.start(api.make()["id"], pending=True)
    token = sign_run(RunToken("me", live.id, live.fence, DEADLINE), SECRET)
    with in_time():
        status, _, _ = api.call("POST", f"/v1/runs/{live.run_id}/{verb}", body, followups_run_token=token)
    assert status in (200, 400, 415, 422)
    # The same again, or what makes room for the next run.
    last = body if (status, verb) == (200, "complete") else {"outcome": "attention"}
    status, _, headers = api.call("POST", f"/v1/runs/{live.run_id}/complete", last, followups_run_token=token)
    assert (status, "idempotent-replayed" in headers) == (200, last is body)
    assert api.call("GET", f"/v1/runs/{live.run_id}/report")[0] == 200


@search(30)
@given(any_text | nearly(st.sampled_from(["/v1/follow-ups?limit=5&status=open", "http://localhost/v1/x#y", "//[::1]/a"])))
@example("//[")
@example("http://[::1")
def test_any_target_makes_an_event(target: str) -> None:
    event = events.request("GET", target, user="me", headers={}, body=None, at=datetime(2026, 11, 24, tzinfo=UTC))
    assert isinstance(event["rawPath"], str)
    assert all(isinstance(it, str) for pair in event.get("queryStringParameters", {}).items() for it in pair)


# Batches and ticks

BATCH: dict[str, Any] = events.batch(Message("start", "me", ID, 1))


class Mails:
    def send(self, run: Any) -> str:
        raise AssertionError("there is no run")


@pytest.fixture(scope="module")
def handlers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Any]]:
    bench = Bench(tmp_path_factory.mktemp("bench") / "followups.db")

    def log(word: str, facts: Mapping[str, Any]) -> None:
        assert word in ("bad_message", "swept") or facts.get("result") == "stale", (word, facts)

    yield [runner(bench.world, {"fake": bench.agent}, (SECRET,), log=log), reporter(bench.world, Mails(), log=log)]
    assert sweeper(bench.world, log=log)({}, CONTEXT) == {}
    assert bench.agent.calls == []
    bench.store.close()


@search(40)
@given(
    spoiled(BATCH)
    | spoiled(json.loads(BATCH["Records"][0]["body"])).map(lambda body: {"Records": [{"body": json.dumps(body)}]})
    | any_text.map(lambda body: {"Records": [{"body": body}]})
)
def test_a_batch_of_any_form_is_acknowledged(handlers: list[Any], event: Any) -> None:
    for handle in handlers:
        with in_time():
            assert handle(event, CONTEXT) == {"batchItemFailures": []}


@search(20)
@given(json_values | spoiled(events.tick(datetime(2026, 11, 24, tzinfo=UTC))))
def test_a_tick_of_any_form_sweeps(bench_of_ticks: Bench, event: Any) -> None:
    assert sweeper(bench_of_ticks.world)(event, CONTEXT) == {}


@pytest.fixture(scope="module")
def bench_of_ticks(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(tmp_path_factory.mktemp("ticks") / "followups.db")


# Over the wire

RAW = (
    "POST /v1/follow-ups?limit=5 HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 2\r\n"
    "Connection: close\r\n\r\n{}"
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    home = tmp_path_factory.mktemp("server")
    handler = bootstrap.laptop_api(home, LaptopConfig(timezone="UTC"))
    made = ApiServer(0, handler, user="me", now=lambda: datetime(2026, 11, 24, tzinfo=UTC))
    threading.Thread(target=made.serve_forever, args=(0.02,), daemon=True).start()
    yield made
    made.shutdown()
    made.server_close()


def _exchange(port: int, sent: bytes) -> bytes:
    """Sends the bytes and gives what comes back until the other end closes, or has nothing more to say to us."""
    received = b""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection, contextlib.suppress(ConnectionError):
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        while chunk := connection.recv(65_536):
            received += chunk
    return received


@search(20, share=0.2)
@given(nearly(st.just(RAW)).map(lambda it: it.encode("utf-8", "replace")) | st.binary(max_size=80))
@example(RAW.replace("/v1/follow-ups?limit=5", "//[").encode())
@example(RAW.replace("POST", "BREW").encode())
@example(RAW.replace("Content-Length: 2", "Content-Length: -2").encode())
@example(RAW.replace("Content-Length: 2", "Content-Length: 2\r\nContent-Length: 3").encode())
@example(RAW.replace("Content-Length: 2", "Transfer-Encoding: chunked").encode())
@example(("GET / HTTP/1.1\r\n" + "A: b\r\n" * 200 + "\r\n").encode())
@example(b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n")
def test_any_bytes_are_answered_or_dropped(server: ApiServer, sent: bytes) -> None:
    received = _exchange(server.server_address[1], sent)
    head, _, body = received.partition(b"\r\n\r\n")
    if not received.startswith(b"HTTP/1."):
        # HTTP/0.9 has no head; and whoever closes in the middle is told nothing.
        assert b"Traceback" not in received
        return
    status = int(head.split(b" ")[1])
    assert status < 500 or status in (501, 505), head
    if status >= 400:
        assert b"application/problem+json" in head
        length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        assert json.loads(body[:length])["status"] == status
    assert _exchange(server.server_address[1], b"GET /v1/healthz HTTP/1.0\r\nHost: localhost\r\n\r\n").endswith(b"}")


ANSWER = (
    'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 22\r\nETag: "1"\r\n\r\n{"follow_ups": [{}], }'
)


class Says(socket.socket):
    """A server that answers each connection with the same bytes, whatever it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.answer = b""
        self.bind(("127.0.0.1", 0))
        self.listen()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                taken, _ = self.accept()
                with taken, contextlib.suppress(ConnectionError):
                    taken.recv(65_536)
                    taken.sendall(self.answer)


@pytest.fixture(scope="module")
def says() -> Iterator[Says]:
    made = Says()
    yield made
    made.shutdown(socket.SHUT_RDWR)
    made.close()


@search(20, share=0.2)
@given(
    nearly(st.just(ANSWER)).map(lambda it: it.encode("utf-8", "replace"))
    | st.binary(max_size=80)
    | st.binary(max_size=40).map(lambda it: b"HTTP/1.1 " + it)
    | st.binary(max_size=40).map(lambda it: b"HTTP/1.1 500 x\r\nTransfer-Encoding: chunked\r\n\r\n" + it)
)
@example(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")
@example(b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n")
@example(b"HTTP/1.1 301 x\r\nLocation: \xff\xfe\r\nContent-Length: 0\r\n\r\n")
@example(b"HTTP/1.1 401 x\r\nWWW-Authenticate: Digest\r\nContent-Length: 0\r\n\r\n")
@example(b"HTTP/1.1 407 x\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n")
def test_whatever_a_server_answers_is_an_answer_or_none(says: Says, answer: bytes) -> None:
    says.answer = answer
    try:
        reply = Http(f"http://127.0.0.1:{says.getsockname()[1]}", timeout_s=5).send("GET", "/v1/follow-ups", {}, None)
    except Unreachable as error:
        assert str(error)
    else:
        assert isinstance(reply, Reply) and isinstance(reply.body, dict)


@search(20)
@given(st.dictionaries(st.sampled_from(["Followups-Run-Token", "Idempotency-Key", "If-Match"]), any_text, min_size=1))
def test_a_header_is_sent_as_it_is_or_refused(says: Says, headers: dict[str, str]) -> None:
    says.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
    try:
        assert Http(f"http://127.0.0.1:{says.getsockname()[1]}", timeout_s=5).send("GET", "/", headers, None).status == 200
    except Invalid as refused:
        assert refused.code == "invalid_header"


def test_the_raw_request_of_these_searches_is_a_right_one(server: ApiServer, tmp_path: Path) -> None:
    assert b" 422 " in _exchange(server.server_address[1], RAW.encode()).partition(b"\r\n")[0]
