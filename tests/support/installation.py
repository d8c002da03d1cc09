"""An installation's HTTP API as the command line meets it: a server on the loopback that answers what a test says."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer


class Installation(HTTPServer):
    """A server on the loopback whose next answer a test says; it keeps what it was sent."""

    status, content_type, content = 200, "application/json", b"{}"
    headers: dict[str, str]

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Page)
        self.sent: list[tuple[str, dict[str, str]]] = []
        self.headers = {}
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


class _Page(BaseHTTPRequestHandler):
    server: Installation

    def _answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self.server.sent.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
        self.send_response(self.server.status)
        for name, value in (self.server.headers | {"Content-Type": self.server.content_type}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(self.server.content)))
        self.end_headers()
        self.wfile.write(self.server.content)

    do_GET = do_POST = _answer  # noqa: N815 - the names of http.server

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def serving() -> Iterator[Installation]:
    """Gives one that serves, until its end."""
    made = Installation()
    threading.Thread(target=made.serve_forever, args=(0.02,), daemon=True).start()
    yield made
    made.shutdown()
    made.server_close()
