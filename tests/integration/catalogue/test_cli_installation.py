"""Rows 66 to 68 and 71: what may stand between the command line and an installation."""

import json
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from followups.cli.client import Unreachable
from followups.cli.http import Http
from tests.integration.catalogue.rows import row
from tests.integration.catalogue.test_cli import CHECK, refused
from tests.support.installation import Installation, serving
from tests.support.laptop import Laptop


@pytest.mark.parametrize(
    ("url", "said"),
    [
        row(66, "plain", "http://api.example.com", "is not encrypted"),
        row(66, "plain-in-capitals", "HTTP://API.EXAMPLE.COM", "is not encrypted"),
        row(66, "nearly-localhost", "http://localhost.example.com", "is not encrypted"),
        row(66, "localhost-as-a-user", "http://localhost@api.example.com", "is not encrypted"),
        row(66, "localhost-behind-a-hash", "http://api.example.com#@localhost", "is no"),
        row(66, "every-interface", "http://0.0.0.0", "is not encrypted"),
        row(66, "no-scheme", "api.example.com", "is no web address"),
        row(66, "other-scheme", "file:///etc/passwd", "is no web address"),
        row(66, "no-host", "https://", "is no web address"),
        row(66, "half-an-ipv6", "https://[::1", "is no web address"),
        row(66, "port", "https://api.example.com:99999", "is no web address"),
        row(66, "blank", "https://api example.com", "is no web address"),
        row(66, "query", "https://api.example.com?a=b", "is no web address"),
        row(66, "control-character", "https://api.example.com/\x1b", "is no web address"),
        row(66, "no-ascii-path", "https://api.example.com/ä", "is no web address"),
    ],
)
def test_an_installation_that_may_not_be_spoken_to(desk: Laptop, url: str, said: str) -> None:
    for words in (("list",), CHECK, ("run-due",)):
        assert "FOLLOWUPS_API_URL" in refused(desk, words, 4, said, FOLLOWUPS_API_URL=url)


def test_cli_66_what_works_on_the_laptop_only(desk: Laptop) -> None:
    for words in (("run-due",), ("dev",)):
        refused(desk, words, 2, "FOLLOWUPS_API_URL", FOLLOWUPS_API_URL="https://api.example.com")


# An installation that answers otherwise than it should


@pytest.fixture(scope="module")
def server() -> Iterator[Installation]:
    with serving() as it:
        yield it


@pytest.fixture
def installation(server: Installation) -> Installation:
    server.sent.clear()
    server.headers, server.content_type = {}, "application/json"
    return server


PROBLEM = {"type": "x", "title": "x", "status": 0, "detail": "because of this", "code": "some_code", "errors": []}


@pytest.mark.parametrize(
    ("status", "code"),
    [
        row(67, "400", 400, 2), row(67, "401", 401, 4), row(67, "403", 403, 4), row(67, "404", 404, 2),
        row(67, "409", 409, 2), row(67, "412", 412, 2), row(67, "413", 413, 2), row(67, "422", 422, 2),
        row(67, "428", 428, 2), row(67, "429", 429, 1), row(67, "500", 500, 1), row(67, "502", 502, 1),
        row(67, "503", 503, 1),
    ],
)  # fmt: skip
def test_what_an_installation_refuses(desk: Laptop, installation: Installation, status: int, code: int) -> None:
    installation.status, installation.content = status, json.dumps(PROBLEM).encode()
    line = refused(desk, CHECK, code, "some_code", FOLLOWUPS_API_URL=installation.url)
    assert line == "followups: some_code: because of this\n"
    told = desk.here("--json", *CHECK, FOLLOWUPS_API_URL=installation.url)
    assert (told.returncode, json.loads(told.stdout)) == (code, PROBLEM)


@pytest.mark.parametrize(
    ("status", "content", "code", "said"),
    [
        row(67, "gateway-403", 403, b'{"message":"Forbidden"}', 4, "403: Forbidden"),
        row(67, "gateway-401", 401, b'{"message":"Unauthorized"}', 4, "401: Unauthorized"),
        row(67, "gateway-503", 503, b'{"message":"Service Unavailable"}', 1, "Service Unavailable"),
        row(67, "proxy-html", 502, b"<html><h1>Bad\ngateway</h1>", 1, "http_502: <html>"),
        row(67, "no-body", 500, b"", 1, "500"),
        row(67, "list", 404, b"[]", 2, "404"),
        row(67, "binary", 500, b"\xff\xfe\x00", 1, "http_500"),
        row(67, "nested", 500, b"[" * 100_000, 1, "http_500"),
        row(67, "detail-is-a-list", 422, b'{"code": ["x"], "detail": {"a": 1}}', 2, "422"),
        row(68, "portal-html", 200, b"<html>Please log in</html>", 1, "not as Followups does"),
        row(68, "portal-json", 200, b'{"message": "hello"}', 1, "the answer has no"),
        row(68, "portal-half", 200, b'{"follow_ups": [{}], "next": null, "id": "x"}', 1, "the answer has no"),
        row(68, "portal-empty", 200, b"", 1, "not as Followups does"),
        row(68, "portal-list", 200, b"[]", 1, "not as Followups does"),
        row(68, "portal-nested", 200, b"[" * 100_000, 1, "not as Followups does"),
        row(68, "portal-binary", 200, b"\xff\xfe", 1, "not as Followups does"),
    ],
)
def test_what_is_no_answer_of_ours(
    desk: Laptop, installation: Installation, status: int, content: bytes, code: int, said: str
) -> None:
    installation.status, installation.content = status, content
    for words in (("list",), CHECK):
        assert said in refused(desk, words, code, said, FOLLOWUPS_API_URL=installation.url)


