"""What requests may hold that are about agents, their runs and the kill switch. As strict as `schemas`, but for what agents
themselves say: of that what is not known is left out."""

import math
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator

from followups.api.schemas import (
    MANY_LINES,
    WHOLE,
    Attempts,
    Closed,
    Condition,
    Line,
    Lines,
    Reason,
    error,
    lines,
    must_have,
)
from followups.domain.targets import LONGEST_S, MODES, URL_LIMIT, is_lasting

Argument = Annotated[str, Field(max_length=4_096, json_schema_extra={"pattern": MANY_LINES}), AfterValidator(lines)]
Target = Annotated[str, Field(min_length=1, max_length=URL_LIMIT, pattern=r"^[!-~]+$")]
#: Nobody is waited for longer than this, in seconds.
LONGEST_WAITED_S = 3_600
_TARGETED = ("lambda", "agentcore", "states", "https")
_FORMS: dict[str, Any] = {
    "command": {"required": ["command"], "properties": {"command": {"minItems": 1}, "target": {"type": "null"}}},
    "worker": {"properties": {"command": {"maxItems": 0}, "target": {"type": "null"}}},
    "person": {"properties": {"command": {"maxItems": 0}}},
} | {
    kind: {"required": ["target"], "properties": {"command": {"maxItems": 0}, "target": {"type": "string"}}}
    for kind in _TARGETED
}


def _one_kind(schema: dict[str, Any]) -> None:
    """Says in JSON Schema what goes with which kind."""
    schema["oneOf"] = [
        {"allOf": [_times(kind)], **form, "properties": form["properties"] | {"kind": {"const": kind}} | _modes(kind)}
        for kind, form in _FORMS.items()
    ]


def _modes(kind: str) -> dict[str, Any]:
    return {"mode": {"enum": [*MODES[kind], None]} if kind in MODES else {"type": "null"}}


def _times(kind: str) -> dict[str, Any]:
    """Whoever is waited for may take an hour, whatever installation it is."""
    waited: dict[str, Any] = {"properties": {"timeout_s": {"maximum": LONGEST_WAITED_S}}}
    if is_lasting(kind, None):
        return {}
    lasting = [mode for mode in MODES.get(kind, ()) if is_lasting(kind, mode)]
    return (
        waited if not lasting else {"if": {"properties": {"mode": {"enum": lasting}}, "required": ["mode"]}, "else": waited}
    )


class PutAgent(Closed):
    model_config = ConfigDict(json_schema_extra=_one_kind)

    kind: Literal["command", "lambda", "agentcore", "states", "https", "worker", "person"] = Field(
        description="What runs it; docs/agents.md tells them apart. `command` is for a laptop."
    )
    command: Annotated[list[Argument], Field(max_length=100)] = Field(
        default=[],
        validate_default=True,
        description="Program and arguments, run without a shell, with the task as JSON on stdin.",
    )
    target: Target | None = Field(
        default=None, validate_default=True,
        description="What is called: an ARN, or an https address; for a person the mail address.",
    )  # fmt: skip
    mode: Literal["sync", "async", "durable"] | None = Field(
        default=None, description="How it is called, where its kind has several ways; null is the first of them, `sync`."
    )
    timeout_s: Annotated[int, Field(ge=1, le=LONGEST_S), WHOLE] = Field(
        default=600, description="Seconds that one run may take."
    )
    max_concurrency: Annotated[int, Field(ge=1, le=100), WHOLE] = Field(default=1, description="Runs at once.")
    rerun: Literal["safe", "never"] = Field(
        default="never", description="Whether a run that broke off may simply be run again."
    )
    max_attempts: Attempts = Field(default=3, description="For follow-ups that do not say.")

    @field_validator("command")
    @classmethod
    def _has_command(cls, value: list[str], info: ValidationInfo) -> list[str]:
        kind = info.data.get("kind")
        if kind is not None and bool(value) != (kind == "command"):
            raise error("validation_error", f"a {kind} agent is registered with {_goes_with(kind)}")
        return value

    @field_validator("target")
    @classmethod
    def _has_target(cls, value: str | None, info: ValidationInfo) -> str | None:
        kind = info.data.get("kind")
        if (kind in _TARGETED and value is None) or (kind in ("command", "worker") and value is not None):
            raise error("validation_error", f"a {kind} agent is registered with {_goes_with(kind)}")
        return value

    @field_validator("timeout_s")
    @classmethod
    def _can_be_waited_for(cls, value: int, info: ValidationInfo) -> int:
        kind, mode = info.data.get("kind"), info.data.get("mode")
        if kind is not None and value > LONGEST_WAITED_S and not is_lasting(kind, mode):
            said = f"{value} s are more than the {LONGEST_WAITED_S} s that a run may take that is waited for"
            raise error("validation_error", said)
        return value


def _goes_with(kind: str) -> str:
    if kind in _TARGETED:
        return "`target`, and with that only"
    return {
        "command": "`command`, and with that only", "person": "a mail address as `target`, or with nothing"
    }.get(kind, "neither `command` nor `target`")  # fmt: skip


class TryAgent(Closed):
    model_config = ConfigDict(json_schema_extra=must_have("task"))

    task: Line = Field(default="", validate_default=True, description="What is to be done, in one line.")
    message: Lines = Field(default="", description="More for the agent.")
    done_when: Condition | None = Field(default=None, description="When it is a success: the agent is asked for a verdict.")


class DisableAgent(Closed):
    reason: Reason | None = None


WorkerName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
InHand = Annotated[str, Field(pattern=r"^run-[a-z2-7]{26}-[0-9]{6}$")]


class PullWork(Closed):
    worker: WorkerName = Field(description="The worker's own name, another for each process.")
    in_hand: Annotated[list[InHand], Field(max_length=100)] = Field(
        default=[],
        description="Ids of the runs that it works at: what it was given and has not heard of it is given again.",
    )


class PutControl(Closed):
    stopped: bool = Field(description="Whether starts are held back.")
    reason: Reason | None = None


class _Said(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)


def _number(value: Any) -> Any:
    try:
        return float(value) if type(value) is int else value
    except OverflowError:
        return math.inf


def _finding(value: Any) -> str:
    try:
        return str(value)
    except RecursionError:
        return "(nested too deeply to be shown)"


#: Whatever it is, it is shown as a text.
Finding = Annotated[Any, BeforeValidator(_finding)]
#: What is too long is cut where it is shown: an outcome is not lost for its length.
Said = Annotated[str, Field(max_length=400_000)]


class SaidUsage(_Said):
    model: Annotated[str, Field(max_length=200)] | None = None
    input_tokens: Annotated[int, Field(ge=0, le=10**15), WHOLE] | None = None
    output_tokens: Annotated[int, Field(ge=0, le=10**15), WHOLE] | None = None
    cost_usd: Annotated[float, Field(ge=0, le=10**6), BeforeValidator(_number)] | None = None


class CompleteRun(_Said):
    """The answer of the agent contract, version 1."""

    outcome: Literal["succeeded", "attention", "failed", "unknown"]
    summary: Said | None = Field(default=None, description="One line; 200 characters are shown.")
    report_md: Said | None = Field(default=None, description="The whole of it.")
    verdict: Literal["met", "not_met", "cannot_tell"] | None = Field(default=None, description="Whether `done_when` is so.")
    evidence: Said | None = Field(default=None, description="What the verdict goes by.")
    findings: Annotated[list[Finding], Field(max_length=1_000)] | None = None
    usage: SaidUsage | None = None


class SayProgress(_Said):
    message: Reason = Field(description="How far it is, in a few words.")
