"""Functions that are not waited for: those that call back, and durable ones, which are asked how far they are."""

import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ReadTimeoutError
from botocore.stub import Stubber

from followups.adapters.agents.lambda_ import LambdaAgent
from followups.domain.contract import AgentCall, Done, Pending
from followups.domain.errors import AgentBusy, AgentUncertain
from followups.domain.status import Outcome
from tests.support.calls import agent_call
from tests.support.clock import START, ManualClock
from tests.support.things import fresh

REGION = "eu-central-1"
FUNCTION = f"arn:aws:lambda:{REGION}:123456789012:function:check-backup"
EVENT = json.dumps(agent_call([]).request | {"run_token": "token"}).encode()
RUN = agent_call([]).run_id
EXECUTION = f"{FUNCTION}:3/durable-execution/{RUN}/7f3c"
SELDOM = timedelta(minutes=5)
INVOKE = {"FunctionName": f"{FUNCTION}:live", "InvocationType": "Event", "Payload": EVENT}
BEGIN = INVOKE | {"DurableExecutionName": RUN}
FIND = {"FunctionName": FUNCTION, "DurableExecutionName": RUN}


def _client(**more: Any) -> Any:
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": REGION}
    return boto3.client("lambda", config=Config(retries={"total_max_attempts": 1}), **keys, **more)


