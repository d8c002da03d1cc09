"""Whom the https target never speaks to: private addresses however they are written, and servers that are others."""

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from followups.adapters.agents.https import HttpsAgent
from followups.domain.contract import Done
from followups.domain.status import Outcome
from tests.support.clock import ManualClock
from tests.support.webhook import HOST, KEYS, Webhook, call_of, make_certificate, said, serving, target_for

PRIVATE = [
    "127.0.0.1", "10.0.0.1", "169.254.169.254", "100.64.0.1", "172.16.0.1", "192.168.0.1", "0.0.0.0", "224.0.0.1",
    "::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%lo", "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::",
]  # fmt: skip


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


@pytest.mark.parametrize("found", [*([it] for it in PRIVATE), ["1.1.1.1", "127.0.0.1"], ["nonsense"]])
def test_a_name_that_leads_inwards_is_not_called(server: Webhook, found: list[str]) -> None:
    target = HttpsAgent(KEYS, ManualClock(), resolve=lambda _host: found)
    done = target.start(call_of(server))
    assert isinstance(done, Done)
    assert done.outcome is Outcome.FAILED
    assert f"{HOST} leads to {found[-1]}, which is private, local or reserved" in done.summary
    assert server.connections == 0


@pytest.mark.parametrize(
    "host", ["127.1", "0x7f.0.0.1", "0177.0.0.1", "127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "localhost"]
)
def test_no_spelling_of_a_local_address_gets_through(server: Webhook, host: str) -> None:
    done = HttpsAgent(KEYS, ManualClock()).start(call_of(server, host=host))
    assert isinstance(done, Done)
    assert (done.outcome, server.connections) == (Outcome.FAILED, 0)
    assert "was not called" in done.summary


def test_a_name_that_changes_its_mind_is_asked_once(certificate: Path, server: Webhook) -> None:
    asked, answers = [], iter([["127.0.0.1"], ["10.0.0.1"]])

    def resolve(host: str) -> list[str]:
        asked.append(host)
        return next(answers)

    seen: list[str] = []

    def allowed(address: str) -> bool:
        seen.append(address)
        return not address.startswith("10.")

    target = target_for(certificate, resolve, allowed)
    server.answer = said(200, b"ok")
    first, second = target.start(call_of(server)), target.start(call_of(server))
    assert isinstance(first, Done)
    assert isinstance(second, Done)
    assert (first.summary, second.outcome) == ("ok", Outcome.FAILED)
    assert (asked, seen, server.connections) == ([HOST, HOST], ["127.0.0.1", "10.0.0.1"], 1)


def test_a_redirect_inwards_is_not_followed(target: HttpsAgent, server: Webhook) -> None:
    with socket.create_server(("127.0.0.1", 0)) as inner:
        inner.setblocking(False)
        server.answer = said(302, b"", f"Location: https://127.0.0.1:{inner.getsockname()[1]}/")
        done = target.start(call_of(server))
        assert isinstance(done, Done)
        assert done.outcome is Outcome.FAILED
        with pytest.raises(BlockingIOError):
            inner.accept()


def test_the_next_address_is_tried_if_one_takes_no_connection(certificate: Path, server: Webhook) -> None:
    server.answer = said(200, b"ok")
    done = target_for(certificate, lambda _host: ["127.0.0.2", "127.0.0.1"]).start(call_of(server))
    assert isinstance(done, Done)
    assert (done.summary, server.connections) == ("ok", 1)


@pytest.mark.parametrize("host", ["other.example.com", "1.1.1.1"])
def test_a_certificate_of_another_name_is_refused(target: HttpsAgent, server: Webhook, host: str) -> None:
    done = target.start(call_of(server, host=host))
    assert isinstance(done, Done)
    assert done.outcome is Outcome.FAILED
    assert f"its certificate is not valid for {host}" in done.summary
    assert server.heard == []


def test_a_certificate_that_nobody_vouches_for_is_refused(server: Webhook) -> None:
    done = target_for(None).start(call_of(server))
    assert isinstance(done, Done)
    assert (done.outcome, server.heard) == (Outcome.FAILED, [])
    assert "its certificate is not valid" in done.summary


def test_a_server_that_wants_a_certificate_of_ours(target: HttpsAgent, server: Webhook, certificate: Path) -> None:
    server.tls.verify_mode = ssl.CERT_REQUIRED
    server.tls.load_verify_locations(certificate)
    done = target.start(call_of(server))
    assert isinstance(done, Done)
    assert (done.outcome, server.heard) == (Outcome.FAILED, [])
    assert "asks for a client's certificate" in done.summary


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", None])
def test_a_server_without_tls_gets_nothing(target: HttpsAgent, server: Webhook, answer: bytes | None) -> None:
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
        call = call_of(server, 0.5)
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
    certificate: Path, server: Webhook, resolve: Callable[[str], Sequence[str]], summary: str
) -> None:
    done = target_for(certificate, resolve).start(call_of(server, 0.5))
    assert isinstance(done, Done)
    assert done.outcome is Outcome.FAILED
    assert summary in done.summary


@pytest.mark.parametrize(
    "url", [None, "", "http://agent.example.com/", "https://[::1", "https://a.example:99999/", "https://e.com/\n"]
)
def test_an_address_that_is_none_is_not_called(target: HttpsAgent, server: Webhook, url: str | None) -> None:
    call = call_of(server)
    done = target.start(replace(call, agent=replace(call.agent, target=url)))
    assert isinstance(done, Done)
    assert done.outcome is Outcome.FAILED
    assert "was not called" in done.summary


def test_labels_that_no_resolver_takes(server: Webhook) -> None:
    for host in ("a" * 64 + ".example.com", "a..example.com", ".example.com"):
        done = HttpsAgent(KEYS, ManualClock()).start(call_of(server, host=host))
        assert isinstance(done, Done)
        assert (done.outcome, "has no address" in done.summary) == (Outcome.FAILED, True)
