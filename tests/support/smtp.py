"""A small SMTP server on the loopback that does what a test tells it."""

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_USUAL = {"DATA": "354 go on", "EHLO": "250-here\r\n250 AUTH PLAIN", "AUTH": "235 come in"}


class Server(socketserver.ThreadingTCPServer):
    """Answers each command with 250, or with what `says` has for it; "drop" hangs up, and "hang" says nothing more."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Session)
        self.says: dict[str, str] = {}
        self.mails: list[bytes] = []
        self.commands: list[str] = []
        #: Set when the server goes away.
        self.closing = threading.Event()

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.server_address[1]}"


class _Session(socketserver.StreamRequestHandler):
    server: Server

    def handle(self) -> None:
        self._say("220 here")
        while line := self.rfile.readline().decode().strip():
            verb = line.split()[0].upper()
            self.server.commands.append(line)
            answer = self.server.says.get(verb, _USUAL.get(verb, "250 ok"))
            if answer == "drop":
                return
            self._say(answer)
            if answer.startswith("354") and not self._take():
                return
            if verb == "QUIT":
                return

    def _take(self) -> bool:
        lines = []
        while (line := self.rfile.readline()) != b".\r\n":
            lines.append(line[1:] if line.startswith(b"..") else line)
        answer = self.server.says.get(".", "250 taken")
        if answer == "drop":
            return False
        self.server.mails.append(b"".join(lines))
        if answer == "hang":
            self.server.closing.wait(60)
            return False
        self._say(answer)
        return True

    def _say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())


@contextmanager
def smtp_server() -> Iterator[Server]:
    """Serves on a loopback port for as long as the context lasts."""
    with Server() as made:
        threading.Thread(target=made.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield made
        finally:
            made.closing.set()
            made.shutdown()
