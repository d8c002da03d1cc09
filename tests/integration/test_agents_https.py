"""The https target against a real TLS server on the loopback: what it asks, and what becomes of each answer."""

import hashlib
import hmac
import json
import time
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from followups.adapters.agents.https import BODY_LIMIT, HttpsAgent
from followups.domain import webhooks
from followups.domain.contract import Done, Pending
from followups.domain.errors import AgentBusy, AgentUncertain
from followups.domain.status import Outcome
from tests.support.clock import START
from tests.support.webhook import HOST, KEYS, Send, Webhook, call_of, make_certificate, said, serving, target_for


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def server(certificate: Path) -> Iterator[Webhook]:
    with serving(certificate) as it:
        yield it


@pytest.fixture
def target(certificate: Path) -> HttpsAgent:
    return target_for(certificate)


def test_what_it_is_told_and_how_it_can_tell_that_it_is_us(target: HttpsAgent, server: Webhook) -> None:
    target.start(call_of(server))
    [(line, headers, body)] = server.heard
    run_id = call_of(server).run_id
    told = json.loads(body)
    assert line == "POST /run?x=1 HTTP/1.1"
    assert (told["v"], told["task"], told["run_token"]) == (1, "Check", "token")
    stamp = str(int(START.timestamp()))
    macs = [
        hmac.digest(b64decode(webhooks.secret_for("@a", key)[6:]), f"{run_id}.{stamp}.".encode() + body, hashlib.sha256)
        for key in KEYS
    ]
    assert headers == {
        "Host": f"{HOST}:{server.server_address[1]}", "Accept-Encoding": "identity", "Content-Length": str(len(body)),
        "Content-Type": "application/json", "User-Agent": "followups", "Idempotency-Key": run_id, "webhook-id": run_id,
        "webhook-timestamp": stamp, "webhook-signature": " ".join("v1," + b64encode(mac).decode() for mac in macs),
    }  # fmt: skip
    assert server.names == [HOST]


@pytest.mark.parametrize(
    ("answer", "outcome", "summary"),
    [
        (said(200, b"all is well\nand more"), Outcome.SUCCEEDED, "all is well"),
        (said(200, b""), Outcome.SUCCEEDED, "said nothing"),
        (said(204, b""), Outcome.SUCCEEDED, "said nothing"),
        (said(201, b'{"outcome": "attention", "summary": "look"}'), Outcome.ATTENTION, "look"),
        (said(200, b'{"outcome": "failed", "summary": "no"}'), Outcome.FAILED, "no"),
        (said(200, b'{"outcome": "splendid"}'), Outcome.UNKNOWN, "none of"),
        (said(200, b'{"outcome": '), Outcome.UNKNOWN, "broken JSON"),
        (said(200, b'{"ok": tru'), Outcome.SUCCEEDED, '{"ok": tru'),
        (said(200, b"[1, 2]"), Outcome.SUCCEEDED, "[1, 2]"),
        (said(200, b'{"pending": "yes"}'), Outcome.SUCCEEDED, "pending"),
        (said(200, b"\xff\xfe\x00fine"), Outcome.SUCCEEDED, "fine"),
        (said(200, b"[" * 5000), Outcome.SUCCEEDED, "[[["),
        (said(200, b"<h1>in</h1>", "Content-Type: Text/HTML; charset=utf-8"), Outcome.UNKNOWN, "answered a web page"),
        (said(200, b"\x1f\x8b", "Content-Encoding: gzip"), Outcome.UNKNOWN, "packed (gzip)"),
        (said(200, b"ok", "Content-Type: \xff/\x01; =", "X:\x80", "Y"), Outcome.SUCCEEDED, "ok"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + said(200, b"ok"), Outcome.SUCCEEDED, "ok"),
        (b"HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nok\r\n0\r\nT: x\r\n\r\n", Outcome.SUCCEEDED, "ok"),
        (said(301, b"", "Location: https://127.0.0.1/x"), Outcome.FAILED, "redirects (301) to https://127.0.0.1/x"),
        (said(307, b""), Outcome.FAILED, "redirects (307) to nowhere; redirects are not followed"),
        (said(304, b""), Outcome.FAILED, "redirects are not followed"),
        (said(400, b"no such\ttask\nmore"), Outcome.FAILED, "answered 400 Bad Request: no such task"),
        (said(401, b""), Outcome.FAILED, "answered 401 Unauthorized."),
        (said(404, b"<html>", "Content-Type: text/html"), Outcome.FAILED, "answered 404 Not Found."),
        (said(500, b"boom"), Outcome.FAILED, "answered 500 Internal Server Error: boom"),
        (said(500, b'{"outcome": "succeeded"}'), Outcome.FAILED, "answered 500"),
        (said(999, b"what"), Outcome.FAILED, "answered 999: what"),
        (b"SSH-2.0-OpenSSH_9.9\r\n", Outcome.UNKNOWN, "no HTTP"),
        (b"HTTP/1.1 abc OK\r\n\r\n", Outcome.UNKNOWN, "no HTTP"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000 + b"\r\n", Outcome.UNKNOWN, "no HTTP that can be read"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n", Outcome.UNKNOWN, "no HTTP that can be read"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nabc", Outcome.UNKNOWN, "no HTTP"),
    ],
)  # fmt: skip
def test_what_it_answers(
    target: HttpsAgent, server: Webhook, answer: bytes, outcome: Outcome, summary: str
) -> None:  # fmt: skip
    server.answer = answer
    done = target.start(call_of(server))
    assert isinstance(done, Done)
    assert done.outcome is outcome
    assert summary in done.summary
    assert server.connections == 1, "nothing is followed, nothing is tried again"


