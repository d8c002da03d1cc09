"""What is said of a route in the OpenAPI document, and the refusals that many routes have in common."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

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
    #: And of those that it has at times only.
    at_times: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    #: The parameter in other routes' paths that its answer gives a value for, and where that stands.
    leads: tuple[str, str] | None = None
    #: Whether it answers without asking who calls.
    public: bool = False
    #: Whether the run's token alone says who calls.
    by_token: bool = False


def all_of(*parts: Refusals) -> Refusals:
    """Gives the refusals of all parts."""
    found: Refusals = {}
    for part in parts:
        for status, codes in part.items():
            found[status] = tuple(dict.fromkeys((*found.get(status, ()), *codes)))
    return dict(sorted(found.items()))


#: No code: only API Gateway answers 429 so far.
ANY: Refusals = {403: ("forbidden",), 429: (), 500: ("internal_error",)}
KNOWN = all_of(
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
DUE = all_of(WHEN, {422: ("invalid_email", "invalid_checklist", "invalid_late")})
PERSON: Refusals = {403: ("not_with_run_token",)}
RECIPIENT: Refusals = {403: ("recipient_not_allowed",)}
THERE: Refusals = {404: ("not_found",)}
