"""The routes that change: each reads its body as a model, calls one use case, and answers with what it gave."""

from collections.abc import Mapping
from typing import Any

from followups.api import body, request, views
from followups.api.problems import Answer, answer
from followups.api.schemas import CreateFollowUp, EditFollowUp, Pause, PreviewText, Snooze
from followups.api.service import Service, asker, check_recipient, etag, one
from followups.domain import preview as previewing
from followups.domain import when
from followups.domain.editing import Patch
from followups.domain.errors import Invalid
from followups.domain.policies import read_ladder, read_late
from followups.domain.status import Status
from followups.domain.zones import find_zone
from followups.usecases import create as making
from followups.usecases import family, manage
from followups.usecases.create import Created, Request


def create(service: Service, event: Mapping[str, Any], _path: dict[str, str]) -> Answer:
    key = request.idempotency_key(event)
    sent = body.read(event, CreateFollowUp)
    check_recipient(service, sent.report_to)
    wanted = Request(
        agent=sent.agent, task=sent.task, message=sent.message, when=sent.due, text=sent.text, report_to=sent.report_to,
        timezone=_zone(service, sent.timezone), max_attempts=sent.max_attempts, late=sent.late, stagger=sent.stagger,
        replace_key=sent.replace_key, done_when=sent.done_when, retry_until_met=sent.retry_until_met,
        give_up_at=sent.give_up_at,
    )  # fmt: skip
    made = making.create(
        service.world, asker(service, event), wanted, idempotency_key=key, allow_commands=service.allow_commands
    )
    return created(made)


def retry(service: Service, event: Mapping[str, Any], path: dict[str, str]) -> Answer:
    key = request.idempotency_key(event)
    return created(making.retry(service.world, asker(service, event), path["id"], idempotency_key=key))


def created(made: Created) -> Answer:
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
    check_recipient(service, sent.report_to)
    due = give_up_at = None
    if sent.due is not None or sent.give_up_at is not None:
        old, at = manage.get(service.world, who, path["id"]), service.world.clock.now()
        zone = old.timezone if sent.timezone is None else find_zone(sent.timezone).key
        due = None if sent.due is None else when.parse(sent.due, at=at, timezone=zone)
        if sent.give_up_at is not None:
            base = due.due_at if due else old.due_at
            give_up_at = when.put_off(sent.give_up_at, base=base, at=at, timezone=zone, field="give_up_at")
    patch = Patch(
        task=sent.task, message=sent.message, when=due, report_to=sent.report_to, max_attempts=sent.max_attempts,
        late=None if sent.late is None else read_late(sent.late), done_when=sent.done_when, give_up_at=give_up_at,
        ladder=None if sent.retry_until_met is None else read_ladder(sent.retry_until_met),
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


def stop_tree(service: Service, event: Mapping[str, Any], path: dict[str, str]) -> Answer:
    return answer(200, views.tree(family.stop_tree(service.world, asker(service, event), path["id"])))


def _zone(service: Service, named: str | None) -> str:
    return service.default_timezone if named is None else find_zone(named).key
