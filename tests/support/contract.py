"""Holds an answer of the API to the OpenAPI document: its status, code, media type, headers and body.

Fast enough for each answer of a simulation: jsonschema-rs knows the document's dialect (2020-12), compiles a schema once,
and checks an answer in 10 to 60 microseconds.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import jsonschema_rs

from followups.api.openapi import document
from followups.api.routes import ROUTES
from followups.cli.client import Reply, Transport

DOCUMENT = document(ROUTES)
_COMPONENTS = DOCUMENT["components"]
_PATHS = [(path, re.compile(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path)))) for path in DOCUMENT["paths"]]
_HEADERS = {name.lower(): jsonschema_rs.Draft202012Validator(it["schema"]) for name, it in _COMPONENTS["headers"].items()}
#: The document leaves its answers open, so that fields may be added; a test wants to know of each.
_CLOSED = {
    name: it | {"additionalProperties": False} if "properties" in it and name != "Document" else it
    for name, it in _COMPONENTS["schemas"].items()
}


def check_answer(method: str, path: str, status: int, headers: Mapping[str, str], body: Any) -> None:
    """Fails unless the document promises this answer. `path` may have a query, `body` is the JSON as it was read."""
    path = path.partition("?")[0]
    template = next((template for template, pattern in _PATHS if pattern.fullmatch(path)), None)
    media_type, validator, documented = _promised(method.lower(), template, status)
    said = f"{method} {path[:100]} answered {status} {str(body)[:300]}"
    sent = {name.lower(): value for name, value in headers.items()}
    assert media_type, f"{said}: the document does not know this status here"
    assert sent.get("content-type") == media_type, f"{said} as {sent.get('content-type')}, not {media_type}"
    if not validator.is_valid(body):
        wrong = [f"{'/'.join(map(str, it.instance_path))}: {it.message[:200]}" for it in validator.iter_errors(body)]
        raise AssertionError(f"{said}: {'; '.join(wrong)}")
    for name, header in _HEADERS.items():
        if name not in documented:
            assert name not in sent, f"{said} with {name}, which the document does not know here"
        elif name in sent or documented[name]:
            assert header.is_valid(_header(sent.get(name))), f"{said} with {name}: {sent.get(name)}"


@cache
def _promised(method: str, template: str | None, status: int) -> tuple[str | None, Any, dict[str, bool]]:
    """Gives the media type, the body's validator and the headers that the document promises, each with whether it is
    always there; None for no such status."""
    there = DOCUMENT["paths"][template] if template else {}
    if method in there:
        response = there[method]["responses"].get(str(status), {})
    else:
        refused = 405 if there else 404
        response = {"$ref": f"#/components/responses/Refused{refused}"} if status == refused else {}
    if "$ref" in response:
        response = _COMPONENTS["responses"][response["$ref"].rpartition("/")[2]]
    # What API Gateway refuses by itself is promised as well, and never comes from our handler.
    media_type = "application/json" if status < 400 else "application/problem+json"
    if media_type not in response.get("content", {}):
        return None, None, {}
    schema = response["content"][media_type]["schema"] | {"components": {"schemas": _CLOSED}}
    validator = jsonschema_rs.Draft202012Validator(schema, validate_formats=True)
    headers = {name.lower(): it.get("required", True) for name, it in response.get("headers", {}).items()}
    return media_type, validator, headers


def _header(value: str | None) -> Any:
    return int(value) if value is not None and value.isdigit() else value


@dataclass(frozen=True)
class Checked:
    """A transport of the command line's client that holds every answer to the document."""

    inner: Transport

    def send(self, method: str, target: str, headers: dict[str, str], body: bytes | None) -> Reply:
        reply = self.inner.send(method, target, headers, body)
        check_answer(method, target, reply.status, reply.headers, reply.body)
        return reply
