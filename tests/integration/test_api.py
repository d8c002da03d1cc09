"""The API's handler over a real store: what each route answers, and how it refuses."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from followups.domain import ids
from followups.domain.lineage import RunToken, sign_run
from tests.support.api import SECRET, TASK, Api


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Api]:
    made = Api(tmp_path)
    yield made
    made.store.close()


def test_create_says_back_what_it_understood(server: Api) -> None:
    status, body, headers = server.call("POST", "/v1/follow-ups", TASK)
    assert status == 201
    assert headers["location"] == f"/v1/follow-ups/{body['id']}"
    assert headers["etag"] == '"1"'
    assert body["due_local"].endswith("Europe/Berlin")
    assert body["understood"].startswith("once, ")
    assert server.call("GET", headers["location"])[1]["id"] == body["id"]


def test_the_same_key_makes_one_followup(server: Api) -> None:
    first = server.call("POST", "/v1/follow-ups", TASK, idempotency_key="abc")
    server.clock.advance(hours=23)
    again = server.call("POST", "/v1/follow-ups", TASK, idempotency_key="abc")
    assert (first[0], again[0], again[1]["id"]) == (201, 200, first[1]["id"])
    assert again[1]["due_at"] == first[1]["due_at"]
    assert again[2]["idempotent-replayed"] == "true"
    other = server.call("POST", "/v1/follow-ups", TASK | {"task": "Else"}, idempotency_key="abc")
    assert (other[0], other[1]["code"]) == (422, "idempotency_key_reused")
    stranger = server.call("POST", "/v1/follow-ups", TASK, idempotency_key="abc", user="you")
    assert stranger[0] == 201 and stranger[1]["id"] != first[1]["id"]


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"agent": "@nobody"}, 422, "unknown_agent"),
        ({"agent": "http://169.254.169.254/x"}, 422, "unknown_agent"),
        ({"agent": "@CHECKLIST"}, 422, "unknown_agent"),
        ({"agent": ""}, 422, "unknown_agent"),
        ({"agent": 7}, 422, "unknown_agent"),
        ({"task": ""}, 422, "validation_error"),
        ({"task": "   "}, 422, "validation_error"),
        ({"task": "x" * 8_001}, 422, "validation_error"),
        ({"task": "x" * 100_000}, 413, "payload_too_large"),
        ({"task": "a\r\nBcc: x@y.co"}, 422, "validation_error"),
        ({"task": "a\u2028b"}, 422, "validation_error"),
        ({"task": "a\u0000b"}, 422, "validation_error"),
        ({"task": "a\ud800b"}, 422, "invalid_text"),
        ({"task": 5}, 422, "validation_error"),
        ({"due": None}, 422, "due_required"),
        ({"due": "yesterday"}, 422, "invalid_due"),
        ({"due": "7dd"}, 422, "invalid_due"),
        ({"due": "-7d"}, 422, "invalid_due"),
        ({"due": "0d"}, 422, "invalid_due"),
        ({"due": "1m"}, 422, "invalid_due"),
        ({"due": "1e3d"}, 422, "invalid_due"),
        ({"due": "7.5d"}, 422, "invalid_due"),
        ({"due": "\u0667d"}, 422, "invalid_due"),
        ({"due": 1764000000}, 422, "invalid_due"),
        ({"due": "1764000000"}, 422, "invalid_due"),
        ({"due": "2026-02-30"}, 422, "invalid_due"),
        ({"due": "2026-12-01T25:00"}, 422, "invalid_due"),
        ({"due": "2020-01-01"}, 422, "due_in_past"),
        ({"due": "9999-12-31"}, 422, "due_out_of_range"),
        ({"due": "999999w"}, 422, "due_out_of_range"),
        ({"timezone": "Mars/Phobos"}, 422, "unknown_timezone"),
        ({"timezone": "../etc/passwd"}, 422, "unknown_timezone"),
        ({"timezone": ""}, 422, "unknown_timezone"),
        ({"timezone": "a\u0000"}, 422, "unknown_timezone"),
        ({"report_to": "a@b"}, 422, "invalid_email"),
        ({"report_to": "Joe <a@b.co>"}, 422, "invalid_email"),
        ({"report_to": "a@b.co\r\nBcc: x@y.co"}, 422, "invalid_email"),
        ({"report_to": "a@b.co,c@d.co"}, 422, "invalid_email"),
        ({"report_to": "\u00e4@b.co"}, 422, "invalid_email"),
        ({"max_attempts": 0}, 422, "validation_error"),
        ({"max_attempts": 11}, 422, "validation_error"),
        ({"max_attempts": "3"}, 422, "validation_error"),
        ({"max_attempts": True}, 422, "validation_error"),
        ({"priorty": 1}, 422, "validation_error"),
        ({"owner": "you"}, 422, "validation_error"),
        ({"fence": 9}, 422, "validation_error"),
        ({"parent": "run-x"}, 422, "validation_error"),
        ({"message": "make me a sandwich"}, 422, "invalid_checklist"),
    ],
    ids=lambda it: str(it)[:40],
)
def test_a_wrong_field_is_named_and_nothing_is_made(server: Api, change: dict[str, Any], status: int, code: str) -> None:
    got, body, _ = server.call("POST", "/v1/follow-ups", TASK | change)
    assert (got, body["code"]) == (status, code)
    assert body["detail"]
    assert server.call("GET", "/v1/follow-ups?status=all")[1]["follow_ups"] == []


@pytest.mark.parametrize(
    ("raw", "headers", "status", "code"),
    [
        (b"", {}, 400, "invalid_json"),
        (b"not json", {}, 400, "invalid_json"),
        (b"\xef\xbb\xbf{}", {}, 400, "invalid_json"),
        ("{}".encode("utf-16"), {}, 400, "invalid_encoding"),
        (b"[]", {}, 422, "validation_error"),
        (b"null", {}, 422, "validation_error"),
        (b'{"max_attempts": NaN}', {}, 400, "invalid_json"),
        (b'{"max_attempts": 1e400}', {}, 400, "invalid_json"),
        (b'{"task": "a", "task": "b"}', {}, 400, "duplicate_key"),
        (b"[" * 60_000, {}, 400, "invalid_json"),
        (b"{}", {"content_type": "text/plain"}, 415, "unsupported_media_type"),
        (b"{}", {"content_type": "application/json; charset=latin-1"}, 415, "unsupported_media_type"),
        (json.dumps(TASK).encode(), {"idempotency_key": ""}, 400, "invalid_idempotency_key"),
        (json.dumps(TASK).encode(), {"idempotency_key": "x" * 129}, 400, "invalid_idempotency_key"),
        (json.dumps(TASK).encode(), {"idempotency_key": "a,b"}, 400, "invalid_idempotency_key"),
    ],
    ids=lambda it: str(it)[:40],
)
def test_what_cannot_be_read_is_refused(server: Api, raw: bytes, headers: dict[str, str], status: int, code: str) -> None:
    got, body, _ = server.call("POST", "/v1/follow-ups", raw=raw, **headers)
    assert (got, body["code"]) == (status, code)


def test_unknown_paths_and_methods(server: Api) -> None:
    assert server.call("GET", "/v1/nothing")[0] == 404
    status, _, headers = server.call("PUT", "/v1/follow-ups")
    assert (status, headers["allow"]) == (405, "GET, POST")
    assert server.call("GET", "/v1/healthz")[1]["status"] == "ok"


@pytest.mark.parametrize("name", ["x", "..%2F", "%00", "a" * 10_000, "a" * 26])
def test_an_id_that_is_not_there(server: Api, name: str) -> None:
    assert server.call("GET", f"/v1/follow-ups/{name}")[0] == 404


def test_nobody_sees_anothers(server: Api) -> None:
    made = server.make()
    path = f"/v1/follow-ups/{made['id']}"
    for method, target in [
        ("GET", path), ("DELETE", path), ("POST", f"{path}/run"), ("POST", f"{path}/pause"),
        ("POST", f"{path}/resume"), ("GET", f"{path}/runs"), ("GET", f"/v1/runs/{ids.run_id(made['id'], 1)}"),
    ]:  # fmt: skip
        assert server.call(method, target, user="you")[0] == 404
    assert server.call("GET", "/v1/follow-ups", user="you")[1]["follow_ups"] == []


def test_edit_needs_the_version_that_was_read(server: Api) -> None:
    path = f"/v1/follow-ups/{server.make()['id']}"
    assert server.call("PATCH", path, {"task": "New"})[0] == 428
    status, body, headers = server.call("PATCH", path, {"task": "New"}, if_match='"1"')
    assert (status, body["task"], headers["etag"]) == (200, "New", '"2"')
    assert server.call("PATCH", path, {"task": "Newer"}, if_match='"1"')[0] == 412
    assert server.call("PATCH", path, {"task": "Newer"}, if_match="*")[0] == 422
    assert server.call("PATCH", path, {"agent": "@else"}, if_match='"2"')[0] == 422
    assert server.call("PATCH", path, {}, if_match='"2"')[0] == 422


def test_cancel_at_each_status(server: Api) -> None:
    path = f"/v1/follow-ups/{server.make()['id']}"
    assert [server.call("DELETE", path)[0] for _ in range(2)] == [200, 200]
    live = server.make(task="Live")
    server.start(live["id"])
    path = f"/v1/follow-ups/{live['id']}"
    assert server.call("DELETE", path)[1]["status"] == "cancelling"
    assert server.call("DELETE", path)[0] == 202
    for verb in ("run", "pause"):
        status, body, _ = server.call("POST", f"{path}/{verb}")
        assert (status, body["code"]) == (409, "in_progress")


def test_pages_follow_each_other_and_cursors_are_signed(server: Api) -> None:
    made = {server.make(task=f"Task {n}")["id"] for n in range(7)}
    seen: list[str] = []
    target = "/v1/follow-ups?limit=3"
    while True:
        body = server.call("GET", target)[1]
        seen += [it["id"] for it in body["follow_ups"]]
        if body["next"] is None:
            break
        target = f"/v1/follow-ups?limit=3&cursor={body['next']}"
    assert sorted(seen) == sorted(made)
    cursor = server.call("GET", "/v1/follow-ups?limit=3")[1]["next"]
    for wrong in (f"cursor={cursor[:-4]}", f"cursor={cursor}&status=all", "cursor=garbage"):
        assert server.call("GET", f"/v1/follow-ups?{wrong}")[1]["code"] == "invalid_cursor"
    assert server.call("GET", f"/v1/follow-ups?cursor={cursor}", user="you")[1]["code"] == "invalid_cursor"
    for wrong in ("limit=0", "limit=-1", "limit=1001", "limit=ten", "status=odd"):
        assert server.call("GET", f"/v1/follow-ups?{wrong}")[0] == 422


def test_a_run_token_speaks_for_its_live_run_only(server: Api) -> None:
    live = server.start(server.make()["id"])
    token = sign_run(RunToken("me", live.id, live.fence), SECRET)
    status, child, _ = server.call("POST", "/v1/follow-ups", TASK | {"due": "in 1 second"}, followups_run_token=token)
    assert (status, child["parent"], child["depth"]) == (201, live.run_id, 1)
    assert "5 minutes" in child["notes"][0]
    path = f"/v1/follow-ups/{live.id}"
    for method, target in [("POST", f"{path}/run"), ("POST", f"{path}/pause"), ("PUT", "/v1/control")]:
        body = {"stopped": True} if "control" in target else None
        assert server.call(method, target, body, followups_run_token=token)[1]["code"] == "not_with_run_token"
    forged = sign_run(RunToken("me", live.id, live.fence), b"another secret, 32 bytes long ..")
    assert server.call("POST", "/v1/follow-ups", TASK, followups_run_token=forged)[0] == 401
    stale = sign_run(RunToken("me", live.id, live.fence + 1), SECRET)
    for method, target, body in [("POST", "/v1/follow-ups", TASK), ("DELETE", path, None), ("GET", path, None)]:
        assert server.call(method, target, body, followups_run_token=stale)[1]["code"] == "run_not_live"


def test_a_tree_has_its_budget(server: Api) -> None:
    live = server.start(server.make()["id"])
    token = sign_run(RunToken("me", live.id, live.fence), SECRET)
    answers = [server.call("POST", "/v1/follow-ups", TASK, followups_run_token=token) for _ in range(21)]
    assert [status for status, _, _ in answers] == [201] * 20 + [403]
    assert answers[-1][1]["code"] == "cascade_budget"


def test_agents_are_put_listed_and_removed(server: Api) -> None:
    body = {"kind": "command", "command": ["df", "-h", "/"]}
    assert server.call("PUT", "/v1/agents/%40disk", body)[1]["command"] == ["df", "-h", "/"]
    assert [it["name"] for it in server.call("GET", "/v1/agents")[1]["agents"]] == ["@checklist", "@disk"]
    assert server.call("DELETE", "/v1/agents/@disk")[0] == 200
    assert server.call("DELETE", "/v1/agents/@disk")[0] == 404
    assert server.call("PUT", "/v1/agents/@checklist", body)[1]["code"] == "builtin_agent"
    assert server.call("PUT", "/v1/agents/Disk!", body)[1]["code"] == "invalid_agent_name"
    for wrong in ({"command": []}, {"timeout_s": 0}, {"timeout_s": 3_601}, {"rerun": "maybe"}, {"kind": "url"}):
        assert server.call("PUT", "/v1/agents/@disk", body | wrong)[0] == 422
