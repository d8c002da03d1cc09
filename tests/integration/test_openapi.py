"""The OpenAPI document against the API: each answer and each refusal that it promises of a route happens there.

That nothing else happens is what `tests.support.contract` sees to at each answer of all tests.
"""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from followups.api.operations import OPERATIONS
from followups.api.routes import ROUTES
from followups.api.service import Place
from followups.domain import ids
from followups.domain.changes import TakeSlot
from followups.domain.errors import StoreBusy, StoreError, StoreFull
from followups.domain.lineage import MAX_DESCENDANTS
from followups.domain.status import Status
from followups.usecases.world import Limits
from tests.support.api import TASK
from tests.support.api_caller import AGENTS, BODIES, COMMAND, HOOK, PATH, WORKER, Caller
from tests.support.clock import START
from tests.support.contract import DOCUMENT

NOBODY = "a" * ids.ID_LENGTH
FUNCTION = {"kind": "lambda", "target": "arn:aws:lambda:eu-central-1:123456789012:function:check-backup"}
FAILS = (StoreBusy("locked"), StoreFull("full"), StoreError("gone"))
TEXTS = {
    "due_required": " ", "invalid_due": "soon", "due_in_past": "2020-01-01", "due_out_of_range": "9999-12-31",
    "invalid_recurrence": "daily 0 times", "interval_too_short": "every 4 minutes", "unknown_timezone": "9am Mars/Phobos",
}  # fmt: skip
TIMES = {code: {"due": text} for code, text in TEXTS.items()} | {
    "unknown_timezone": {"due": "7d", "timezone": "Mars"}, "invalid_late": {"late": "ask"},
    "invalid_email": {"report_to": "a@b"}, "invalid_checklist": {"message": "make tea"},
}  # fmt: skip
#: The laptop's server makes the one (test_server.py), a bug the other: no request to the handler brings them about.
OUTSIDE = {(403, "forbidden"), (500, "internal_error")}


@pytest.fixture
def caller(tmp_path: Path) -> Iterator[Caller]:
    made = Caller(tmp_path)
    yield made
    made.close()


def test_a_time_is_a_short_text(caller: Caller) -> None:
    assert caller.call("POST", PATH, TASK | {"due": "7d" + " " * 60_000})["code"] == "invalid_due"
    assert caller.call("POST", PATH, TASK | {"due": "7d" + " " * 498})["status"] == "scheduled"


# Found by schemathesis (`make test-api`)


def test_an_empty_run_token_is_no_token_of_ours(caller: Caller) -> None:
    assert caller.call("GET", "/v1/control", followups_run_token="")["code"] == "invalid_run_token"


def test_a_whole_number_is_one_however_it_is_written(caller: Caller) -> None:
    assert caller.call("PUT", "/v1/agents/@disk", COMMAND | {"timeout_s": 60.0})["timeout_s"] == 60
    assert caller.call("PUT", "/v1/agents/@disk", COMMAND | {"timeout_s": 60.5})["code"] == "validation_error"
    assert caller.call("PUT", "/v1/agents/@disk", COMMAND | {"timeout_s": 1e300})["code"] == "validation_error"


def test_a_wrong_status_is_refused_beside_a_key_too(caller: Caller) -> None:
    assert caller.call("GET", f"{PATH}?idempotency_key=k&status=odd")["code"] == "validation_error"
    assert caller.call("GET", f"{PATH}?idempotency_key=k&cursor=odd")["code"] == "invalid_cursor"


# The document


def test_the_document_is_served_to_whoever_asks(caller: Caller) -> None:
    event = caller.api.event("GET", "/openapi.json")
    del event["requestContext"]["authorizer"]
    assert caller.send(event) == DOCUMENT
    assert caller.api.call("GET", "/openapi-json")[0] == 404


def test_all_that_is_promised_happens(caller: Caller) -> None:
    for verb, pattern, route in ROUTES:
        of_any_route(caller, verb, pattern, route.__name__)
    of_creating(caller)
    of_editing(caller)
    of_times(caller)
    of_states(caller)
    of_trees(caller)
    of_quotas(caller)
    of_runs(caller)
    of_the_registry(caller)
    promised = {(name, status, None) for name, it in OPERATIONS.items() for status in it.answers} | {
        (name, status, code)
        for name, it in OPERATIONS.items()
        for status, codes in it.refusals.items()
        for code in codes
        if (status, code) not in OUTSIDE
    }
    assert caller.seen == promised


