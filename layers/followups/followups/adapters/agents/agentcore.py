"""The `agentcore` target: an agent on Amazon Bedrock AgentCore, in a runtime or a harness, called once and listened to."""

import contextlib
import json
import math
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

from botocore.eventstream import ParserError
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ParamValidationError,
)
from botocore.response import URLLib3ProtocolError, URLLib3ReadTimeoutError

from followups.adapters.agents.agentcore_answers import Said, of_harness, of_runtime
from followups.adapters.agents.aws import unawaited
from followups.adapters.agents.within import within
from followups.domain.contract import AgentCall, Done, Pending, goes_on, read_answer
from followups.domain.errors import AgentBusy, AgentUncertain
from followups.domain.text import first_line, plain

#: Between two looks at a run that calls back: AgentCore has no call that asks for one.
_REST = timedelta(minutes=5)
_CHUNK = 16 * 1024
#: Out of event streams and the bodies of refusals, botocore lets the errors of its transport through as they are.
_BROKEN = (URLLib3ProtocolError, URLLib3ReadTimeoutError)
_CANCEL_S = 10
_ENDPOINT = "/runtime-endpoint/"
#: Not started, and may be later.
_BUSY = frozenset({"ThrottlingException", "ServiceQuotaExceededException", "RetryableConflictException"})
_HINTS = {
    "AccessDeniedException": " The runner may call what is tagged or listed for it: see AgentRuntimes.",
    "UnauthorizedException": " It asks for OAuth tokens, and is called with AWS credentials.",
    "ResourceNotFoundException": " Register the agent again with an ARN that there is.",
    "ValidationException": " Look at its ARN and at what it takes.",
}
_VERDICT = (
    "The task is done when this is so: {}\nSay whether it is, in the answer's JSON object: "
    '"verdict": "met", "not_met" or "cannot_tell", and "evidence": what you go by.'
)
_HOW_TO_ANSWER = (
    "Do the task now; nobody is there to answer questions. Then answer with the report as plain text or, better, with one "
    'JSON object and nothing else: {"outcome": "succeeded", "attention" or "failed", "summary": one line, '
    '"report_md": the report in Markdown}. The request in full, as JSON:'
)


class AgentCoreAgent:
    """Calls a runtime with the task as its payload, or a harness with the task as a message, and takes the answer.

    `connect` gives a client of the service `bedrock-agentcore` that waits that many whole seconds for each answer and asks
    once: the session's id is affinity, no promise that a second call does nothing.
    """

    def __init__(self, connect: Callable[[int], Any]) -> None:
        self._connect = connect

    def start(self, call: AgentCall) -> Done | Pending:
        """Listens to the agent to its end, for the time that the call may take. Raises AgentUncertain if it may have run,
        or may run on, AgentBusy if AgentCore has no room for it."""
        said = within(call.seconds, lambda over: self._ask(call, over), name=f"call of {call.agent.target}")
        if isinstance(said, Done):
            return said
        if said.failed is not None or not goes_on(said.text):
            return said.done()
        if call.agent.mode == "async":
            return Pending(handle=call.run_id, poll_after=_REST)
        return unawaited("register it with the mode async.")

    def poll(self, call: AgentCall, handle: str) -> Done | Pending:
        """Waits on for an agent that calls back; it cannot be asked. Any other has ended when `start` returns."""
        if call.agent.mode == "async":
            return Pending(handle=handle, poll_after=_REST)
        raise AgentUncertain(f"run {call.run_id} is no pending one ({handle})")

    def cancel(self, call: AgentCall, handle: str) -> None:  # noqa: ARG002 - the session has the run's own name
        """Ends the runtime's session, and what runs in it. There is no such call for a harness."""
        if _is_harness(call):
            return
        with contextlib.suppress(ClientError, BotoCoreError, *_BROKEN):
            self._connect(_CANCEL_S).stop_runtime_session(runtimeSessionId=call.run_id, **_runtime(call))

    def _ask(self, call: AgentCall, over: Callable[[], bool]) -> Said | Done:
        client = self._connect(max(1, math.floor(call.seconds)))
        try:
            if _is_harness(call):
                answer = client.invoke_harness(
                    harnessArn=call.agent.target, runtimeSessionId=call.run_id,
                    messages=[{"role": "user", "content": [{"text": _message(call)}]}],
                )  # fmt: skip
            else:
                answer = client.invoke_agent_runtime(
                    runtimeSessionId=call.run_id, contentType="application/json", accept="application/json",
                    payload=json.dumps(call.request | {"run_token": call.token}).encode(), **_runtime(call),
                )  # fmt: skip
        except ClientError as error:
            return _refused(call, error)
        except (ConnectTimeoutError, EndpointConnectionError, NoCredentialsError, ParamValidationError) as error:
            return _failed(f"The agent could not be called: {error}")
        except (BotoCoreError, *_BROKEN) as error:
            raise AgentUncertain(f"no answer from {call.agent.target}: {error}") from error
        return _listen(call, answer, over)


