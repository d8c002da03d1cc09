"""The routes: each reads a request, calls one use case, and answers with what it gave."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from aws_lambda_powertools.event_handler import Response

from followups import __version__
from followups.api import body, cursor, views
from followups.api.identity import asker
from followups.api.problems import answer
from followups.api.schemas import CreateFollowUp, EditFollowUp, Pause, PutAgent, PutControl
from followups.domain import when
from followups.domain.addresses import is_allowed
from followups.domain.editing import Patch
from followups.domain.entities import FollowUp
from followups.domain.errors import Forbidden, Invalid
from followups.domain.report import compose
from followups.domain.status import OPEN, Status
from followups.usecases import manage, registry
from followups.usecases.manage import Asker, Request
from followups.usecases.registry import Registration
from followups.usecases.world import World

_RUNS = 100
_GROUPS = ("open", "closed", "all")


@dataclass(frozen=True, kw_only=True, slots=True)
class Service:
    """What the routes work with."""

    world: World
    #: Keys that sign run tokens and cursors; the first signs, all verify.
    secrets: Sequence[bytes]
    default_timezone: str
    #: Whether command lines and command agents can run here: on a laptop.
    allow_commands: bool
    #: Who may receive reports: addresses and `*@domain`; `*` on a laptop.
    recipients: tuple[str, ...] = ("*",)


Answer = Response[str]
Route = Callable[[Service, Mapping[str, Any], dict[str, str]], Answer]


def create(service: Service, event: Mapping[str, Any], _path: dict[str, str]) -> Answer:
    key = body.idempotency_key(event)
    sent = body.read(event, CreateFollowUp)
    if sent.due is None:
        raise Invalid("due_required", f"say when: {when.EXAMPLES}", field="due")
    _check_recipient(service, sent.report_to)
    wanted = Request(
        agent=sent.agent, task=sent.task, message=sent.message, when=sent.due, report_to=sent.report_to,
        timezone=service.default_timezone if sent.timezone is None else sent.timezone, max_attempts=sent.max_attempts,
    )  # fmt: skip
    made = manage.create(
        service.world, _asker(service, event), wanted, idempotency_key=key, allow_commands=service.allow_commands
    )
    view = views.follow_up(made.follow_up) | {"understood": made.understood, "notes": list(made.notes)}
    headers = _etag(made.follow_up) | {"Location": f"/v1/follow-ups/{made.follow_up.id}"}
    if made.replayed:
        return answer(200, view, headers | {"Idempotent-Replayed": "true"})
    return answer(201, view, headers)


def list_(service: Service, event: Mapping[str, Any], _path: dict[str, str]) -> Answer:
    query = event.get("queryStringParameters") or {}
    status, limit, who = query.get("status", "open"), body.page_size(event), _asker(service, event)
    known = (*_GROUPS, *(s.value for s in Status))
    if status not in known:
        raise body.wrong_field("status", f"{status[:20]!r} is none of {', '.join(known)}")
    scope = f"{who.owner}\n{status}"
    after = cursor.read(query["cursor"], scope, service.secrets) if "cursor" in query else None
    group = status if status in _GROUPS else ("open" if status in OPEN else "closed")
    found, after = _page(service.world, who, status, group, after, limit)
    signed = None if after is None else cursor.sign(after, scope, service.secrets[0])
    return answer(200, views.Page(found, signed).to_json())


def get(service: Service, event: Mapping[str, Any], path: dict[str, str]) -> Answer:
    return _one(manage.get(service.world, _asker(service, event), path["id"]))


def edit(service: Service, event: Mapping[str, Any], path: dict[str, str]) -> Answer:
    version, sent, who = body.if_match(event), body.read(event, EditFollowUp), _asker(service, event)
    if not sent.model_fields_set:
        raise Invalid("validation_error", "name at least one field to change")
    if sent.timezone is not None and sent.due is None:
        raise Invalid("validation_error", "a new time zone needs the time said again, as `due`", field="timezone")
    _check_recipient(service, sent.report_to)
    due = None
    if sent.due is not None:
        zone = sent.timezone
        if zone is None:
            zone = manage.get(service.world, who, path["id"]).timezone
        due = when.parse(sent.due, at=service.world.clock.now(), timezone=zone)
    patch = Patch(task=sent.task, message=sent.message, when=due, report_to=sent.report_to, max_attempts=sent.max_attempts)
    return _one(manage.edit(service.world, who, path["id"], patch, version=version, allow_commands=service.allow_commands))


def delete(service: Service, event: Mapping[str, Any], path: dict[str, str]) -> Answer:
    cancelled = manage.cancel(service.world, _asker(service, event), path["id"])
    return _one(cancelled, 202 if cancelled.status is Status.CANCELLING else 200)


def run_now(service: Service, event: Mapping[str, Any], path: dict[str, str]) -> Answer:
    return _one(manage.run_now(service.world, _asker(service, event), path["id"]), 202)


def pause(service: Service, event: Mapping[str, Any], path: dict[str, str]) -> Answer:
    sent = body.read_optional(event, Pause)
    return _one(manage.pause(service.world, _asker(service, event), path["id"], sent.reason))


def resume(service: Service, event: Mapping[str, Any], path: dict[str, str]) -> Answer:
    return _one(manage.resume(service.world, _asker(service, event), path["id"]))


def runs(service: Service, event: Mapping[str, Any], path: dict[str, str]) -> Answer:
    who = _asker(service, event)
    found = manage.runs(service.world, who, path["id"], limit=_RUNS)
    live = views.follow_up(manage.get(service.world, who, path["id"]))["run"]
    return answer(200, {"runs": [views.run(it) for it in found], "live": live})


def get_run(service: Service, event: Mapping[str, Any], path: dict[str, str]) -> Answer:
    it = manage.get_run(service.world, _asker(service, event), path["id"])
    return answer(200, views.run(it) | {"report_text": it.report})


def get_report(service: Service, event: Mapping[str, Any], path: dict[str, str]) -> Answer:
    it = manage.get_run(service.world, _asker(service, event), path["id"])
    report = compose(it)
    content = {"subject": report.subject, "text": report.text, "html": report.html}
    return answer(200, {"run": views.run(it), **content})


def list_agents(service: Service, event: Mapping[str, Any], _path: dict[str, str]) -> Answer:
    _asker(service, event)
    return answer(200, {"agents": [views.agent(it) for it in registry.list_agents(service.world)]})


def get_agent(service: Service, event: Mapping[str, Any], path: dict[str, str]) -> Answer:
    _asker(service, event)
    return answer(200, views.agent(registry.get_agent(service.world, path["name"])))


def put_agent(service: Service, event: Mapping[str, Any], path: dict[str, str]) -> Answer:
    _operator(service, event)
    sent = body.read(event, PutAgent)
    if not service.allow_commands:
        raise Invalid("unknown_kind", "command agents run on a laptop only", field="kind")
    wanted = Registration(
        kind=sent.kind, command=tuple(sent.command), timeout_s=sent.timeout_s, max_concurrency=sent.max_concurrency,
        rerun_safe=sent.rerun == "safe", max_attempts=sent.max_attempts,
    )  # fmt: skip
    return answer(200, views.agent(registry.put_agent(service.world, path["name"], wanted)))


def remove_agent(service: Service, event: Mapping[str, Any], path: dict[str, str]) -> Answer:
    _operator(service, event)
    registry.remove_agent(service.world, path["name"])
    return answer(200, {"name": path["name"], "removed": True})


def get_control(service: Service, event: Mapping[str, Any], _path: dict[str, str]) -> Answer:
    _asker(service, event)
    return answer(200, views.control(service.world.control()))


def put_control(service: Service, event: Mapping[str, Any], _path: dict[str, str]) -> Answer:
    _operator(service, event)
    sent = body.read(event, PutControl)
    return answer(200, views.control(registry.switch(service.world, stopped=sent.stopped, reason=sent.reason)))


def healthz(_service: Service, _event: Mapping[str, Any], _path: dict[str, str]) -> Answer:
    return answer(200, {"status": "ok", "version": __version__})


ROUTES: tuple[tuple[str, str, Route], ...] = (
    ("POST", "/v1/follow-ups", create),
    ("GET", "/v1/follow-ups", list_),
    ("GET", "/v1/follow-ups/<id>", get),
    ("PATCH", "/v1/follow-ups/<id>", edit),
    ("DELETE", "/v1/follow-ups/<id>", delete),
    ("POST", "/v1/follow-ups/<id>/run", run_now),
    ("POST", "/v1/follow-ups/<id>/pause", pause),
    ("POST", "/v1/follow-ups/<id>/resume", resume),
    ("GET", "/v1/follow-ups/<id>/runs", runs),
    ("GET", "/v1/runs/<id>", get_run),
    ("GET", "/v1/runs/<id>/report", get_report),
    ("GET", "/v1/agents", list_agents),
    ("GET", "/v1/agents/<name>", get_agent),
    ("PUT", "/v1/agents/<name>", put_agent),
    ("DELETE", "/v1/agents/<name>", remove_agent),
    ("GET", "/v1/control", get_control),
    ("PUT", "/v1/control", put_control),
    ("GET", "/v1/healthz", healthz),
)


def path_values(values: Mapping[str, str]) -> dict[str, str]:
    """Gives a path's parameters, decoded: `%40backup` is `@backup`."""
    return {name: unquote(value) for name, value in values.items()}


