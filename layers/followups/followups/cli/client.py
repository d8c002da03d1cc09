"""One client for the commands: the API's routes, in process over the laptop's store, or over HTTP."""

import json
import secrets
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import quote, urlencode

from followups.domain.errors import FollowupsError
from followups.handlers import Handler

_TIMEOUT_S = 30


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    body: dict[str, Any]


class Problem(FollowupsError):
    """The API refused, or failed; holds its problem document."""

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        super().__init__(f"{body.get('code', status)}: {body.get('detail', 'no reason given')}")
        self.status = status
        self.body = body


class Unreachable(FollowupsError):
    """There was no answer."""


class Transport(Protocol):
    def send(self, method: str, target: str, headers: dict[str, str], body: bytes | None) -> Reply:
        """Gives the answer. Raises Unreachable."""


class InProcess:
    """Calls the API's handler with the event that API Gateway would make."""

    def __init__(self, handler: Handler, user: str, now: Any) -> None:
        self._handler = handler
        self._user = user
        self._now = now

    def send(self, method: str, target: str, headers: dict[str, str], body: bytes | None) -> Reply:
        from followups.local import events

        event = events.request(method, target, user=self._user, headers=headers, body=body, at=self._now())
        result = self._handler(event, events.LocalContext())
        return Reply(result["statusCode"], _lower(result.get("headers") or {}), json.loads(result["body"]))


class Http:
    """Speaks to an installation's HTTP API."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")

    def send(self, method: str, target: str, headers: dict[str, str], body: bytes | None) -> Reply:
        # The scheme is https, or http to the loopback: config.read_environment lets nothing else through.
        request = urllib.request.Request(self._url + target, data=body, headers=headers, method=method)  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as response:  # noqa: S310
                return _reply(response.status, dict(response.headers), response.read())
        except urllib.error.HTTPError as error:
            with error:
                return _reply(error.code, dict(error.headers), error.read())
        except (OSError, urllib.error.URLError) as error:
            reason = getattr(error, "reason", error)
            key = headers.get("Idempotency-Key")
            hint = f"; if you try again use --key {key}, so that nothing is made twice" if key else ""
            raise Unreachable(f"{self._url} did not answer ({reason}){hint}") from error


class Client:
    """The routes as calls. Each gives the answer's body, or raises Problem or Unreachable."""

    def __init__(self, transport: Transport, run_token: str | None) -> None:
        self._transport = transport
        self._token = run_token

    def call(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, *,
        query: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None,
    ) -> Reply:  # fmt: skip
        """Sends one request."""
        sent = {"Accept": "application/json", **(headers or {})}
        if self._token:
            sent["Followups-Run-Token"] = self._token
        data = None
        if body is not None:
            sent["Content-Type"] = "application/json"
            data = json.dumps(body).encode()
        target = path + (f"?{urlencode(query)}" if query else "")
        reply = self._transport.send(method, target, sent, data)
        if reply.status >= 400:
            raise Problem(reply.status, reply.body)
        return reply

    def create(self, body: Mapping[str, Any], key: str | None) -> Reply:
        headers = {"Idempotency-Key": key or secrets.token_hex(16)}
        return self.call("POST", "/v1/follow-ups", body, headers=headers)

    def pages(self, status: str) -> list[dict[str, Any]]:
        """Gives all follow-ups of a status or group."""
        found: list[dict[str, Any]] = []
        query = {"status": status, "limit": "100"}
        while True:
            body = self.call("GET", "/v1/follow-ups", query=query).body
            found += body["follow_ups"]
            if not body["next"]:
                return found
            query["cursor"] = body["next"]

    def of(self, follow_up_id: str, suffix: str = "", method: str = "GET", body: Mapping[str, Any] | None = None) -> Reply:
        """Sends a request about one follow-up."""
        return self.call(method, f"/v1/follow-ups/{quote(follow_up_id, safe='')}{suffix}", body)

    def agent(self, name: str, method: str = "GET", body: Mapping[str, Any] | None = None) -> Reply:
        """Sends a request about one agent."""
        return self.call(method, f"/v1/agents/{quote(name, safe='')}", body)


def _reply(status: int, headers: Mapping[str, str], raw: bytes) -> Reply:
    try:
        body = json.loads(raw or b"{}")
    except ValueError:
        body = {"code": f"http_{status}", "detail": raw[:200].decode("utf-8", "replace").strip() or "an empty answer"}
    return Reply(status, _lower(headers), body if isinstance(body, dict) else {"answer": body})


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}
