"""A request's body as the model that it must be."""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from followups.api.answers import FieldError
from followups.api.problems import HttpProblem
from followups.api.request import MAX_BODY, json_object

M = TypeVar("M", bound=BaseModel)


def read(event: Mapping[str, Any], model: type[M], limit: int = MAX_BODY) -> M:
    """Gives the request's body as the model. Raises HttpProblem 400, 413, 415 or 422."""
    raw = json_object(event, limit)
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        raise _invalid(error) from error


def read_optional(event: Mapping[str, Any], model: type[M]) -> M:
    """Gives the body as the model; no body is an empty one."""
    return read(event, model) if event.get("body") else model()


def _invalid(error: ValidationError) -> HttpProblem:
    errors: list[FieldError] = []
    code = "validation_error"
    for item in error.errors(include_url=False, include_context=False, include_input=False):
        pointer = "".join(f"/{_escaped(str(part))}" for part in item["loc"])
        message = item["msg"]
        if item["type"] == "extra_forbidden":
            message = "there is no such field"
        elif item["type"] == "string_unicode":
            code, message = "invalid_text", "it contains half of a surrogate pair; write plain text"
        errors.append({"pointer": pointer, "msg": message})
        if item["type"].startswith("followups."):
            code = item["type"].removeprefix("followups.")
    first = errors[0]
    detail = f"{first['pointer'].removeprefix('/') or 'body'}: {first['msg']}"
    return HttpProblem(422, code, detail, errors=errors)


def _escaped(part: str) -> str:
    # RFC 6901 §3; and what a field is called that we do not know may be no text.
    return part.replace("~", "~0").replace("/", "~1").encode("utf-8", "backslashreplace").decode()