def _asker(service: Service, event: Mapping[str, Any]) -> Asker:
    who = asker(event, service.secrets)
    manage.check_live(service.world, who)
    return who


def _check_recipient(service: Service, address: str | None) -> None:
    if address is not None and not is_allowed(address, service.recipients):
        detail = f"{address[:80]} is not on this installation's list of recipients; an operator can add it"
        raise Forbidden("recipient_not_allowed", detail, field="report_to")


def _operator(service: Service, event: Mapping[str, Any]) -> None:
    """The registry and the kill switch are for operators, whom the authorizer tells apart; never for an agent's run."""
    if _asker(service, event).token is not None:
        raise Forbidden("not_with_run_token", "an agent may neither change the registry nor the kill switch")


def _one(it: FollowUp, status: int = 200) -> Answer:
    return answer(status, views.follow_up(it), _etag(it))


def _etag(it: FollowUp) -> dict[str, str]:
    return {"ETag": f'"{it.version}"'}


def _page(
    world: World, who: Asker, status: str, group: str, after: str | None, limit: int
) -> tuple[list[FollowUp], str | None]:
    """Reads on until the page is full: a filter within a group leaves gaps."""
    now = world.clock.now()
    found: list[FollowUp] = []
    while True:
        items, after = world.store.list_follow_ups(who.owner, group=group, after=after, limit=limit - len(found))
        found += [
            it
            for it in items
            if (status in _GROUPS or it.status == status) and (it.expires_at is None or it.expires_at > now)
        ]
        if after is None or len(found) >= limit:
            return found, after
