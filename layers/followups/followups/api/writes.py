"""The routes that change: each reads its body as a model, calls one use case, and answers with what it gave."""

from collections.abc import Mapping
from typing import Any

from followups.api import answers, body, request, views
from followups.api.problems import Answer, answer
from followups.api.schemas import CreateFollowUp, EditFollowUp, Pause, PreviewText, PutAgent, PutControl, Snooze
from followups.api.service import Service, asker, etag, one, operator
from followups.domain import preview as previewing
from followups.domain import targets, when
from followups.domain.addresses import is_allowed
from followups.domain.editing import Patch
from followups.domain.errors import Forbidden, Invalid
from followups.domain.policies import read_late
from followups.domain.status import Status
from followups.domain.zones import find_zone
from followups.usecases import create as making
from followups.usecases import manage, registry
from followups.usecases.create import Created, Request
from followups.usecases.registry import Registration


def create(service: Service, event: Mapping[str, Any], _path: dict[str, str]) -> Answer:
    key = request.idempotency_key(event)
    sent = body.read(event, CreateFollowUp)
    _check_recipient(service, sent.report_to)
    wanted = Request(
        agent=sent.agent, task=sent.task, message=sent.message, when=sent.due, text=sent.text, report_to=sent.report_to,
        timezone=_zone(service, sent.timezone), max_attempts=sent.max_attempts, late=sent.late, stagger=sent.stagger,
        replace_key=sent.replace_key,
    )  # fmt: skip
    made = making.create(
        service.world, asker(service, event), wanted, idempotency_key=key, allow_commands=service.allow_commands
    )
    return _created(made)


def retry(service: Service, event: Mapping[str, Any], path: dict[str, str]) -> Answer:
    key = request.idempotency_key(event)
    return _created(making.retry(service.world, asker(service, event), path["id"], idempotency_key=key))


def _created(made: Created) -> Answer:
    view = views.told(made.follow_up, made.preview)
    headers = etag(made.follow_up) | {"Location": f"/v1/follow-ups/{made.follow_up.id}"}
    if made.replayed:
        return answer(200, view, headers | {"Idempotent-Replayed": "true"})
    return answer(201, view, headers)


def edit(service: Service, event: Mapping[str, Any], path: dict[str, str]) -> Answer:
    version, sent, who = request.if_match(event), body.read(event, EditFollowUp), asker(service, event)
    if not sent.model_fields_set:
        raise Invalid("validation_error", "name at least one field to change")
    if sent.timezone is not None and sent.due is None:
        raise Invalid("validation_error", "a new time zone needs the time said again, as `due`", field="timezone")
    _check_recipient(service, sent.report_to)
    due = None
    if sent.due is not None:
        zone = (
            manage.get(service.world, who, path["id"]).timezone if sent.timezone is None else find_zone(sent.timezone).key
        )
        due = when.parse(sent.due, at=service.world.clock.now(), timezone=zone)
    patch = Patch(
        task=sent.task, message=sent.message, when=due, report_to=sent.report_to, max_attempts=sent.max_attempts,
        late=None if sent.late is None else read_late(sent.late),
    )  # fmt: skip
    it = manage.edit(service.world, who, path["id"], patch, version=version, allow_commands=service.allow_commands)
    return answer(200, views.told(it, previewing.of(it, due.notes if due else ())), etag(it))


def preview(service: Service, event: Mapping[str, Any], _path: dict[str, str]) -> Answer:
    asker(service, event)
    sent = body.read(event, PreviewText)
    at, zone = sent.at or service.world.clock.now(), _zone(service, sent.timezone)
    task, found = when.read_any(sent.text, at=at, timezone=zone)
    return answer(200, views.preview(previewing.preview(found, task)))


def delete(service: Service, event: Mapping[str, Any], path: dict[str, str]) -> Answer:
    cancelled = manage.cancel(service.world, asker(service, event), path["id"])
    return one(cancelled, 202 if cancelled.status is Status.CANCELLING else 200)


def run_now(service: Service, event: Mapping[str, Any], path: dict[str, str]) -> Answer:
    return one(manage.run_now(service.world, asker(service, event), path["id"]), 202)


def pause(service: Service, event: Mapping[str, Any], path: dict[str, str]) -> Answer:
    sent = body.read_optional(event, Pause)
    return one(manage.pause(service.world, asker(service, event), path["id"], sent.reason, sent.until))


def snooze(service: Service, event: Mapping[str, Any], path: dict[str, str]) -> Answer:
    sent = body.read(event, Snooze)
    return one(manage.snooze(service.world, asker(service, event), path["id"], sent.until))


def resume(service: Service, event: Mapping[str, Any], path: dict[str, str]) -> Answer:
    return one(manage.resume(service.world, asker(service, event), path["id"]))


def put_agent(service: Service, event: Mapping[str, Any], path: dict[str, str]) -> Answer:
    operator(service, event)
    sent = body.read(event, PutAgent)
    wanted = Registration(
        kind=sent.kind, command=tuple(sent.command), target=sent.target, timeout_s=_timeout(service, sent),
        max_concurrency=sent.max_concurrency, rerun_safe=sent.rerun == "safe", max_attempts=sent.max_attempts,
    )  # fmt: skip
    return answer(200, views.agent(registry.put_agent(service.world, path["name"], wanted)))


def _timeout(service: Service, sent: PutAgent) -> int:
    """Gives the seconds that the agent may take where it runs. Raises Invalid for one that cannot run here."""
    place = service.place
    if sent.kind == "command" and not service.allow_commands:
        raise Invalid("unknown_kind", "command agents run on a laptop only; here kind is lambda", field="kind")
    if sent.kind == "lambda" and place is None:
        raise Invalid("unknown_kind", "lambda agents run on AWS only; here kind is command", field="kind")
    if place is None:
        return sent.timeout_s
    targets.check_region(sent.target or "", place.region)
    if sent.timeout_s <= place.longest_run_s:
        return sent.timeout_s
    if "timeout_s" in sent.model_fields_set:
        detail = f"{sent.timeout_s} s are more than the {place.longest_run_s} s that a run may take here (RunnerTimeout)"
        raise Invalid("validation_error", detail, field="timeout_s")
    return place.longest_run_s


def remove_agent(service: Service, event: Mapping[str, Any], path: dict[str, str]) -> Answer:
    operator(service, event)
    registry.remove_agent(service.world, path["name"])
    removed: answers.RemovedAgent = {"name": path["name"], "removed": True}
    return answer(200, removed)


def put_control(service: Service, event: Mapping[str, Any], _path: dict[str, str]) -> Answer:
    operator(service, event)
    sent = body.read(event, PutControl)
    return answer(200, views.control(registry.switch(service.world, stopped=sent.stopped, reason=sent.reason)))


def _zone(service: Service, named: str | None) -> str:
    return service.default_timezone if named is None else find_zone(named).key


def _check_recipient(service: Service, address: str | None) -> None:
    if address is not None and not is_allowed(address, service.recipients):
        detail = f"{address[:80]} is not on this installation's list of recipients; an operator can add it"
        raise Forbidden("recipient_not_allowed", detail, field="report_to")