@pytest.mark.parametrize("answer", [said(202, b""), said(202, b"soon"), said(200, b' {"pending": true}\n')])
def test_a_webhook_that_goes_on_calls_back(target: HttpsAgent, server: Webhook, answer: bytes) -> None:
    server.answer = answer
    call = call_of(server)
    pending = target.start(call)
    assert pending == Pending(handle=call.run_id, poll_after=timedelta(minutes=5))
    assert target.poll(call, "any") == Pending(handle="any", poll_after=timedelta(minutes=5))
    target.cancel(call, "any")
    assert server.connections == 1, "nobody is asked"


@pytest.mark.parametrize(
    ("status", "header", "wait"),
    [
        (429, "X: y", None),
        (429, "Retry-After: 120", timedelta(seconds=120)),
        (503, "Retry-After: 0", timedelta(0)),
        (503, "retry-after:  7 ", timedelta(seconds=7)),
        (503, "Retry-After: 86400", timedelta(hours=1)),
        (429, "Retry-After: " + "9" * 5000, timedelta(hours=1)),
        (503, "Retry-After: Tue, 24 Nov 2026 12:00:30 GMT", timedelta(seconds=30)),
        (503, "Retry-After: Tue, 24 Nov 2026 11:00:00 GMT", timedelta(0)),
        (503, "Retry-After: Fri, 31 Dec 9999 23:59:59 GMT", timedelta(hours=1)),
        (503, "Retry-After: -5", None),
        (503, "Retry-After: \xb2", None),
        (503, "Retry-After: Tue, 99 Nov 2026 99:00:00 GMT", None),
        (503, "Retry-After:", None),
    ],
)
def test_a_server_without_room_did_not_start_it(
    target: HttpsAgent, server: Webhook, status: int, header: str, wait: timedelta | None
) -> None:
    server.answer = said(status, b"busy", header)
    with pytest.raises(AgentBusy) as busy:
        target.start(call_of(server))
    assert busy.value.retry_after == wait
    assert str(status) in busy.value.reason


def _drip(before: bytes, drop: bytes) -> Callable[[Send], None]:
    def answer(send: Send) -> None:
        send(before)
        while True:
            send(drop)
            time.sleep(0.05)

    return answer


