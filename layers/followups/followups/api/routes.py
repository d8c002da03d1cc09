"""The table of routes."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any
from urllib.parse import unquote

from followups.api import reads
from followups.api.service import Answer, Route, Service


def load_writes() -> Any:
    """Gives the module of the routes that change. A laptop's `list` does not wait for its models (a fifth of its time);
    a function that serves many requests calls this when it is made."""
    return import_module("followups.api.writes")


def _write(name: str) -> Route:
    def route(service: Service, event: Mapping[str, Any], path: dict[str, str]) -> Answer:
        answer: Answer = getattr(load_writes(), name)(service, event, path)
        return answer

    route.__name__ = name
    return route


ROUTES: tuple[tuple[str, str, Route], ...] = (
    ("POST", "/v1/follow-ups", _write("create")),
    ("GET", "/v1/follow-ups", reads.list_),
    ("GET", "/v1/follow-ups/<id>", reads.get),
    ("PATCH", "/v1/follow-ups/<id>", _write("edit")),
    ("DELETE", "/v1/follow-ups/<id>", _write("delete")),
    ("POST", "/v1/follow-ups/<id>/run", _write("run_now")),
    ("POST", "/v1/follow-ups/<id>/pause", _write("pause")),
    ("POST", "/v1/follow-ups/<id>/resume", _write("resume")),
    ("GET", "/v1/follow-ups/<id>/runs", reads.runs),
    ("GET", "/v1/runs/<id>", reads.get_run),
    ("GET", "/v1/runs/<id>/report", reads.get_report),
    ("GET", "/v1/agents", reads.list_agents),
    ("GET", "/v1/agents/<name>", reads.get_agent),
    ("PUT", "/v1/agents/<name>", _write("put_agent")),
    ("DELETE", "/v1/agents/<name>", _write("remove_agent")),
    ("GET", "/v1/control", reads.get_control),
    ("PUT", "/v1/control", _write("put_control")),
    ("GET", "/v1/healthz", reads.healthz),
)


def path_values(values: Mapping[str, str]) -> dict[str, str]:
    """Gives a path's parameters, decoded: `%40backup` is `@backup`."""
    return {name: unquote(value) for name, value in values.items()}
