"""The lambda target against a server on the loopback that speaks Lambda's protocol, and counts who calls."""

import json
import socket
import struct
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

import pytest

from followups import bootstrap
from followups.adapters.agents.lambda_ import LambdaAgent
from followups.domain.contract import AgentCall, Done
from followups.domain.errors import AgentBusy, AgentUncertain
from followups.domain.status import Outcome
from tests.support.calls import agent_call
from tests.support.clock import ManualClock

ARN = "arn:aws:lambda:eu-central-1:123456789012:function:check-backup:live"


class _Lambda(ThreadingHTTPServer):
    """Answers each call with `status`, `body`, `error` and `headers`, after `seconds`; or does worse, as `fault` says."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Call)
        self.status, self.body, self.error, self.fault = 200, b"null", "", ""
        self.seconds, self.headers = 0.0, {}
        self.called: list[tuple[str, dict[str, object]]] = []
        self.closing = threading.Event()


class _Call(BaseHTTPRequestHandler):
    server: _Lambda
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        sent = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.called.append((unquote(self.path), sent))
        if self.server.fault == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            return
        if self.server.fault == "silent":
            self.server.closing.wait(30)
            return
        self.server.closing.wait(self.server.seconds)
        self.send_response(self.server.status)
        if self.server.error:
            name = "X-Amz-Function-Error" if self.server.status == 200 else "X-Amzn-ErrorType"
            self.send_header(name, self.server.error)
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(self.server.body) + 10 * (self.server.fault == "half")))
        self.end_headers()
        self.wfile.write(self.server.body)
        self.close_connection = self.server.fault == "half"

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[_Lambda]:
    with _Lambda() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "eu-central-1"}
        for name, value in (keys | {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.server_address[1]}"}).items():
            monkeypatch.setenv(name, value)
        bootstrap.waiting_client.cache_clear()
        yield server
        bootstrap.waiting_client.cache_clear()
        server.closing.set()
        server.shutdown()
        thread.join()


@pytest.fixture
def target(service: _Lambda) -> LambdaAgent:
    return LambdaAgent(partial(bootstrap.waiting_client, "lambda"), ManualClock())


def _call(seconds: float = 20) -> AgentCall:
    call = agent_call([], seconds=seconds)
    return replace(call, agent=replace(call.agent, kind="lambda", target=ARN))


def _done(target: LambdaAgent) -> Done:
    answer = target.start(_call())
    assert isinstance(answer, Done)
    return answer


def test_what_it_is_told(target: LambdaAgent, service: _Lambda) -> None:
    target.start(_call())
    [(path, event)] = service.called
    assert path == f"/2015-03-31/functions/{ARN}/invocations"
    assert (event["v"], event["task"], event["run_token"]) == (1, "Check", "token")


@pytest.mark.parametrize(
    ("body", "error", "outcome", "said"),
    [
        (b'"all is well"', "", Outcome.SUCCEEDED, "all is well"),
        (b"null", "", Outcome.SUCCEEDED, "said nothing"),
        (b"", "", Outcome.SUCCEEDED, "said nothing"),
        (b'{"outcome": "attention", "summary": "look", "report_md": "# here"}', "", Outcome.ATTENTION, "look"),
        (b'"{\\"outcome\\": \\"failed\\", \\"summary\\": \\"no\\"}"', "", Outcome.FAILED, "no"),
        (b'{"outcome": "splendid"}', "", Outcome.UNKNOWN, "none of"),
        (b'{"statusCode": 200}', "", Outcome.SUCCEEDED, '{"statusCode": 200}'),
        (b"[1, 2]", "", Outcome.SUCCEEDED, "[1, 2]"),
        (b"\xff\xfe<html>", "", Outcome.SUCCEEDED, "<html>"),
        (b"[" * 5000, "", Outcome.SUCCEEDED, "[[["),
        (b'{"errorType": "KeyError", "errorMessage": "x"}', "Unhandled", Outcome.FAILED, "failed with KeyError: x"),
        (b'{"errorType": "Runtime.OutOfMemory", "errorMessage": "x"}', "Unhandled", Outcome.UNKNOWN, "broke off with"),
        (b'{"errorType": "Runtime.ExitError", "errorMessage": "x"}', "Unhandled", Outcome.UNKNOWN, "ExitError: x"),
        (b'{"errorType": "Runtime.MarshalError"}', "Unhandled", Outcome.UNKNOWN, "MarshalError"),
        (b'{"errorType": "Runtime.ImportModuleError"}', "Unhandled", Outcome.FAILED, "failed with Runtime.Import"),
        (b'{"errorMessage": 1}', "Unhandled", Outcome.FAILED, "failed with Unhandled: 1"),
        (b"gone", "Unhandled", Outcome.FAILED, "failed with Unhandled: gone"),
        (
            b'{"errorType": "Sandbox.Timedout", "errorMessage": "RequestId: 1 Error: Task timed out after 3.00 seconds"}',
            "Unhandled", Outcome.TIMED_OUT, "timed out after 3.00 seconds",
        ),
    ],
)  # fmt: skip
def test_what_it_answers(
    target: LambdaAgent, service: _Lambda, body: bytes, error: str, outcome: Outcome, said: str
) -> None:
    service.body, service.error = body, error
    done = _done(target)
    assert done.outcome is outcome
    assert said in done.summary
    assert len(service.called) == 1


def test_what_is_longer_than_a_report_is_given_whole(target: LambdaAgent, service: _Lambda) -> None:
    service.body = b'"' + b"x" * 5_900_000 + b'"'
    assert _done(target).report == "x" * 5_900_000


@pytest.mark.parametrize("body", [b'{"pending": true}', b'"{\\"pending\\": true}"'])
def test_one_that_says_that_it_goes_on_is_registered_for_it(target: LambdaAgent, service: _Lambda, body: bytes) -> None:
    service.body = body
    done = _done(target)
    assert done.outcome is Outcome.UNKNOWN, "it is at work: a second call would make two of it"
    assert "goes on, and it is registered to be waited for: register it with the mode async or durable" in done.summary


def test_a_failure_brings_its_trace(target: LambdaAgent, service: _Lambda) -> None:
    service.error = "Unhandled"
    service.body = b'{"errorType": "KeyError", "errorMessage": "x", "stackTrace": ["  File a, line 1\\n", "    boom\\n"]}'
    assert _done(target).report == "  File a, line 1\n    boom\n"


@pytest.mark.parametrize(
    ("status", "code", "said"),
    [
        (404, "ResourceNotFoundException", "a function that there is"),
        (403, "AccessDeniedException", "AgentFunctions"),
        (413, "RequestTooLargeException", "not started"),
        (502, "SubnetIPAddressLimitReachedException", "not started"),
        (502, "KMSAccessDeniedException", "not started"),
        (502, "ENINotReadyException", "not started"),
    ],
)
def test_what_surely_did_not_start_failed(target: LambdaAgent, service: _Lambda, status: int, code: str, said: str) -> None:
    service.status, service.error, service.body = status, code, b'{"Message": "no"}'
    done = _done(target)
    assert (done.outcome, len(service.called)) == (Outcome.FAILED, 1)
    assert said in done.summary


def test_one_that_lambda_has_no_room_for_is_busy(target: LambdaAgent, service: _Lambda) -> None:
    service.status, service.error, service.headers = 429, "TooManyRequestsException", {"Retry-After": "7"}
    service.body = b'{"Reason": "ReservedFunctionConcurrentInvocationLimitExceeded", "message": "Rate Exceeded."}'
    with pytest.raises(AgentBusy, match=r"no room .*: ReservedFunctionConcurrentInvocationLimitExceeded") as busy:
        target.start(_call())
    assert (busy.value.retry_after, len(service.called)) == (timedelta(seconds=7), 1)


@pytest.mark.parametrize("wait", ["", "soon", "-1", "999999"])
def test_a_wait_that_is_none_is_not_believed(target: LambdaAgent, service: _Lambda, wait: str) -> None:
    service.status, service.error, service.headers = 502, "EC2ThrottledException", {"Retry-After": wait}
    service.body = b"{}"
    with pytest.raises(AgentBusy, match="EC2ThrottledException") as busy:
        target.start(_call())
    assert busy.value.retry_after is None


@pytest.mark.parametrize(
    ("fault", "status", "seconds"),
    [("silent", 200, 1.9), ("reset", 200, 20), ("half", 200, 20), ("", 500, 20), ("", 503, 20)],
)
def test_what_may_have_run_is_unknown_and_never_asked_twice(
    target: LambdaAgent, service: _Lambda, fault: str, status: int, seconds: float
) -> None:
    service.fault, service.status, service.error = fault, status, "ServiceException" if status >= 500 else ""
    service.body = b'{"Message": "no"}'
    with pytest.raises(AgentUncertain):
        target.start(_call(seconds))
    assert len(service.called) == 1


def test_a_lambda_that_cannot_be_reached_was_not_started(
    target: LambdaAgent, service: _Lambda, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{nobody.getsockname()[1]}")
        bootstrap.waiting_client.cache_clear()
        done = _done(target)
    assert done.outcome is Outcome.FAILED
    assert "could not be called" in done.summary


def test_a_client_waits_as_long_as_the_agent_may_take_and_asks_once(service: _Lambda) -> None:
    config = bootstrap.waiting_client("lambda", 885).meta.config
    assert (config.read_timeout, config.connect_timeout, config.tcp_keepalive) == (885, 5, True)
    assert config.retries["total_max_attempts"] == 1
    assert bootstrap.waiting_client("lambda", 885) is bootstrap.waiting_client("lambda", 885), (
        "a client for each call would cost ten times it"
    )


def test_a_call_waits_for_its_seconds(service: _Lambda) -> None:
    asked: list[int] = []
    LambdaAgent(lambda seconds: asked.append(seconds) or bootstrap.waiting_client("lambda", seconds), ManualClock()).start(
        _call(180.9)
    )
    assert (asked, len(service.called)) == ([180], 1), "it ends before the runner's time does"


@pytest.mark.slow
def test_one_that_takes_longer_than_botocores_60_seconds_is_called_once(target: LambdaAgent, service: _Lambda) -> None:
    service.seconds, service.body = 65, b'"at last"'
    done = target.start(_call(180))
    assert isinstance(done, Done)
    assert (done.outcome, done.report, len(service.called)) == (Outcome.SUCCEEDED, "at last", 1)
