"""Rows 18 to 22, 45 and 50 to 52: what a create request may ask for, and on whose account."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from followups.domain.ids import run_id
from followups.domain.lineage import RunToken, sign_run
from followups.domain.status import Status
from tests.integration.catalogue.rows import row
from tests.integration.catalogue.test_api_transport import refused
from tests.support.api import SECRET, TASK, Api
from tests.support.clock import START
from tests.support.things import DEADLINE
from tests.support.things import fresh as fresh_name

PATH = "/v1/follow-ups"


@pytest.mark.parametrize(
    "key",
    [
        row(18, "empty", ""),
        row(18, "129-characters", "x" * 129),
        row(18, "no-ascii", "schlüssel"),
        row(18, "latin-1-digit", "²"),
        row(18, "two-headers", "a,b"),
        row(18, "blank-inside", "a b"),
        row(18, "blanks-around", " a "),
        row(18, "line-break", "a\r\nX-Other: b"),
        row(18, "nul", "a\x00"),
        row(18, "surrogate", "\ud800"),
        row(18, "10-kb", "x" * 10_000),
    ],
)
def test_an_idempotency_key_that_is_none(api: Api, key: str) -> None:
    refused(api, api.event("POST", PATH, TASK, Idempotency_Key=key), 400, "invalid_idempotency_key")


def test_api_19_the_same_request_again_after_23_hours(fresh: Api) -> None:
    first = fresh.call("POST", PATH, TASK, idempotency_key="k" * 128)
    for hours in (0.001, 23):
        fresh.clock.advance(hours=hours)
        stored = fresh.stored()
        again = fresh.call("POST", PATH, TASK, idempotency_key="k" * 128)
        assert (again[0], again[1]["id"], again[2]["idempotent-replayed"]) == (200, first[1]["id"], "true")
        assert fresh.stored() == stored


@pytest.mark.parametrize(
    "change",
    [
        row(20, "task", {"task": "Check again"}),
        row(20, "due", {"due": "1w"}),
        row(20, "message", {"message": "disk / < 98%"}),
        row(20, "timezone", {"timezone": "UTC"}),
        row(20, "report-to", {"report_to": "me@example.com"}),
        row(20, "attempts", {"max_attempts": 3}),
    ],
)
def test_the_same_key_for_another_request(api: Api, change: dict[str, Any]) -> None:
    assert api.call("POST", PATH, TASK, idempotency_key="one")[0] in (200, 201)
    refused(api, api.event("POST", PATH, TASK | change, idempotency_key="one"), 422, "idempotency_key_reused")


@pytest.mark.parametrize(
    ("due", "said"),
    [
        row(28, "says-examples", "soon", "write 'in 1 hour' or"),
        row(33, "offers-the-next", "2026-11-24T09:00", "write '2026-11-25T09:00'"),
        row(33, "offers-today-if-it-can", "2020-01-01T20:00", "write '2026-11-24T20:00'"),
        row(34, "year-1-offers-the-next", "0001-01-01", "write '2026-11-25T09:00'"),
    ],
)
def test_a_refused_time_says_what_would_be_right(api: Api, due: str, said: str) -> None:
    assert said in api.call("POST", PATH, TASK | {"due": due})[1]["detail"]


@pytest.mark.parametrize(
    ("due", "zone", "due_at", "said"),
    [
        row(29, "naive", "2026-12-01T10:00:00", None, "2026-12-01T09:00:00Z", "10:00 Europe/Berlin"),
        row(32, "date", "2026-12-01", None, "2026-12-01T08:00:00Z", "09:00 Europe/Berlin"),
        row(32, "date-in-a-zone", "2026-12-01", "Asia/Tokyo", "2026-12-01T00:00:00Z", "09:00 Asia/Tokyo"),
        row(36, "gap", "2027-03-14T02:30", "America/New_York", "2027-03-14T07:00:00Z", "03:00 America/New_York"),
        row(36, "twice", "2027-11-07T01:30", "America/New_York", "2027-11-07T05:30:00Z", "01:30 America/New_York"),
        row(36, "no-midnight", "2027-09-05T00:00", "America/Santiago", "2027-09-05T04:00:00Z", "01:00 America/Santiago"),
    ],
)
def test_a_local_time_is_resolved_and_said_back(api: Api, due: str, zone: str | None, due_at: str, said: str) -> None:
    made = api.make(due=due, timezone=zone)
    assert made["due_at"] == due_at
    assert made["due_local"].endswith(said)
    assert said in made["understood"]


@pytest.mark.parametrize(
    ("address", "status"),
    [
        row(45, "not-listed", "me@elsewhere.org", 403),
        row(45, "other-letters", "Ada@example.com", 403),
        row(45, "other-local-part", "eve@example.com", 403),
        row(45, "domain-ends-alike", "ada@evil-example.com", 403),
        row(45, "below-the-domain", "x@sub.team.example.com", 403),
        row(45, "pattern-as-address", "*@team.example.com", 201),
        row(45, "listed", "ada@example.com", 201),
        row(45, "of-the-team", "bob@team.example.com", 201),
    ],
)
def test_who_may_receive(aws: Api, address: str, status: int) -> None:
    event = aws.event("POST", PATH, TASK | {"report_to": address})
    if status == 403:
        assert refused(aws, event, 403, "recipient_not_allowed")["errors"][0]["pointer"] == "/report_to"
    else:
        assert aws.send(event)[0] == 201


def test_api_45_an_edit_asks_the_list_too(aws: Api) -> None:
    path = f"{PATH}/{aws.make()['id']}"
    event = aws.event("PATCH", path, {"report_to": "me@elsewhere.org"}, if_match='"1"')
    refused(aws, event, 403, "recipient_not_allowed")


# Run tokens


class Live:
    """A live run of mine, and its token."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.id = api.make()["id"]
        hour = START + timedelta(hours=1)
        spoil(
            api, self.id, status=Status.RUNNING, fence=1, attempt=1, started_at=START, deadline_at=hour, lease_until=hour,
            wake_at=hour,
        )  # fmt: skip
        self.run = f"/v1/runs/{run_id(self.id, 1)}"

    def token(self, secret: bytes = SECRET, **changed: Any) -> str:
        fields: dict[str, Any] = {"owner": "me", "follow_up_id": self.id, "fence": 1, "deadline": DEADLINE}
        return sign_run(RunToken(**(fields | changed)), secret)

    def refused(
        self, token: str, status: int, code: str, method: str = "POST", target: str = PATH, sent: Any = TASK
    ) -> None:
        refused(self.api, self.api.event(method, target, sent, followups_run_token=token, if_match='"1"'), status, code)


