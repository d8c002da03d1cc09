"""What a request may hold. Strict, and closed: a field that is not listed is refused.

The OpenAPI document is made from these models. What a validator here checks and pydantic cannot know of stands beside it
as JSON Schema (`json_schema_extra`); a test holds the two together.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from followups.domain import addresses
from followups.domain.text import unfit
from followups.domain.when import EXAMPLES, TEXT_LIMIT

TASK_LIMIT = 8_000
MESSAGE_LIMIT = 16_000
_FIRST_YEAR, _LAST_YEAR = 1970, 2200
# Control characters and line separators (Unicode's Cc, Zl, Zp), and the same without tab and line feed.
_CONTROL = r"\u0000-\u001f\u007f-\u009f\u2028\u2029"
_CONTROL_IN_LINES = r"\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028\u2029"
_ONE_LINE = rf"^[ \t\r\n]*[^ {_CONTROL}](?:[^{_CONTROL}]*[^ {_CONTROL}])?[ \t\r\n]*$"
MANY_LINES = rf"^(?:[^{_CONTROL_IN_LINES}]|\r\n)*$"
_NAME = "[!-~]{1,128}"
_TYPED = f"^[^{_CONTROL_IN_LINES}]*$"
_AGENT = "^@?[a-z0-9][a-z0-9_.-]{0,38}$"
_ZONE = r"^[A-Za-z0-9_+\-]+(?:/[A-Za-z0-9_+\-]+)*$"


def error(code: str, message: str) -> PydanticCustomError:
    # The message is data, not a template: braces in what a user typed must not be read as fields.
    return PydanticCustomError(f"followups.{code}", "{message}", {"message": message})


def _line(text: str) -> str:
    # Only what a person or a shell leaves at the ends; `strip()` would also take some control characters away.
    text = text.strip(" \t\r\n")
    if not text.strip():
        raise error("validation_error", "it is empty; say in one line what is meant")
    return _fit(text, lines=False)


def lines(text: str) -> str:
    return _fit(text.replace("\r\n", "\n"), lines=True)


def _fit(text: str, *, lines: bool) -> str:
    if why := unfit(text, lines=lines):
        code = "invalid_text" if "surrogate" in why else "validation_error"
        raise error(code, f"it contains {why}; write plain text")
    return text


def _due(value: Any) -> Any:
    if value is None or (isinstance(value, str) and not value.strip()):
        raise error("due_required", f"say when: {EXAMPLES}")
    if not isinstance(value, str) or len(value) > TEXT_LIMIT:
        raise error("invalid_due", f"write the time as a short text, like {EXAMPLES}")
    return _fit(value, lines=True)


def _agent(value: Any) -> Any:
    if not isinstance(value, str):
        raise error("unknown_agent", "name a registered agent, like @backup")
    if why := unfit(value, lines=False):
        code = "invalid_text" if "surrogate" in why else "unknown_agent"
        raise error(code, f"it contains {why}; name a registered agent, like @backup")
    return value if value.startswith("@") else f"@{value}"


def _name(text: str) -> str:
    if not re.fullmatch(_NAME, text):
        raise error(
            "validation_error", f"{text[:40]!r} is no name; write 1 to 128 visible ASCII characters, like backup-check"
        )
    return text


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _email(text: str) -> str:
    if not addresses.is_address(text):
        raise error("invalid_email", f"{text[:80]!r} is no plain mail address; write one like you@example.com")
    return text


def _moment(value: Any) -> datetime:
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) and len(value) <= 40 else None
        moment = moment and moment.astimezone(UTC) if moment and moment.tzinfo else None
    except (ValueError, OverflowError):
        moment = None
    if moment is None or not _FIRST_YEAR <= moment.year <= _LAST_YEAR:
        raise error("validation_error", "write an instant of our days, like 2026-12-01T08:00:00Z")
    return moment


_LINE: dict[str, Any] = {"pattern": _ONE_LINE, "allOf": [{"pattern": r"\S"}]}
# To JSON Schema 60.0 is an integer, and some languages write it so.
WHOLE = BeforeValidator(_whole)
Line = Annotated[str, Field(max_length=TASK_LIMIT, json_schema_extra=_LINE), AfterValidator(_line)]
Lines = Annotated[str, Field(max_length=MESSAGE_LIMIT, json_schema_extra={"pattern": MANY_LINES}), AfterValidator(lines)]
_DUE: dict[str, Any] = {"maxLength": TEXT_LIMIT, "pattern": _TYPED, "allOf": [{"pattern": r"\S"}]}
Due = Annotated[str, Field(json_schema_extra=_DUE), BeforeValidator(_due)]
AgentName = Annotated[str, Field(json_schema_extra={"pattern": _AGENT}), BeforeValidator(_agent)]
Zone = Annotated[str, Field(max_length=64, json_schema_extra={"pattern": _ZONE})]
Email = Annotated[
    str, Field(max_length=254, json_schema_extra={"format": "email", "pattern": f"^{addresses.PATTERN}$"}),
    AfterValidator(_email),
]  # fmt: skip
Attempts = Annotated[int, Field(ge=1, le=10), WHOLE]
Reason = Annotated[str, Field(max_length=200, json_schema_extra=_LINE), AfterValidator(_line)]
Short = Annotated[str, Field(max_length=40, json_schema_extra=_LINE), AfterValidator(_line)]
Late = Short
Condition = Annotated[str, Field(max_length=2_000, json_schema_extra=_LINE), AfterValidator(_line)]
Ladder = Annotated[str, Field(max_length=120, json_schema_extra=_LINE), AfterValidator(_line)]
ReplaceKey = Annotated[str, Field(json_schema_extra={"pattern": f"^{_NAME}$"}), AfterValidator(_name)]
Moment = Annotated[datetime, Field(json_schema_extra={"format": "date-time"}), BeforeValidator(_moment)]
_LATE_SAYS = "When it cannot start at its time: `run_once` (the default), `skip`, or `run_within 6h`."
Argument = Annotated[str, Field(max_length=4_096, json_schema_extra={"pattern": MANY_LINES}), AfterValidator(lines)]


def must_have(*names: str) -> Callable[[dict[str, Any]], None]:
    """Says in JSON Schema that these fields must be there. The models give them a default, since a missing one is
    refused with a code of its own."""

    def change(schema: dict[str, Any]) -> None:
        schema["required"] = list(names)
        for name in names:
            schema["properties"][name].pop("default", None)

    return change


def _create_schema(schema: dict[str, Any]) -> None:
    must_have("agent")(schema)
    null, said = {"type": "null"}, {"type": "string"}
    schema["if"] = {"properties": {"text": said}, "required": ["text"]}
    schema["then"] = {"properties": {"task": null, "due": null}}
    schema["else"] = {"properties": {"task": said, "due": said}, "required": ["task", "due"]}


class Closed(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class CreateFollowUp(Closed):
    """A task with its time, or a text that says both."""

    model_config = ConfigDict(json_schema_extra=_create_schema)

    agent: AgentName = Field(default="", validate_default=True, description="A registered agent, with or without its @.")
    # Before `task` and `due`, whose validators look whether it is there.
    text: Line | None = Field(
        default=None, description="A sentence that says task and time, like `Check backup health weekly`."
    )
    task: Line | None = Field(default=None, validate_default=True, description="What is to be done, in one line.")
    message: Lines = Field(default="", description="More for the agent: a prompt; for @checklist one check on each line.")
    due: Due | None = Field(default=None, validate_default=True, description=f"When, or how often: {EXAMPLES} …")
    timezone: Zone | None = Field(
        default=None, description="IANA zone to read `due` in, like Europe/Berlin; null takes the installation's."
    )
    report_to: Email | None = Field(default=None, description="Where reports go; null takes the installation's address.")
    max_attempts: Attempts | None = Field(default=None, description="Null takes the agent's.")
    late: Late | None = Field(default=None, description=_LATE_SAYS)
    stagger: Short | None = Field(default=None, description="Spread the starts of many over this time, like `10m`.")
    replace_key: ReplaceKey | None = Field(
        default=None, description="Your name for what it is about: it takes the place of the open one of that name."
    )
    done_when: Condition | None = Field(
        default=None, description="When it is a success, in words: the agent is asked whether that is so. `met` ends it."
    )
    retry_until_met: Ladder | None = Field(
        default=None, description="How long to wait after each look that did not find it met, like `1d,2d,4d`."
    )
    give_up_at: Due | None = Field(
        default=None, description="No look is planned after this: a time, or a span after `due`, like `2w`."
    )

    @field_validator("task", "due")
    @classmethod
    def _either(cls, value: str | None, info: ValidationInfo) -> str | None:
        if "text" not in info.data or (value is None) != (info.data["text"] is None):
            return value
        if value is not None:
            raise error("conflicting_fields", "`text` says task and time: send it alone, or `task` and `due` without it")
        if info.field_name == "due":
            raise error("due_required", f"say when: {EXAMPLES}")
        raise error("validation_error", "say what is to be done: `task` with `due`, or a `text` that says both")


class PreviewText(Closed):
    model_config = ConfigDict(json_schema_extra=must_have("text"))

    text: Due = Field(default="", validate_default=True, description="A time, or a sentence with one at its end.")
    timezone: Zone | None = Field(default=None, description="IANA zone to read it in; null takes the installation's.")
    at: Moment | None = Field(default=None, description="The instant from which it counts; null is now.")


class EditFollowUp(Closed):
    """What is not named, or null, stays as it is."""

    model_config = ConfigDict(
        json_schema_extra={
            "minProperties": 1,
            # A new zone needs the time said again.
            "if": {"properties": {"timezone": {"type": "string"}}, "required": ["timezone"]},
            "then": {"properties": {"due": {"type": "string"}}, "required": ["due"]},
        }
    )

    task: Line | None = None
    message: Lines | None = None
    due: Due | None = None
    timezone: Zone | None = Field(default=None, description="Zone to read `due` in; null takes the follow-up's.")
    report_to: Email | None = None
    max_attempts: Attempts | None = None
    late: Late | None = Field(default=None, description=_LATE_SAYS)
    done_when: Condition | None = None
    retry_until_met: Ladder | None = None
    give_up_at: Due | None = Field(default=None, description="A time, or a span after its own, like `2w`.")


class Pause(Closed):
    reason: Reason | None = None
    until: Due | None = Field(default=None, description="How long, or until when: `3d`, `monday 9am`; null: until resumed.")


class Snooze(Closed):
    model_config = ConfigDict(json_schema_extra=must_have("until"))

    until: Due = Field(
        default="",
        validate_default=True,
        description="How long to put it off, counted from its time or from now if that has passed (`3d`), or until when.",
    )
