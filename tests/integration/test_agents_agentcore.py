"""The agentcore target and runtimes, against a server on the loopback that speaks their protocol, and counts who calls."""

import json
import socket
import time
from collections.abc import Iterator
from datetime import timedelta

import pytest

from followups.adapters.agents.agentcore import AgentCoreAgent
from followups.domain.contract import AgentCall, Done, Pending
from followups.domain.errors import AgentBusy, AgentUncertain
from followups.domain.status import Outcome
from tests.support.agentcore import ENDPOINT, HARNESS, RUNTIME, Service, agentcore, call_of, client, target_at

SSE = "text/event-stream; charset=utf-8"
REPORT = '{"outcome": "attention", "summary": "look", "report_md": "# here"}'


@pytest.fixture
def service() -> Iterator[Service]:
    with agentcore() as server:
        yield server


@pytest.fixture
def target(service: Service) -> AgentCoreAgent:
    return target_at(service.url)


def _done(target: AgentCoreAgent, call: AgentCall | None = None) -> Done:
    done = target.start(call or call_of())
    assert isinstance(done, Done)
    return done


@pytest.mark.parametrize(("arn", "query"), [(RUNTIME, {}), (ENDPOINT, {"qualifier": "live"})])
def test_what_a_runtime_is_told(target: AgentCoreAgent, service: Service, arn: str, query: dict[str, str]) -> None:
    target.start(call_of(arn))
    [called] = service.called
    assert (called.path, called.query, called.session) == (f"/runtimes/{RUNTIME}/invocations", query, call_of().run_id)
    assert (called.body["v"], called.body["task"], called.body["run_token"]) == (1, "Check", "token")
    assert (called.headers["content-type"], called.headers["accept"]) == ("application/json", "application/json")


@pytest.mark.parametrize(
    ("kind", "body", "outcome", "said"),
    [
        ("application/json", '"all is well"', Outcome.SUCCEEDED, "all is well"),
        ("application/json", "null", Outcome.SUCCEEDED, "said nothing"),
        ("", '"all is well"', Outcome.SUCCEEDED, "all is well"),
        ("application/json", "", Outcome.SUCCEEDED, "said nothing"),
        ("application/json", REPORT, Outcome.ATTENTION, "look"),
        ("application/json", json.dumps(REPORT), Outcome.ATTENTION, "look"),
        ("application/json", '{"outcome": "fine', Outcome.UNKNOWN, "broken JSON"),
        ("application/json", '{"result": 1}', Outcome.SUCCEEDED, '{"result": 1}'),
        ("application/json", '"half', Outcome.SUCCEEDED, '"half'),
        ("application/json", "[" * 5000, Outcome.SUCCEEDED, "[[["),
        ("text/plain", '"quoted" is quoted', Outcome.SUCCEEDED, '"quoted" is quoted'),
        ("text/plain", REPORT, Outcome.ATTENTION, "look"),
        ("text/html", "<html><body>hello", Outcome.SUCCEEDED, "<html><body>hello"),
        ("image/png", "\x89PNG\x00\x00", Outcome.SUCCEEDED, "PNG"),
        (SSE, "", Outcome.SUCCEEDED, "said nothing"),
        (SSE, 'data: "all "\n\ndata: "is well"\n\n', Outcome.SUCCEEDED, "all is well"),
        (SSE, "data: all is\ndata: well\n\ndata: [DONE]\n\n", Outcome.SUCCEEDED, "all is"),
        (SSE, f'data: "working"\n\ndata: {REPORT}\n\n', Outcome.ATTENTION, "look"),
        (SSE, f"data: {json.dumps(REPORT)}\n\n", Outcome.ATTENTION, "look"),
        (SSE, 'data: "x"\n\ndata: {"outcome": "succ\n\n', Outcome.UNKNOWN, "broken JSON"),
        (SSE, 'data: "x"\n\ndata: {"error": "no disk", "error_type": "OSError"}', Outcome.FAILED, "OSError: no disk"),
        (SSE, "<html>no events</html>", Outcome.SUCCEEDED, "said nothing"),
    ],
)
def test_what_a_runtime_answers(
    target: AgentCoreAgent, service: Service, kind: str, body: str, outcome: Outcome, said: str
) -> None:
    raw = body.encode()
    service.kind, service.pieces = kind, [raw[i : i + 7] for i in range(0, len(raw), 7)]
    done = _done(target)
    assert done.outcome is outcome
    assert said in done.summary
    assert len(service.called) == 1


