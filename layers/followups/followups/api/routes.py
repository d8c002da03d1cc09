"""The table of routes."""

import re
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from typing import Any
from urllib.parse import unquote

from followups.api import reads
from followups.api.problems import Answer, HttpProblem, answer
from followups.api.service import Route, Service


def load_writes() -> Any:
    """Gives the module of the routes that change. A laptop's `list` does not wait for its models (a fifth of its time);
    a function that serves many requests calls this when it is made."""
    import_module("followups.api.runs")
    import_module("followups.api.registry")
    return import_module("followups.api.writes")


def _write(name: str, module: str = "writes") -> Route:
    def route(service: Service, event: Mapping[str, Any], path: dict[str, str]) -> Answer:
        made: Answer = getattr(import_module(f"followups.api.{module}"), name)(service, event, path)
        return made

    route.__name__ = name
    return route


def openapi(_service: Service, _event: Mapping[str, Any], _path: dict[str, str]) -> Answer:
    return answer(200, _document())


@cache
def _document() -> dict[str, Any]:
    from followups.api.openapi import document  # No command and no cold start waits for it.

    return document(ROUTES)


ROUTES: tuple[tuple[str, str, Route], ...] = (
    ("POST", "/v1/follow-ups", _write("create")),
    ("GET", "/v1/follow-ups", reads.list_),
    ("GET", "/v1/follow-ups/<id>", reads.get),
    ("PATCH", "/v1/follow-ups/<id>", _write("edit")),
    ("DELETE", "/v1/follow-ups/<id>", _write("delete")),
    ("POST", "/v1/follow-ups/<id>/run", _write("run_now")),
    ("POST", "/v1/follow-ups/<id>/pause", _write("pause")),
    ("POST", "/v1/follow-ups/<id>/resume", _write("resume")),
    ("POST", "/v1/follow-ups/<id>/snooze", _write("snooze")),
    ("POST", "/v1/follow-ups/<id>/retry", _write("retry")),
    ("GET", "/v1/follow-ups/<id>/runs", reads.runs),
    ("GET", "/v1/follow-ups/<id>/tree", reads.tree),
    ("POST", "/v1/follow-ups/<id>/stop-tree", _write("stop_tree")),
    ("POST", "/v1/preview", _write("preview")),
    ("GET", "/v1/runs/<id>", reads.get_run),
    ("GET", "/v1/runs/<id>/report", reads.get_report),
    ("POST", "/v1/runs/<id>/complete", _write("complete", "runs")),
    ("POST", "/v1/runs/<id>/heartbeat", _write("heartbeat", "runs")),
    ("POST", "/v1/runs/<id>/progress", _write("progress", "runs")),
    ("GET", "/v1/agents", reads.list_agents),
    ("GET", "/v1/agents/<name>", reads.get_agent),
    ("PUT", "/v1/agents/<name>", _write("put_agent", "registry")),
    ("DELETE", "/v1/agents/<name>", _write("remove_agent", "registry")),
    ("POST", "/v1/agents/<name>/test", _write("test_agent", "registry")),
    ("POST", "/v1/agents/<name>/disable", _write("disable_agent", "registry")),
    ("POST", "/v1/agents/<name>/enable", _write("enable_agent", "registry")),
    ("GET", "/v1/agents/<name>/secret", _write("agent_secret", "registry")),
    ("POST", "/v1/agents/<name>/work", _write("pull_work", "runs")),
    ("GET", "/v1/control", reads.get_control),
    ("PUT", "/v1/control", _write("put_control", "registry")),
    ("GET", "/v1/healthz", reads.healthz),
    ("GET", "/openapi.json", openapi),
)


_PATTERNS = [
    (verb, re.compile(re.sub(r"<(\w+)>", r"(?P<\1>[^/]+)", re.escape(path))), route) for verb, path, route in ROUTES
]


def find(method: str, path: str) -> tuple[Route, dict[str, str]]:
    """Gives the route of a request and its path's parameters, decoded: `%40backup` is `@backup`.

    Raises HttpProblem 404, or 405 with the methods that the path takes.
    """
    there = [(verb, found, route) for verb, pattern, route in _PATTERNS if (found := pattern.fullmatch(path))]
    for verb, found, route in there:
        if verb == method:
            return route, {name: unquote(value) for name, value in found.groupdict().items()}
    if not there:
        raise HttpProblem(404, "not_found", f"there is nothing at {path[:100]}")
    allowed = ", ".join(sorted({verb for verb, _, _ in there}))
    detail = f"{path[:100]} answers {allowed}"
    raise HttpProblem(405, "method_not_allowed", detail, headers={"Allow": allowed})
