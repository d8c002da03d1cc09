"""Errors as `application/problem+json` (RFC 9457)."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from followups.domain.errors import Refused, StoreBusy, StoreError, StoreFull

if TYPE_CHECKING:
    from followups.api import answers

_BASE = "https://followups.dev/problems/"
TITLES = {
    400: "The request cannot be read",
    401: "Who you are is not known",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    409: "Not in this state",
    410: "Too late",
    412: "Changed meanwhile",
    413: "Too large",
    415: "Not JSON",
    422: "The request is wrong",
    428: "Condition needed",
    429: "Too many requests",
    500: "Our mistake",
    503: "Not now",
}
HEADERS = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}


@dataclass(frozen=True, slots=True)
class Answer:
    """What is answered: the status, the body as text, and the headers."""

    status: int
    body: str
    headers: Mapping[str, str]

    def to_event(self) -> dict[str, Any]:
        """Gives the answer as an HTTP API takes it from a function, payload format 2.0."""
        return {"statusCode": self.status, "headers": dict(self.headers), "body": self.body, "isBase64Encoded": False}


class HttpProblem(Refused):
    """A refusal that only HTTP knows: of the transport, not of the domain."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        errors: "Sequence[answers.FieldError]" = (),
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(code, detail)
        self.http_status = status
        self.errors = list(errors)
        self.headers = headers or {}


def answer(status: int, body: Any, headers: dict[str, str] | None = None) -> Answer:
    """Gives a JSON answer with our security headers."""
    content = json.dumps(body, ensure_ascii=False)
    return Answer(status, content, {"Content-Type": "application/json"} | HEADERS | (headers or {}))


def problem(error: Refused, instance: str, sent: "answers.Body | None" = None) -> Answer:
    """Gives a refusal as problem+json; `instance` is the path that was asked, `sent` the body, to be offered put right."""
    errors = list(error.errors) if isinstance(error, HttpProblem) else []
    if not errors and error.field:
        errors = [{"pointer": f"/{error.field}", "msg": error.detail}]
    headers = error.headers if isinstance(error, HttpProblem) else {}
    requests = [sent | {error.field: it} for it in error.readings] if sent is not None and error.field else []
    return _problem(
        error.http_status, error.code, error.detail, instance, errors, headers, requests=requests,
        retryable=error.retryable, hint=error.hint,
    )  # fmt: skip


def store_problem(error: StoreError, instance: str) -> Answer:
    """Gives a store's failure as 503: nothing was written, and trying again is right if it was only busy."""
    code = {StoreBusy: "try_again", StoreFull: "store_full"}.get(type(error), "store_unusable")
    after = {"Retry-After": "2" if code == "try_again" else "60"}
    return _problem(503, code, str(error), instance, [], after, retryable=True)


def bug(instance: str) -> Answer:
    """Gives a 500 that tells nothing of our insides."""
    detail = "something went wrong on our side; nothing is known to have been written"
    return _problem(500, "internal_error", detail, instance, [], {})


def _problem(
    status: int, code: str, detail: str, instance: str, errors: "list[answers.FieldError]", headers: dict[str, str],
    requests: "Sequence[answers.Body]" = (), retryable: bool = False, hint: str | None = None,
) -> Answer:  # fmt: skip
    body: answers.Problem = {
        "type": _BASE + code,
        "title": TITLES.get(status, "Refused"),
        "status": status,
        "detail": detail,
        "code": code,
        "instance": instance,
        "errors": errors,
        "requests": list(requests),
        "retryable": retryable,
        "hint": hint,
    }
    # What was sent may be no text, and is named all the same: half of a surrogate pair becomes its JSON escape.
    content = json.dumps(body, ensure_ascii=False).encode("utf-8", "backslashreplace").decode()
    return Answer(status, content, {"Content-Type": "application/problem+json"} | HEADERS | headers)