def test_all_that_a_stream_says_is_the_report(target: AgentCoreAgent, service: Service) -> None:
    service.kind = SSE
    service.pieces = [b'data: "First, "\n\ndata: "second."\n\n', b'data: {"step": 3}\n\ndata: end\n\n']
    assert _done(target).report == 'First, second.\n{"step": 3}\nend'


def test_what_is_no_utf8_is_shown_as_such(target: AgentCoreAgent, service: Service) -> None:
    service.pieces = [b"\xff\xfe is \xe2", b"\x82\xac"]
    assert _done(target).report == "\ufffd\ufffd is €"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "first", "piece", "outcome"),
    [
        ("text/plain", b"", b"x" * 1_000_000, Outcome.SUCCEEDED),
        (SSE, b"", b'data: "' + b"x" * 999_990 + b'"\n\n', Outcome.SUCCEEDED),
        (SSE, b"data: ", b"x" * 1_000_000, Outcome.SUCCEEDED),
        ("application/json", b'{"outcome": "succeeded", "report_md": "', b"x" * 1_000_000, Outcome.UNKNOWN),
    ],
)
def test_of_50_mb_the_first_are_kept_and_the_end_is_waited_for(
    target: AgentCoreAgent, service: Service, kind: str, first: bytes, piece: bytes, outcome: Outcome
) -> None:
    service.kind, service.pieces = kind, [first or b"\n", *[piece] * 50]
    done = _done(target)
    assert done.outcome is outcome
    assert 4_000_000 < len(done.report) < 4_300_000
    if kind != SSE or not first:
        assert "more than 4 MB" in done.report[-100:]


@pytest.mark.parametrize(("mode", "outcome"), [(None, Outcome.UNKNOWN), ("sync", Outcome.UNKNOWN), ("async", None)])
@pytest.mark.parametrize(
    ("kind", "body"), [("application/json", b'{"pending": true}'), (SSE, b'data: {"pending": true}\n\n')]
)
def test_one_that_goes_on_is_registered_for_it(
    target: AgentCoreAgent, service: Service, kind: str, body: bytes, mode: str | None, outcome: Outcome | None
) -> None:
    service.kind, service.pieces = kind, [body]
    call = call_of(mode=mode)
    answer = target.start(call)
    if outcome is None:
        assert answer == Pending(handle=call.run_id, poll_after=timedelta(minutes=5)) == target.poll(call, call.run_id)
        return
    assert isinstance(answer, Done)
    assert answer.outcome is outcome
    assert "goes on, and it is registered to be waited for: register it with the mode async" in answer.summary
    with pytest.raises(AgentUncertain):
        target.poll(call, call.run_id)


@pytest.mark.parametrize("arn", [RUNTIME, HARNESS])
@pytest.mark.parametrize(
    ("status", "code", "said"),
    [
        (404, "ResourceNotFoundException", "Register the agent again"),
        (403, "AccessDeniedException", "see AgentRuntimes"),
        (400, "ValidationException", "Look at its ARN"),
        (424, "RuntimeClientError", "The agent's runtime failed: no way"),
        (413, "", "not started"),
    ],
)
def test_what_surely_does_not_run_failed(
    target: AgentCoreAgent, service: Service, arn: str, status: int, code: str, said: str
) -> None:
    service.status, service.code, service.pieces = status, code, [b'{"message": "no way"}']
    done = _done(target, call_of(arn))
    assert (done.outcome, len(service.called)) == (Outcome.FAILED, 1)
    assert said in done.summary


