"""The OpenAPI document says all that the code can answer, and nothing else."""

import ast
import itertools
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest
from pydantic import BaseModel, ValidationError

from followups.api.agent_schemas import CompleteRun, DisableAgent, PullWork, PutAgent, PutControl, SayProgress, TryAgent
from followups.api.operations import OPERATIONS
from followups.api.routes import ROUTES
from followups.api.schemas import CreateFollowUp, EditFollowUp, Pause
from followups.domain import errors
from followups.domain.targets import MODES
from tests.support import cfn
from tests.support.contract import DOCUMENT, check_answer

PACKAGE = cfn.ROOT / "layers/followups/followups"
REFUSALS = {
    name: it.http_status for name, it in vars(errors).items() if isinstance(it, type) and issubclass(it, errors.Refused)
}
FUNCTION = "arn:aws:lambda:eu-central-1:123456789012:function:check-backup"
RUN = f"run-{'a' * 26}-000001"


class PutFunction(PutAgent):
    """The same with other fields that must be there."""


class PutLasting(PutAgent):
    """Again: one whose runs outlive the call that starts them."""


def named(model: type[BaseModel]) -> str:
    return "PutAgent" if issubclass(model, PutAgent) else model.__name__


#: What is raised in these rooms and is no answer to an HTTP request.
NOT_OVER_HTTP = {(400, "invalid_event")}


def test_every_route_is_described_and_nothing_else() -> None:
    described = {
        (verb.upper(), path, operation["operationId"])
        for path, there in DOCUMENT["paths"].items()
        for verb, operation in there.items()
    }
    assert described == {
        (verb, path.replace("<", "{").replace(">", "}"), route.__name__.rstrip("_")) for verb, path, route in ROUTES
    }
    assert set(OPERATIONS) == {route.__name__ for _, _, route in ROUTES}


def promised(node: Any) -> Iterator[tuple[int, str]]:
    """Gives status and code of each refusal of ours in the document."""
    if isinstance(node, dict):
        own = node.get("properties", {})
        if "enum" in own.get("code", {}) and "const" in own.get("status", {}):
            yield from ((own["status"]["const"], code) for code in own["code"]["enum"])
    for part in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from promised(part)


def raised(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Gives status and code of each refusal that a module's source makes."""
    for scope in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)):
        for call in (node for node in ast.walk(scope) if isinstance(node, ast.Call)):
            name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
            if name in REFUSALS:
                yield from ((REFUSALS[name], code) for code in literals(call.args[0], scope))
            elif name == "Refusal":  # domain/when
                codes = [it.value for it in call.keywords if it.arg == "code"]
                yield from ((422, code) for given in codes for code in literals(given, scope))
            elif name == "error":  # api/schemas.py
                yield from ((422, code) for code in literals(call.args[0], scope))
            elif name in ("HttpProblem", "_problem") and isinstance(call.args[0], ast.Constant):
                yield from ((call.args[0].value, code) for code in literals(call.args[1], scope))


def literals(node: ast.expr, scope: ast.FunctionDef) -> set[str]:
    """Gives the texts that an expression may be; a variable is looked up in its function."""
    match node:
        case ast.Constant(value=str(text)):
            return {text}
        case ast.IfExp(body=one, orelse=other):
            return literals(one, scope) | literals(other, scope)
        case ast.Call(func=ast.Attribute(value=ast.Dict(values=values), attr="get"), args=[_, default]):
            return {code for value in (*values, default) for code in literals(value, scope)}
        case ast.Name(id=name):
            found: set[str] = set()
            for assign in (it for it in ast.walk(scope) if isinstance(it, ast.Assign)):
                for target in assign.targets:
                    pairs = [(target, assign.value)]
                    if isinstance(target, ast.Tuple) and isinstance(assign.value, ast.Tuple):
                        pairs = list(zip(target.elts, assign.value.elts, strict=True))
                    found |= {c for to, value in pairs if isinstance(to, ast.Name) and to.id == name
                              for c in literals(value, scope)}  # fmt: skip
            return found
    return set()