class Bed:
    """A target whose client gives what the stub is told to; `asked` are the seconds that it was to wait."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.clock = ManualClock()
        self.client = _client()
        self.stub = Stubber(self.client)
        self.target = LambdaAgent(self._connect, self.clock)

    def _connect(self, seconds: int) -> Any:
        self.asked.append(seconds)
        return self.client


@pytest.fixture
def bed() -> Iterator[Bed]:
    it = Bed()
    with it.stub:
        yield it
        it.stub.assert_no_pending_responses()


def _call(mode: str, *, target: str = f"{FUNCTION}:live", seconds: float = 600) -> AgentCall:
    call = agent_call([], seconds=seconds)
    return replace(call, agent=replace(call.agent, kind="lambda", target=target, mode=mode))


def _listed(*names: str) -> dict[str, Any]:
    return {"DurableExecutions": [
        {"DurableExecutionArn": f"{FUNCTION}:3/durable-execution/{name}/7f3c", "DurableExecutionName": name,
         "FunctionArn": FUNCTION, "Status": "RUNNING", "StartTimestamp": START} for name in names
    ]}  # fmt: skip


def _execution(status: str, **more: Any) -> dict[str, Any]:
    return {
        "DurableExecutionArn": EXECUTION, "DurableExecutionName": RUN, "FunctionArn": FUNCTION, "Status": status,
        "StartTimestamp": START,
    } | more  # fmt: skip


def _polled(bed: Bed, status: str, **more: Any) -> Done | Pending:
    bed.stub.add_response("get_durable_execution", _execution(status, **more), {"DurableExecutionArn": EXECUTION})
    return bed.target.poll(_call("durable"), EXECUTION)


def test_one_that_calls_back_is_handed_its_event_and_left_alone(bed: Bed) -> None:
    bed.stub.add_response("invoke", {"StatusCode": 202}, INVOKE)
    assert bed.target.start(_call("async")) == Pending(handle=RUN, poll_after=SELDOM)
    assert bed.target.poll(_call("async"), RUN) == Pending(handle=RUN, poll_after=SELDOM)
    bed.target.cancel(_call("async"), RUN)
    assert bed.asked == [10], "Lambda takes an event at once, however long its agent works"


def test_a_function_that_lambda_really_has_takes_an_event(ministack_url: str) -> None:
    client = _client(endpoint_url=ministack_url)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("app.py", "def handler(event, context):\n    return 'done'\n")
    arn = client.create_function(
        FunctionName=fresh("async"), Runtime="python3.13", Handler="app.handler", Role="arn:aws:iam::000000000000:role/r",
        Code={"ZipFile": packed.getvalue()},
    )["FunctionArn"]  # fmt: skip
    target = LambdaAgent(lambda _: client, ManualClock())
    assert target.start(_call("async", target=arn)) == Pending(handle=RUN, poll_after=SELDOM)
    gone = target.start(_call("async", target=arn + "-gone"))
    assert isinstance(gone, Done)
    assert (gone.outcome, "a function that there is" in gone.summary) == (Outcome.FAILED, True)


def test_a_durable_one_begins_under_the_runs_name(bed: Bed) -> None:
    bed.stub.add_response("invoke", {"StatusCode": 202, "DurableExecutionArn": EXECUTION}, BEGIN)
    assert bed.target.start(_call("durable")) == Pending(handle=EXECUTION, poll_after=timedelta(seconds=10))
    assert bed.asked == [10]


def test_one_that_began_before_is_ours(bed: Bed) -> None:
    bed.stub.add_client_error("invoke", "DurableExecutionAlreadyStartedException", http_status_code=409)
    begun = bed.target.start(_call("durable"))
    assert isinstance(begun, Pending)
    # Lambda is not asked whether it began: where it is not to be seen yet, it is waited for.
    bed.stub.add_response("list_durable_executions_by_function", _listed(), FIND)
    assert bed.target.poll(_call("durable"), begun.handle) == Pending(handle=begun.handle, poll_after=SELDOM)
    bed.stub.add_response("list_durable_executions_by_function", _listed(RUN), FIND)
    bed.stub.add_response("get_durable_execution", _execution("RUNNING"), {"DurableExecutionArn": EXECUTION})
    bed.clock.advance(minutes=20)
    assert bed.target.poll(_call("durable"), begun.handle) == Pending(handle=EXECUTION, poll_after=timedelta(minutes=2))


def test_one_whose_start_was_not_answered_is_found_by_its_name(bed: Bed) -> None:
    bed.stub.add_response("list_durable_executions_by_function", _listed(f"{RUN}-x") | {"NextMarker": "2"}, FIND)
    bed.stub.add_response("list_durable_executions_by_function", _listed(RUN), FIND | {"Marker": "2"})
    bed.stub.add_response(
        "get_durable_execution", _execution("SUCCEEDED", Result='"ok"'), {"DurableExecutionArn": EXECUTION}
    )
    done = bed.target.poll(_call("durable"), RUN)
    assert isinstance(done, Done)
    assert (done.outcome, done.report) == (Outcome.SUCCEEDED, "ok")


def test_one_that_has_no_execution_yet_may_wait_in_the_queue_of_lambda(bed: Bed) -> None:
    bed.stub.add_response("list_durable_executions_by_function", _listed(), FIND)
    assert bed.target.poll(_call("durable"), RUN) == Pending(handle=RUN, poll_after=timedelta(minutes=5))


@pytest.mark.parametrize(
    ("status", "more", "outcome", "said"),
    [
        ("SUCCEEDED", {"Result": '"all is well"'}, Outcome.SUCCEEDED, "all is well"),
        ("SUCCEEDED", {"Result": "null"}, Outcome.SUCCEEDED, "said nothing"),
        ("SUCCEEDED", {}, Outcome.SUCCEEDED, "said nothing"),
        ("SUCCEEDED", {"Result": '{"outcome": "attention", "summary": "look"}'}, Outcome.ATTENTION, "look"),
        ("SUCCEEDED", {"ExecutionDataIncluded": False}, Outcome.ATTENTION, "left out"),
        ("FAILED", {"Error": {"ErrorType": "KeyError", "ErrorMessage": "x"}}, Outcome.FAILED, "failed with KeyError: x"),
        ("FAILED", {}, Outcome.FAILED, "failed with an error"),
        ("TIMED_OUT", {}, Outcome.TIMED_OUT, "own execution timeout"),
        ("STOPPED", {"Error": {"ErrorMessage": "by ada"}}, Outcome.CANCELLED, "stopped in Lambda. by ada"),
        ("DELETING", {}, Outcome.UNKNOWN, "deleted"),
    ],
)
def test_how_a_durable_one_ends(bed: Bed, status: str, more: dict[str, Any], outcome: Outcome, said: str) -> None:
    done = _polled(bed, status, **more)
    assert isinstance(done, Done)
    assert (done.outcome, said in done.summary) == (outcome, True), done.summary


@pytest.mark.parametrize("status", ["RUNNING", "PAUSING", "PAUSED", "REHEARSING"])
def test_a_durable_one_that_has_not_ended(bed: Bed, status: str) -> None:
    assert _polled(bed, status) == Pending(handle=EXECUTION, poll_after=timedelta(seconds=10))


def test_a_durable_one_that_ended_and_will_call_back(bed: Bed) -> None:
    assert _polled(bed, "SUCCEEDED", Result='{"pending": true}') == Pending(handle=EXECUTION, poll_after=SELDOM)


def test_one_that_failed_brings_its_trace(bed: Bed) -> None:
    done = _polled(bed, "FAILED", Error={"ErrorType": "E", "ErrorMessage": "x", "StackTrace": ["a\n", "b\n"]})
    assert isinstance(done, Done)
    assert done.report == "a\nb\n"


def test_one_that_lambda_knows_no_more_is_unknown(bed: Bed) -> None:
    bed.stub.add_client_error("get_durable_execution", "ResourceNotFoundException", http_status_code=404)
    done = bed.target.poll(_call("durable"), EXECUTION)
    assert isinstance(done, Done)
    assert done.outcome is Outcome.UNKNOWN


@pytest.mark.parametrize(
    ("code", "status"), [("TooManyRequestsException", 429), ("ServiceException", 500), ("AccessDeniedException", 403)]
)
@pytest.mark.parametrize("handle", [RUN, EXECUTION])
def test_a_question_that_is_refused_says_nothing_about_the_run(bed: Bed, code: str, status: int, handle: str) -> None:
    operation = "list_durable_executions_by_function" if handle == RUN else "get_durable_execution"
    bed.stub.add_client_error(operation, code, http_status_code=status)
    with pytest.raises(AgentUncertain, match=code):
        bed.target.poll(_call("durable"), handle)


@pytest.mark.parametrize("mode", ["async", "durable"])
@pytest.mark.parametrize(
    ("code", "status", "said"),
    [
        ("ResourceNotFoundException", 404, "a function that there is"),
        ("AccessDeniedException", 403, "AgentFunctions"),
        ("InvalidRuntimeException", 502, "not started"),
    ],
)
def test_what_surely_did_not_start_failed(bed: Bed, mode: str, code: str, status: int, said: str) -> None:
    bed.stub.add_client_error("invoke", code, http_status_code=status)
    done = bed.target.start(_call(mode))
    assert isinstance(done, Done)
    assert (done.outcome, said in done.summary) == (Outcome.FAILED, True)


@pytest.mark.parametrize(("mode", "told"), [("durable", True), ("async", False)])
def test_a_durable_one_needs_a_version_or_an_alias(bed: Bed, mode: str, told: bool) -> None:
    bed.stub.add_client_error("invoke", "InvalidParameterValueException", http_status_code=400)
    done = bed.target.start(_call(mode, target=FUNCTION))
    assert isinstance(done, Done)
    assert (done.outcome, "by a version or an alias" in done.summary) == (Outcome.FAILED, told)


@pytest.mark.parametrize("mode", ["async", "durable"])
def test_one_that_lambda_has_no_room_for_is_busy(bed: Bed, mode: str) -> None:
    bed.stub.add_client_error("invoke", "TooManyRequestsException", http_status_code=429)
    with pytest.raises(AgentBusy, match="no room"):
        bed.target.start(_call(mode))


@pytest.mark.parametrize("mode", ["async", "durable"])
def test_what_may_have_been_taken_is_unknown(bed: Bed, mode: str) -> None:
    bed.stub.add_client_error("invoke", "ServiceException", http_status_code=500)
    with pytest.raises(AgentUncertain):
        bed.target.start(_call(mode))


@pytest.mark.parametrize("handle", [EXECUTION, RUN])
def test_a_durable_one_is_stopped(bed: Bed, handle: str) -> None:
    if handle == RUN:
        bed.stub.add_response("list_durable_executions_by_function", _listed(RUN), FIND)
    asked = {
        "DurableExecutionArn": EXECUTION, "Error": {"ErrorType": "Stopped", "ErrorMessage": "Followups stopped this run."},
    }  # fmt: skip
    bed.stub.add_response("stop_durable_execution", {"StopTimestamp": datetime(2026, 11, 24, tzinfo=UTC)}, asked)
    bed.target.cancel(_call("durable"), handle)


def test_one_that_was_registered_anew_meanwhile_is_still_asked_for(bed: Bed) -> None:
    bed.stub.add_response("get_durable_execution", _execution("RUNNING"), {"DurableExecutionArn": EXECUTION})
    assert isinstance(bed.target.poll(_call("sync"), EXECUTION), Pending)


def test_a_stop_that_does_not_succeed_is_no_error(bed: Bed) -> None:
    bed.stub.add_client_error("stop_durable_execution", "InvalidParameterValueException", http_status_code=400)
    bed.target.cancel(_call("durable"), EXECUTION)
    bed.stub.add_response("list_durable_executions_by_function", _listed(), FIND)
    bed.target.cancel(_call("durable"), RUN)


class _Silent:
    """A client whose service does not answer."""

    def __getattr__(self, name: str) -> Any:
        def ask(**_: Any) -> Any:
            raise ReadTimeoutError(endpoint_url="https://lambda.invalid")

        return ask


@pytest.mark.parametrize("mode", ["async", "durable"])
def test_silence_says_nothing(mode: str) -> None:
    target = LambdaAgent(lambda _: _Silent(), ManualClock())
    with pytest.raises(AgentUncertain):
        target.start(_call(mode))
    if mode == "durable":
        with pytest.raises(AgentUncertain):
            target.poll(_call(mode), EXECUTION)
        target.cancel(_call(mode), EXECUTION)
