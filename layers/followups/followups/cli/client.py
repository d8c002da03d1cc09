"""One client for the commands: the API's routes, in process over the laptop's store, or over HTTP."""

import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import quote, urlencode

from followups.domain.errors import FollowupsError
from followups.handlers import Handler


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    body: dict[str, Any]


class Problem(FollowupsError):
    """The API refused, or failed; holds its problem document."""

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        code, detail = body.get("code"), body.get("detail", body.get("message"))  # API Gateway says `message`
        words = detail if isinstance(detail, str) and detail else "no reason given"
        super().__init__(f"{code if isinstance(code, str) else status}: {words}")
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
        return Reply(result["statusCode"], lower(result.get("headers") or {}), json.loads(result["body"]))


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
        sent = {"Accept": "application/json"} | ({"Followups-Run-Token": self._token} if self._token else {})
        sent |= headers or {}
        data = None
        if body is not None:
            sent["Content-Type"] = "application/json"
            data = json.dumps(body).encode()
        target = path + (f"?{urlencode(query)}" if query else "")
        reply = self._transport.send(method, target, sent, data)
        if not 200 <= reply.status < 300:
            raise Problem(reply.status, reply.body)
        return reply

    def create(self, body: Mapping[str, Any], key: str | None) -> Reply:
        """Makes a follow-up, once for each key; without one it takes a fresh one, and names it if there is no answer."""
        return self.once(key, lambda sent: self.call("POST", "/v1/follow-ups", body, headers=sent))

    def once(self, key: str | None, send: Callable[[Mapping[str, str]], Reply]) -> Reply:
        """Sends what makes something, with the header that makes it once only; without a key it takes a fresh one."""
        key = key or secrets.token_hex(16)
        try:
            return send({"Idempotency-Key": key})
        except Unreachable as error:
            raise Unreachable(f"{error}; {_again(key)}") from error
        except KeyboardInterrupt as stop:
            raise KeyboardInterrupt(f"interrupted before there was an answer; {_again(key)}") from stop

    def create_once(self, body: Mapping[str, Any], key: str) -> Reply:
        """Makes a follow-up under a key that the caller can tell again."""
        return self.call("POST", "/v1/follow-ups", body, headers={"Idempotency-Key": key})

    def made_with(self, key: str) -> dict[str, Any] | None:
        """Gives the follow-up that was made with this key, or None."""
        found: list[dict[str, Any]] = self.call("GET", "/v1/follow-ups", query={"idempotency_key": key}).body["follow_ups"]
        return found[0] if found else None

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
        return self.call(method, f"/v1/follow-ups/{_quoted(follow_up_id)}{suffix}", body)

    def agent(
        self, name: str, method: str = "GET", body: Mapping[str, Any] | None = None, suffix: str = "", *,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:  # fmt: skip
        """Sends a request about one agent."""
        return self.call(method, f"/v1/agents/{_quoted(name)}{suffix}", body, headers=headers)

    def of_run(self, run_id: str, suffix: str, token: str, body: Mapping[str, Any] | None = None) -> Reply:
        """Says something of a run on its own account."""
        path = f"/v1/runs/{_quoted(run_id)}{suffix}"
        return self.call("POST", path, body, headers={"Followups-Run-Token": token})


def lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _again(key: str) -> str:
    return f"if you try again use --key {key}, so that nothing is made twice"


def _quoted(name: str) -> str:
    # What was typed may be no UTF-8: then it names nothing, and that is answered.
    return quote(name, safe="", errors="replace")