@pytest.fixture(scope="module")
def live(api: Api) -> Live:
    return Live(api)


@pytest.mark.parametrize(
    "forge",
    [
        row(
            50,
            "other-secret",
            lambda _: sign_run(RunToken("me", "a" * 26, 1, DEADLINE), b"another secret, 32 bytes long .."),
        ),
        row(50, "word", lambda _: "token"),
        row(50, "three-words", lambda _: "fr2.a.b"),
        row(50, "empty-parts", lambda _: "fr2.."),
        row(50, "other-version", lambda it: it.replace("fr2.", "fr1.")),
        row(50, "cut-off", lambda it: it[:-1]),
        row(50, "no-signature", lambda it: it.rpartition(".")[0] + "."),
        row(50, "signature-twice", lambda it: f"{it}.{it.rpartition('.')[2]}"),
        row(50, "padded", lambda it: it + "="),
        row(50, "blank-behind", lambda it: it + " x"),
        row(50, "two-headers", lambda it: f"{it},{it}"),
        row(50, "jwt-none", lambda _: "eyJhbGciOiJub25lIn0.eyJzdWIiOiJtZSJ9."),
        row(50, "no-ascii", lambda it: it.replace("fr2", "fr²")),
        row(50, "10-kb", lambda it: it + "A" * 10_000),
    ],
)
def test_a_forged_token(live: Live, forge: Any) -> None:
    live.refused(forge(live.token()), 401, "invalid_run_token")
    live.refused(forge(live.token()), 401, "invalid_run_token", "GET", PATH, None)
    for verb, sent in (("complete", {"outcome": "succeeded"}), ("heartbeat", None), ("progress", {"message": "half"})):
        live.refused(forge(live.token()), 401, "invalid_run_token", "POST", f"{live.run}/{verb}", sent)


@pytest.mark.parametrize(
    "changed",
    [
        row(50, "earlier-run", {"fence": 0}),
        row(50, "later-run", {"fence": 2}),
        row(50, "nobody-s-run", {"follow_up_id": "a" * 26}),
        row(50, "another-owner-s", {"owner": "you"}),
        row(50, "owner-of-two-lines", {"owner": "me\nyou"}),
    ],
)
def test_a_token_of_no_live_run(live: Live, changed: dict[str, Any]) -> None:
    live.refused(live.token(**changed), 403, "run_not_live")


@pytest.mark.parametrize("ends", [row(50, "finished", Status.DONE), row(50, "cancelled", Status.CANCELLING)])
def test_a_token_is_dead_with_its_run(api: Api, ends: Status) -> None:
    live = Live(api)
    spoil(api, live.id, status=ends, wake_at=None)
    for method, target, sent in (("POST", PATH, TASK), ("GET", PATH, None), ("GET", "/v1/agents", None)):
        live.refused(live.token(), 403, "run_not_live", method, target, sent)


def spoil(api: Api, follow_up_id: str, **fields: Any) -> None:
    """Changes a follow-up in the store, past all rules."""
    old = api.world.follow_up("me", follow_up_id)
    assert old is not None
    api.put(replace(old, version=old.version + 1, write_id=fresh_name(), **fields))


def test_api_51_a_grandchild_has_no_children(api: Api) -> None:
    live = Live(api)
    spoil(api, live.id, depth=2)
    # Not by `refused`, which finds nothing written: the run's record tells what it was refused.
    status, said, _ = api.call("POST", PATH, TASK, followups_run_token=live.token())
    assert (status, said["code"], said["retryable"]) == (409, "cascade_depth", False)
    assert "Do not ask again" in said["hint"]


def test_api_52_what_a_run_may_not(api: Api, live: Live) -> None:
    theirs = f"{PATH}/{api.make(task='Of another tree')['id']}"
    agent = {"kind": "command", "command": ["true"]}
    for method, target, sent in [
        ("POST", f"{theirs}/run", None), ("DELETE", theirs, None), ("PATCH", theirs, {"task": "Mine"}),
        ("POST", f"{theirs}/pause", None), ("POST", f"{theirs}/resume", None), ("PUT", "/v1/agents/@x", agent),
        ("DELETE", "/v1/agents/@x", None), ("PUT", "/v1/control", {"stopped": True}),
        ("POST", f"{theirs}/stop-tree", None), ("POST", f"{theirs}/retry", None),
        ("POST", f"{theirs}/snooze", {"until": "3d"}), ("POST", "/v1/agents/@x/test", {"task": "Try"}),
        ("POST", "/v1/agents/@x/disable", None), ("POST", "/v1/agents/@x/enable", None),
        ("GET", "/v1/agents/@x/secret", None), ("POST", "/v1/agents/@x/work", {"worker": "w"}),
    ]:  # fmt: skip
        live.refused(live.token(), 403, "not_with_run_token", method, target, sent)
