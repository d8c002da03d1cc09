"""What schemathesis is told beside the document, and which of its findings are none, by name and with the reason.

It is loaded in schemathesis's own environment (`make test-api`), so it knows nothing of this repository.
"""

import itertools
import os
from pathlib import Path

import schemathesis
from schemathesis.core.parameters import ParameterLocation
from schemathesis.openapi.checks import RejectedPositiveData, UseAfterFree

#: Codes of requests that are well formed and refused all the same, and what no schema can say of them.
NOT_IN_A_SCHEMA = {
    "unknown_agent": "which agents there are",
    "unknown_kind": "whether this is a laptop or an installation on AWS",
    "invalid_target": "what a web address or an ARN is, and in which region this installation calls agents",
    "not_a_webhook": "which kind an agent is of",
    "not_a_worker_agent": "which kind an agent is of",
    "run_over": "whether a run is over",
    "invalid_due": "the grammar of times",
    "invalid_recurrence": "the grammar of times",
    "interval_too_short": "the grammar of times",
    "invalid_late": "the grammar of policies",
    "invalid_ladder": "the grammar of times",
    "conflicting_fields": "whether a time comes again and again",
    "invalid_stagger": "the grammar of times, and how often a rule comes",
    "due_required": "whether a sentence has a time at its end",
    "due_in_past": "what time it is",
    "due_out_of_range": "what time it is",
    "unknown_timezone": "which zones there are",
    "invalid_checklist": "the grammar of checklists, which only the agent @checklist has",
    "invalid_email": "that a mailbox's name has at most 64 characters, and that a person's target is one",
    "invalid_cursor": "the signature of a cursor",
    "stale": "the version that a follow-up is at",
    "idempotency_key_reused": "what was sent before",
}
_TOKEN = "Followups-Run-Token"
_turns = itertools.count()
#: Agents that the routes for one kind of them are asked for, and runs that those of runs are asked for: one is live
#: throughout, another is to be ended.
_OF_A_KIND = {"/work": "@desk", "/secret": "@hook", "/test": "@true"}
_RUN_OF = {"complete": "ENDING", "heartbeat": "LIVE", "progress": "LIVE"}
#: What lives as long as the tests do: follow-ups whose runs are live, and what their runs made.
_kept = set(os.environ["FOLLOWUPS_TEST_KEEP"].split())


@schemathesis.hook
def before_call(context, case, kwargs):
    """Sends what leads behind the first check, and leaves alone what the other cases need."""
    turn, values, path = next(_turns), case.path_parameters or {}, case.operation.path
    if not _is_wrong(case, ParameterLocation.HEADER):
        _send_token(case, turn)
    body = case.body
    if isinstance(body, dict) and isinstance(body.get("text"), str) and not _is_wrong(case, ParameterLocation.BODY):
        # The dictionary of times fills `due` also where a `text` says it.
        body.pop("due", None)
    if turn % 2 and not _is_wrong(case, ParameterLocation.PATH):
        if path.startswith("/v1/runs/"):
            values["id"] = os.environ["FOLLOWUPS_TEST_" + (_RUN_OF.get(path.rpartition("/")[2]) or "RUN")]
        for verb, name in _OF_A_KIND.items():
            values |= {"name": name} if path.endswith(verb) else {}
    if case.operation.method.upper() in ("PUT", "DELETE") or path.endswith("/stop-tree"):
        for name, other in (("name", "@other"), ("id", "a" * 26)):
            if values.get(name) in _kept:
                values[name] = other


def _send_token(case, turn):
    """With a made-up token all else would never be looked at."""
    own = _RUN_OF.get(case.operation.path.rpartition("/")[2])
    if own is not None:
        case.headers[_TOKEN] = os.environ[f"FOLLOWUPS_TEST_{own}_TOKEN"]
    elif _TOKEN in (case.headers or {}):
        del case.headers[_TOKEN]
        if turn % 5 == 0:
            # Now and then: on account of a run that is live.
            case.headers[_TOKEN] = os.environ["FOLLOWUPS_TEST_LIVE_TOKEN"]


@schemathesis.hook
def after_call(context, case, response):
    """Whoever stops a child's tree stops the run that made it."""
    if response.status_code == 201 and (made := response.json()).get("parent"):
        _kept.add(made["id"])


def _is_wrong(case, place):
    return case.meta is not None and case.meta.is_negative_at(place)


@schemathesis.hook
def filter_failure(context, failure, case, response):
    """Says whether it is one; what is none is written down."""
    excuse = None
    if isinstance(failure, UseAfterFree) and case.operation.path.startswith("/v1/follow-ups"):
        # DELETE cancels: a follow-up stays in the history, which is what the history is for.
        excuse = "cancelled_is_kept"
    elif isinstance(failure, RejectedPositiveData) and response.json().get("code") in NOT_IN_A_SCHEMA:
        excuse = response.json()["code"]
    if excuse:
        with Path(os.environ["FOLLOWUPS_TEST_NOTES"]).open("a") as notes:
            notes.write(f"{excuse}\n")
    return excuse is None
