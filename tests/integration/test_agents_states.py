"""The states target: against ministack's Step Functions, and what the real one refuses, from a stub."""

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import EndpointConnectionError, ReadTimeoutError
from botocore.stub import Stubber

from followups.adapters.agents.states import StatesAgent
from followups.domain.contract import AgentCall, Done, Pending
from followups.domain.errors import AgentBusy, AgentUncertain
from followups.domain.status import Outcome
from tests.support.calls import agent_call
from tests.support.clock import START, ManualClock
from tests.support.things import fresh

REGION = "eu-central-1"
MACHINE = f"arn:aws:states:{REGION}:123456789012:stateMachine:check-backup"
RUN = agent_call([]).run_id
EXECUTION = f"arn:aws:states:{REGION}:123456789012:execution:check-backup:{RUN}"
EXPRESS = f"arn:aws:states:{REGION}:123456789012:express:check-backup:{RUN}:7f3c"
INPUT = json.dumps(agent_call([]).request | {"run_token": "token"})
START_ASKED = {"stateMachineArn": f"{MACHINE}:live", "name": RUN, "input": INPUT}
MACHINE_ASKED = {"stateMachineArn": MACHINE, "includedData": "METADATA_ONLY"}
SELDOM = timedelta(minutes=5)


def _client(**more: Any) -> Any:
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": REGION}
    return boto3.client("stepfunctions", config=Config(retries={"total_max_attempts": 1}), **keys, **more)


def _call(target: str = f"{MACHINE}:live") -> AgentCall:
    call = agent_call([], seconds=600)
    return replace(call, agent=replace(call.agent, kind="states", target=target))


class Machines:
    """State machines on ministack."""

    def __init__(self, url: str) -> None:
        self.client = _client(endpoint_url=url)
        self.target = StatesAgent(self.client, ManualClock())

    def make(self, **state: Any) -> AgentCall:
        """Makes a machine of one state; gives a call of it."""
        only = state if state["Type"] == "Fail" else state | {"End": True}
        definition = json.dumps({"StartAt": "Only", "States": {"Only": only}})
        made = self.client.create_state_machine(
            name=fresh("machine"), definition=definition, roleArn="arn:aws:iam::0:role/r"
        )
        return _call(made["stateMachineArn"])

    def end(self, call: AgentCall, handle: str) -> Done:
        until = time.monotonic() + 20
        while isinstance(answer := self.target.poll(call, handle), Pending):
            assert time.monotonic() < until
            time.sleep(0.02)
        return answer


@pytest.fixture
def machines(ministack_url: str) -> Machines:
    return Machines(ministack_url)


def test_one_is_started_and_asked_until_it_has_ended(machines: Machines) -> None:
    call = machines.make(Type="Pass")
    started = machines.target.start(call)
    assert isinstance(started, Pending)
    done = machines.end(call, started.handle)
    # What it was given is what it passes on: the contract's request, with the run's token.
    assert (done.outcome, json.loads(done.report)) == (Outcome.SUCCEEDED, call.request | {"run_token": "token"})


def test_one_that_is_started_twice_runs_once(machines: Machines) -> None:
    call = machines.make(Type="Pass", Result="all is well")
    first, second = machines.target.start(call), machines.target.start(call)
    assert first == second
    assert len(machines.client.list_executions(stateMachineArn=call.agent.target)["executions"]) == 1
    # The answer to its start was lost: it is found by the run's id.
    assert machines.end(call, RUN).report == "all is well"


def test_one_that_fails(machines: Machines) -> None:
    call = machines.make(Type="Fail", Error="Backup.Missing", Cause="there is none")
    machines.target.start(call)
    done = machines.end(call, RUN)
    assert (done.outcome, done.report) == (Outcome.FAILED, "there is none")
    assert done.summary == "The execution failed with Backup.Missing: there is none"


def test_one_that_waits_is_stopped(machines: Machines) -> None:
    call = machines.make(Type="Wait", Seconds=300)
    started = machines.target.start(call)
    assert isinstance(started, Pending)
    assert machines.target.poll(call, started.handle) == started
    machines.target.cancel(call, RUN)
    assert machines.end(call, started.handle).outcome is Outcome.CANCELLED
    machines.target.cancel(call, started.handle)


def test_a_machine_that_is_not_there(machines: Machines) -> None:
    done = machines.target.start(_call())
    assert isinstance(done, Done)
    assert (done.outcome, "a state machine that there is" in done.summary) == (Outcome.FAILED, True)


