"""The https target against a real TLS server on the loopback that answers whatever a test gives it, byte for byte."""

import contextlib
import hashlib
import hmac
import json
import socket
import socketserver
import ssl
import struct
import threading
import time
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from followups.adapters.agents.https import BODY_LIMIT, HttpsAgent
from followups.domain import webhooks
from followups.domain.contract import AgentCall, Done, Pending
from followups.domain.errors import AgentBusy, AgentUncertain
from followups.domain.status import Outcome
from tests.support.calls import agent_call
from tests.support.clock import START, ManualClock

HOST = "agent.example.com"
KEYS = (b"new" * 11, b"old" * 11)
Send = Callable[[bytes], None]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Gives a file with a certificate for HOST, signed by itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name, now = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, HOST)]), datetime.now(UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    path.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )  # fmt: skip
    return path


class _Webhook(socketserver.ThreadingTCPServer):
    """Reads a request whole and then says `answer`, or what `answer` does with a function that sends."""

    daemon_threads, allow_reuse_address = True, True

    def __init__(self, certificate: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Request)
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.load_cert_chain(certificate)
        self.tls.sni_callback = lambda _sock, name, _context: self.names.append(name)
        self.answer: bytes | Callable[[Send], None] = said(200, b"")
        #: What was asked for, as (request line, headers, body); the names in TLS; and how many connections there were.
        self.heard: list[tuple[str, dict[str, str], bytes]] = []
        self.names: list[str | None] = []
        self.connections = 0
        self.farewell = self.reset = False
        self.closing = threading.Event()

    def handle_error(self, *_: object) -> None:
        pass


class _Request(socketserver.BaseRequestHandler):
    server: _Webhook

    def handle(self) -> None:
        self.server.connections += 1
        self.request.settimeout(20)
        with self.server.tls.wrap_socket(self.request, server_side=True) as tls, contextlib.suppress(OSError):
            with tls.makefile("rb") as file:
                line = file.readline().decode().strip()
                pairs = dict(it.decode().strip().split(": ", 1) for it in iter(file.readline, b"\r\n"))
                self.server.heard.append((line, pairs, file.read(int(pairs["Content-Length"]))))
            answer = self.server.answer
            _ = tls.sendall(answer) if isinstance(answer, bytes) else answer(tls.sendall)
            if self.server.farewell:
                tls.unwrap()
            if self.server.reset:
                tls.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def said(status: int, body: bytes, *headers: str) -> bytes:
    """Gives an answer as a server sends it."""
    lines = [f"HTTP/1.1 {status} So", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


@pytest.fixture
def server(certificate: Path) -> Iterator[_Webhook]:
    with _Webhook(certificate) as it:
        thread = threading.Thread(target=it.serve_forever, args=(0.02,))
        thread.start()
        yield it
        it.closing.set()
        it.shutdown()
        thread.join()


@pytest.fixture
def target(certificate: Path) -> HttpsAgent:
    return _target(certificate)


def _target(
    certificate: Path | None, resolve: Callable[[str], Sequence[str]] = lambda _host: ["127.0.0.1"],
    allowed: Callable[[str], bool] = lambda _address: True,
) -> HttpsAgent:  # fmt: skip
    context = ssl.create_default_context(cafile=certificate) if certificate else None
    return HttpsAgent(KEYS, ManualClock(), resolve=resolve, allowed=allowed, context=context)


def _call(server: _Webhook, seconds: float = 20, *, host: str = HOST, path: str = "/run?x=1") -> AgentCall:
    call = agent_call([], seconds=seconds)
    url = f"https://{host}:{server.server_address[1]}{path}"
    return replace(call, agent=replace(call.agent, kind="https", target=url))


def test_what_it_is_told_and_how_it_can_tell_that_it_is_us(target: HttpsAgent, server: _Webhook) -> None:
    target.start(_call(server))
    [(line, headers, body)] = server.heard
    run_id = _call(server).run_id
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
        (said(200, b'{"outcome": "splendid"}'), Outcome.FAILED, "none of"),
        (said(200, b'{"outcome": '), Outcome.FAILED, "broken JSON"),
        (said(200, b'{"ok": tru'), Outcome.SUCCEEDED, '{"ok": tru'),
        (said(200, b"[1, 2]"), Outcome.SUCCEEDED, "[1, 2]"),
        (said(200, b'{"pending": "yes"}'), Outcome.SUCCEEDED, "pending"),
        (said(200, b"\xff\xfe\x00fine"), Outcome.SUCCEEDED, "fine"),
        (said(200, b"[" * 5000), Outcome.SUCCEEDED, "[[["),
        (said(200, b"<h1>in</h1>", "Content-Type: Text/HTML; charset=utf-8"), Outcome.FAILED, "answered a web page"),
        (said(200, b"\x1f\x8b", "Content-Encoding: gzip"), Outcome.FAILED, "packed (gzip)"),
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
        (said(503, b"later"), Outcome.FAILED, "answered 503 Service Unavailable: later"),
        (said(999, b"what"), Outcome.FAILED, "answered 999: what"),
        (b"SSH-2.0-OpenSSH_9.9\r\n", Outcome.FAILED, "no HTTP"),
        (b"HTTP/1.1 abc OK\r\n\r\n", Outcome.FAILED, "no HTTP"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000 + b"\r\n", Outcome.FAILED, "no HTTP that can be read"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n", Outcome.FAILED, "no HTTP that can be read"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nabc", Outcome.FAILED, "no HTTP"),
    ],
)  # fmt: skip
def test_what_it_answers(
    target: HttpsAgent, server: _Webhook, answer: bytes, outcome: Outcome, summary: str
) -> None:  # fmt: skip
    server.answer = answer
    done = target.start(_call(server))
    assert isinstance(done, Done)
    assert done.outcome is outcome
    assert summary in done.summary
    assert server.connections == 1, "nothing is followed, nothing is tried again"


