"""Agents out of use and back, tried without a mail, and the secret of a webhook."""

import base64
from collections.abc import Iterator
from typing import Any

import pytest

from followups.domain.contract import Pending
from followups.domain.status import Outcome, ReportStatus, Status
from followups.domain.webhooks import secret_for
from tests.support.api import SECRET
from tests.support.api_play import PATH, POLL, Play, done


@pytest.fixture
def play() -> Iterator[Play]:
    made = Play()
    yield made
    made.close()


# Out of use


def test_what_names_an_agent_that_is_out_of_use_waits_and_spends_no_attempt(play: Play) -> None:
    agent = play.call("POST", "/v1/agents/@a/disable", {"reason": "its budget is spent"})[1]
    assert agent["disabled"] == "its budget is spent"
    it = play.make()
    since = play.clock.now()
    for _ in range(5):
        play.tick(minutes=1)
    now = play.call("GET", f"{PATH}/{it['id']}")[1]
    assert (now["status"], now["attempt"]) == ("scheduled", 0)
    assert "@a is disabled: its budget is spent" in now["blocked"]["reason"]
    assert now["blocked"]["since"] == f"{since.replace(minute=1):%Y-%m-%dT%H:%M:%SZ}"
    assert (play.agent.calls, play.records(it)) == ([], [])
    assert play.call("POST", "/v1/agents/@a/enable")[1]["disabled"] is None
    play.tick(minutes=2)
    assert (play.now(it).status, play.now(it).attempt) == (Status.DONE, 1)


def test_what_runs_runs_on(play: Play) -> None:
    call = play.begin(lambda _: Pending(handle="h", poll_after=POLL))
    play.call("POST", "/v1/agents/@a/disable")
    play.agent.does = lambda _: done()
    assert play.tick(minutes=2) == ["finished"]
    assert play.records(call)[0].outcome is Outcome.SUCCEEDED


def test_out_of_use_without_a_reason_and_twice(play: Play) -> None:
    for _ in range(2):
        assert play.call("POST", "/v1/agents/@a/disable")[1]["disabled"] == "no reason given"
    assert play.call("POST", "/v1/agents/@a/disable", {"reason": "broken"})[1]["disabled"] == "broken"
    for _ in range(2):
        assert play.call("POST", "/v1/agents/@a/enable")[1]["disabled"] is None


@pytest.mark.parametrize(("verb", "body"), [("PUT", {"kind": "worker"}), ("DELETE", None)])
@pytest.mark.parametrize("name", ["@checklist", "@me"])
def test_what_is_built_in_stays_as_it_is(play: Play, name: str, verb: str, body: Any) -> None:
    assert play.call(verb, f"/v1/agents/{name}", body)[1]["code"] == "builtin_agent"
    for what in ("disable", "enable"):
        assert play.call("POST", f"/v1/agents/{name}/{what}")[1]["code"] == "builtin_agent"


# Tried


def test_a_test_runs_now_and_is_kept_and_nothing_is_mailed(play: Play) -> None:
    play.call("POST", "/v1/agents/@a/disable", {"reason": "not yet in use"})
    play.agent.does = lambda _: done("failed", report="no luck")
    body = {"task": "Say hello", "message": "or not", "done_when": "It said so"}
    status, it, headers = play.call("POST", "/v1/agents/@a/test", body)
    assert (status, headers["location"]) == (201, f"{PATH}/{it['id']}")
    assert (it["test"], it["agent"], it["max_attempts"], it["due"]) == (True, "@a", 1, "now")
    assert play.tick(seconds=1) == ["finished"], "also while the agent is out of use"
    assert play.agent.calls[0].request["test"] is True and play.agent.calls[0].request["done_when"] == "It said so"
    [record] = play.records(it)
    assert (record.outcome, record.summary, record.report_status) == (Outcome.FAILED, "it failed", ReportStatus.NONE)
    assert play.call("GET", f"/v1/runs/{record.id}")[1]["test"] is True
    assert play.call("GET", f"/v1/runs/{record.id}/report")[0] == 200, "it can be read as it would be mailed"
    assert (play.now(it).status, play.mailer.sent) == (Status.FAILED, [])


def test_a_test_that_is_skipped_or_breaks_off_is_not_mailed_either(play: Play) -> None:
    it = play.call("POST", "/v1/agents/@a/test", {"task": "Try"})[1]
    play.call("DELETE", "/v1/agents/@a")
    play.tick(seconds=1)
    assert play.records(it)[0].report_status is ReportStatus.NONE
    assert play.mailer.sent == []


def test_a_test_obeys_the_kill_switch(play: Play) -> None:
    play.call("PUT", "/v1/control", {"stopped": True})
    it = play.call("POST", "/v1/agents/@a/test", {"task": "Try"})[1]
    assert play.tick(seconds=1) == [] and play.now(it).status is Status.SCHEDULED


def test_a_test_is_made_once_for_a_key(play: Play) -> None:
    first, again = (play.call("POST", "/v1/agents/@a/test", {"task": "Try"}, idempotency_key="k") for _ in range(2))
    assert (first[0], again[0], again[1]["id"]) == (201, 200, first[1]["id"])
    # The same words as no test are another request.
    body = {"agent": "@a", "task": "Try", "due": "in 1 second", "max_attempts": 1}
    assert play.call("POST", PATH, body, idempotency_key="k")[1]["code"] == "idempotency_key_reused"


@pytest.mark.parametrize("name", ["@nobody", "@A", "x"])
def test_nobody_is_tried_that_is_not_there(play: Play, name: str) -> None:
    status, refused, _ = play.call("POST", f"/v1/agents/{name}/test", {"task": "Try"})
    assert (status, refused["code"], refused["errors"][0]["pointer"]) == (422, "unknown_agent", "/agent")


# Secrets


def test_a_webhooks_secret_is_its_own_and_stays_the_same(play: Play) -> None:
    play.register("@hook2", {"kind": "https", "target": "https://agent.example.com/two"})
    secrets = [play.call("GET", f"/v1/agents/{name}/secret")[1]["secret"] for name in ("@hook", "@hook2", "@hook")]
    assert secrets[0] == secrets[2] != secrets[1]
    assert secrets[0] == secret_for("@hook", SECRET)
    kind, _, key = secrets[0].partition("_")
    assert kind == "whsec" and 24 <= len(base64.b64decode(key, validate=True)) <= 64


@pytest.mark.parametrize("name", ["@a", "@desk", "@ada", "@checklist"])
def test_who_is_not_called_by_web_has_no_secret(play: Play, name: str) -> None:
    status, refused, _ = play.call("GET", f"/v1/agents/{name}/secret")
    assert (status, refused["code"]) == (422, "not_a_webhook")
