"""What each route of the API takes, answers and refuses: what the OpenAPI document cannot read from the code.

Tests hold it to the code: every refusal that stands here is provoked, and every answer in the tests is looked up here.
"""

from followups.api import answers
from followups.api.agent_operations import AGENT_OPERATIONS
from followups.api.operation import ANY, BODY, DUE, KNOWN, PERSON, RECIPIENT, THERE, WHEN, Operation, all_of
from followups.api.schemas import CreateFollowUp, EditFollowUp, Pause, PreviewText, Snooze

OPERATIONS: dict[str, Operation] = {
    **AGENT_OPERATIONS,
    "create": Operation(
        summary="Have an agent do a task later",
        answers={201: answers.ToldFollowUp, 200: answers.ToldFollowUp},
        refusals=all_of(
            KNOWN, BODY, DUE, RECIPIENT,
            {400: ("invalid_idempotency_key",), 409: ("cascade_depth", "cascade_budget", "quota_active")},
            {403: ("not_with_run_token",), 422: (
                "unknown_agent", "idempotency_key_reused", "conflicting_fields", "invalid_stagger", "invalid_ladder",
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
        refusals=all_of(KNOWN, {400: ("invalid_cursor",), 422: ("validation_error",)}),
        parameters=("Status", "Limit", "Cursor", "AskedKey"),
        leads=("FollowUpId", "$response.body#/follow_ups/0/id"),
    ),
    "get": Operation(
        summary="Look at one follow-up",
        answers={200: answers.FollowUp},
        refusals=all_of(KNOWN, THERE),
        headers={200: ("ETag",)},
    ),
    "edit": Operation(
        summary="Change a follow-up that is not running",
        answers={200: answers.ToldFollowUp},
        refusals=all_of(
            KNOWN, BODY, DUE, PERSON, RECIPIENT, THERE,
            {409: ("in_progress", "already_finished"), 412: ("stale",),
             422: ("invalid_stagger", "invalid_ladder", "conflicting_fields"),
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
        refusals=all_of(KNOWN, PERSON, THERE, {409: ("already_finished",)}),
        headers={200: ("ETag",), 202: ("ETag",)},
    ),
    "run_now": Operation(
        summary="Run it as soon as a runner is free",
        answers={202: answers.FollowUp},
        refusals=all_of(KNOWN, PERSON, THERE, {409: ("in_progress", "paused", "already_finished")}),
        headers={202: ("ETag",)},
    ),
    "pause": Operation(
        summary="Hold it back until it is resumed",
        answers={200: answers.FollowUp},
        refusals=all_of(KNOWN, BODY, WHEN, PERSON, THERE, {409: ("in_progress", "already_finished")}),
        body=Pause,
        body_required=False,
        example={"reason": "until the move is over"},
        headers={200: ("ETag",)},
    ),
    "resume": Operation(
        summary="Take a paused one back to its own time",
        answers={200: answers.FollowUp},
        refusals=all_of(KNOWN, PERSON, THERE, {409: ("not_paused",)}),
        headers={200: ("ETag",)},
    ),
    "snooze": Operation(
        summary="Put its occurrence off; a rule keeps its times",
        answers={200: answers.FollowUp},
        refusals=all_of(
            KNOWN, BODY, WHEN, PERSON, THERE,
            {409: ("in_progress", "already_finished"), 422: ("conflicting_fields",)},
        ),
        body=Snooze,
        example={"until": "3d"},
        headers={200: ("ETag",)},
    ),
    "retry": Operation(
        summary="Try a failed one again, as a new follow-up that is due now",
        answers={201: answers.ToldFollowUp, 200: answers.ToldFollowUp},
        refusals=all_of(
            KNOWN, PERSON, THERE,
            {
                400: ("invalid_idempotency_key",), 409: ("not_failed", "quota_active"),
                422: ("unknown_agent", "idempotency_key_reused"),
            },
        ),
        parameters=("IdempotencyKey",),
        headers={201: ("ETag", "Location"), 200: ("ETag", "Location", "Idempotent-Replayed")},
    ),
    "tree": Operation(
        summary="Look at the whole tree that agents made of it",
        answers={200: answers.Tree},
        refusals=all_of(KNOWN, THERE),
    ),
    "stop_tree": Operation(
        summary="Cancel all of its tree that is open",
        answers={200: answers.Tree},
        refusals=all_of(KNOWN, PERSON, THERE),
    ),
    "preview": Operation(
        summary="See what a text means; nothing is written",
        answers={200: answers.Preview},
        refusals=all_of(KNOWN, BODY, WHEN),
        body=PreviewText,
        example={"text": "every other friday at 9", "timezone": "Europe/Berlin"},
    ),
    "runs": Operation(
        summary="What became of its runs, and when it comes next",
        answers={200: answers.Runs},
        refusals=all_of(KNOWN, THERE),
        leads=("RunId", "$response.body#/runs/0/id"),
    ),
    "get_run": Operation(
        summary="Look at a run that has ended",
        answers={200: answers.RunWithReport},
        refusals=all_of(KNOWN, THERE, {409: ("in_progress",)}),
    ),
    "get_report": Operation(
        summary="Read a run's report as it is mailed",
        answers={200: answers.Mail},
        refusals=all_of(KNOWN, THERE, {409: ("in_progress",)}),
    ),
    "healthz": Operation(summary="Is it there", answers={200: answers.Health}, refusals=ANY, public=True),
    "openapi": Operation(summary="This document", answers={200: answers.Document}, refusals=ANY, public=True),
}  # fmt: skip