def of_any_route(caller: Caller, verb: str, pattern: str, name: str) -> None:
    """The answer, and what is refused alike by all: who is not known, a body that cannot be read, a store that fails."""
    good, half = BODIES.get(name, (None, None))

    def event(body: Any = good, **headers: Any) -> dict[str, Any]:
        target = caller.target(pattern, name)
        if OPERATIONS[name].by_token:
            run, token = caller.live_run()
            target, headers = pattern.replace("<id>", run), {"followups_run_token": token} | headers
        return caller.api.event(verb, target, body, if_match='"1"', **headers)

    for agent, body in AGENTS.items():
        caller.call("PUT", f"/v1/agents/{agent}", body)
    caller.send(event())
    if not OPERATIONS[name].public:
        anonymous = event()
        anonymous["requestContext"]["authorizer"] = {}
        caller.send(anonymous)
        caller.send(event(followups_run_token="x"))
        caller.send(event(followups_run_token=caller.token(caller.at(Status.RUNNING), fence=1)))
        for error in FAILS:
            asked = event()
            caller.store.error = error
            caller.send(asked)
            caller.store.error = None
    if good is not None:
        for raw in (b"x", b'{"a": 1, "a": 2}', b"[]", b" " * 1_100_000):
            caller.send(event(None, raw=raw))
        caller.send(event(content_type="text/plain"))
        caller.send(event(half))
        caller.send(event() | {"body": "!!", "isBase64Encoded": True})
    if "<id>" in pattern and not OPERATIONS[name].by_token:
        caller.call(verb, pattern.replace("<id>", NOBODY), good, if_match='"1"')


def of_creating(caller: Caller) -> None:
    for change in (*TIMES.values(), {"agent": "@nobody"}, {"text": "Check it in 7 days"}, {"stagger": "2d"},
                   {"done_when": "It is so", "retry_until_met": "soon"}):  # fmt: skip
        caller.call("POST", PATH, TASK | change)
    for body, key in ((TASK, "k"), (TASK, "k"), (TASK | {"task": "Else"}, "k"), (TASK, "")):
        caller.call("POST", PATH, body, idempotency_key=key)
    parent = caller.token(caller.at(Status.RUNNING))
    for sent in ({}, {"followups_run_token": parent}):
        caller.call("POST", PATH, TASK | {"replace_key": "disk"}, **sent)
    for _ in range(MAX_DESCENDANTS + 1):
        caller.call("POST", PATH, TASK, followups_run_token=parent)
    grandchild = caller.at(Status.RUNNING, depth=2)
    caller.call("POST", PATH, TASK, followups_run_token=caller.token(grandchild))


def of_editing(caller: Caller) -> None:
    path = caller.at(Status.SCHEDULED)
    for change in TIMES.values():
        caller.call("PATCH", path, change, if_match='"1"')
    caller.call("PATCH", path, {"task": "New"})
    caller.call("PATCH", path, {"task": "New"}, if_match='"9"')
    for change in ({"retry_until_met": "soon"}, {"give_up_at": "2w"}):
        caller.call("PATCH", path, change, if_match='"1"')
    caller.call("PATCH", caller.at(Status.SCHEDULED, stagger_s=3_600), {"due": "every 5 minutes"}, if_match='"1"')


def of_times(caller: Caller) -> None:
    path = caller.at(Status.SCHEDULED)
    for text in TEXTS.values():
        caller.call("POST", "/v1/preview", {"text": text})
        for verb in ("pause", "snooze"):
            caller.call("POST", f"{path}/{verb}", {"until": text})
    caller.call("POST", "/v1/preview", {"text": "7d", "at": "now"})
    # It asks the store for nothing but whether an agent's run is live.
    token = caller.token(caller.at(Status.RUNNING))
    for caller.store.error in FAILS:
        caller.call("POST", "/v1/preview", {"text": "7d"}, followups_run_token=token)
    caller.store.error = None
    caller.call("POST", f"{path}/snooze", {"for": "3d"})
    path = caller.at(Status.SCHEDULED, done_when="It is so", give_up_at=START + timedelta(days=2))
    caller.call("POST", f"{path}/snooze", {"until": "3d"})