def test_every_code_is_in_the_document_and_no_other() -> None:
    rooms = [path for room in ("domain", "usecases", "api") for path in sorted((PACKAGE / room).rglob("*.py"))]
    rooms += [PACKAGE / "local/server.py"]
    made = {it for path in rooms for it in raised(ast.parse(path.read_text(encoding="utf-8")))}
    assert made - NOT_OVER_HTTP == set(promised(DOCUMENT))


def test_schemas_are_schemas() -> None:
    for schema in DOCUMENT["components"]["schemas"].values():
        jsonschema_rs.meta.validate({"$schema": "https://json-schema.org/draft/2020-12/schema"} | schema)


def test_what_a_command_needs_does_not_make_the_document() -> None:
    heavy = ("pydantic", *(f"followups.api.{name}" for name in ("openapi", "operations", "answers", "shapes", "schemas")))
    probe = f"import sys, followups.api.app; print([m for m in {heavy} if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True).stdout == "[]\n"


TEXTS = [
    "", " ", "a", " a ", "a\n", "\na", "a\nb", "a\r\nb", "a\rb", "a\tb", "\ta", "\x00", "a\x1f", "a\x7fb", "a\u0085b",
    "a\u2028b", "a\u2029", "\u3000a", "a\u3000", "\u3000", "ä€😀", "{", "\\", *("a" * n for n in (200, 201)),
    *("a" * n for n in (4_096, 4_097, 8_000, 8_001, 16_000, 16_001)),
]  # fmt: skip
ADDRESSES = [
    "a@b.co", "a@b", "a.b@c.d.co", "a..b@c.co", ".a@b.co", "Joe <a@b.co>", "a@b.co\n", "a@-b.co", "ä@b.co",
    "a@b.co,c@d.co", f"a@{'b' * 63}.co", f"a@{'b' * 64}.co",
]  # fmt: skip
ODD: list[Any] = [None, True, 0, 1, 3, 10, 11, 3_600, 3_601, -1, 1.0, 1.5, 1e300, "3", [], {}, ["a"]]
FIELDS: list[tuple[type[BaseModel], str, list[Any]]] = [
    (CreateFollowUp, "task", TEXTS + ODD),
    (CreateFollowUp, "message", TEXTS + ODD),
    (CreateFollowUp, "due", [*TEXTS, *ODD, "a" * 100, "a" * 101]),
    (CreateFollowUp, "timezone", ["UTC", "a/b", "a" * 64, "a" * 65, *ODD]),
    (CreateFollowUp, "report_to", ADDRESSES + ODD),
    (CreateFollowUp, "max_attempts", ODD),
    (CreateFollowUp, "done_when", [*TEXTS, *ODD, "a" * 2_000, "a" * 2_001]),
    (CreateFollowUp, "retry_until_met", [*TEXTS, *ODD, "1d,2d,4d"]),
    (CreateFollowUp, "give_up_at", [*TEXTS, *ODD, "2w"]),
    (CreateFollowUp, "odd", ODD),
    (EditFollowUp, "due", TEXTS + ODD),
    (EditFollowUp, "task", TEXTS + ODD),
    (EditFollowUp, "message", TEXTS + ODD),
    (EditFollowUp, "done_when", TEXTS + ODD),
    (PutAgent, "command", [[it] for it in TEXTS] + [["a"] * 100, ["a"] * 101, []] + ODD),
    (PutAgent, "kind", ["command", "lambda", "checklist", *ODD]),
    (PutAgent, "target", [FUNCTION, f"{FUNCTION}:live", *ODD]),
    (
        PutFunction,
        "target",
        [FUNCTION, f"{FUNCTION}:live", f"{FUNCTION}:$LATEST", f"{FUNCTION}\n", f"{FUNCTION}:a:b", *ODD],
    ),
    (PutFunction, "command", [[], ["a"], *ODD]),
    (PutAgent, "rerun", ["safe", "never", *ODD]),
    (PutAgent, "timeout_s", ODD),
    (PutFunction, "timeout_s", ODD),
    (PutLasting, "timeout_s", [*ODD, 604_800, 604_801]),
    (PutAgent, "max_concurrency", [100, 101, *ODD]),
    (PutAgent, "max_attempts", ODD),
    (Pause, "reason", TEXTS + ODD),
    (PutControl, "stopped", [*ODD, False]),
    (PutControl, "reason", TEXTS + ODD),
    (TryAgent, "task", TEXTS + ODD),
    (TryAgent, "message", TEXTS + ODD),
    (TryAgent, "done_when", TEXTS + ODD),
    (DisableAgent, "reason", TEXTS + ODD),
    (PullWork, "worker", ["desk-4711", "a" * 64, "a" * 65, "a b", "ä", "a\n", *ODD]),
    (PullWork, "in_hand", [[RUN], [RUN] * 100, [RUN] * 101, [RUN + "\n"], ["run"], [None], *ODD]),
    (CompleteRun, "outcome", ["succeeded", "attention", "failed", "timed_out", "cancelled", "Failed", *ODD]),
    *((CompleteRun, name, [*TEXTS, *ODD, "a" * 400_000, "a" * 400_001]) for name in ("summary", "report_md", "evidence")),
    (CompleteRun, "verdict", ["met", "not_met", "cannot_tell", "maybe", *ODD]),
    (CompleteRun, "findings", [["a", 1, None, {"a": []}], ["a"] * 1_000, ["a"] * 1_001, *ODD]),
    (CompleteRun, "usage", [{"model": "m"}, {"model": None, "tokens": 7}, {"model": 7}, *ODD]),
    *(
        (CompleteRun, "usage", [{name: it} for it in (*ODD, 10**15, 10**15 + 1, 10**6, 10**6 + 1)])
        for name in ("input_tokens", "output_tokens", "cost_usd")
    ),
    (CompleteRun, "odd", ODD),
    (SayProgress, "message", TEXTS + ODD),
    (SayProgress, "odd", ODD),
]
LEAST: dict[type[BaseModel], dict[str, Any]] = {
    CreateFollowUp: {"agent": "@a", "task": "a", "due": "7d"},
    EditFollowUp: {},
    PutAgent: {"kind": "command", "command": ["a"]},
    PutFunction: {"kind": "lambda", "target": FUNCTION},
    PutLasting: {"kind": "states", "target": FUNCTION},
    Pause: {},
    PutControl: {"stopped": True},
    TryAgent: {"task": "a"},
    DisableAgent: {},
    PullWork: {"worker": "desk"},
    CompleteRun: {"outcome": "succeeded"},
    SayProgress: {"message": "a"},
}
#: The values that go with a kind or do not; `...` leaves the field out.
KINDS = ["command", "lambda", "agentcore", "states", "https", "worker", "person", "checklist", None]
COMMANDS: list[Any] = [..., [], ["a"]]
TARGETS: list[Any] = [..., None, "x", "", "a b"]
TIMES: list[Any] = [..., 3_600, 3_601]
WAYS: list[Any] = [..., None, "sync", "async", "durable", "odd"]


