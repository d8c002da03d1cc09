"""The `https` target: a webhook on the internet. It answers at once, or says that it goes on and calls back.

What a server on the internet answers is hostile until read, and so is what its name leads to: the name is resolved once,
each address is looked at, and the connection goes to that very address. No redirect is followed, no proxy is used.
"""

import contextlib
import http.client
import io
import json
import queue
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any
from urllib.parse import SplitResult, urlsplit

from followups.domain import targets, webhooks
from followups.domain.contract import AgentCall, Done, Pending, goes_on, read_answer
from followups.domain.errors import AgentBusy, AgentUncertain, Invalid
from followups.domain.text import first_line, plain
from followups.ports import Clock

#: Longest answer that is read, in bytes.
BODY_LIMIT = 2 * 1024 * 1024
#: All that is read of a connection: headers without end and chunks of one byte are bytes too.
_HEARD_LIMIT = 8 * BODY_LIMIT
#: Seconds for one address to take the connection, and how many of a name's addresses are tried.
_CONNECT_S, _ADDRESSES = 10, 4
_LOOK_AGAIN = timedelta(minutes=5)
_LONGEST_WAIT = timedelta(hours=1)
_WEB_PAGE = ("text/html", "application/xhtml+xml")
_SECONDS = re.compile(r"[0-9]+", re.ASCII)
#: With TLS 1.3 a server says only in place of its answer that it wants a certificate of ours.
_CERTIFICATE_WANTED = "TLSV13_ALERT_CERTIFICATE_REQUIRED"


class _NotCalled(Exception):
    """Nothing of the request was sent; the message says why, and what to do."""


def addresses_of(host: str) -> list[str]:
    """Gives the addresses that a name has at this moment. Raises OSError, and ValueError for what can be no name."""
    return [str(it[4][0]) for it in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)]


