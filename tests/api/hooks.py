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
    "invalid_target": "in which region this installation calls agents",
    "invalid_due": "the grammar of times",
    "invalid_recurrence": "the grammar of times",
    "interval_too_short": "the grammar of times",
    "invalid_late": "the grammar of policies",
    "invalid_stagger": "the grammar of times, and how often a rule comes",
    "due_required": "whether a sentence has a time at its end",
    "due_in_past": "what time it is",
    "due_out_of_range": "what time it is",
    "unknown_timezone": "which zones there are",
    "invalid_checklist": "the grammar of checklists, which only the agent @checklist has",
    "invalid_email": "that a mailbox's name has at most 64 characters",
    "invalid_cursor": "the signature of a cursor",
    "stale": "the version that a follow-up is at",
    "idempotency_key_reused": "what was sent before",
}
_TOKEN = "Followups-Run-Token"
_turns = itertools.count()


@schemathesis.hook
def before_call(context, case, kwargs):
    """Sends what leads behind the first check, and leaves alone what the other cases need."""
    turn, values = next(_turns), case.path_parameters or {}
    if _TOKEN in (case.headers or {}) and not _is_wrong(case, ParameterLocation.HEADER):
        # With a made-up token all else would never be looked at. Now and then: on account of a run that is live.
        del case.headers[_TOKEN]
        if turn % 5 == 0:
            case.headers[_TOKEN] = os.environ["FOLLOWUPS_TEST_TOKEN"]
    body = case.body
    if isinstance(body, dict) and isinstance(body.get("text"), str) and not _is_wrong(case, ParameterLocation.BODY):
        # The dictionary of times fills `due` also where a `text` says it.
        body.pop("due", None)
    if case.operation.path.startswith("/v1/runs/") and turn % 2 and not _is_wrong(case, ParameterLocation.PATH):
        values["id"] = os.environ["FOLLOWUPS_TEST_RUN"]
    if case.operation.method.upper() in ("PUT", "DELETE"):
        for name, other in (("name", "@other"), ("id", "a" * 26)):
            if values.get(name) in os.environ["FOLLOWUPS_TEST_KEEP"].split():
                values[name] = other


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