@pytest.mark.parametrize(("model", "field", "values"), FIELDS, ids=lambda it: getattr(it, "__name__", str(it))[:20])
def test_a_body_is_taken_if_the_document_says_so(model: type[BaseModel], field: str, values: list[Any]) -> None:
    place = {"$ref": f"#/components/schemas/{named(model)}", "components": DOCUMENT["components"]}
    schema = jsonschema_rs.Draft202012Validator(place, validate_formats=True)
    for value in values:
        sent = LEAST[model] | {field: value}
        try:
            model.model_validate(sent)
            taken = True
        except ValidationError:
            taken = False
        assert schema.is_valid(sent) is taken, f"{field}: {value!r:.60} is {'taken' if taken else 'refused'}"


@pytest.mark.parametrize("kind", KINDS)
def test_an_agent_is_taken_with_what_goes_with_its_kind(kind: str | None) -> None:
    place = {"$ref": "#/components/schemas/PutAgent", "components": DOCUMENT["components"]}
    schema = jsonschema_rs.Draft202012Validator(place)
    for command, target, mode, timeout_s in itertools.product(COMMANDS, TARGETS, WAYS, TIMES):
        named = {"kind": kind, "command": command, "target": target, "mode": mode, "timeout_s": timeout_s}
        sent = {name: value for name, value in named.items() if value is not ...}
        try:
            PutAgent.model_validate(sent)
            # Which modes a kind has, the route says (`domain.targets`): it has a sentence of its own for that.
            taken = mode in (..., None, *MODES.get(str(kind), ()))
        except ValidationError:
            taken = False
        assert schema.is_valid(sent) is taken, f"{sent} is {'taken' if taken else 'refused'}"