@pytest.mark.parametrize("answer", [said(202, b""), said(202, b"soon"), said(200, b' {"pending": true}\n')])
def test_a_webhook_that_goes_on_calls_back(target: HttpsAgent, server: _Webhook, answer: bytes) -> None:
    server.answer = answer
    call = _call(server)
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
    target: HttpsAgent, server: _Webhook, status: int, header: str, wait: timedelta | None
) -> None:
    server.answer = said(status, b"busy", header)
    with pytest.raises(AgentBusy) as busy:
        target.start(_call(server))
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
    target: HttpsAgent, server: _Webhook, answer: Callable[[Send], None]
) -> None:
    server.answer = answer
    began = time.monotonic()
    with pytest.raises(AgentUncertain, match="no whole answer"):
        target.start(_call(server, 0.6))
    assert 0.55 < time.monotonic() - began < 1.4
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
        (said(502, b"bad gateway"), False, False), (said(504, b""), False, False),
        (b"HTTP/1.1 103 Early Hints\r\n\r\n", False, False),
    ],
)  # fmt: skip
def test_what_may_have_run_is_unknown_and_never_asked_twice(
    target: HttpsAgent, server: _Webhook, answer: bytes, farewell: bool, reset: bool
) -> None:
    server.answer, server.farewell, server.reset = answer, farewell, reset
    with pytest.raises(AgentUncertain):
        target.start(_call(server))
    assert len(server.heard) == 1


def test_an_answer_may_end_with_the_connection(target: HttpsAgent, server: _Webhook) -> None:
    server.answer, server.farewell = b"HTTP/1.0 200 OK\r\n\r\nall of it", True
    done = target.start(_call(server))
    assert isinstance(done, Done)
    assert (done.outcome, done.report) == (Outcome.SUCCEEDED, "all of it")


