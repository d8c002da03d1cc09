"""A connection that has one limit of time for all of it, from the name's addresses to the answer's end."""

import http.client
import io
import queue
import socket
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from followups.domain.text import first_line, plain

#: Seconds for one address to take the connection.
_CONNECT_S = 10


class NotCalled(Exception):
    """Nothing of the request was sent; the message says why, and what to do."""


class Line(io.RawIOBase):
    """A connection, as much as http.client needs of it. Each wait has the time that is left until a moment of
    time.monotonic: a limit for each wait alone would let a server that sends a byte now and then keep us for ever. More
    than `limit` bytes are not read: headers without end and chunks of one byte are bytes too."""

    def __init__(self, sock: ssl.SSLSocket, until: float, *, limit: int) -> None:
        self._sock, self._until, self._limit, self._heard = sock, until, limit, 0
        #: Whether the other side has said that it sends no more.
        self.ended = False

    def readable(self) -> bool:
        return True

    def sendall(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            self._sock.settimeout(left(self._until))
            rest = rest[self._sock.send(rest) :]

    def makefile(self, *_mode: object) -> io.BufferedReader:
        return io.BufferedReader(self)

    def readinto(self, buffer: Any, /) -> int:
        if self._heard > self._limit:
            raise http.client.HTTPException(f"more than {self._limit:,} bytes")
        self._sock.settimeout(left(self._until))
        heard = self._sock.recv_into(buffer)
        self._heard += heard
        self.ended = heard == 0
        return heard

    def close(self) -> None:
        """Does nothing: http.client closes what it may still read from, and whoever opened the socket closes it."""


def reach(addresses: list[str], port: int, until: float) -> socket.socket:
    """Gives a connection to the first address that takes one. Raises NotCalled."""
    why: Exception | None = None
    for address in addresses:
        sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
        try:
            sock.settimeout(min(_CONNECT_S, left(until)))
            sock.connect((address, port))
        except OSError as error:
            sock.close()
            why = error
        else:
            return sock
    raise NotCalled(f"nobody answers at {short(', '.join(addresses))}, port {port}: {reason(why)}. Is it up?") from why


def in_time(ask: Callable[[], Sequence[str]], until: float) -> Sequence[str]:
    """Gives what `ask` gives or raises what it raises (OSError, ValueError), or TimeoutError: a resolver knows no limit."""
    answers: queue.SimpleQueue[Sequence[str] | OSError | ValueError] = queue.SimpleQueue()

    def answer() -> None:
        try:
            answers.put(ask())
        except (OSError, ValueError) as error:
            answers.put(error)

    threading.Thread(target=answer, name="resolve", daemon=True).start()
    try:
        found = answers.get(timeout=left(until))
    except queue.Empty:
        raise TimeoutError("no name server answered in time") from None
    if isinstance(found, Exception):
        raise found
    return found


def left(until: float) -> float:
    """Gives the seconds until then. Raises TimeoutError if there are none."""
    seconds = until - time.monotonic()
    if seconds <= 0:
        raise TimeoutError("the time was over")
    return seconds


def short(name: str) -> str:
    """Gives a name or address that a stranger chose, as it may stand in a sentence."""
    return first_line(plain(name), 60)


def reason(error: Exception | None) -> str:
    """Gives why something failed, as it may stand in a sentence."""
    return first_line(plain(str(getattr(error, "strerror", None) or error)), 80)
