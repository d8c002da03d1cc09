"""What a request may hold. Strict, and closed: a field that is not listed is refused."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from followups.domain.addresses import is_address
from followups.domain.text import unfit
from followups.domain.when import EXAMPLES

TASK_LIMIT = 8_000
MESSAGE_LIMIT = 16_000


def _error(code: str, message: str) -> PydanticCustomError:
    # The message is data, not a template: braces in what a user typed must not be read as fields.
    return PydanticCustomError(f"followups.{code}", "{message}", {"message": message})


def _line(text: str) -> str:
    text = text.strip()
    if not text:
        raise _error("validation_error", "it is empty; say in one line what is to be done")
    return _fit(text, lines=False)


def _lines(text: str) -> str:
    return _fit(text.replace("\r\n", "\n"), lines=True)


def _fit(text: str, *, lines: bool) -> str:
    if why := unfit(text, lines=lines):
        code = "invalid_text" if "surrogate" in why else "validation_error"
        raise _error(code, f"it contains {why}; write plain text")
    return text


def _due(value: Any) -> Any:
    if not isinstance(value, str):
        raise _error("invalid_due", f"write the time as text, like {EXAMPLES}")
    return _fit(value, lines=True)


def _agent(value: Any) -> Any:
    if not isinstance(value, str) or unfit(value, lines=False):
        raise _error("unknown_agent", "name a registered agent, like @backup")
    return value if value.startswith("@") else f"@{value}"


def _email(text: str) -> str:
    if not is_address(text):
        raise _error("invalid_email", f"{text[:80]!r} is no plain mail address; write one like you@example.com")
    return text


Line = Annotated[str, Field(max_length=TASK_LIMIT), AfterValidator(_line)]
Lines = Annotated[str, Field(max_length=MESSAGE_LIMIT), AfterValidator(_lines)]
Due = Annotated[str, BeforeValidator(_due)]
AgentName = Annotated[str, BeforeValidator(_agent)]
Zone = Annotated[str, Field(max_length=64)]
Email = Annotated[str, Field(max_length=254), AfterValidator(_email)]
Attempts = Annotated[int, Field(ge=1, le=10)]
Reason = Annotated[str, Field(max_length=200), AfterValidator(_line)]
Argument = Annotated[str, Field(max_length=4_096), AfterValidator(_lines)]


class _Closed(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class CreateFollowUp(_Closed):
    agent: AgentName = Field(default="", validate_default=True)
    task: Line
    message: Lines = ""
    due: Due | None = None
    timezone: Zone | None = None
    report_to: Email | None = None
    max_attempts: Attempts | None = None


class EditFollowUp(_Closed):
    task: Line | None = None
    message: Lines | None = None
    due: Due | None = None
    timezone: Zone | None = None
    report_to: Email | None = None
    max_attempts: Attempts | None = None


class PutAgent(_Closed):
    kind: Literal["command"]
    command: Annotated[list[Argument], Field(min_length=1, max_length=100)]
    timeout_s: Annotated[int, Field(ge=1, le=3_600)] = 600
    max_concurrency: Annotated[int, Field(ge=1, le=100)] = 1
    rerun: Literal["safe", "never"] = "never"
    max_attempts: Attempts = 3


class Pause(_Closed):
    reason: Reason | None = None


class PutControl(_Closed):
    stopped: bool
    reason: Reason | None = None
