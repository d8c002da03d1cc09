"""The `lambda` target: a function of the same account. It is called once, and waited for, or calls back, or is durable."""

import json
import math
from collections.abc import Callable
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from followups.adapters.agents import durable
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
    unawaited,
)
from followups.domain.contract import SUMMARY_LIMIT, AgentCall, Done, Pending
from followups.domain.errors import AgentBusy, AgentUncertain
from followups.domain.status import Outcome
from followups.domain.text import plain
from followups.ports import Clock

#: Lambda's own word, as the type of the error, that a function was ended at its timeout.
_TIMED_OUT = "Sandbox.Timedout"
#: Types of errors of a function that was broken off, or whose result is lost, after its code may have acted.
_MAY_HAVE_ACTED = frozenset(
    {"Function.ResponseSizeTooLarge", "Runtime.ExitError", "Runtime.MarshalError", "Runtime.OutOfMemory"}
)
#: Errors with a status of 500 and more that come before any code of the function runs (Lambda API, Invoke, Errors).
_NOT_STARTED = frozenset(
    {
        "EC2AccessDeniedException", "EC2UnexpectedException", "EFSIOException",
        "EFSMountConnectivityException", "EFSMountFailureException", "EFSMountTimeoutException",
        "ENILimitReachedException", "ENINotReadyException", "InvalidRuntimeException",
        "InvalidSecurityGroupIDException", "InvalidSubnetIDException", "InvalidZipFileException",
        "KMSAccessDeniedException", "KMSDisabledException", "KMSInvalidStateException", "KMSNotFoundException",
        "ResourceNotReadyException", "SnapStartException", "SnapStartNotReadyException", "SnapStartTimeoutException",
        "SubnetIPAddressLimitReachedException",
    }
)  # fmt: skip
#: Lambda returns 6 MB at most from a call that is waited for (Lambda quotas).
_ANSWER_LIMIT = 7 * 1024 * 1024
#: Longest wait for Lambda's own word, in seconds, where the function is not waited for.
_ASK_S = 10


class LambdaAgent:
    """Calls a function with the task as its event.

    By the agent's mode it is waited for (`sync`), or only handed the event, and calls back (`async`), or is a durable
    function, which is handed the event and then asked how far it is (`durable`). Lambda itself gives an event to a function
    that failed twice more, unless the function's own MaximumRetryAttempts is 0: that is its owner's to set.

    `connect` gives a client of the service `lambda` that waits that many whole seconds for an answer and asks once: an
    agent that is asked twice has run twice. What is unknown after a broken line stays unknown until the lease ends.
    """

    def __init__(self, connect: Callable[[int], Any], clock: Clock) -> None:
        self._connect = connect
        self._clock = clock

    def start(self, call: AgentCall) -> Done | Pending:
        """Runs the function to its end or the deadline, or hands the event to it. Raises AgentUncertain if it may have run,
        or may run on, AgentBusy if Lambda has no room for it."""
        try:
            if call.agent.mode == "durable":
                return self._begin(call)
            return self._hand_over(call) if call.agent.mode == "async" else self._wait_for(call)
        except ClientError as error:
            told = refusal(error)
            if told.code == "DurableExecutionAlreadyStartedException":
                # Nobody else has this run's id: an earlier call of ours came through.
                return pending(call, durable.handle_of(call, None), self._clock.now())
            return _refused(call, told, error)
        except NOT_CALLED as error:
            return failed(f"The function could not be called: {error}")
        except BotoCoreError as error:
            raise AgentUncertain(f"no answer from {call.agent.target}: {error}") from error

    def poll(self, call: AgentCall, handle: str) -> Done | Pending:
        """Asks for a durable run. Another cannot be asked for: it goes on until it calls back, or its deadline. Raises
        AgentUncertain if there was no answer."""
        if _is_durable(call, handle):
            return durable.poll(self._asking(call), call, handle, self._clock.now())
        return silent(handle)

    def cancel(self, call: AgentCall, handle: str) -> None:
        """Stops a durable run. Nobody can stop another from outside."""
        if _is_durable(call, handle):
            durable.cancel(self._asking(call), call, handle)

    def _wait_for(self, call: AgentCall) -> Done | Pending:
        answer = self._connect(max(1, math.floor(call.seconds))).invoke(
            FunctionName=call.agent.target, InvocationType="RequestResponse", Payload=_event(call)
        )
        returned = _whole(answer["Payload"]).decode("utf-8", "replace")
        error = answer.get("FunctionError")
        if error is not None:
            return _broken(returned, error)
        done = answered(returned, call.run_id)
        return done if isinstance(done, Done) else unawaited("register it with the mode async or durable.")

    def _hand_over(self, call: AgentCall) -> Pending:
        self._asking(call).invoke(FunctionName=call.agent.target, InvocationType="Event", Payload=_event(call))
        return silent(call.run_id)

    def _begin(self, call: AgentCall) -> Pending:
        answer = self._asking(call).invoke(
            FunctionName=call.agent.target, InvocationType="Event", DurableExecutionName=call.run_id, Payload=_event(call)
        )
        return pending(call, durable.handle_of(call, answer.get("DurableExecutionArn")), self._clock.now())

    def _asking(self, call: AgentCall) -> Any:
        return self._connect(max(1, min(_ASK_S, math.floor(call.seconds))))


