"""The `https` target: a webhook on the internet. It answers at once, or says that it goes on and calls back.

What a server on the internet answers is hostile until read, and so is what its name leads to: the name is resolved once,
each address is looked at, and the connection goes to that very address. No redirect is followed, no proxy is used.
"""

import contextlib
import http.client
import json
import re
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cached_property
from urllib.parse import SplitResult, urlsplit

from followups.adapters.agents.line import Line, NotCalled, in_time, left, reach, reason, short
from followups.domain import targets, webhooks
from followups.domain.contract import AgentCall, Done, Pending, goes_on, read_answer
from followups.domain.errors import AgentBusy, AgentUncertain, Invalid
from followups.domain.status import Outcome
from followups.domain.text import first_line, plain
from followups.ports import Clock

#: Longest answer that is read, in bytes.
BODY_LIMIT = 2 * 1024 * 1024
#: All that is read of a connection.
_HEARD_LIMIT = 8 * BODY_LIMIT
#: How many of a name's addresses are tried.
_ADDRESSES = 4
_LOOK_AGAIN = timedelta(minutes=5)
_LONGEST_WAIT = timedelta(hours=1)
_WEB_PAGE = ("text/html", "application/xhtml+xml")
#: What somebody between us and the agent answers who waited for it in vain, or lost it: it may be at work (RFC 9110 §15;
#: 499 is nginx's, 503 that of a gateway that waits no longer, 520 to 529 are Cloudflare's).
_GIVEN_UP = frozenset({408, 499, 502, 503, 504, *range(520, 530)})
_SECONDS = re.compile(r"[0-9]+", re.ASCII)
#: With TLS 1.3 a server says only in place of its answer that it wants a certificate of ours.
_CERTIFICATE_WANTED = "TLSV13_ALERT_CERTIFICATE_REQUIRED"


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
        except (Invalid, NotCalled) as error:
            return _failed(f"The webhook was not called: {error.detail if isinstance(error, Invalid) else error}")
        with sock:
            return self._ask(call, url, Line(sock, until, limit=_HEARD_LIMIT))

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
        """Gives a line on which only the holder of the host's certificate hears us. Raises NotCalled."""
        name = host.rstrip(".")
        with reach(self._addresses(host, until), port, until) as sock:
            try:
                sock.settimeout(left(until))
                # An end without TLS's own farewell is an answer cut off, and not its end (RFC 8446 §6.1).
                return self._context.wrap_socket(sock, server_hostname=name, suppress_ragged_eofs=False)
            except ssl.SSLCertVerificationError as error:
                raise NotCalled(f"its certificate is not valid for {short(name)}: {error.verify_message}") from error
            except (OSError, ValueError) as error:
                raise NotCalled(f"no safe connection to {short(name)}: {reason(error)}") from error

    def _addresses(self, host: str, until: float) -> list[str]:
        """Gives the addresses that may be called, in the resolver's order. Raises NotCalled if one of them may not."""
        try:
            found = list(dict.fromkeys(in_time(lambda: self._resolve(host), until)))
        except (OSError, ValueError) as error:
            raise NotCalled(f"{short(host)} has no address: {reason(error)}. Is it spelt right?") from error
        if not found:
            raise NotCalled(f"{short(host)} has no address. Is it spelt right?")
        for address in found:
            if not self._allowed(address):
                raise NotCalled(
                    f"{short(host)} leads to {short(address)}, which is private, local or reserved. "
                    "Webhooks are called at public addresses only."
                )
        return found[:_ADDRESSES]

    def _ask(self, call: AgentCall, url: SplitResult, line: Line) -> Done | Pending:
        host = short(url.hostname or "")
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
            raise AgentUncertain(f"the connection to {host} broke off: {reason(error)}") from error
        except (http.client.HTTPException, ValueError) as error:  # http.client lets ValueError through for some numbers.
            if line.ended:
                raise AgentUncertain(f"the answer of {host} broke off: {reason(error)}") from error
            return _unread(f"The webhook's answer is no HTTP that can be read: {type(error).__name__} {reason(error)}")

    def _headers(self, call: AgentCall, body: bytes) -> dict[str, str]:
        now = int(self._clock.now().timestamp())
        secrets = [webhooks.secret_for(call.agent.name, key) for key in self._keys]
        return {
            "Content-Type": "application/json", "User-Agent": "followups", "Idempotency-Key": call.run_id,
            "webhook-id": call.run_id, "webhook-timestamp": str(now),
            "webhook-signature": webhooks.signature(secrets, call.run_id, now, body),
        }  # fmt: skip


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
    if status < 200 or status in _GIVEN_UP:
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
        return _unread(f"The webhook answered a web page, and no report. Is its address at {host} right?", report=text)
    if (encoding := response.headers.get("Content-Encoding", "identity").strip().lower()) not in ("", "identity"):
        return _unread(f"The webhook's answer is packed ({first_line(plain(encoding), 40)}), which it was not asked for.")
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


def _failed(summary: str, *, report: str = "") -> Done:
    return read_answer(report, failed=summary)


def _unread(summary: str, *, report: str = "") -> Done:
    """Gives the end of a run whose task was taken, and whose answer nobody understands."""
    return replace(_failed(summary, report=report), outcome=Outcome.UNKNOWN)
