"""The laptop's HTTP server: what it refuses before the API is asked, and what is no request at all."""

import json
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from followups import bootstrap
from followups.adapters.local import SystemClock
from followups.config import LaptopConfig
from followups.local.server import HOST, ApiServer
from tests.support.contract import check_answer


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    handler = bootstrap.laptop_api(tmp_path_factory.mktemp("laptop"), LaptopConfig(timezone="UTC"))
    made = ApiServer(0, handler, user=bootstrap.laptop_user(), now=SystemClock().now)
    threading.Thread(target=made.serve_forever, args=(0.02,), daemon=True).start()
    yield made
    made.shutdown()
    made.server_close()


def say(server: ApiServer, request: bytes) -> tuple[int, dict[str, str], Any]:
    """Sends these bytes and gives the answer: its status, its headers in lower case, its body as JSON."""
    with socket.create_connection(server.server_address[:2], timeout=10) as line:
        line.sendall(request.replace(b"\n", b"\r\n"))
        line.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: line.recv(65_536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (it.partition(":") for it in lines)}
    return int(first.split()[1]), headers, json.loads(body) if body else None


@pytest.mark.parametrize(
    ("line", "headers", "status", "code"),
    [
        ("GET /v1/control", "Host: evil.example", 403, "forbidden"),
        ("GET /v1/control", "", 403, "forbidden"),
        ("POST /v1/follow-ups", "Host: localhost\nOrigin: https://evil.example", 403, "forbidden"),
        ("GET /v1/healthz", "Host: localhost\nOrigin: null", 403, "forbidden"),
        ("POST /v1/follow-ups", "Host: localhost\nContent-Length: 3000000", 413, "payload_too_large"),
        ("POST /v1/follow-ups", "Host: localhost\nContent-Length: -1", 413, "payload_too_large"),
        ("PUT /v1/control", "Host: localhost\nTransfer-Encoding: chunked", 413, "payload_too_large"),
        ("TRACE /v1/healthz", "Host: localhost", 405, "method_not_allowed"),
        ("BREW /v1/follow-ups", "Host: localhost", 405, "method_not_allowed"),
        ("OPTIONS *", "Host: localhost", 404, "not_found"),
        ("GET /%zz", "Host: localhost", 404, "not_found"),
        ("GET http://[/", "Host: localhost", 404, "not_found"),
    ],
)
def test_a_refusal_is_one_that_the_document_promises(
    server: ApiServer, line: str, headers: str, status: int, code: str
) -> None:
    got, answered, body = say(server, f"{line} HTTP/1.1\n{headers}\nConnection: close\n\n".replace("\n\nC", "\nC").encode())
    assert (got, body["code"]) == (status, code)
    method, path = line.split()
    check_answer(method, path, got, answered, body)


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"BREW /v1/healthz\n\n", 400),
        (b"GET\n\n", 400),
        (b"\x16\x03\x01\x02\n\n", 400),
        (b"GET /v1/healthz HTTP/9.9\n\n", 505),
        (b"GET /" + b"a" * 70_000 + b" HTTP/1.1\n\n", 414),
        (b"GET / HTTP/1.1\n" + b"a: b\n" * 200 + b"\n", 431),
        (b"GET / HTTP/1.1\na: " + b"b" * 70_000 + b"\n\n", 431),
    ],
    ids=lambda it: str(it)[:30],
)
def test_what_is_no_request_gets_a_problem_too(server: ApiServer, request_: bytes, status: int) -> None:
    got, headers, body = say(server, request_)
    assert (got, headers["content-type"], body["code"]) == (status, "application/problem+json", "invalid_request")
    assert body["status"] == status and body["detail"] and body["type"].endswith("/invalid_request")


def test_a_head_has_no_body(server: ApiServer) -> None:
    status, headers, body = say(server, b"HEAD /v1/healthz HTTP/1.1\nHost: localhost\nConnection: close\n\n")
    assert (status, headers["allow"], body) == (405, "GET", None)


def test_both_addresses_of_this_machine_are_its_own(server: ApiServer) -> None:
    for host in (HOST, "localhost", f"localhost:{server.server_address[1]}"):
        request = f"GET /openapi.json HTTP/1.1\nHost: {host}\nOrigin: http://{host}\nConnection: close\n\n"
        assert say(server, request.encode())[0] == 200


def test_one_connection_carries_many_requests_and_an_answer_comes_in_one_piece(server: ApiServer) -> None:
    one = b"GET /v1/healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with socket.create_connection(server.server_address[:2], timeout=10) as line:
        for _ in range(2):
            line.sendall(one)
            answer = line.recv(65_536)
            assert answer.startswith(b"HTTP/1.1 200") and answer.endswith(b"}")
