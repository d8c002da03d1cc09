"""The agentcore target and harnesses: real frames of events from a server on the loopback."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from followups.adapters.agents.agentcore import AgentCoreAgent
from followups.domain.contract import Done, Pending, Usage
from followups.domain.errors import AgentUncertain
from followups.domain.status import Outcome, Verdict
from tests.support.agentcore import HARNESS, Service, agentcore, call_of, frame, target_at

REPORT = '{"outcome": "attention", "summary": "look", "report_md": "# here"}'


@pytest.fixture
def service() -> Iterator[Service]:
    with agentcore() as server:
        server.kind = "application/vnd.amazon.eventstream"
        yield server


@pytest.fixture
def target(service: Service) -> AgentCoreAgent:
    return target_at(service.url)


def _text(*texts: str) -> list[bytes]:
    deltas = [frame("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": text}}) for text in texts]
    return [*deltas, frame("contentBlockStop", {"contentBlockIndex": 0})]


def _message(*texts: str, stop: str | None = "end_turn") -> list[bytes]:
    end = [frame("messageStop", {"stopReason": stop})] if stop else []
    return [frame("messageStart", {"role": "assistant"}), *_text(*texts), *end]


def _tool() -> list[bytes]:
    used: dict[str, Any] = {"contentBlockIndex": 1, "delta": {"toolUse": {"input": '{"text": "in"}'}}}
    gave: dict[str, Any] = {"contentBlockIndex": 0, "delta": {"toolResult": [{"text": "a tool's result"}]}}
    thought: dict[str, Any] = {"contentBlockIndex": 2, "delta": {"reasoningContent": {"text": "hm"}}}
    return [
        frame("contentBlockDelta", used), frame("contentBlockDelta", thought),
        frame("messageStop", {"stopReason": "tool_use"}), frame("messageStart", {"role": "user"}),
        frame("contentBlockDelta", gave), frame("messageStop", {"stopReason": "tool_result"}),
    ]  # fmt: skip


def _done(target: AgentCoreAgent, *, mode: str | None = None) -> Done:
    done = target.start(call_of(HARNESS, mode=mode))
    assert isinstance(done, Done)
    return done


@pytest.mark.parametrize(("mode", "token"), [(None, None), ("async", "token")])
def test_what_a_harness_is_told(target: AgentCoreAgent, service: Service, mode: str | None, token: str | None) -> None:
    service.pieces = _message("ok")
    target.start(call_of(HARNESS, mode=mode))
    [called] = service.called
    assert (called.path, called.query) == ("/harnesses/invoke", {"harnessArn": HARNESS})
    assert called.session == call_of().run_id
    [message] = called.body["messages"]
    [block] = message["content"]
    assert message["role"] == "user"
    assert block["text"].startswith("Check\n\nLook twice.\n\nDo the task now")
    request = json.loads(block["text"][block["text"].index('{\n "v"') :])
    assert (request["v"], request["task"], request.get("run_token")) == (1, "Check", token)


def test_a_harness_is_asked_whether_it_is_done(target: AgentCoreAgent, service: Service) -> None:
    service.pieces = _message('{"outcome": "succeeded", "summary": "s", "verdict": "not_met", "evidence": "e"}')
    call = call_of(HARNESS)
    done = target.start(replace(call, request=call.request | {"done_when": "The disk is empty {really}."}))
    assert isinstance(done, Done)
    assert (done.verdict, done.evidence) == (Verdict.NOT_MET, "e")
    told = service.called[0].body["messages"][0]["content"][0]["text"]
    assert 'The disk is empty {really}.\nSay whether it is, in the answer\'s JSON object: "verdict"' in told


@pytest.mark.parametrize(
    ("pieces", "outcome", "report"),
    [
        (_message("all ", "is well"), Outcome.SUCCEEDED, "all is well"),
        (_message(), Outcome.SUCCEEDED, ""),
        (_message(REPORT[:9], REPORT[9:]), Outcome.ATTENTION, "# here"),
        (_message(f"```json\n{REPORT}\n```"), Outcome.ATTENTION, "# here"),
        (_message("I look.", stop=None) + _tool() + _message(REPORT), Outcome.ATTENTION, "# here"),
        (_message("I look.", stop=None) + _tool() + _message("It is."), Outcome.SUCCEEDED, "I look.\n\nIt is."),
        (_message('{"outcome": "succ'), Outcome.UNKNOWN, '{"outcome": "succ'),
        (_message("half", stop="max_tokens"), Outcome.FAILED, "half"),
        (_message("half", stop="tool_use"), Outcome.FAILED, "half"),
        (_message(REPORT, stop="content_filtered"), Outcome.FAILED, "# here"),
        (_message("half", stop="timeout_exceeded"), Outcome.TIMED_OUT, "half"),
        ([*_message("half", stop=None), frame("runtimeClientError", {"message": "x"}, error=True)], Outcome.FAILED, "half"),
        ([*_message("", stop=None), frame("validationException", {"message": "x"}, error=True)], Outcome.FAILED, ""),
    ],
)  # fmt: skip
def test_what_a_harness_answers(
    target: AgentCoreAgent, service: Service, pieces: list[bytes], outcome: Outcome, report: str
) -> None:
    service.pieces = pieces
    done = _done(target)
    assert (done.outcome, done.report) == (outcome, report)
    assert len(service.called) == 1


def test_what_it_cost_is_told(target: AgentCoreAgent, service: Service) -> None:
    cost = {"usage": {"inputTokens": 1200, "outputTokens": 34, "totalTokens": 1234}, "metrics": {"latencyMs": 5}}
    service.pieces = [*_message("ok"), frame("metadata", cost)]
    assert _done(target).usage == Usage(input_tokens=1200, output_tokens=34)


@pytest.mark.slow
def test_of_50_mb_the_first_are_kept_and_the_end_is_waited_for(target: AgentCoreAgent, service: Service) -> None:
    service.pieces = [*_message(*["x" * 1_000_000] * 50)]
    done = _done(target)
    assert done.outcome is Outcome.SUCCEEDED
    assert 4_000_000 < len(done.report) < 4_300_000
    assert "more than 4 MB" in done.report[-100:]


@pytest.mark.parametrize(
    "pieces",
    [
        [],
        _message("half", stop=None),
        [*_message("half", stop=None), frame("internalServerException", {"message": "x"}, error=True)],
        [*_message("half", stop=None), b"garbage, and longer than a prelude has to be"],
        [*_message("half", stop=None), frame("messageStop", {"stopReason": "end_turn"})[:-1] + b"?"],
        [b"<html><body>hello there</body></html>"],
    ],
)
def test_a_stream_that_breaks_leaves_it_unknown(target: AgentCoreAgent, service: Service, pieces: list[bytes]) -> None:
    service.pieces = pieces
    with pytest.raises(AgentUncertain):
        target.start(call_of(HARNESS))
    assert len(service.called) == 1


def test_one_that_goes_on_is_registered_for_it(target: AgentCoreAgent, service: Service) -> None:
    service.pieces = _message("I begin.") + _message('{"pending": true}')
    call = call_of(HARNESS, mode="async")
    assert target.start(call) == Pending(handle=call.run_id, poll_after=timedelta(minutes=5))
    assert _done(target).outcome is Outcome.UNKNOWN