@pytest.mark.parametrize("header", [f"Content-Length: {50 * 1024 * 1024}", "Transfer-Encoding: chunked", "X: y"])
def test_of_a_flood_two_megabytes_are_read(target: HttpsAgent, server: _Webhook, header: str) -> None:
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
    done = target.start(_call(server))
    assert isinstance(done, Done)
    assert done.outcome is Outcome.SUCCEEDED
    assert done.report == "x" * BODY_LIMIT + f"\n[cut here: the answer has more than {BODY_LIMIT:,} bytes]\n"
    assert sent < 20 * 1024 * 1024, "the rest was never taken"


def test_headers_without_end_are_not_read_for_ever(target: HttpsAgent, server: _Webhook) -> None:
    def flood(send: Send) -> None:
        while not server.closing.is_set():
            send(b"HTTP/1.1 100 Continue\r\n\r\n" * 2_000)

    server.answer = flood
    done = target.start(_call(server))
    assert isinstance(done, Done)
    assert "more than 16,777,216 bytes" in done.summary


PRIVATE = [
    "127.0.0.1", "10.0.0.1", "169.254.169.254", "100.64.0.1", "172.16.0.1", "192.168.0.1", "0.0.0.0", "224.0.0.1",
    "::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%lo", "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::",
]  # fmt: skip


@pytest.mark.parametrize("found", [*([it] for it in PRIVATE), ["1.1.1.1", "127.0.0.1"], ["nonsense"]])
def test_a_name_that_leads_inwards_is_not_called(server: _Webhook, found: list[str]) -> None:
    target = HttpsAgent(KEYS, ManualClock(), resolve=lambda _host: found)
    done = target.start(_call(server))
    assert isinstance(done, Done)
    assert done.outcome is Outcome.FAILED
    assert f"{HOST} leads to {found[-1]}, which is private, local or reserved" in done.summary
    assert server.connections == 0