@pytest.mark.parametrize("name", [name for name, it in OPERATIONS.items() if it.body])
def test_an_example_can_be_sent(name: str) -> None:
    body = OPERATIONS[name].body
    assert body is not None and body.model_validate(OPERATIONS[name].example)


@pytest.mark.parametrize("model", LEAST)
def test_fields_that_must_be_there(model: type[BaseModel]) -> None:
    place = {"$ref": f"#/components/schemas/{named(model)}", "components": DOCUMENT["components"]}
    schema, least = jsonschema_rs.Draft202012Validator(place), LEAST[model]
    assert not least or schema.is_valid(least)
    for name in least:
        assert not schema.is_valid({other: value for other, value in least.items() if other != name}), name


ID = "a" * 26
CONTROL = {"stopped": False, "reason": None, "changed_at": None}
PROBLEM = {
    "type": "https://followups.dev/problems/not_found", "title": "Not found", "status": 404, "detail": "none",
    "code": "not_found", "instance": "/", "errors": [], "requests": [], "retryable": False, "hint": None,
}  # fmt: skip
DONE = {"run_id": RUN, "outcome": "failed", "verdict": None, "final": True, "next_at": None}
JSON, REFUSED = {"content-type": "application/json"}, {"Content-Type": "application/problem+json"}


def test_a_promised_answer_passes() -> None:
    check_answer("GET", "/v1/control?x=1", 200, JSON, CONTROL)
    check_answer("GET", f"/v1/follow-ups/{ID}", 404, REFUSED, PROBLEM)
    check_answer("GET", "/nowhere", 404, REFUSED, PROBLEM)
    for replayed in ({}, {"idempotent-replayed": "true"}):
        check_answer("POST", f"/v1/runs/{RUN}/complete", 200, JSON | replayed, DONE)
    refused = PROBLEM | {"status": 405, "code": "method_not_allowed"}
    check_answer("PUT", "/v1/healthz", 405, REFUSED | {"allow": "GET"}, refused)


@pytest.mark.parametrize(
    ("method", "path", "status", "headers", "answered"),
    [
        ("GET", "/v1/control", 201, JSON, CONTROL),
        ("GET", "/v1/control", 404, REFUSED, PROBLEM),
        ("GET", "/v1/control", 200, {}, CONTROL),
        ("GET", "/v1/control", 200, REFUSED, CONTROL),
        ("GET", "/v1/control", 200, JSON, CONTROL | {"more": 1}),
        ("GET", "/v1/control", 200, JSON, {"stopped": False, "reason": None}),
        ("GET", "/v1/control", 200, JSON, CONTROL | {"changed_at": "yesterday"}),
        ("GET", "/v1/control", 200, JSON | {"etag": '"1"'}, CONTROL),
        ("GET", "/nowhere", 200, JSON, {}),
        ("GET", f"/v1/runs/{ID}", 404, REFUSED, PROBLEM | {"code": "odd"}),
        ("GET", f"/v1/runs/{ID}", 404, REFUSED, PROBLEM | {"status": 400}),
        ("GET", f"/v1/runs/{ID}", 404, JSON, PROBLEM),
        ("PUT", "/v1/healthz", 405, REFUSED, PROBLEM | {"status": 405, "code": "method_not_allowed"}),
        ("GET", "/v1/control", 503, REFUSED, PROBLEM | {"status": 503, "code": "try_again"}),
        ("GET", "/v1/control", 401, JSON, {"message": "Unauthorized"}),
        ("POST", f"/v1/runs/{RUN}/complete", 200, JSON | {"idempotent-replayed": "false"}, DONE),
    ],
)
def test_another_answer_fails(method: str, path: str, status: int, headers: dict[str, str], answered: Any) -> None:
    with pytest.raises(AssertionError, match="answered"):
        check_answer(method, path, status, headers, answered)
