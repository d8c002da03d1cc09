"""The OpenAPI document (3.1): made from the table of routes, the models of requests and the types of answers.

It is made when it is first asked for, so that neither a function's cold start nor a command waits for it.
"""

from collections.abc import Iterable
from typing import Any

from followups import __version__
from followups.api import answers, shapes
from followups.api.operation import Operation
from followups.api.operations import OPERATIONS
from followups.api.problems import TITLES
from followups.api.service import Route
from followups.domain.ids import AGENT_NAME
from followups.domain.status import Status

Json = dict[str, Any]
_ABOUT = """\
Followups runs AI agents later: say once what is to be done and when, and a report arrives.

Every refusal of ours is `application/problem+json` (RFC 9457) with a stable `code`. An unknown path is 404 `not_found`, a
method that a path does not take 405 `method_not_allowed` with `Allow`. On AWS, API Gateway stands in front: what it refuses
itself has `{"message": …}` instead, and an unknown path or method is its 404. On a laptop the API answers its own user
only, without credentials; others, and web pages, get 403 `forbidden`, and what is no HTTP request `invalid_request`.

An agent that calls from within its run sends `Followups-Run-Token`. It speaks on its run's account then, and may do less.
What a run says of itself (`/v1/runs/{id}/complete`, `heartbeat`, `progress`) asks for that token only, also as a bearer
token.
"""
#: Statuses that API Gateway answers by itself, too.
_GATEWAY = (401, 403, 413, 429, 500, 503)
_KEY = r"^[!-+\--~]{1,128}$"
_PARAMETERS: dict[str, Json] = {
    "FollowUpId": {"in": "path", "name": "id", "required": True, "schema": shapes.of(answers.Id, {})},
    "RunId": {"in": "path", "name": "id", "required": True, "schema": shapes.of(answers.RunId, {})},
    "AgentName": {
        "in": "path", "name": "name", "required": True, "schema": {"type": "string", "pattern": f"^{AGENT_NAME.pattern}$"},
        "example": "@backup",
    },
    "Status": {
        "in": "query", "name": "status", "description": "A group, or one status.",
        "schema": {"type": "string", "enum": ["open", "closed", "all", *Status], "default": "open"},
    },
    "Limit": {
        "in": "query", "name": "limit", "description": "Items a page.",
        "schema": {"type": "integer", "minimum": 1, "maximum": 100, "default": 50},
    },
    "Cursor": {
        "in": "query", "name": "cursor", "description": "The `next` of the page before, with the same `status`.",
        "schema": {"type": "string"},
    },
    "AskedKey": {
        "in": "query", "name": "idempotency_key", "description": "Only what was created with this Idempotency-Key.",
        "schema": {"type": "string", "pattern": _KEY},
    },
    "IdempotencyKey": {
        "in": "header", "name": "Idempotency-Key",
        "description": "Whoever sends the same request again with the same key gets the same follow-up.",
        "schema": {"type": "string", "pattern": _KEY},
    },
    "IfMatch": {
        "in": "header", "name": "If-Match", "required": True, "description": "The ETag as it was read.",
        "schema": {"type": "string", "pattern": '^(?:[0-9]{1,12}|"[0-9]{1,12}")$'}, "example": '"1"',
    },
    "RunToken": {
        "in": "header", "name": "Followups-Run-Token", "description": "Of the run that calls: `FOLLOWUPS_RUN_TOKEN`.",
        "schema": {"type": "string", "pattern": r"^fr2\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$"},
    },
}  # fmt: skip
_PARAMETERS["OwnToken"] = _PARAMETERS["RunToken"] | {
    "required": True, "description": "Of the very run, as its agent was told it; or as a bearer token in `Authorization`.",
}  # fmt: skip
_HEADERS: dict[str, Json] = {
    "ETag": {
        "description": "The follow-up's version, for If-Match.", "required": True,
        "schema": {"type": "string", "pattern": '^"[0-9]+"$'},
    },
    "Location": {"required": True, "schema": {"type": "string", "pattern": "^/v1/follow-ups/[a-z2-7]{26}$"}},
    "Idempotent-Replayed": {
        "description": "This request was answered before, and made nothing now.", "required": True,
        "schema": {"type": "string", "const": "true"},
    },
    "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 1}},
    "Allow": {"description": "The methods that the path takes.", "required": True, "schema": {"type": "string"}},
}  # fmt: skip
_SECURITY: dict[str, Json] = {
    "iam": {
        "type": "apiKey", "in": "header", "name": "Authorization", "x-amazon-apigateway-authtype": "awsSigv4",
        "description": "On AWS by default: AWS Signature Version 4, for the service `execute-api`.",
    },
    "jwt": {
        "type": "http", "scheme": "bearer", "bearerFormat": "JWT",
        "description": "On AWS with a token issuer: an access token with the route's scope.",
    },
}  # fmt: skip
#: Which parameter stands in a path, by the path's second part.
_IN_PATH = {"follow-ups": "FollowUpId", "runs": "RunId", "agents": "AgentName"}