@pytest.mark.parametrize(
    "host", ["127.1", "0x7f.0.0.1", "0177.0.0.1", "127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "localhost"]
)
def test_no_spelling_of_a_local_address_gets_through(server: _Webhook, host: str) -> None:
    done = HttpsAgent(KEYS, ManualClock()).start(_call(server, host=host))
    assert isinstance(done, Done)
    assert (done.outcome, server.connections) == (Outcome.FAILED, 0)
    assert "was not called" in done.summary


def test_a_name_that_changes_its_mind_is_asked_once(certificate: Path, server: _Webhook) -> None:
    asked, answers = [], iter([["127.0.0.1"], ["10.0.0.1"]])

    def resolve(host: str) -> list[str]:
        asked.append(host)
        return next(answers)

    seen: list[str] = []

    def allowed(address: str) -> bool:
        seen.append(address)
        return not address.startswith("10.")

    target = _target(certificate, resolve, allowed)
    server.answer = said(200, b"ok")
    first, second = target.start(_call(server)), target.start(_call(server))
    assert isinstance(first, Done)
    assert isinstance(second, Done)
    assert (first.summary, second.outcome) == ("ok", Outcome.FAILED)
    assert (asked, seen, server.connections) == ([HOST, HOST], ["127.0.0.1", "10.0.0.1"], 1)


def test_a_redirect_inwards_is_not_followed(target: HttpsAgent, server: _Webhook) -> None:
    with socket.create_server(("127.0.0.1", 0)) as inner:
        inner.setblocking(False)
        server.answer = said(302, b"", f"Location: https://127.0.0.1:{inner.getsockname()[1]}/")
        done = target.start(_call(server))
        assert isinstance(done, Done)
        assert done.outcome is Outcome.FAILED
        with pytest.raises(BlockingIOError):
            inner.accept()


def test_the_next_address_is_tried_if_one_takes_no_connection(certificate: Path, server: _Webhook) -> None:
    server.answer = said(200, b"ok")
    done = _target(certificate, lambda _host: ["127.0.0.2", "127.0.0.1"]).start(_call(server))
    assert isinstance(done, Done)
    assert (done.summary, server.connections) == ("ok", 1)


@pytest.mark.parametrize("host", ["other.example.com", "1.1.1.1"])
def test_a_certificate_of_another_name_is_refused(target: HttpsAgent, server: _Webhook, host: str) -> None:
    done = target.start(_call(server, host=host))
    assert isinstance(done, Done)
    assert done.outcome is Outcome.FAILED
    assert f"its certificate is not valid for {host}" in done.summary
    assert server.heard == []


def test_a_certificate_that_nobody_vouches_for_is_refused(server: _Webhook) -> None:
    done = _target(None).start(_call(server))
    assert isinstance(done, Done)
    assert (done.outcome, server.heard) == (Outcome.FAILED, [])
    assert "its certificate is not valid" in done.summary


def test_a_server_that_wants_a_certificate_of_ours(target: HttpsAgent, server: _Webhook, certificate: Path) -> None:
    server.tls.verify_mode = ssl.CERT_REQUIRED
    server.tls.load_verify_locations(certificate)
    done = target.start(_call(server))
    assert isinstance(done, Done)
    assert (done.outcome, server.heard) == (Outcome.FAILED, [])
    assert "asks for a client's certificate" in done.summary


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", None])
def test_a_server_without_tls_gets_nothing(target: HttpsAgent, server: _Webhook, answer: bytes | None) -> None:
    with socket.create_server(("127.0.0.1", 0)) as plain:
        heard: list[bytes] = []

        def serve() -> None:
            with plain.accept()[0] as sock:
                heard.append(sock.recv(65_536))
                if answer is None:
                    server.closing.wait(5)
                else:
                    sock.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        call = _call(server, 0.5)
        url = f"https://{HOST}:{plain.getsockname()[1]}/"
        began = time.monotonic()
        done = target.start(replace(call, agent=replace(call.agent, target=url)))
        took = time.monotonic() - began
        server.closing.set()
        thread.join()
    assert isinstance(done, Done)
    assert done.outcome is Outcome.FAILED
    assert "no safe connection" in done.summary
    assert b"token" not in heard[0]
    assert took < 1.4


def _raises(error: Exception) -> Callable[[str], list[str]]:
    def resolve(host: str) -> list[str]:
        raise error

    return resolve


@pytest.mark.parametrize(
    ("resolve", "summary"),
    [
        (_raises(socket.gaierror(-2, "Name or service not known")), "has no address: Name or service not known"),
        (_raises(UnicodeError("label too long")), "has no address: label too long"),
        (lambda _host: [], "has no address"),
        (lambda _host: time.sleep(1) or [], "no name server answered in time"),
        (lambda _host: ["127.0.0.3"], "nobody answers at 127.0.0.3"),
    ],
)
def test_who_cannot_be_reached_was_not_started(
    certificate: Path, server: _Webhook, resolve: Callable[[str], Sequence[str]], summary: str
) -> None:
    done = _target(certificate, resolve).start(_call(server, 0.5))
    assert isinstance(done, Done)
    assert done.outcome is Outcome.FAILED
    assert summary in done.summary


@pytest.mark.parametrize(
    "url", [None, "", "http://agent.example.com/", "https://[::1", "https://a.example:99999/", "https://e.com/\n"]
)
def test_an_address_that_is_none_is_not_called(target: HttpsAgent, server: _Webhook, url: str | None) -> None:
    call = _call(server)
    done = target.start(replace(call, agent=replace(call.agent, target=url)))
    assert isinstance(done, Done)
    assert done.outcome is Outcome.FAILED
    assert "was not called" in done.summary


def test_labels_that_no_resolver_takes(server: _Webhook) -> None:
    for host in ("a" * 64 + ".example.com", "a..example.com", ".example.com"):
        done = HttpsAgent(KEYS, ManualClock()).start(_call(server, host=host))
        assert isinstance(done, Done)
        assert (done.outcome, "has no address" in done.summary) == (Outcome.FAILED, True)
