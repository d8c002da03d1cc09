"""The `states` target: a state machine of AWS Step Functions, started once by name, and asked until it has ended."""

import contextlib
import json
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from followups.adapters.agents.aws import (
    NOT_CALLED,
    Refusal,
    answered,
    failed,
    one_line,
    parsed,
    pending,
    refusal,
    silent,
)
from followups.domain.contract import AgentCall, Done, Pending
from followups.domain.errors import AgentBusy, AgentUncertain
from followups.domain.status import Outcome
from followups.domain.text import plain
from followups.ports import Clock

#: What Step Functions says when there is no room, besides what all of AWS says.
_NO_ROOM = frozenset({"ExecutionLimitExceeded", "KmsThrottlingException"})
_REGISTER = " Register the agent again with a state machine that there is."
_HINTS = {
    "AccessDeniedException": " The runner may start what is tagged or listed for it: see AgentStateMachines.",
    "InvalidArn": _REGISTER,
    "InvalidExecutionInput": " A state machine takes 256 KB at most.",
    "KmsAccessDeniedException": " The runner needs kms:Decrypt and kms:GenerateDataKey for the state machine's key.",
    "KmsInvalidStateException": " Look at the state machine's key in KMS: it is disabled or deleted.",
    "StateMachineDeleting": _REGISTER,
    "StateMachineDoesNotExist": _REGISTER,
}


class StatesAgent:
    """Starts an execution with the task as its input and the run's id as its name, of which a machine has one at most.

    `client` is one of the service `stepfunctions` that asks once and waits a few seconds. An execution of an express
    machine cannot be asked for: it goes on until it calls back, or its deadline.
    """

    def __init__(self, client: Any, clock: Clock) -> None:
        self._client = client
        self._clock = clock

    def start(self, call: AgentCall) -> Pending | Done:
        """Starts the execution. Raises AgentUncertain if it may have started, AgentBusy if there is no room for it."""
        given = json.dumps(call.request | {"run_token": call.token})
        try:
            arn = self._client.start_execution(stateMachineArn=call.agent.target, name=call.run_id, input=given)[
                "executionArn"
            ]
        except ClientError as error:
            told = refusal(error)
            if told.code == "ExecutionAlreadyExists":
                # Nobody else has this run's id: an earlier call of ours came through.
                return pending(call, _execution_arn(call), self._clock.now())
            return _refused(call, told, error)
        except NOT_CALLED as error:
            return failed(f"The state machine could not be started: {error}")
        except BotoCoreError as error:
            raise AgentUncertain(f"no answer from Step Functions about {call.agent.target}: {error}") from error
        return silent(arn) if _is_express(arn) else pending(call, arn, self._clock.now())

    def poll(self, call: AgentCall, handle: str) -> Done | Pending:
        """Asks how far the execution is. Raises AgentUncertain if there was no answer, AgentBusy if it surely never
        started."""
        if _is_express(handle):
            return silent(handle)
        arn = _execution_arn(call) if handle == call.run_id else handle
        try:
            try:
                about = self._client.describe_execution(executionArn=arn)
            except self._client.exceptions.ExecutionDoesNotExist:
                return self._gone(call, handle)
        except ClientError as error:
            told = refusal(error)
            why = f"Step Functions answered {told.status} {told.code} about run {call.run_id}: {told.said}"
            raise AgentUncertain(why) from error
        except BotoCoreError as error:
            raise AgentUncertain(f"no answer from Step Functions about run {call.run_id}: {error}") from error
        return self._state(call, arn, about)

    def cancel(self, call: AgentCall, handle: str) -> None:
        """Stops the execution, if it has not ended. Nobody can stop one of an express machine."""
        if _is_express(handle):
            return
        with contextlib.suppress(ClientError, BotoCoreError):
            self._client.stop_execution(executionArn=_execution_arn(call) if handle == call.run_id else handle)

    def _gone(self, call: AgentCall, handle: str) -> Done | Pending:
        """Says what it means that no execution has this name. Raises as boto3 does, and AgentBusy."""
        if handle != call.run_id:
            why = "Step Functions does not know the execution: its state machine was deleted before its end was seen."
            return Done(outcome=Outcome.UNKNOWN, summary=why)
        try:
            machine = self._client.describe_state_machine(stateMachineArn=_machine_arn(call), includedData="METADATA_ONLY")
        except self._client.exceptions.StateMachineDoesNotExist:
            return failed(f"The state machine is gone.{_REGISTER}")
        if machine["type"] == "EXPRESS":
            # Its executions are never found by their name: whether there is one, it will say itself.
            return silent(handle)
        raise AgentBusy("the state machine has no execution of this run: it never started")

    def _state(self, call: AgentCall, arn: str, about: dict[str, Any]) -> Done | Pending:
        status, cause = about["status"], str(about.get("cause") or "")
        if status == "SUCCEEDED":
            if about.get("output") is None and not about.get("outputDetails", {}).get("included", True):
                summary = "The execution succeeded, but Step Functions left out what it returned."
                return Done(outcome=Outcome.ATTENTION, summary=summary)
            return answered(str(about.get("output") or "null"), arn)
        if status == "FAILED":
            why = f"The execution failed with {about.get('error') or 'no error named'}: {_cause(cause)}"
            return failed(why.rstrip(": "), report=plain(cause))
        if status == "TIMED_OUT":
            summary = "The execution was ended at its state machine's own timeout."
            return Done(outcome=Outcome.TIMED_OUT, summary=summary, report=plain(cause))
        if status == "ABORTED":
            summary = one_line(f"The execution was stopped in Step Functions. {_cause(cause)}")
            return Done(outcome=Outcome.CANCELLED, summary=summary)
        # RUNNING, PENDING_REDRIVE, and what there may be some day: it has not ended.
        return pending(call, arn, self._clock.now())


def _is_express(arn: str) -> bool:
    return arn.split(":")[5:6] == ["express"]


def _machine_arn(call: AgentCall) -> str:
    """Gives the machine's ARN without an alias or version."""
    return ":".join(str(call.agent.target).split(":")[:7])


def _execution_arn(call: AgentCall) -> str:
    return f"{_machine_arn(call).replace(':stateMachine:', ':execution:', 1)}:{call.run_id}"


def _cause(cause: str) -> str:
    """Gives a cause in one line. That of a Lambda task is the function's error, as JSON."""
    value = parsed(cause)
    said = value.get("errorMessage") if isinstance(value, dict) else None
    return one_line(str(said or cause))


def _refused(call: AgentCall, told: Refusal, error: ClientError) -> Done:
    if told.throttled or told.code in _NO_ROOM:
        raise AgentBusy(f"Step Functions has no room for the execution now: {told.code}", told.retry_after) from error
    if told.status >= 500:
        why = f"Step Functions answered {told.status} {told.code} for {call.agent.target}: {told.said}"
        raise AgentUncertain(why) from error
    return failed(f"The state machine was not started: {told.code}.{_HINTS.get(told.code, '')}", report=plain(told.said))