def _listen(call: AgentCall, answer: dict[str, Any], over: Callable[[], bool]) -> Said:
    """Gives what the answer's stream says. Raises AgentUncertain if it breaks: the agent has begun."""
    stream = answer["stream" if _is_harness(call) else "response"]
    try:
        with contextlib.closing(stream):
            if _is_harness(call):
                return of_harness(_until(over, iter(stream)))
            return of_runtime(_until(over, stream.iter_chunks(_CHUNK)), str(answer.get("contentType") or ""))
    except (BotoCoreError, *_BROKEN, ParserError, ValueError) as error:
        # ValueError: what is no UTF-8 in a frame of events.
        raise AgentUncertain(f"the answer of {call.agent.target} broke off: {error}") from error


def _until(over: Callable[[], bool], pieces: Iterator[Any]) -> Iterator[Any]:
    for piece in pieces:
        if over():
            raise AgentUncertain("nobody waits for this answer any more")
        yield piece


def _is_harness(call: AgentCall) -> bool:
    return ":harness/" in (call.agent.target or "")


def _runtime(call: AgentCall) -> dict[str, str]:
    """Gives the members that name the runtime, and the endpoint if one is meant."""
    arn, _, endpoint = (call.agent.target or "").partition(_ENDPOINT)
    return {"agentRuntimeArn": arn} | ({"qualifier": endpoint} if endpoint else {})


def _message(call: AgentCall) -> str:
    """Gives what a harness's model reads. The run token is told only to one that is to call back: a model repeats what it
    has read."""
    request = call.request | ({"run_token": call.token} if call.agent.mode == "async" else {})
    told = [str(request[key]) for key in ("task", "prompt", "context") if request.get(key)]
    if request.get("done_when"):
        told.append(_VERDICT.format(request["done_when"]))
    return "\n\n".join([*told, _HOW_TO_ANSWER, json.dumps(request, ensure_ascii=False, indent=1)])


def _refused(call: AgentCall, error: ClientError) -> Done:
    about, meta = error.response.get("Error", {}), error.response.get("ResponseMetadata", {})
    code, status = str(about.get("Code", "")), int(meta.get("HTTPStatusCode", 0))
    said = first_line(plain(str(about.get("Message", ""))))
    if code in _BUSY or status == 429:
        raise AgentBusy(f"AgentCore has no room now: {code}: {said}", _retry_after(meta)) from error
    if status >= 500 or (code == "RuntimeClientError" and _may_run_on(said)):
        raise AgentUncertain(f"AgentCore answered {status} {code} for {call.agent.target}: {said}") from error
    if code == "RuntimeClientError":
        # The agent's own container did not start, or answered with an error: AgentCore says which.
        return _failed(f"The agent's runtime failed: {said}")
    return _failed(f"The agent was not started: {code}.{_HINTS.get(code, '')}", report=said)


def _may_run_on(said: str) -> bool:
    """Says whether a runtime's error is that AgentCore stopped waiting for it, other than for its start."""
    said = said.lower()
    return "initialization" not in said and any(it in said for it in ("timed out", "timeout", "time out"))


def _retry_after(meta: dict[str, Any]) -> timedelta | None:
    seconds = str(meta.get("HTTPHeaders", {}).get("retry-after", ""))
    return timedelta(seconds=int(seconds)) if seconds.isdecimal() and len(seconds) < 6 else None


def _failed(summary: str, *, report: str = "") -> Done:
    return read_answer(report, failed=summary)