def of_states(caller: Caller) -> None:
    live, paused, done = (caller.at(it) for it in (Status.RUNNING, Status.PAUSED, Status.DONE))
    token = caller.token(caller.at(Status.RUNNING))
    for path in (live, paused, done):
        caller.call("PATCH", path, {"task": "New"}, if_match='"1"')
        for verb in ("run", "pause", "resume"):
            caller.call("POST", f"{path}/{verb}")
            caller.call("POST", f"{path}/{verb}", followups_run_token=token)
        caller.call("PATCH", path, {"task": "New"}, if_match='"1"', followups_run_token=token)
        caller.call("POST", f"{path}/snooze", {"until": "3d"})
        caller.call("POST", f"{path}/retry")
        caller.call("POST", f"{path}/retry", followups_run_token=token)
        caller.call("POST", f"{path}/snooze", {"until": "3d"}, followups_run_token=token)
        caller.call("DELETE", path, followups_run_token=token)
        caller.call("DELETE", path)
    failed, other = caller.at(Status.FAILED), caller.at(Status.FAILED)
    for path, key in ((failed, "again"), (failed, "again"), (other, "again"), (failed, "")):
        caller.call("POST", f"{path}/retry", idempotency_key=key)
    caller.call("POST", f"{caller.at(Status.FAILED, agent='@gone')}/retry")
    for suffix in ("", "/report"):
        caller.call("GET", f"/v1/runs/{ids.run_id(live.rpartition('/')[2], 2)}{suffix}")
    caller.call("GET", f"{PATH}?cursor=x")
    caller.call("GET", f"{PATH}?limit=0")


def of_trees(caller: Caller) -> None:
    token = caller.token(caller.at(Status.RUNNING))
    caller.call("POST", f"{caller.at(Status.SCHEDULED)}/stop-tree", followups_run_token=token)


def of_quotas(caller: Caller) -> None:
    full = caller.another(limits=Limits(max_open=1))
    failed = caller.at(Status.FAILED)
    for target, body in ((PATH, TASK), (PATH, TASK), (f"{failed}/retry", None), ("/v1/agents/@disk/test", {"task": "Try"})):
        caller.send(full.event("POST", target, body), full)
    full.close()


def of_runs(caller: Caller) -> None:
    run, token = caller.live_run()
    caller.call("POST", f"/v1/runs/{run}/complete", {"outcome": "succeeded"}, followups_run_token=token)
    run, token = caller.live_run(handle="waits elsewhere")
    for body in ({"outcome": "succeeded"}, {"outcome": "failed"}):
        caller.call("POST", f"/v1/runs/{run}/complete", body, followups_run_token=token)
    path = caller.at(Status.DONE)
    run, token = ids.run_id(path.rpartition("/")[2], 2), caller.token(path)
    for verb, body in (("complete", {"outcome": "failed"}), ("heartbeat", None), ("progress", {"message": "on"})):
        caller.call("POST", f"/v1/runs/{run}/{verb}", body, followups_run_token=token)


def of_the_registry(caller: Caller) -> None:
    token = caller.token(caller.at(Status.RUNNING))
    for verb, path, body in (
        ("PUT", "/v1/agents/@disk", COMMAND), ("DELETE", "/v1/agents/@disk", None),
        ("PUT", "/v1/control", {"stopped": True}), ("POST", "/v1/agents/@disk/test", {"task": "Try"}),
        ("POST", "/v1/agents/@disk/disable", None), ("POST", "/v1/agents/@disk/enable", None),
        ("GET", "/v1/agents/@hook/secret", None), ("POST", "/v1/agents/@desk/work", {"worker": "w"}),
    ):  # fmt: skip
        caller.call(verb, path, body, followups_run_token=token)
    for name in ("@checklist", "@Disk", "@nobody"):
        for verb, body in (("PUT", COMMAND), ("DELETE", None), ("GET", None)):
            if (verb, name) != ("PUT", "@nobody"):
                caller.call(verb, f"/v1/agents/{name}", body)
        for verb, what, body in (("POST", "disable", None), ("POST", "enable", None), ("GET", "secret", None),
                                 ("POST", "work", {"worker": "w"}), ("POST", "test", {"task": "Try"})):  # fmt: skip
            caller.call(verb, f"/v1/agents/{name}/{what}", body)
    for key, task in (("k1", "Try"), ("k1", "Try"), ("k1", "Else"), ("", "Try")):
        caller.call("POST", "/v1/agents/@disk/test", {"task": task}, idempotency_key=key)
    caller.call("POST", "/v1/agents/@me/test", {"task": "Try", "done_when": "It is so"})
    caller.behind.store.commit(TakeSlot(ids.agent_slots_key("@disk"), "somebody", 1))
    for body in (WORKER, HOOK | {"target": "https://localhost/"}, {"kind": "person", "target": "me"}):
        caller.call("PUT", "/v1/agents/@disk", body)
    aws = caller.another(allow_commands=False, place=Place("eu-west-1", 885), recipients=("ada@example.com",))
    for body in (COMMAND, FUNCTION, {"kind": "person", "target": "me@elsewhere.org"}):
        caller.send(aws.event("PUT", "/v1/agents/@new", body), aws)
    caller.send(aws.event("POST", PATH, TASK | {"report_to": "me@elsewhere.org"}), aws)
    caller.send(aws.event("PATCH", caller.at(Status.PAUSED), {"report_to": "me@elsewhere.org"}, if_match='"1"'), aws)
    aws.close()