class HttpsAgent:
    """Sends the task as JSON to the agent's URL, signed, and takes what comes back as the answer.

    `keys` are the installation's signing keys: each signs. `resolve` gives a host's addresses, `allowed` says whether one
    may be called, and `context` is how certificates are checked; None stands for the system's certificates.
    """

    def __init__(
        self, keys: Sequence[bytes], clock: Clock, *, resolve: Callable[[str], Sequence[str]] = addresses_of,
        allowed: Callable[[str], bool] = targets.is_public, context: ssl.SSLContext | None = None,
    ) -> None:  # fmt: skip
        self._keys, self._clock = keys, clock
        self._resolve, self._allowed = resolve, allowed
        self._given = context

    def start(self, call: AgentCall) -> Done | Pending:
        """Calls the webhook once. Raises AgentUncertain if the request may have been taken and no whole answer came within
        the call's seconds, AgentBusy if the server has no room."""
        until = time.monotonic() + call.seconds
        try:
            targets.check_url(call.agent.target or "")
            url = urlsplit(call.agent.target or "")
            sock = self._connect(url.hostname or "", url.port or 443, until)
        except (Invalid, _NotCalled) as error:
            return _failed(f"The webhook was not called: {error.detail if isinstance(error, Invalid) else error}")
        with sock:
            return self._ask(call, url, _Line(sock, until))

    def poll(self, call: AgentCall, handle: str) -> Done | Pending:  # noqa: ARG002 - there is nobody to ask about it
        """Has nobody to ask: the webhook calls back, or its run ends at the call's deadline."""
        return Pending(handle=handle, poll_after=_LOOK_AGAIN)

    def cancel(self, call: AgentCall, handle: str) -> None:
        """Has no way to stop it; its callback is refused by whoever ended the run."""

    @cached_property
    def _context(self) -> ssl.SSLContext:
        # Made at the first call: to read the system's certificates takes a part of a cold start.
        if self._given is not None:
            return self._given
        context = ssl.create_default_context()
        context.set_alpn_protocols(["http/1.1"])
        return context

    def _connect(self, host: str, port: int, until: float) -> ssl.SSLSocket:
        """Gives a line on which only the holder of the host's certificate hears us. Raises _NotCalled."""
        name = host.rstrip(".")
        with _reach(self._addresses(host, until), port, until) as sock:
            try:
                sock.settimeout(_left(until))
                # An end without TLS's own farewell is an answer cut off, and not its end (RFC 8446 §6.1).
                return self._context.wrap_socket(sock, server_hostname=name, suppress_ragged_eofs=False)
            except ssl.SSLCertVerificationError as error:
                raise _NotCalled(f"its certificate is not valid for {_short(name)}: {error.verify_message}") from error
            except (OSError, ValueError) as error:
                raise _NotCalled(f"no safe connection to {_short(name)}: {_why(error)}") from error

    def _addresses(self, host: str, until: float) -> list[str]:
        """Gives the addresses that may be called, in the resolver's order. Raises _NotCalled if one of them may not."""
        try:
            found = list(dict.fromkeys(_in_time(lambda: self._resolve(host), until)))
        except (OSError, ValueError) as error:
            raise _NotCalled(f"{_short(host)} has no address: {_why(error)}. Is it spelt right?") from error
        if not found:
            raise _NotCalled(f"{_short(host)} has no address. Is it spelt right?")
        for address in found:
            if not self._allowed(address):
                raise _NotCalled(
                    f"{_short(host)} leads to {_short(address)}, which is private, local or reserved. "
                    "Webhooks are called at public addresses only."
                )
        return found[:_ADDRESSES]

    def _ask(self, call: AgentCall, url: SplitResult, line: "_Line") -> Done | Pending:
        host = _short(url.hostname or "")
        connection = http.client.HTTPSConnection((url.hostname or "").rstrip("."), url.port or 443, context=self._context)
        connection.sock, connection.auto_open = line, 0
        path = (url.path or "/") + (f"?{url.query}" if url.query else "")
        body = json.dumps(call.request | {"run_token": call.token}).encode()
        try:
            # A server may answer, with a refusal say, before it has heard all: if it has not, the answer fails as well.
            with contextlib.suppress(OSError):
                connection.request("POST", path, body, self._headers(call, body))
            response = connection.getresponse()
            if line.ended:  # http.client takes headers that break off for headers that end.
                raise AgentUncertain(f"the answer of {host} broke off in its headers")
            return _early(call, response, self._clock.now()) or _read(call, response, host)
        except TimeoutError as error:
            raise AgentUncertain(f"no whole answer from {host} within {call.seconds:.0f} s") from error
        except (OSError, http.client.IncompleteRead) as error:
            if getattr(error, "reason", None) == _CERTIFICATE_WANTED:
                return _failed(f"The webhook took no task: {host} asks for a client's certificate, and there is none.")
            raise AgentUncertain(f"the connection to {host} broke off: {_why(error)}") from error
        except (http.client.HTTPException, ValueError) as error:  # http.client lets ValueError through for some numbers.
            if line.ended:
                raise AgentUncertain(f"the answer of {host} broke off: {_why(error)}") from error
            return _failed(f"The webhook's answer is no HTTP that can be read: {type(error).__name__} {_why(error)}")

    def _headers(self, call: AgentCall, body: bytes) -> dict[str, str]:
        now = int(self._clock.now().timestamp())
        secrets = [webhooks.secret_for(call.agent.name, key) for key in self._keys]
        return {
            "Content-Type": "application/json", "User-Agent": "followups", "Idempotency-Key": call.run_id,
            "webhook-id": call.run_id, "webhook-timestamp": str(now),
            "webhook-signature": webhooks.signature(secrets, call.run_id, now, body),
        }  # fmt: skip