@pytest.mark.parametrize(
    ("status", "code"),
    [(429, "ThrottlingException"), (402, "ServiceQuotaExceededException"), (409, "RetryableConflictException"), (429, "")],
)
def test_one_that_has_no_room_is_asked_again_later(
    target: AgentCoreAgent, service: Service, status: int, code: str
) -> None:
    service.status, service.code, service.pieces = status, code, [b'{"message": "slow down"}']
    service.headers = {"Retry-After": "7"}
    with pytest.raises(AgentBusy, match="slow down") as raised:
        target.start(call_of())
    assert (raised.value.retry_after, len(service.called)) == (timedelta(seconds=7), 1)


@pytest.mark.parametrize("arn", [RUNTIME, HARNESS])
@pytest.mark.parametrize(
    ("fault", "status", "code", "body"),
    [
        ("reset", 200, "", b""),
        ("half", 200, "", b"begun"),
        ("half", 403, "", b"{"),
        ("", 500, "InternalServerException", b'{"message": "x"}'),
        ("", 502, "", b"<html><body>Bad gateway"),
        ("", 503, "", b""),
        ("", 424, "RuntimeClientError", b'{"message": "The invocation timed out"}'),
    ],
)
def test_what_may_have_run_is_unknown_and_never_asked_twice(
    target: AgentCoreAgent, service: Service, arn: str, fault: str, status: int, code: str, body: bytes
) -> None:
    service.fault, service.status, service.code, service.pieces = fault, status, code, [body] if body else []
    with pytest.raises(AgentUncertain):
        target.start(call_of(arn))
    assert len(service.called) == 1


@pytest.mark.parametrize("arn", [RUNTIME, HARNESS])
@pytest.mark.parametrize("fault", ["silent", "drip"])
def test_no_peer_takes_longer_than_the_call_may(target: AgentCoreAgent, service: Service, arn: str, fault: str) -> None:
    service.fault = fault
    begun = time.monotonic()
    with pytest.raises(AgentUncertain, match="no answer within"):
        target.start(call_of(arn, seconds=0.3))
    assert time.monotonic() - begun < 1.5


def test_an_agentcore_that_cannot_be_reached_was_not_asked() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        done = _done(target_at(f"http://127.0.0.1:{nobody.getsockname()[1]}"))
    assert done.outcome is Outcome.FAILED
    assert "could not be called" in done.summary


@pytest.mark.parametrize(("arn", "query"), [(RUNTIME, {}), (ENDPOINT, {"qualifier": "live"})])
@pytest.mark.parametrize("status", [200, 404, 500])
def test_a_runtimes_session_is_stopped(
    target: AgentCoreAgent, service: Service, arn: str, query: dict[str, str], status: int
) -> None:
    service.status, service.pieces = status, [b"{}"]
    target.cancel(call_of(arn), call_of().run_id)
    [called] = service.called
    assert (called.path, called.query) == (f"/runtimes/{RUNTIME}/stopruntimesession", query)
    assert called.session == call_of().run_id


def test_a_harness_cannot_be_stopped(target: AgentCoreAgent, service: Service) -> None:
    target.cancel(call_of(HARNESS), call_of().run_id)
    assert service.called == []


def test_ministack_answers_with_what_it_was_told(ministack_url: str) -> None:
    made = client("bedrock-agentcore-control", ministack_url).create_agent_runtime(
        agentRuntimeName="echo", roleArn="arn:aws:iam::000000000000:role/agents",
        agentRuntimeArtifact={"codeConfiguration": {
            "code": {"s3": {"bucket": "agents", "prefix": "echo.zip"}}, "runtime": "PYTHON_3_13", "entryPoint": ["main.py"],
        }},
        networkConfiguration={"networkMode": "PUBLIC"},
    )  # fmt: skip
    target = target_at(ministack_url)
    told = json.loads(_done(target, call_of(made["agentRuntimeArn"])).report)
    assert told["input"]["run_token"] == "token"
    assert told["input"]["run_id"] == call_of().run_id
    gone = _done(target, call_of(made["agentRuntimeArn"] + "/runtime-endpoint/live"))
    assert "ResourceNotFoundException" in gone.summary
