"""The API's handler over a store of its own, called as API Gateway calls it; every answer is held to the document."""

import json
import sqlite3
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from followups.adapters.local import NoLeases, NoQueue, SystemChance
from followups.adapters.sqlite import SQLiteStore
from followups.api.app import _asked, api
from followups.api.service import Service
from followups.domain import claims, runs
from followups.domain.changes import Add, Swap
from followups.domain.contract import Pending
from followups.domain.entities import FollowUp
from followups.local import events
from followups.ports import Store
from followups.usecases.world import BUILTIN, Limits, World
from tests.support.clock import ManualClock
from tests.support.contract import check_answer

SECRET = b"0123456789abcdef0123456789abcdef"
TASK = {"agent": "@checklist", "task": "Check", "message": "disk / < 99%", "due": "7d"}
#: What RFC 9457 and the issue ask of a refusal's body.
PROBLEM = {"type", "title", "status", "detail", "code", "instance", "errors", "requests", "retryable", "hint"}
Answered = tuple[int, Any, dict[str, str]]


class Api:
    """The handler, called as API Gateway calls it. `service` is what differs from a laptop's; `store` stands in front of
    the file for a test of a store that fails."""

    def __init__(self, home: Path, *, store: Store | None = None, limits: Limits | None = None, **service: Any) -> None:
        self.clock = ManualClock()
        self.path = home / "followups.db"
        self.store = SQLiteStore(self.path)
        self.world = World(
            store=store or self.store, queue=NoQueue(), clock=self.clock, chance=SystemChance(), leases=NoLeases(),
            limits=limits or Limits(),
        )  # fmt: skip
        usual = {"world": self.world, "secrets": (SECRET,), "default_timezone": "Europe/Berlin", "allow_commands": True}
        self._handler = api(Service(**(usual | service)), log=self._log)
        self._looks: sqlite3.Connection | None = None

    def close(self) -> None:
        self.store.close()
        if self._looks is not None:
            self._looks.close()

    def event(
        self, method: str, target: str, body: Any = None, *, user: str = "me", raw: bytes | None = None, **headers: str
    ) -> dict[str, Any]:
        """Gives a request as an event. A header's name is written with underscores."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        data = raw if raw is not None else (None if body is None else json.dumps(body).encode())
        if data is not None:
            sent.setdefault("content-type", "application/json")
        return events.request(method, target, user=user, headers=sent, body=data, at=self.clock.now())

    def call(self, method: str, target: str, body: Any = None, **more: Any) -> Answered:
        return self.send(self.event(method, target, body, **more))

    def send(self, event: Any) -> Answered:
        """Gives the answer to any event: status, body, headers. Never a bug, and a refusal has its form."""
        result = self._handler(event, events.LocalContext())
        body, headers = json.loads(result["body"]), {name.lower(): value for name, value in result["headers"].items()}
        result["body"].encode()
        assert "Traceback" not in result["body"]
        if result["statusCode"] >= 400:
            check_problem(result["statusCode"], body, headers)
        if asked := _asked(event):
            check_answer(*asked, result["statusCode"], headers, body)
        return result["statusCode"], body, headers

    def make(self, **more: Any) -> dict[str, Any]:
        status, body, _ = self.call("POST", "/v1/follow-ups", TASK | more)
        assert status == 201, body
        return dict(body)

    def start(self, follow_up_id: str, *, pending: bool = False) -> FollowUp:
        """Brings a follow-up to running, as the sweeper and a runner would; `pending`: its agent said that it goes on."""
        old = self.world.follow_up("me", follow_up_id)
        assert old is not None
        claim = claims.claim(old, at=self.clock.now(), write_id="w1")
        self.store.commit(claim)
        assert isinstance(claim.new, FollowUp)
        at = self.clock.now()
        hour = at + timedelta(hours=1)
        start = runs.start(
            claim.new, BUILTIN["@checklist"], at=at, write_id="w2", deadline=hour, process_end=hour, lease_holder=None,
            global_cap=5,
        )  # fmt: skip
        self.store.commit(*start)
        live = self.world.follow_up("me", follow_up_id)
        assert live is not None
        if not pending:
            return live
        wait = runs.wait_for(live, Pending(handle="h", poll_after=timedelta(minutes=5)), at=at, write_id="w3")
        self.store.commit(wait)
        assert isinstance(wait.new, FollowUp)
        return wait.new

    def put(self, new: FollowUp) -> None:
        """Puts a follow-up into the place of what is stored, past all rules."""
        old = self.world.follow_up(new.owner, new.id)
        self.store.commit(Swap(old, new) if old else Add(new))

    def stored(self) -> list[tuple[Any, ...]]:
        """Gives all that is stored, as it lies in the file."""
        if self._looks is None:
            self._looks = sqlite3.connect(self.path)
        return [row for table in ("items", "slots", "counters") for row in self._looks.execute(f"SELECT * FROM {table}")]

    def _log(self, word: str, facts: Mapping[str, Any]) -> None:
        assert word != "bug", facts


def check_problem(status: int, body: Any, headers: Mapping[str, str]) -> None:
    """Fails unless a refusal is problem+json of the one form."""
    assert headers["content-type"] == "application/problem+json"
    assert set(body) == PROBLEM
    assert body["status"] == status
    assert body["type"] == f"https://followups.dev/problems/{body['code']}"
    assert body["code"].replace("_", "").isalpha() and body["code"].islower()
    assert body["title"] and body["detail"] and len(body["detail"]) < 1_000
    assert isinstance(body["instance"], str) and len(body["instance"]) <= 200
    for error in body["errors"]:
        assert set(error) == {"pointer", "msg"}
        assert error["pointer"][:1] in ("", "/") and error["msg"]