def _is_durable(call: AgentCall, handle: str) -> bool:
    return call.agent.mode == "durable" or durable.is_handle(handle)


def _event(call: AgentCall) -> bytes:
    return json.dumps(call.request | {"run_token": call.token}).encode()


def _whole(body: Any) -> bytes:
    """Reads an answer to its end, up to the limit. Raises as botocore does for one that is cut off, which it sees only when
    it is asked for more than there is."""
    pieces, left = [], _ANSWER_LIMIT
    while left > 0 and (piece := body.read(left)):
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces)


def _broken(text: str, error: str) -> Done:
    value = parsed(text)
    about = value if isinstance(value, dict) else {}
    kind, said = str(about.get("errorType") or error), one_line(str(about.get("errorMessage") or text))
    if kind == _TIMED_OUT:
        return Done(outcome=Outcome.TIMED_OUT, summary=f"The function was ended at its own timeout: {said}"[:SUMMARY_LIMIT])
    if kind in _MAY_HAVE_ACTED:
        # It did not say itself that it failed.
        summary = f"The function broke off with {kind}: {said}"
        return Done(outcome=Outcome.UNKNOWN, summary=summary[:SUMMARY_LIMIT], report=plain(_trace(about)))
    return failed(f"The function failed with {kind}: {said}", report=plain(_trace(about)))


def _trace(about: dict[str, Any]) -> str:
    lines = about.get("stackTrace")
    return "".join(map(str, lines)) if isinstance(lines, list) else ""


def _refused(call: AgentCall, told: Refusal, error: ClientError) -> Done:
    if told.throttled:
        # Which of Lambda's limits it is stands beside the code.
        limit = error.response.get("Reason") or told.code
        raise AgentBusy(f"Lambda has no room for the function now: {limit}", told.retry_after) from error
    if told.status >= 500 and told.code not in _NOT_STARTED:
        raise AgentUncertain(f"Lambda answered {told.status} {told.code} for {call.agent.target}: {told.said}") from error
    return failed(f"The function was not started: {told.code}.{_hint(call, told.code)}", report=plain(told.said))


def _hint(call: AgentCall, code: str) -> str:
    if call.agent.mode == "durable" and code == "InvalidParameterValueException":
        return (
            " A durable function is called by a version or an alias: register its ARN with one, like …:function:name:live."
        )
    return {
        "AccessDeniedException": " The runner may call functions that are tagged or listed for it: see AgentFunctions.",
        "ResourceNotFoundException": " Register the agent again with a function that there is.",
    }.get(code, "")