def test_one_that_was_not_started(machines: Machines) -> None:
    call = machines.make(Type="Pass")
    with pytest.raises(AgentBusy, match="never started"):
        machines.target.poll(call, RUN)
    machines.target.cancel(call, RUN)


class Bed:
    """A target whose client gives what the stub is told to."""

    def __init__(self) -> None:
        client = _client()
        self.clock = ManualClock()
        self.stub = Stubber(client)
        self.target = StatesAgent(client, self.clock)


@pytest.fixture
def bed() -> Iterator[Bed]:
    it = Bed()
    with it.stub:
        yield it
        it.stub.assert_no_pending_responses()


def _polled(bed: Bed, status: str, **more: Any) -> Done | Pending:
    about = {"executionArn": EXECUTION, "stateMachineArn": MACHINE, "status": status, "startDate": START} | more
    bed.stub.add_response("describe_execution", about, {"executionArn": EXECUTION})
    return bed.target.poll(_call(), EXECUTION)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("StateMachineDoesNotExist", "a state machine that there is"),
        ("StateMachineDeleting", "a state machine that there is"),
        ("InvalidArn", "a state machine that there is"),
        ("AccessDeniedException", "see AgentStateMachines"),
        ("InvalidExecutionInput", "256 KB"),
        ("KmsAccessDeniedException", "kms:Decrypt"),
        ("KmsInvalidStateException", "disabled or deleted"),
        ("ValidationException", "ValidationException"),
    ],
)
def test_what_surely_did_not_start_failed(bed: Bed, code: str, said: str) -> None:
    bed.stub.add_client_error("start_execution", code, "no", http_status_code=400)
    done = bed.target.start(_call())
    assert isinstance(done, Done)
    assert (done.outcome, done.report, said in done.summary) == (Outcome.FAILED, "no", True)


@pytest.mark.parametrize(
    "code", ["ThrottlingException", "TooManyRequestsException", "ExecutionLimitExceeded", "KmsThrottlingException"]
)
def test_one_that_there_is_no_room_for_is_busy(bed: Bed, code: str) -> None:
    bed.stub.add_client_error("start_execution", code, http_status_code=400)
    with pytest.raises(AgentBusy, match=f"no room .*: {code}"):
        bed.target.start(_call())


@pytest.mark.parametrize("status", [500, 503])
def test_what_may_have_started_is_unknown(bed: Bed, status: int) -> None:
    bed.stub.add_client_error("start_execution", "ServiceUnavailable", http_status_code=status)
    with pytest.raises(AgentUncertain, match="ServiceUnavailable"):
        bed.target.start(_call())


def test_one_that_started_before_is_ours(bed: Bed) -> None:
    bed.stub.add_client_error(
        "start_execution", "ExecutionAlreadyExists", expected_params=START_ASKED, http_status_code=400
    )
    assert bed.target.start(_call()) == Pending(handle=EXECUTION, poll_after=timedelta(seconds=10))


def test_one_of_an_express_machine_cannot_be_asked(bed: Bed) -> None:
    bed.stub.add_response("start_execution", {"executionArn": EXPRESS, "startDate": START}, START_ASKED)
    assert bed.target.start(_call()) == Pending(handle=EXPRESS, poll_after=SELDOM)
    assert bed.target.poll(_call(), EXPRESS) == Pending(handle=EXPRESS, poll_after=SELDOM)
    bed.target.cancel(_call(), EXPRESS)


@pytest.mark.parametrize("kind", ["EXPRESS", "STANDARD"])
def test_one_of_an_express_machine_may_have_started_though_it_is_not_found(bed: Bed, kind: str) -> None:
    bed.stub.add_client_error("describe_execution", "ExecutionDoesNotExist", expected_params={"executionArn": EXECUTION})
    machine = {"stateMachineArn": MACHINE, "name": "check-backup", "definition": "{}", "roleArn": "r", "type": kind}
    bed.stub.add_response("describe_state_machine", machine | {"creationDate": START}, MACHINE_ASKED)
    if kind == "EXPRESS":
        assert bed.target.poll(_call(), RUN) == Pending(handle=RUN, poll_after=SELDOM)
    else:
        with pytest.raises(AgentBusy, match="never started"):
            bed.target.poll(_call(), RUN)


