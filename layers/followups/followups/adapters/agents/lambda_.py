"""The `lambda` target: a function of the same account, called once and waited for."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ParamValidationError,
)

from followups.domain.contract import REPORT_LIMIT, AgentCall, Done, Pending, read_answer
from followups.domain.errors import AgentUncertain
from followups.domain.status import Outcome
from followups.domain.text import first_line, plain

#: Lambda's own word, as the type of the error, that a function was ended at its timeout.
_TIMED_OUT = "Sandbox.Timedout"
#: Errors with a status of 500 and more that come before any code of the function runs (Lambda API, Invoke, Errors).
_NOT_STARTED = frozenset(
    {
        "EC2AccessDeniedException", "EC2ThrottledException", "EC2UnexpectedException", "EFSIOException",
        "EFSMountConnectivityException", "EFSMountFailureException", "EFSMountTimeoutException",
        "ENILimitReachedException", "InvalidRuntimeException", "InvalidSecurityGroupIDException",
        "InvalidSubnetIDException", "InvalidZipFileException", "KMSAccessDeniedException", "KMSDisabledException",
        "KMSInvalidStateException", "KMSNotFoundException", "ResourceNotReadyException",
        "SnapStartException", "SnapStartNotReadyException", "SnapStartTimeoutException",
        "SubnetIPAddressLimitReachedException",
    }
)  # fmt: skip


class LambdaAgent:
    """Calls a function with the task as its event, and takes what it returns as the answer.

    `connect` gives a client of the service `lambda` that waits that many whole seconds for an answer and asks once: an
    agent that is asked twice has run twice. What is unknown after a broken line stays unknown until the lease ends.
    `keep` takes a run's id and an output that is longer than a report may be, and gives where it lies, or None.
    """

    def __init__(self, connect: Callable[[int], Any], *, keep: Callable[[str, str], str | None]) -> None:
        self._connect = connect
        self._keep = keep

    def start(self, call: AgentCall) -> Done:
        """Runs the function to its end or the deadline. Raises AgentUncertain if it may have run, or may run on."""
        event = call.request | {"run_token": call.token}
        try:
            answer = self._connect(max(1, math.floor(call.seconds))).invoke(
                FunctionName=call.agent.target, InvocationType="RequestResponse", Payload=json.dumps(event).encode()
            )
            returned = answer["Payload"].read()
        except ClientError as error:
            return _refused(call, error)
        except (ConnectTimeoutError, EndpointConnectionError, NoCredentialsError, ParamValidationError) as error:
            return _failed(f"The function could not be called: {error}")
        except BotoCoreError as error:
            raise AgentUncertain(f"no answer from {call.agent.target}: {error}") from error
        text = returned.decode("utf-8", "replace")
        done = _done(text, answer.get("FunctionError"))
        return done if len(returned) <= REPORT_LIMIT else replace(done, output_ref=self._keep(call.run_id, text))

    def poll(self, call: AgentCall, handle: str) -> Done | Pending:
        """Is never needed: the function has ended when `start` returns."""
        raise AgentUncertain(f"run {call.run_id} is no pending one ({handle})")

    def cancel(self, call: AgentCall, handle: str) -> None:
        """Has nothing to stop: the function has ended when `start` returns."""


def _done(text: str, error: str | None) -> Done:
    value = _json(text)
    if error is None:
        # A function that returns text returns it as a JSON string, and one that returns nothing returns null.
        return read_answer(value if isinstance(value, str) else "" if value is None and text.strip() == "null" else text)
    about = value if isinstance(value, dict) else {}
    kind, said = str(about.get("errorType") or error), first_line(plain(str(about.get("errorMessage") or text)))
    if kind == _TIMED_OUT:
        return Done(outcome=Outcome.TIMED_OUT, summary=f"The function was ended at its own timeout: {said}"[:200])
    return _failed(f"The function failed with {kind}: {said}", report=plain(_trace(about)))


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _trace(about: dict[str, Any]) -> str:
    lines = about.get("stackTrace")
    return "".join(map(str, lines)) if isinstance(lines, list) else ""


def _refused(call: AgentCall, error: ClientError) -> Done:
    code = str(error.response.get("Error", {}).get("Code", ""))
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    said = str(error.response.get("Error", {}).get("Message", ""))
    if status >= 500 and code not in _NOT_STARTED:
        raise AgentUncertain(f"Lambda answered {status} {code} for {call.agent.target}: {said}") from error
    hint = {
        "AccessDeniedException": " The runner may call functions that are tagged or listed for it: see AgentFunctions.",
        "ResourceNotFoundException": " Register the agent again with a function that there is.",
    }.get(code, "")
    return _failed(f"The function was not started: {code}.{hint}", report=plain(said))


def _failed(summary: str, *, report: str = "") -> Done:
    return read_answer(report, failed=summary)
