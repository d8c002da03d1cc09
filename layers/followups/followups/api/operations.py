"""What each route of the API takes, answers and refuses: what the OpenAPI document cannot read from the code.

Tests hold it to the code: every refusal that stands here is provoked, and every answer in the tests is looked up here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from followups.api import answers
from followups.api.schemas import CreateFollowUp, EditFollowUp, Pause, PreviewText, PutAgent, PutControl, Snooze

Refusals = dict[int, tuple[str, ...]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Operation:
    """One route."""

    summary: str
    #: Status and type of each answer that is no refusal.
    answers: Mapping[int, Any]
    #: Status and codes of each refusal.
    refusals: Refusals
    body: type[BaseModel] | None = None
    body_required: bool = True
    #: A body as it may be sent.
    example: Mapping[str, Any] | None = None
    #: Names of parameters in the document's components, beside those of the path.
    parameters: tuple[str, ...] = ()
    #: Names of the headers of each answer, by status.
    headers: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    #: The parameter in other routes' paths that its answer gives a value for, and where that stands.
    leads: tuple[str, str] | None = None
    #: Whether it answers without asking who calls.
    public: bool = False


def _all(*parts: Refusals) -> Refusals:
    """Gives the refusals of all parts."""
    found: Refusals = {}
    for part in parts:
        for status, codes in part.items():
            found[status] = tuple(dict.fromkeys((*found.get(status, ()), *codes)))
    return dict(sorted(found.items()))


#: No code: only API Gateway answers 429 so far.
ANY: Refusals = {403: ("forbidden",), 429: (), 500: ("internal_error",)}
KNOWN = _all(
    ANY,
    {
        401: ("unauthenticated", "invalid_run_token"),
        403: ("run_not_live",),
        503: ("try_again", "store_full", "store_unusable"),
    },
)
BODY: Refusals = {
    400: ("invalid_json", "duplicate_key", "invalid_encoding"),
    413: ("payload_too_large",),
    415: ("unsupported_media_type",),
    422: ("validation_error", "invalid_text"),
}
WHEN: Refusals = {
    422: (
        "due_required", "invalid_due", "due_in_past", "due_out_of_range", "invalid_recurrence", "interval_too_short",
        "unknown_timezone",
    ),
}  # fmt: skip
DUE = _all(WHEN, {422: ("invalid_email", "invalid_checklist", "invalid_late")})
PERSON: Refusals = {403: ("not_with_run_token",)}
RECIPIENT: Refusals = {403: ("recipient_not_allowed",)}
THERE: Refusals = {404: ("not_found",)}

OPERATIONS: dict[str, Operation] = {
    "create": Operation(
        summary="Have an agent do a task later",
        answers={201: answers.ToldFollowUp, 200: answers.ToldFollowUp},
        refusals=_all(
            KNOWN, BODY, DUE, RECIPIENT, {400: ("invalid_idempotency_key",), 403: ("cascade_depth", "cascade_budget")},
            {403: ("not_with_run_token",), 422: (
                "unknown_agent", "idempotency_key_reused", "conflicting_fields", "invalid_stagger",
            )},
        ),
        body=CreateFollowUp,
        example={"agent": "@checklist", "task": "Check the disk", "message": "disk / < 80%", "due": "7d"},
        parameters=("IdempotencyKey",),
        headers={201: ("ETag", "Location"), 200: ("ETag", "Location", "Idempotent-Replayed")},
        leads=("FollowUpId", "$response.body#/id"),
    ),
    "list_": Operation(
        summary="List follow-ups, soonest first",
        answers={200: answers.Page},
        refusals=_all(KNOWN, {400: ("invalid_cursor",), 422: ("validation_error",)}),
        parameters=("Status", "Limit", "Cursor", "AskedKey"),
        leads=("FollowUpId", "$response.body#/follow_ups/0/id"),
    ),
    "get": Operation(
        summary="Look at one follow-up",
        answers={200: answers.FollowUp},
        refusals=_all(KNOWN, THERE),
        headers={200: ("ETag",)},
    ),
    "edit": Operation(
        summary="Change a follow-up that is not running",
        answers={200: answers.ToldFollowUp},
        refusals=_all(
            KNOWN, BODY, DUE, PERSON, RECIPIENT, THERE,
            {409: ("in_progress", "already_finished"), 412: ("stale",), 422: ("invalid_stagger",),
             428: ("precondition_required",)},
        ),
        body=EditFollowUp,
        example={"due": "2040-12-01T09:00", "timezone": "Europe/Berlin"},
        parameters=("IfMatch",),
        headers={200: ("ETag",)},
    ),
    "delete": Operation(
        summary="Cancel a follow-up; it stays in the history",
        answers={200: answers.FollowUp, 202: answers.FollowUp},
        refusals=_all(KNOWN, PERSON, THERE, {409: ("already_finished",)}),
        headers={200: ("ETag",), 202: ("ETag",)},
    ),
    "run_now": Operation(
        summary="Run it as soon as a runner is free",
        answers={202: answers.FollowUp},
        refusals=_all(KNOWN, PERSON, THERE, {409: ("in_progress", "paused", "already_finished")}),
        headers={202: ("ETag",)},
    ),
    "pause": Operation(
        summary="Hold it back until it is resumed",
        answers={200: answers.FollowUp},
        refusals=_all(KNOWN, BODY, WHEN, PERSON, THERE, {409: ("in_progress", "already_finished")}),
        body=Pause,
        body_required=False,
        example={"reason": "until the move is over"},
        headers={200: ("ETag",)},
    ),
    "resume": Operation(
        summary="Take a paused one back to its own time",
        answers={200: answers.FollowUp},
        refusals=_all(KNOWN, PERSON, THERE, {409: ("not_paused",)}),
        headers={200: ("ETag",)},
    ),
    "snooze": Operation(
        summary="Put its occurrence off; a rule keeps its times",
        answers={200: answers.FollowUp},
        refusals=_all(KNOWN, BODY, WHEN, PERSON, THERE, {409: ("in_progress", "already_finished")}),
        body=Snooze,
        example={"until": "3d"},
        headers={200: ("ETag",)},
    ),
    "retry": Operation(
        summary="Try a failed one again, as a new follow-up that is due now",
        answers={201: answers.ToldFollowUp, 200: answers.ToldFollowUp},
        refusals=_all(
            KNOWN, PERSON, THERE,
            {
                400: ("invalid_idempotency_key",), 409: ("not_failed",),
                422: ("unknown_agent", "idempotency_key_reused"),
            },
        ),
        parameters=("IdempotencyKey",),
        headers={201: ("ETag", "Location"), 200: ("ETag", "Location", "Idempotent-Replayed")},
    ),
    "preview": Operation(
        summary="See what a text means; nothing is written",
        answers={200: answers.Preview},
        refusals=_all(KNOWN, BODY, WHEN),
        body=PreviewText,
        example={"text": "every other friday at 9", "timezone": "Europe/Berlin"},
    ),
    "runs": Operation(
        summary="What became of its runs, and when it comes next",
        answers={200: answers.Runs},
        refusals=_all(KNOWN, THERE),
        leads=("RunId", "$response.body#/runs/0/id"),
    ),
    "get_run": Operation(
        summary="Look at a run that has ended",
        answers={200: answers.RunWithReport},
        refusals=_all(KNOWN, THERE, {409: ("in_progress",)}),
    ),
    "get_report": Operation(
        summary="Read a run's report as it is mailed",
        answers={200: answers.Mail},
        refusals=_all(KNOWN, THERE, {409: ("in_progress",)}),
    ),
    "list_agents": Operation(summary="List the agents that may be named", answers={200: answers.Agents}, refusals=KNOWN),
    "get_agent": Operation(
        summary="Look at an agent", answers={200: answers.Agent}, refusals=_all(KNOWN, THERE),
    ),
    "put_agent": Operation(
        summary="Register an agent, or replace it",
        answers={200: answers.Agent},
        refusals=_all(
            KNOWN, BODY, PERSON, {409: ("builtin_agent",), 422: ("invalid_agent_name", "unknown_kind", "invalid_target")},
        ),
        body=PutAgent,
        example={"kind": "command", "command": ["df", "-h", "/"], "rerun": "safe"},
    ),
    "remove_agent": Operation(
        summary="Remove an agent",
        answers={200: answers.RemovedAgent},
        refusals=_all(KNOWN, PERSON, THERE, {409: ("builtin_agent",)}),
    ),
    "get_control": Operation(
        summary="Look at the kill switch", answers={200: answers.Control}, refusals=KNOWN,
    ),
    "put_control": Operation(
        summary="Turn the kill switch",
        answers={200: answers.Control},
        refusals=_all(KNOWN, BODY, PERSON),
        body=PutControl,
        example={"stopped": False},
    ),
    "healthz": Operation(summary="Is it there", answers={200: answers.Health}, refusals=ANY, public=True),
    "openapi": Operation(summary="This document", answers={200: answers.Document}, refusals=ANY, public=True),
}  # fmt: skip
