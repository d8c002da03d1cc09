"""The API's handler over a real store: what each route answers, and how it refuses."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from followups.domain import ids
from followups.domain.lineage import RunToken, sign_run
from followups.usecases.world import BUILTIN
from tests.support.api import SECRET, TASK, Api
from tests.support.things import DEADLINE


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


def test_nobody_sees_anothers(server: Api) -> None:
    made = server.make()
    path = f"/v1/follow-ups/{made['id']}"
    for method, target in [
        ("GET", path), ("DELETE", path), ("POST", f"{path}/run"), ("POST", f"{path}/pause"),
        ("POST", f"{path}/resume"), ("GET", f"{path}/runs"), ("GET", f"/v1/runs/{ids.run_id(made['id'], 1)}"),
        ("GET", f"{path}/tree"), ("POST", f"{path}/stop-tree"),
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
    token = sign_run(RunToken("me", live.id, live.fence, DEADLINE), SECRET)
    status, child, _ = server.call("POST", "/v1/follow-ups", TASK | {"due": "in 1 second"}, followups_run_token=token)
    assert (status, child["parent"], child["depth"]) == (201, live.run_id, 1)
    assert "5 minutes" in child["warnings"][0]
    path = f"/v1/follow-ups/{live.id}"
    for method, target in [
        ("POST", f"{path}/run"),
        ("POST", f"{path}/pause"),
        ("POST", f"{path}/stop-tree"),
        ("PUT", "/v1/control"),
    ]:
        body = {"stopped": True} if "control" in target else None
        assert server.call(method, target, body, followups_run_token=token)[1]["code"] == "not_with_run_token"
    forged = sign_run(RunToken("me", live.id, live.fence, DEADLINE), b"another secret, 32 bytes long ..")
    assert server.call("POST", "/v1/follow-ups", TASK, followups_run_token=forged)[0] == 401
    stale = sign_run(RunToken("me", live.id, live.fence + 1, DEADLINE), SECRET)
    for method, target, body in [("POST", "/v1/follow-ups", TASK), ("DELETE", path, None), ("GET", path, None)]:
        assert server.call(method, target, body, followups_run_token=stale)[1]["code"] == "run_not_live"


def test_a_tree_has_its_budget(server: Api) -> None:
    live = server.start(server.make()["id"])
    token = sign_run(RunToken("me", live.id, live.fence, DEADLINE), SECRET)
    answers = [server.call("POST", "/v1/follow-ups", TASK, followups_run_token=token) for _ in range(21)]
    assert [status for status, _, _ in answers] == [201] * 20 + [409]
    refused = answers[-1][1]
    assert (refused["code"], refused["retryable"]) == ("cascade_budget", False)
    assert "Do not ask again" in refused["hint"]


def test_agents_are_put_listed_and_removed(server: Api) -> None:
    body = {"kind": "command", "command": ["df", "-h", "/"]}
    assert server.call("PUT", "/v1/agents/%40disk", body)[1]["command"] == ["df", "-h", "/"]
    assert [it["name"] for it in server.call("GET", "/v1/agents")[1]["agents"]] == [*BUILTIN, "@disk"]
    assert server.call("DELETE", "/v1/agents/@disk")[0] == 200
    assert server.call("DELETE", "/v1/agents/@disk")[0] == 404
    for name in BUILTIN:
        assert server.call("PUT", f"/v1/agents/{name}", body)[1]["code"] == "builtin_agent"
    assert server.call("PUT", "/v1/agents/Disk!", body)[1]["code"] == "invalid_agent_name"
    for wrong in ({"command": []}, {"timeout_s": 0}, {"timeout_s": 3_601}, {"rerun": "maybe"}, {"kind": "url"}):
        assert server.call("PUT", "/v1/agents/@disk", body | wrong)[0] == 422


def test_a_key_leads_to_what_it_made_whatever_became_of_it(server: Api) -> None:
    made = server.call("POST", "/v1/follow-ups", TASK, idempotency_key="k?1")[1]
    server.make()
    server.call("DELETE", f"/v1/follow-ups/{made['id']}")
    target = "/v1/follow-ups?idempotency_key="
    [found] = server.call("GET", f"{target}k%3F1")[1]["follow_ups"]
    assert (found["id"], found["status"]) == (made["id"], "cancelled")
    assert server.call("GET", f"{target}other")[1] == {"follow_ups": [], "next": None}
    assert server.call("GET", f"{target}k%3F1", user="stranger")[1]["follow_ups"] == []
    for wrong in ("", "a,b", "%C3%A4", "x" * 129):
        status, problem, _ = server.call("GET", target + wrong)
        assert (status, problem["errors"][0]["pointer"]) == (422, "/idempotency_key")
