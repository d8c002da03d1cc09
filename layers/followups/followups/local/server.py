"""The HTTP API on the loopback: HTTP in, API Gateway's event to the handler, its answer out.

Only this machine reaches it, and of this machine only its own user: a web page (by DNS rebinding or a forged form) and
other users are refused.
"""

import os
import re
import socket
import sys
import threading
from collections.abc import Callable, Mapping
from datetime import datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from followups import __version__
from followups.api.problems import HttpProblem, problem
from followups.domain.errors import FollowupsError
from followups.handlers import Handler
from followups.local import events

HOST = "127.0.0.1"
_LOCAL_HOST = re.compile(r"(127\.0\.0\.1|localhost)(:\d{1,5})?", re.ASCII)
#: More than the API's own limit, so that the API can say what is wrong with a body that is a little too large.
_MAX_BODY = 2 * 1024 * 1024
_IDLE_S = 30
_MAX_CONNECTIONS = 64


class PortInUse(FollowupsError):
    """Another process listens on the port."""


class ApiServer(ThreadingHTTPServer):
    """Serves the API's handler on a loopback port; port 0 takes a free one."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, port: int, api: Handler, *, user: str, now: Callable[[], datetime]) -> None:
        self.api = api
        self.user = user
        self.now = now
        try:
            super().__init__((HOST, port), _Request)
        except OSError as error:
            detail = f"port {port} on {HOST} cannot be used ({error.strerror}); name another with --port"
            raise PortInUse(detail) from error

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Serves this user's connections only, and not too many at once: others must not use up what the ticks need."""
        alive = sum(thread.name.startswith("followups-request") for thread in threading.enumerate())
        return alive < _MAX_CONNECTIONS and same_user(client_address, request.getsockname())

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serves one connection, in a thread that can be counted."""
        threading.current_thread().name = "followups-request"
        super().process_request_thread(request, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Says nothing of a client that went away."""


class _Request(BaseHTTPRequestHandler):
    server: ApiServer
    server_version = f"followups/{__version__}"
    sys_version = ""
    protocol_version = "HTTP/1.1"
    #: Also what cannot be read is answered with a status line.
    default_request_version = "HTTP/1.0"
    # An answer in one piece and at once: else its body waits 40 ms for the client to acknowledge the headers.
    wbufsize = -1
    disable_nagle_algorithm = True
    timeout = _IDLE_S

    def _serve(self) -> None:
        if why := self._refusal():
            self._refuse(HttpProblem(403, "forbidden", why))
            return
        body = self._body()
        if body is None:
            detail = "send a body of at most 64 KB, with its Content-Length"
            self._refuse(HttpProblem(413, "payload_too_large", detail))
            return
        event = events.request(
            self.command, self.path, user=self.server.user, headers=_headers(self), body=body or None, at=self.server.now()
        )
        result = self.server.api(event, events.LocalContext())
        self._answer(result["statusCode"], result["headers"], result["body"].encode())

    def __getattr__(self, name: str) -> Any:
        # http.server looks for `do_GET` and the like. Every method is the API's to answer, also one that it does not know.
        if name.startswith("do_"):
            return self._serve
        raise AttributeError(name)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:  # noqa: ARG002
        """Answers what is no HTTP request: a line or headers that are wrong or too long. (http.server calls it.)"""
        self._refuse(HttpProblem(code, "invalid_request", (message or HTTPStatus(code).phrase)[:200]))

    def log_message(self, format: str, *args: Any) -> None:
        """Logs nothing: stdout is for the runs."""

    def _refusal(self) -> str | None:
        host = self.headers.get("Host", "")
        if not _LOCAL_HOST.fullmatch(host):
            return f"this API is called as {HOST} or localhost, not as {host[:60]!r}"
        origin = self.headers.get("Origin")
        if origin is not None and urlsplit(origin).netloc != host:
            return "web pages of other origins may not call this API"
        return None

    def _body(self) -> bytes | None:
        length = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers or not length.isascii() or not length.isdigit() or int(length) > _MAX_BODY:
            return None
        return self.rfile.read(int(length))

    def _refuse(self, error: HttpProblem) -> None:
        answer = problem(error, getattr(self, "path", "/")[:200])
        self._answer(answer.status, answer.headers, answer.body.encode(), close=True)

    def _answer(self, status: int, headers: Mapping[str, str], body: bytes, *, close: bool = False) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        if close:
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def same_user(peer: tuple[str, int], own: tuple[str, int], table: Path = Path("/proc/net/tcp")) -> bool:
    """Says whether a loopback connection comes from this process's user (or root), as Linux's socket table tells.

    Where there is no such table nothing is known, and nobody is refused.
    """
    try:
        lines = table.read_text().splitlines()[1:]
    except OSError:
        return True
    wanted = (_hex(peer), _hex(own))
    for line in lines:
        fields = line.split()
        # A socket that its process has closed already has no inode, and is listed as root's: it is nobody's.
        if (fields[1], fields[2]) == wanted and fields[9] != "0":
            return int(fields[7]) in (0, os.getuid())
    return False


def _hex(address: tuple[str, int]) -> str:
    # /proc/net/tcp prints the address as the machine's own integer, and the port as a number.
    number = int.from_bytes(socket.inet_aton(address[0]), sys.byteorder)
    return f"{number:08X}:{address[1]:04X}"


def _headers(request: BaseHTTPRequestHandler) -> dict[str, str]:
    headers: dict[str, str] = {}
    for name, value in request.headers.items():
        name = name.lower()
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    return headers
