"""The routes about agents, what they say of their runs, and the kill switch, as `operations` has the others."""

from followups.api import agent_answers, answers
from followups.api.agent_schemas import (
    CompleteRun,
    DisableAgent,
    PullWork,
    PutAgent,
    PutControl,
    SayProgress,
    TryAgent,
)
from followups.api.operation import ANY, BODY, KNOWN, PERSON, RECIPIENT, THERE, Operation, all_of

#: What a run says by its token alone.
_BY_TOKEN = all_of(
    ANY,
    {401: ("invalid_run_token",), 410: ("run_over",), 503: ("try_again", "store_full", "store_unusable")},
)

AGENT_OPERATIONS: dict[str, Operation] = {
    "complete": Operation(
        summary="End the run with its result; the first completion wins",
        answers={200: agent_answers.Completed},
        refusals=all_of(_BY_TOKEN, BODY, {409: ("already_completed", "waited_for")}),
        body=CompleteRun,
        example={"outcome": "succeeded", "summary": "All backups are there.", "report_md": "db1: 2 h old"},
        at_times={200: ("Idempotent-Replayed",)},
        by_token=True,
    ),
    "heartbeat": Operation(
        summary="Say that the run is alive, and hear whether it is to end",
        answers={200: agent_answers.Heard},
        refusals=_BY_TOKEN,
        by_token=True,
    ),
    "progress": Operation(
        summary="Say how far the run is",
        answers={200: agent_answers.Heard},
        refusals=all_of(_BY_TOKEN, BODY),
        body=SayProgress,
        example={"message": "3 of 8 backups checked"},
        by_token=True,
    ),
    "list_agents": Operation(
        summary="List the agents that may be named", answers={200: agent_answers.Agents}, refusals=KNOWN
    ),
    "get_agent": Operation(
        summary="Look at an agent", answers={200: agent_answers.Agent}, refusals=all_of(KNOWN, THERE),
    ),
    "put_agent": Operation(
        summary="Register an agent, or replace it",
        answers={200: agent_answers.Agent},
        refusals=all_of(
            KNOWN, BODY, PERSON, RECIPIENT,
            {409: ("builtin_agent", "in_progress"),
             422: ("invalid_agent_name", "unknown_kind", "invalid_target", "invalid_email")},
        ),
        body=PutAgent,
        example={"kind": "command", "command": ["df", "-h", "/"], "rerun": "safe"},
    ),
    "remove_agent": Operation(
        summary="Remove an agent",
        answers={200: agent_answers.RemovedAgent},
        refusals=all_of(KNOWN, PERSON, THERE, {409: ("builtin_agent",)}),
    ),
    "get_control": Operation(
        summary="Look at the kill switch", answers={200: agent_answers.Control}, refusals=KNOWN,
    ),
    "put_control": Operation(
        summary="Turn the kill switch",
        answers={200: agent_answers.Control},
        refusals=all_of(KNOWN, BODY, PERSON),
        body=PutControl,
        example={"stopped": False},
    ),
    "test_agent": Operation(
        summary="Try an agent: run now, kept as a test, nothing is mailed",
        answers={201: answers.ToldFollowUp, 200: answers.ToldFollowUp},
        refusals=all_of(
            KNOWN, BODY, PERSON,
            {400: ("invalid_idempotency_key",), 409: ("quota_active",),
             422: ("unknown_agent", "idempotency_key_reused", "invalid_checklist", "conflicting_fields")},
        ),
        body=TryAgent,
        example={"task": "Say hello"},
        parameters=("IdempotencyKey",),
        headers={201: ("ETag", "Location"), 200: ("ETag", "Location", "Idempotent-Replayed")},
    ),
    "disable_agent": Operation(
        summary="Take an agent out of use; what names it waits",
        answers={200: agent_answers.Agent},
        refusals=all_of(KNOWN, BODY, PERSON, THERE, {409: ("builtin_agent",)}),
        body=DisableAgent,
        body_required=False,
        example={"reason": "its budget is spent"},
    ),
    "enable_agent": Operation(
        summary="Take an agent back into use",
        answers={200: agent_answers.Agent},
        refusals=all_of(KNOWN, PERSON, THERE, {409: ("builtin_agent",)}),
    ),
    "agent_secret": Operation(
        summary="Look at what a webhook checks our signatures with",
        answers={200: agent_answers.AgentSecret},
        refusals=all_of(KNOWN, PERSON, THERE, {422: ("not_a_webhook",)}),
    ),
    "pull_work": Operation(
        summary="Take a run of an agent that cannot be called",
        answers={200: agent_answers.Work},
        refusals=all_of(KNOWN, BODY, PERSON, THERE, {422: ("not_a_worker_agent",)}),
        body=PullWork,
        example={"worker": "desk-4711"},
    ),
}  # fmt: skip