@pytest.mark.parametrize(("code", "known"), [("StateMachineDoesNotExist", True), ("AccessDeniedException", False)])
def test_one_that_is_not_found_and_whose_machine_is_not_either(bed: Bed, code: str, known: bool) -> None:
    bed.stub.add_client_error("describe_execution", "ExecutionDoesNotExist")
    bed.stub.add_client_error("describe_state_machine", code)
    if known:
        done = bed.target.poll(_call(), RUN)
        assert isinstance(done, Done)
        assert (done.outcome, "is gone" in done.summary) == (Outcome.FAILED, True)
    else:
        with pytest.raises(AgentUncertain, match=code):
            bed.target.poll(_call(), RUN)


def test_one_that_was_there_and_is_gone(bed: Bed) -> None:
    bed.stub.add_client_error("describe_execution", "ExecutionDoesNotExist")
    done = bed.target.poll(_call(), EXECUTION)
    assert isinstance(done, Done)
    assert (done.outcome, "does not know" in done.summary) == (Outcome.UNKNOWN, True)


@pytest.mark.parametrize(
    ("status", "more", "outcome", "said"),
    [
        ("SUCCEEDED", {"output": '"all is well"'}, Outcome.SUCCEEDED, "all is well"),
        ("SUCCEEDED", {"output": "null"}, Outcome.SUCCEEDED, "said nothing"),
        ("SUCCEEDED", {}, Outcome.SUCCEEDED, "said nothing"),
        ("SUCCEEDED", {"output": '{"outcome": "failed", "summary": "no"}'}, Outcome.FAILED, "no"),
        ("SUCCEEDED", {"output": json.dumps('{"outcome": "attention", "summary": "look"}')}, Outcome.ATTENTION, "look"),
        ("SUCCEEDED", {"outputDetails": {"included": False}}, Outcome.ATTENTION, "left out what it returned"),
        ("FAILED", {}, Outcome.FAILED, "failed with no error named"),
        ("FAILED", {"error": "E", "cause": '{"errorMessage": "boom", "errorType": "E"}'}, Outcome.FAILED, "with E: boom"),
        ("TIMED_OUT", {}, Outcome.TIMED_OUT, "own timeout"),
        ("ABORTED", {"cause": "by ada"}, Outcome.CANCELLED, "stopped in Step Functions. by ada"),
    ],
)
def test_how_one_ends(bed: Bed, status: str, more: dict[str, Any], outcome: Outcome, said: str) -> None:
    done = _polled(bed, status, **more)
    assert isinstance(done, Done)
    assert (done.outcome, said in done.summary) == (outcome, True), done.summary


@pytest.mark.parametrize("status", ["RUNNING", "PENDING_REDRIVE", "REHEARSING"])
def test_one_that_has_not_ended_is_asked_ever_more_seldom(bed: Bed, status: str) -> None:
    bed.clock.advance(minutes=20)
    assert _polled(bed, status) == Pending(handle=EXECUTION, poll_after=timedelta(minutes=2))


def test_one_that_ended_and_will_call_back(bed: Bed) -> None:
    assert _polled(bed, "SUCCEEDED", output='{"pending": true}') == Pending(handle=EXECUTION, poll_after=SELDOM)


@pytest.mark.parametrize(
    ("code", "status"), [("ThrottlingException", 400), ("InternalFailure", 500), ("AccessDeniedException", 400)]
)
def test_a_question_that_is_refused_says_nothing_about_the_run(bed: Bed, code: str, status: int) -> None:
    bed.stub.add_client_error("describe_execution", code, http_status_code=status)
    with pytest.raises(AgentUncertain, match=code):
        bed.target.poll(_call(), EXECUTION)


class _Broken:
    """A client whose service cannot be reached, or does not answer."""

    def __init__(self, error: Exception) -> None:
        self._error = error
        self.exceptions = _client().exceptions

    def __getattr__(self, name: str) -> Any:
        def ask(**_: Any) -> Any:
            raise self._error

        return ask


def test_silence_says_nothing() -> None:
    target = StatesAgent(_Broken(ReadTimeoutError(endpoint_url="https://states.invalid")), ManualClock())
    with pytest.raises(AgentUncertain):
        target.start(_call())
    with pytest.raises(AgentUncertain):
        target.poll(_call(), EXECUTION)
    target.cancel(_call(), EXECUTION)


def test_what_cannot_be_reached_was_not_started() -> None:
    target = StatesAgent(_Broken(EndpointConnectionError(endpoint_url="https://states.invalid")), ManualClock())
    done = target.start(_call())
    assert isinstance(done, Done)
    assert (done.outcome, "could not be started" in done.summary) == (Outcome.FAILED, True)