_DONE = {200: "As asked.", 201: "Created.", 202: "Accepted; it is not done yet."}
Described = list[tuple[str, str, str, Operation]]


def document(routes: Iterable[tuple[str, str, Route]]) -> Json:
    """Gives the document of these routes: method, path with `<name>` for a parameter, and what answers."""
    described = [(verb, path, route.__name__, OPERATIONS[route.__name__]) for verb, path, route in routes]
    schemas = shapes.of_models(it.body for *_, it in described if it.body)
    for kind in (answers.Problem, answers.GatewayMessage):
        shapes.of(kind, schemas)
    responses, paths = _shared_refusals(described), dict[str, Json]()
    for verb, path, name, it in described:
        operation = _operation(verb, path, name, it)
        operation["responses"] = _answers(it, _links(it, described), schemas) | {
            str(status): _ref("responses", f"Refused{status}")
            if f"Refused{status}" in responses
            else _refusal(status, codes)
            for status, codes in it.refusals.items()
        }
        paths.setdefault(path.replace("<", "{").replace(">", "}"), {})[verb.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {"title": "Followups", "version": __version__, "description": _ABOUT},
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": dict(sorted(schemas.items())), "parameters": _PARAMETERS, "headers": _HEADERS,
            "responses": responses, "securitySchemes": _SECURITY,
        },
    }  # fmt: skip


def _operation(verb: str, path: str, name: str, it: Operation) -> Json:
    parameters = [*_in_path(path), *it.parameters, *([] if it.public else ["OwnToken" if it.by_token else "RunToken"])]
    made: Json = {
        "operationId": name.rstrip("_"),
        "summary": it.summary,
        "tags": ["service" if it.public else path.split("/")[2]],
        # The empty one is a laptop's: there the operating system says who calls.
        "security": [] if it.public or it.by_token else [{"iam": []}, {"jwt": [f"followups/{_scope(verb, path)}"]}, {}],
        "parameters": [_ref("parameters", each) for each in parameters],
    }
    if it.body is not None:
        content = {"application/json": {"schema": _ref("schemas", it.body.__name__), "example": it.example}}
        made["requestBody"] = {"required": it.body_required, "content": content}
    return made


def _scope(verb: str, path: str) -> str:
    if path.endswith("/work"):
        return "work"
    operator = path.endswith("/secret") or (verb != "GET" and path.startswith(("/v1/agents", "/v1/control")))
    return "operate" if operator else "read" if verb == "GET" or path == "/v1/preview" else "write"


def _answers(it: Operation, links: Json, schemas: Json) -> Json:
    made: Json = {}
    for status, kind in it.answers.items():
        answer: Json = {"description": _DONE[status]}
        headers = {each: _ref("headers", each) for each in it.headers.get(status, ())}
        if headers := headers | {each: _HEADERS[each] | {"required": False} for each in it.at_times.get(status, ())}:
            answer["headers"] = headers
        answer["content"] = {"application/json": {"schema": shapes.of(kind, schemas)}}
        made[str(status)] = answer | ({"links": links} if links else {})
    return made


def _refusal(status: int, codes: tuple[str, ...]) -> Json:
    content: Json = {}
    if codes:
        own = {"properties": {"status": {"const": status}, "code": {"enum": list(codes)}}}
        content["application/problem+json"] = {"schema": {"allOf": [_ref("schemas", "Problem"), own]}}
    if status in _GATEWAY:
        content["application/json"] = {"schema": _ref("schemas", "GatewayMessage")}
    named = ", ".join(f"`{code}`" for code in codes)
    made: Json = {"description": f"{TITLES[status]}: {named}." if codes else f"{TITLES[status]}.", "content": content}
    header = {405: "Allow", 503: "Retry-After"}.get(status)
    return made | ({"headers": {header: _ref("headers", header)}} if header else {})


def _shared_refusals(described: Described) -> Json:
    """Gives the refusals that are the same wherever they are, and the two that belong to no route."""
    kinds: dict[int, set[tuple[str, ...]]] = {405: {("method_not_allowed",)}}
    for *_, it in described:
        for status, codes in it.refusals.items():
            kinds.setdefault(status, set()).add(codes)
    return {f"Refused{status}": _refusal(status, *codes) for status, codes in sorted(kinds.items()) if len(codes) == 1}


def _links(it: Operation, described: Described) -> Json:
    """Gives what can be called with what the answer says."""
    if it.leads is None:
        return {}
    parameter, value = it.leads
    made: Json = {}
    for _, path, name, other in described:
        if _in_path(path) == [parameter]:
            match = {"If-Match": "$response.header.ETag"} if "IfMatch" in other.parameters and it.headers else {}
            made[name] = {"operationId": name.rstrip("_"), "parameters": {"id": value} | match}
    return made


def _in_path(path: str) -> list[str]:
    return [_IN_PATH[path.split("/")[2]]] if "<" in path else []


def _ref(place: str, name: str) -> Json:
    return {"$ref": f"#/components/{place}/{name}"}