@pytest.mark.parametrize("status", [row(68, f"redirect-{it}", it) for it in (301, 302, 303, 307, 308)])
def test_a_redirect_is_not_followed(desk: Laptop, installation: Installation, status: int) -> None:
    """It would take the run's token to another server, and unencrypted if that asks for it."""
    installation.status, installation.content = status, b""
    installation.headers = {"Location": f"{installation.url}/elsewhere"}
    for words in (("list",), CHECK):
        refused(
            desk,
            words,
            1,
            f"http_{status}: {installation.url} sends us to",
            FOLLOWUPS_API_URL=installation.url,
            FOLLOWUPS_RUN_TOKEN="fr1.a.b",
        )
    assert [path.partition("?")[0] for path, _ in installation.sent] == ["/v1/follow-ups"] * 2


@pytest.fixture(scope="module")
def closing() -> Iterator[str]:
    """A port that takes a connection, says something that is no HTTP, and closes."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()

        def serve() -> None:
            while True:
                try:
                    taken, _ = listening.accept()
                except OSError:
                    return
                with taken:
                    taken.recv(65_536)
                    taken.sendall(b"220 mail.example.com ESMTP\r\n")

        threading.Thread(target=serve, daemon=True).start()
        yield f"127.0.0.1:{listening.getsockname()[1]}"
        listening.shutdown(socket.SHUT_RDWR)


def test_cli_68_the_key_is_shown_where_nobody_knows_what_became_of_it(desk: Laptop, closing: str) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{unused.getsockname()[1]}"
        for url in (nobody, f"http://{closing}", f"https://{closing}", "https://nobody.invalid"):
            line = refused(desk, CHECK, 1, "unreachable: ", FOLLOWUPS_API_URL=url)
            assert len(line.partition("--key ")[2].split(",")[0]) == 32, line
            assert "--key mine," in refused(desk, (*CHECK, "--key", "mine"), 1, url, FOLLOWUPS_API_URL=url)
            assert "--key" not in refused(desk, ("list",), 1, url, FOLLOWUPS_API_URL=url)


def test_cli_68_the_key_is_sent_as_it_was_given(desk: Laptop, installation: Installation) -> None:
    installation.status, installation.content = 503, json.dumps(PROBLEM).encode()
    for _ in range(2):
        desk.here(*CHECK, "--key", "mine", FOLLOWUPS_API_URL=installation.url)
    assert [headers["idempotency-key"] for _, headers in installation.sent] == ["mine", "mine"]


@pytest.mark.parametrize(
    ("words", "environ"),
    [
        row(68, "token-of-two-lines", ("list",), {"FOLLOWUPS_RUN_TOKEN": "a\r\nX-Other: b"}),
        row(68, "token-no-latin", ("list",), {"FOLLOWUPS_RUN_TOKEN": "日本"}),
        row(68, "key-no-latin", (*CHECK, "--key", "日本"), {}),
        row(68, "key-of-two-lines", (*CHECK, "--key", "a\r\nX-Other: b"), {}),
        row(68, "key-no-utf-8", (*CHECK, "--key", "\udcff"), {}),
    ],
)
def test_what_no_header_can_hold(
    desk: Laptop, installation: Installation, words: tuple[str, ...], environ: dict[str, str]
) -> None:
    refused(desk, words, 2, "header", FOLLOWUPS_API_URL=installation.url, **environ)
    assert installation.sent == []


def test_cli_68_a_server_that_says_nothing_is_not_waited_for() -> None:
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        start = time.monotonic()
        with pytest.raises(Unreachable, match="timed out"):
            Http(f"http://127.0.0.1:{mute.getsockname()[1]}", timeout_s=0.1).send("GET", "/", {}, None)
        assert time.monotonic() - start < 3


def test_cli_71_who_interrupts_is_told_the_key(laptop: Laptop) -> None:
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        command = laptop.start(*CHECK, "--key", "mine", FOLLOWUPS_API_URL=f"http://127.0.0.1:{mute.getsockname()[1]}")
        taken, _ = mute.accept()
        with taken:
            assert taken.recv(65_536).startswith(b"POST /v1/follow-ups ")
            os.kill(command.pid, signal.SIGINT)
            out, err = command.communicate(timeout=60)
    assert (command.returncode, out) == (130, ""), err
    assert "--key mine," in err
    assert "Traceback" not in err
