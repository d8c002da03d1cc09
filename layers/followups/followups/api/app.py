"""The API's handler: Powertools routes, we answer; every error is problem+json."""

import re
from collections.abc import Mapping
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response

from followups.api.problems import HttpProblem, bug, problem, store_problem
from followups.api.routes import ROUTES, path_values
from followups.api.service import Route, Service
from followups.domain.errors import Refused, StoreError
from followups.handlers import Context, Event, Handler, Log, silent


def api(service: Service, *, log: Log = silent) -> Handler:
    """Gives the handler of HTTP API requests, payload format 2.0."""
    resolver = APIGatewayHttpResolver()
    for method, pattern, route in ROUTES:
        resolver.route(pattern, method=[method])(_bound(service, resolver, route, log))
    resolver.not_found(_not_found(resolver))

    def handle(event: Event, context: Context) -> dict[str, Any]:
        http = (event.get("requestContext") or {}).get("http")
        if not isinstance(http, Mapping) or not event.get("rawPath"):
            error = HttpProblem(400, "invalid_event", "this is no HTTP API request of payload format 2.0")
            return _to_event(problem(error, "/"))
        result: dict[str, Any] = resolver.resolve(dict(event), context)  # type: ignore[arg-type]
        return result

    return handle


def _bound(service: Service, resolver: APIGatewayHttpResolver, route: Route, log: Log) -> Any:
    def call(**path: str) -> Response[str]:
        event = resolver.current_event.raw_event
        instance = str(event.get("rawPath", "/"))[:200]
        try:
            return route(service, event, path_values(path))
        except Refused as error:
            return problem(error, instance)
        except StoreError as error:
            log("store_error", {"path": instance, "error": str(error)})
            return store_problem(error, instance)
        except Exception as error:  # noqa: BLE001 - the outermost edge: a bug is logged, and answered without its insides
            log("bug", {"path": instance, "error": repr(error)})
            return bug(instance)

    return call


def _not_found(resolver: APIGatewayHttpResolver) -> Any:
    patterns = [(method, re.compile(re.sub(r"<\w+>", "[^/]+", pattern))) for method, pattern, _ in ROUTES]

    def answer(_error: Exception) -> Response[str]:
        path = resolver.current_event.path
        allowed = sorted({method for method, pattern in patterns if pattern.fullmatch(path)})
        if allowed:
            detail = f"{path[:100]} answers {', '.join(allowed)}"
            return problem(
                HttpProblem(405, "method_not_allowed", detail, headers={"Allow": ", ".join(allowed)}), path[:200]
            )
        return problem(HttpProblem(404, "not_found", f"there is nothing at {path[:100]}"), path[:200])

    return answer


def _to_event(response: Response[str]) -> dict[str, Any]:
    return {
        "statusCode": response.status_code,
        "headers": {"Content-Type": response.content_type} | {k: str(v) for k, v in response.headers.items()},
        "body": response.body,
        "isBase64Encoded": False,
        "cookies": [],
    }