@pytest.mark.parametrize(
    "answer",
    [
        lambda _send: time.sleep(1.5),
        _drip(b"", b"H"),
        _drip(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
        _drip(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n", b"x"),
        _drip(b"HTTP/1.1 200 OK\r\n\r\n", b"x"),
        _drip(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
        _drip(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    ],
    ids=["silent", "status", "headers", "body", "endless", "chunks", "continue"],
)
def test_a_slow_server_has_the_whole_time_and_no_more(
    target: HttpsAgent, server: Webhook, answer: Callable[[Send], None]
) -> None:
    server.answer = answer
    began = time.monotonic()
    with pytest.raises(AgentUncertain, match="no whole answer"):
        target.start(call_of(server, 0.3))
    assert 0.25 < time.monotonic() - began < 1.4
    assert len(server.heard) == 1


@pytest.mark.parametrize(
    ("answer", "farewell", "reset"),
    [
        (b"", False, False), (b"", True, False), (b"", False, True),
        (b"HTTP/1.1 2", True, False),
        (b"HTTP/1.1 200 OK\r\nX: y\r\n", False, False), (b"HTTP/1.1 200 OK\r\nX: y\r\n", True, False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", False, False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", True, False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", True, False),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhalf", True, False),
        (b"HTTP/1.1 200 OK\r\n\r\nhalf", False, False),
        (said(502, b"bad gateway"), False, False), (said(504, b""), False, False), (said(503, b"later"), False, False),
        (said(408, b""), False, False), (said(524, b""), False, False),
        (b"HTTP/1.1 103 Early Hints\r\n\r\n", False, False),
    ],
)  # fmt: skip
def test_what_may_have_run_is_unknown_and_never_asked_twice(
    target: HttpsAgent, server: Webhook, answer: bytes, farewell: bool, reset: bool
) -> None:
    server.answer, server.farewell, server.reset = answer, farewell, reset
    with pytest.raises(AgentUncertain):
        target.start(call_of(server))
    assert len(server.heard) == 1


def test_an_answer_may_end_with_the_connection(target: HttpsAgent, server: Webhook) -> None:
    server.answer, server.farewell = b"HTTP/1.0 200 OK\r\n\r\nall of it", True
    done = target.start(call_of(server))
    assert isinstance(done, Done)
    assert (done.outcome, done.report) == (Outcome.SUCCEEDED, "all of it")


@pytest.mark.parametrize("header", [f"Content-Length: {50 * 1024 * 1024}", "Transfer-Encoding: chunked", "X: y"])
def test_of_a_flood_two_megabytes_are_read(target: HttpsAgent, server: Webhook, header: str) -> None:
    sent = 0
    part = b"x" * 65_536
    chunk = b"10000\r\n" + part + b"\r\n" if "chunked" in header else part

    def flood(send: Send) -> None:
        nonlocal sent
        send(f"HTTP/1.1 200 OK\r\n{header}\r\n\r\n".encode())
        for _ in range(800):
            send(chunk)
            sent += len(part)

    server.answer = flood
    done = target.start(call_of(server))
    assert isinstance(done, Done)
    assert done.outcome is Outcome.SUCCEEDED
    assert done.report == "x" * BODY_LIMIT + f"\n[cut here: the answer has more than {BODY_LIMIT:,} bytes]\n"
    assert sent < 20 * 1024 * 1024, "the rest was never taken"


@pytest.mark.slow
def test_headers_without_end_are_not_read_for_ever(target: HttpsAgent, server: Webhook) -> None:
    def flood(send: Send) -> None:
        while not server.closing.is_set():
            send(b"HTTP/1.1 100 Continue\r\n\r\n" * 2_000)

    server.answer = flood
    done = target.start(call_of(server))
    assert isinstance(done, Done)
    assert "more than 16,777,216 bytes" in done.summary
