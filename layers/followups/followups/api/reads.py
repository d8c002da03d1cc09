"""The routes that look: each calls one use case, and answers with what it gave. They need no models of bodies."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from followups import __version__
from followups.api import cursor, request, views
from followups.api.problems import Answer, answer
from followups.api.service import Service, asker, one
from followups.domain import preview
from followups.domain.entities import FollowUp
from followups.domain.status import OPEN, Status
from followups.usecases import family, manage, registry
from followups.usecases.manage import Asker
from followups.usecases.report import with_whole
from followups.usecases.world import World

if TYPE_CHECKING:
    from followups.api import answers

_RUNS = 100
_GROUPS = ("open", "closed", "all")


def list_(service: Service, event: Mapping[str, Any], _path: dict[str, str]) -> Answer:
    query = event.get("queryStringParameters") or {}
    status, limit, who = query.get("status", "open"), request.page_size(event), asker(service, event)
    known = (*_GROUPS, *(s.value for s in Status))
    if status not in known:
        raise request.wrong_field("status", f"{status[:20]!r} is none of {', '.join(known)}")
    scope = f"{who.owner}\n{status}"
    after = cursor.read(query["cursor"], scope, service.secrets) if "cursor" in query else None
    if (key := request.asked_key(event)) is not None:
        made = manage.made_with(service.world, who, key)
        return answer(200, views.Page([made] if made else [], None).to_json())
    group = status if status in _GROUPS else ("open" if status in OPEN else "closed")
    found, after = _page(service.world, who, status, group, after, limit)
    signed = None if after is None else cursor.sign(after, scope, service.secrets[0])
    return answer(200, views.Page(found, signed).to_json())


def get(service: Service, event: Mapping[str, Any], path: dict[str, str]) -> Answer:
    return one(manage.get(service.world, asker(service, event), path["id"]))


def runs(service: Service, event: Mapping[str, Any], path: dict[str, str]) -> Answer:
    who = asker(service, event)
    found = manage.runs(service.world, who, path["id"], limit=_RUNS)
    it = manage.get(service.world, who, path["id"])
    coming = [views.time(time) for time in preview.coming(it, service.world.clock.now())]
    runs: answers.Runs = {"runs": [views.run(run) for run in found], "live": views.live_run(it), "coming": coming}
    return answer(200, runs)


def get_run(service: Service, event: Mapping[str, Any], path: dict[str, str]) -> Answer:
    it = with_whole(manage.get_run(service.world, asker(service, event), path["id"]), service.world.outputs)
    return answer(200, views.run(it) | {"report_text": it.report})


def get_report(service: Service, event: Mapping[str, Any], path: dict[str, str]) -> Answer:
    from followups.domain.report import compose  # A laptop's `list` does not wait for it.

    it = with_whole(manage.get_run(service.world, asker(service, event), path["id"]), service.world.outputs)
    report = compose(it)
    content = {"subject": report.subject, "text": report.text, "html": report.html}
    return answer(200, {"run": views.run(it), **content})


def tree(service: Service, event: Mapping[str, Any], path: dict[str, str]) -> Answer:
    return answer(200, views.tree(family.tree(service.world, asker(service, event), path["id"])))


def list_agents(service: Service, event: Mapping[str, Any], _path: dict[str, str]) -> Answer:
    asker(service, event)
    return answer(200, {"agents": [views.agent(it) for it in registry.list_agents(service.world)]})


def get_agent(service: Service, event: Mapping[str, Any], path: dict[str, str]) -> Answer:
    asker(service, event)
    return answer(200, views.agent(registry.get_agent(service.world, path["name"])))


def get_control(service: Service, event: Mapping[str, Any], _path: dict[str, str]) -> Answer:
    asker(service, event)
    return answer(200, views.control(service.world.control()))


def healthz(_service: Service, _event: Mapping[str, Any], _path: dict[str, str]) -> Answer:
    return answer(200, {"status": "ok", "version": __version__})


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
