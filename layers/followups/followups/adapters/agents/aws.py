"""What the targets on AWS share: how a refusal is read, and how an answer that is JSON is."""

import json
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ParamValidationError,
)

from followups.domain.contract import AgentCall, Done, Pending, goes_on, poll_pause, read_answer
from followups.domain.status import Outcome
from followups.domain.text import first_line, plain

#: Errors of a call that reached nobody.
NOT_CALLED = (ConnectTimeoutError, EndpointConnectionError, NoCredentialsError, ParamValidationError)
#: Pause between looks at what cannot be asked, and calls back.
_SELDOM = timedelta(minutes=5)
#: What AWS says when it is asked too often: surely nothing was started (AWS SDKs reference, retry behaviour).
_THROTTLES = frozenset(
    {
        "EC2ThrottledException", "LimitExceededException", "RequestLimitExceeded", "SlowDown", "Throttling",
        "ThrottlingException", "ThrottledException", "TooManyRequestsException",
    }
)  # fmt: skip
_SECONDS = re.compile(r"[0-9]{1,5}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error that AWS answered with."""

    code: str
    #: HTTP status, 0 for none.
    status: int
    #: Its message, for people.
    said: str
    #: After what time to come again, if it said so.
    retry_after: timedelta | None

    @property
    def throttled(self) -> bool:
        return self.status == 429 or self.code in _THROTTLES


def refusal(error: ClientError) -> Refusal:
    """Gives what an error of boto3 holds."""
    about, meta = error.response.get("Error", {}), error.response.get("ResponseMetadata", {})
    wait = str(meta.get("HTTPHeaders", {}).get("retry-after", ""))
    return Refusal(
        code=str(about.get("Code", "")), status=int(meta.get("HTTPStatusCode", 0)), said=str(about.get("Message", "")),
        retry_after=timedelta(seconds=int(wait)) if _SECONDS.fullmatch(wait) else None,
    )  # fmt: skip


def failed(summary: str, *, report: str = "") -> Done:
    """Gives a failure, with what else there is to say of it."""
    return read_answer(report, failed=summary)


def unawaited(hint: str) -> Done:
    """Gives the end of a run whose agent goes on where nobody waits for it; the hint says what to do."""
    summary = f"The agent answered that it goes on, and it is registered to be waited for: {hint}"
    return Done(outcome=Outcome.UNKNOWN, summary=summary)


def answered(returned: str, handle: str) -> Done | Pending:
    """Takes what a function or state machine returned, as JSON, and the run's handle; gives how the run ended, or that it
    goes on, if it said so."""
    value = parsed(returned)
    # What returns text returns it as a JSON string, and what returns nothing returns null.
    text = value if isinstance(value, str) else "" if value is None and returned.strip() == "null" else returned
    return silent(handle) if goes_on(text) else read_answer(text)


def parsed(text: str) -> Any:
    """Gives the value of a JSON text, None for what is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def pending(call: AgentCall, handle: str, now: datetime) -> Pending:
    """Gives a run that goes on, to be asked for again after a part of the time that it has taken."""
    started = call.deadline - timedelta(seconds=call.agent.timeout_s)
    return Pending(handle=handle, poll_after=poll_pause(started, now))


def silent(handle: str) -> Pending:
    """Gives a run that goes on and cannot be asked for: it calls back, or its deadline comes."""
    return Pending(handle=handle, poll_after=_SELDOM)


def one_line(text: str) -> str:
    """Gives what stands for a longer text in a summary."""
    return first_line(plain(text))