class _Line(io.RawIOBase):
    """A connection, as much as http.client needs of it. Each wait has the time that is left of the whole: a limit for each
    wait alone would let a server that sends a byte now and then keep us for ever."""

    def __init__(self, sock: ssl.SSLSocket, until: float) -> None:
        self._sock, self._until, self._heard = sock, until, 0
        #: Whether the other side has said that it sends no more.
        self.ended = False

    def readable(self) -> bool:
        return True

    def sendall(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            self._sock.settimeout(_left(self._until))
            rest = rest[self._sock.send(rest) :]

    def makefile(self, *_mode: object) -> io.BufferedReader:
        return io.BufferedReader(self)

    def readinto(self, buffer: Any, /) -> int:
        if self._heard > _HEARD_LIMIT:
            raise http.client.HTTPException(f"more than {_HEARD_LIMIT:,} bytes")
        self._sock.settimeout(_left(self._until))
        heard = self._sock.recv_into(buffer)
        self._heard += heard
        self.ended = heard == 0
        return heard

    def close(self) -> None:
        """Does nothing: http.client closes what it may still read from, and whoever opened the socket closes it."""


def _reach(addresses: list[str], port: int, until: float) -> socket.socket:
    """Gives a connection to the first address that takes one. Raises _NotCalled."""
    why: Exception | None = None
    for address in addresses:
        sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
        try:
            sock.settimeout(min(_CONNECT_S, _left(until)))
            sock.connect((address, port))
        except OSError as error:
            sock.close()
            why = error
        else:
            return sock
    raise _NotCalled(f"nobody answers at {_short(', '.join(addresses))}, port {port}: {_why(why)}. Is it up?") from why


def _in_time(ask: Callable[[], Sequence[str]], until: float) -> Sequence[str]:
    """Gives what `ask` gives or raises what it raises (OSError, ValueError), or TimeoutError: a resolver knows no limit."""
    answers: queue.SimpleQueue[Sequence[str] | OSError | ValueError] = queue.SimpleQueue()

    def answer() -> None:
        try:
            answers.put(ask())
        except (OSError, ValueError) as error:
            answers.put(error)

    threading.Thread(target=answer, name="resolve", daemon=True).start()
    try:
        found = answers.get(timeout=_left(until))
    except queue.Empty:
        raise TimeoutError("no name server answered in time") from None
    if isinstance(found, Exception):
        raise found
    return found


def _early(call: AgentCall, response: http.client.HTTPResponse, now: datetime) -> Done | Pending | None:
    """Gives what a status says by itself, whatever the body, or None if the body is to be read."""
    status, wait = response.status, response.headers.get("Retry-After")
    if status == 202:
        return Pending(handle=call.run_id, poll_after=_LOOK_AGAIN)
    if 300 <= status < 400:
        where = first_line(plain(str(response.headers.get("Location", "nowhere"))), 100)
        return _failed(f"The webhook redirects ({status}) to {where}; redirects are not followed. Register that address.")
    if status == 429 or (status == 503 and wait is not None):
        raise AgentBusy(f"the webhook answered {_named(status)}", _retry_after(str(wait), now))
    if status in (502, 504) or status < 200:
        raise AgentUncertain(f"the webhook answered {_named(status)}")
    return None


def _read(call: AgentCall, response: http.client.HTTPResponse, host: str) -> Done | Pending:
    raw = response.read(BODY_LIMIT + 1)
    if len(raw) <= BODY_LIMIT and response.length:
        raise AgentUncertain(f"the answer of {host} broke off, {response.length:,} bytes before its end")
    text = raw[:BODY_LIMIT].decode("utf-8", "replace")
    if len(raw) > BODY_LIMIT:
        text += f"\n[cut here: the answer has more than {BODY_LIMIT:,} bytes]\n"
    is_page = response.headers.get_content_type() in _WEB_PAGE
    if response.status >= 300:
        said = "" if is_page else first_line(plain(text), 140)
        return _failed(f"The webhook answered {_named(response.status)}{': ' + said if said else '.'}", report=text)
    if is_page:
        return _failed(f"The webhook answered a web page, and no report. Is its address at {host} right?", report=text)
    if (encoding := response.headers.get("Content-Encoding", "identity").strip().lower()) not in ("", "identity"):
        return _failed(f"The webhook's answer is packed ({first_line(plain(encoding), 40)}), which it was not asked for.")
    return Pending(handle=call.run_id, poll_after=_LOOK_AGAIN) if goes_on(text) else read_answer(text)


def _retry_after(text: str, now: datetime) -> timedelta | None:
    """Takes a header Retry-After (RFC 9110 §10.2.3); gives the time to wait, an hour at most, or None if it says none."""
    text = text.strip()
    if _SECONDS.fullmatch(text):
        return min(_LONGEST_WAIT, timedelta(seconds=int(text))) if len(text) < 10 else _LONGEST_WAIT
    try:
        then = datetime.strptime(text.removesuffix("GMT") + "+0000", "%a, %d %b %Y %H:%M:%S %z")
    except ValueError:
        return None
    return max(timedelta(0), min(_LONGEST_WAIT, then - now))


def _named(status: int) -> str:
    return f"{status} {http.client.responses.get(status, '')}".rstrip()


def _left(until: float) -> float:
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError("the time was over")
    return left


def _short(name: str) -> str:
    return first_line(plain(name), 60)


def _why(error: Exception | None) -> str:
    return first_line(plain(str(getattr(error, "strerror", None) or error)), 80)


def _failed(summary: str, *, report: str = "") -> Done:
    return read_answer(report, failed=summary)
