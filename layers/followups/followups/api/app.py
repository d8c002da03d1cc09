"""The API's handler: the event in, a route's answer out; every error is problem+json.

It keeps nothing between requests: on a laptop many threads call it at once.
"""

from collections.abc import Mapping
from typing import Any

from followups.api import request
from followups.api.problems import Answer, HttpProblem, bug, problem, store_problem
from followups.api.routes import find
from followups.api.service import Service
from followups.domain.errors import Refused, StoreError
from followups.handlers import Context, Event, Handler, Log, silent


def api(service: Service, *, log: Log = silent) -> Handler:
    """Gives the handler of HTTP API requests, payload format 2.0."""

    def handle(event: Event, _context: Context) -> dict[str, Any]:
        return _answer(service, event, log).to_event()

    return handle


def _answer(service: Service, event: Event, log: Log) -> Answer:
    asked = _asked(event)
    if asked is None:
        error = HttpProblem(400, "invalid_event", "this is no HTTP API request of payload format 2.0")
        return problem(error, "/")
    method, path = asked
    instance = path[:200]
    try:
        route, values = find(method, path)
        return route(service, event, values)
    except Refused as refusal:
        sent = request.json_object(event) if refusal.readings and event.get("body") else None
        return problem(refusal, instance, sent)
    except StoreError as trouble:
        log("store_error", {"path": instance, "error": str(trouble)})
        return store_problem(trouble, instance)
    except Exception as error:  # noqa: BLE001 - the outermost edge: a bug is logged, and answered without its insides
        log("bug", {"path": instance, "error": repr(error)})
        return bug(instance)


def _asked(event: Event) -> tuple[str, str] | None:
    """Gives the request's method and path, or None for what is no such request."""
    if not request.has_form(event):
        return None
    context, path = event.get("requestContext"), event.get("rawPath")
    http = context.get("http") if isinstance(context, Mapping) else None
    method = http.get("method") if isinstance(http, Mapping) else None
    if not (isinstance(context, Mapping) and isinstance(method, str) and isinstance(path, str) and path):
        return None
    # A stage that is not the default one comes first in the path.
    stage = context.get("stage")
    if isinstance(stage, str) and stage != "$default" and path.startswith(f"/{stage}/"):
        path = path[len(stage) + 1 :]
    return method.upper(), path
