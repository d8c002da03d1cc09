"""Runs of durable functions: found by their name, asked how far they are, and stopped (Lambda API, durable executions)."""

import contextlib
from datetime import datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from followups.adapters.agents.aws import answered, failed, one_line, pending, refusal, silent
from followups.domain.contract import AgentCall, Done, Pending
from followups.domain.errors import AgentUncertain
from followups.domain.status import Outcome
from followups.domain.text import plain

#: Before the run's id: the handle of an execution that Lambda took without saying what it calls it.
_TAKEN = "taken:"
_PART = "/durable-execution/"
_STOP = {"ErrorType": "Stopped", "ErrorMessage": "Followups stopped this run."}


def handle_of(call: AgentCall, arn: str | None) -> str:
    """Takes the ARN of an execution that surely began, if it is known; gives the run's handle."""
    return arn or f"{_TAKEN}{call.run_id}"


def is_handle(handle: str) -> bool:
    """Says whether the handle is one of a durable execution, whatever way its agent is called now."""
    return handle.startswith(_TAKEN) or _PART in handle


def poll(client: Any, call: AgentCall, handle: str, now: datetime) -> Done | Pending:
    """Asks a client of the service `lambda` for the execution. Raises AgentUncertain if there was no answer."""
    try:
        arn = _arn(client, call, handle)
        if arn is None:
            # Also after a start that gave no answer: the event may wait in Lambda's queue still.
            return silent(handle)
        return _state(call, arn, client.get_durable_execution(DurableExecutionArn=arn), now)
    except ClientError as error:
        told = refusal(error)
        if told.code == "ResourceNotFoundException":
            return Done(
                outcome=Outcome.UNKNOWN, summary="Lambda does not know the execution: it, or its function, is gone."
            )
        raise AgentUncertain(f"Lambda answered {told.status} {told.code} about run {call.run_id}: {told.said}") from error
    except BotoCoreError as error:
        raise AgentUncertain(f"no answer from Lambda about run {call.run_id}: {error}") from error


def cancel(client: Any, call: AgentCall, handle: str) -> None:
    """Stops the execution, if it can be found and has not ended."""
    with contextlib.suppress(ClientError, BotoCoreError):
        arn = _arn(client, call, handle)
        if arn is not None:
            client.stop_durable_execution(DurableExecutionArn=arn, Error=_STOP)


def _arn(client: Any, call: AgentCall, handle: str) -> str | None:
    """Gives the execution's ARN. What has none yet is found by its name: the run's id, in whatever version it began."""
    if handle.startswith("arn:"):
        return handle
    function = ":".join(str(call.agent.target).split(":")[:7])
    pages = client.get_paginator("list_durable_executions_by_function").paginate(
        FunctionName=function, DurableExecutionName=call.run_id
    )
    found = (it for page in pages for it in page.get("DurableExecutions", ()))
    return next((str(it["DurableExecutionArn"]) for it in found if it["DurableExecutionName"] == call.run_id), None)


def _state(call: AgentCall, arn: str, about: dict[str, Any], now: datetime) -> Done | Pending:
    status, error = about["Status"], about.get("Error") or {}
    said = one_line(str(error.get("ErrorMessage", "")))
    if status == "SUCCEEDED":
        if about.get("ExecutionDataIncluded") is False:
            summary = "The function is done, but Lambda left out what it returned."
            return Done(outcome=Outcome.ATTENTION, summary=summary)
        return answered(str(about.get("Result") or "null"), arn)
    if status == "FAILED":
        kind = error.get("ErrorType") or "an error"
        return failed(f"The function failed with {kind}: {said}", report=plain("".join(error.get("StackTrace") or ())))
    if status == "TIMED_OUT":
        summary = "The execution was ended at its function's own execution timeout."
        return Done(outcome=Outcome.TIMED_OUT, summary=summary, report=said)
    if status == "STOPPED":
        return Done(outcome=Outcome.CANCELLED, summary=one_line(f"The execution was stopped in Lambda. {said}"))
    if status == "DELETING":
        return Done(outcome=Outcome.UNKNOWN, summary="The execution was deleted in Lambda before its end was seen.")
    # RUNNING, PAUSING, PAUSED, and what there may be some day: it has not ended.
    return pending(call, arn, now)
