"""The routes of operators: the registry of agents, and the kill switch."""

from collections.abc import Mapping
from typing import Any

from followups.api import agent_answers, body, request, views
from followups.api.agent_schemas import DisableAgent, PutAgent, PutControl, TryAgent
from followups.api.problems import Answer, answer
from followups.api.service import Service, asker, check_recipient, operator
from followups.api.writes import created
from followups.domain import targets, webhooks
from followups.domain.errors import Invalid
from followups.usecases import create as making
from followups.usecases import registry
from followups.usecases.registry import Registration


def put_agent(service: Service, event: Mapping[str, Any], path: dict[str, str]) -> Answer:
    operator(service, event)
    sent = body.read(event, PutAgent)
    _check_kind(service, sent)
    wanted = Registration(
        kind=sent.kind, command=tuple(sent.command), target=sent.target,
        mode=None if sent.mode == "sync" else sent.mode, timeout_s=_timeout(service, sent),
        max_concurrency=sent.max_concurrency, rerun_safe=sent.rerun == "safe", max_attempts=sent.max_attempts,
    )  # fmt: skip
    return answer(200, views.agent(registry.put_agent(service.world, path["name"], wanted)))


def _check_kind(service: Service, sent: PutAgent) -> None:
    """Raises Invalid for a kind that cannot run here, or a target that cannot be called."""
    here = targets.ON_LAPTOP if service.place is None else targets.ON_AWS
    if sent.kind not in here:
        where = "on AWS" if service.place is None else "on a laptop"
        detail = f"{sent.kind} agents run {where} only; here kind is one of {', '.join(here)}"
        raise Invalid("unknown_kind", detail, field="kind")
    targets.check(sent.kind, sent.target, sent.mode, region=service.place.region if service.place else None)
    if sent.kind == "person":
        check_recipient(service, sent.target, "target")


def _timeout(service: Service, sent: PutAgent) -> int:
    """Gives the seconds that the agent may take where it runs. Raises Invalid for one that is waited for longer than a
    runner can."""
    if service.place is None or targets.is_lasting(sent.kind, sent.mode):
        return sent.timeout_s
    longest_s = service.place.longest_run_s
    if sent.timeout_s <= longest_s:
        return sent.timeout_s
    if "timeout_s" in sent.model_fields_set:
        detail = f"{sent.timeout_s} s are more than the {longest_s} s that a run may take here that is waited for"
        raise Invalid("validation_error", f"{detail} (RunnerTimeout)", field="timeout_s")
    return longest_s


def disable_agent(service: Service, event: Mapping[str, Any], path: dict[str, str]) -> Answer:
    operator(service, event)
    why = body.read_optional(event, DisableAgent).reason or "no reason given"
    return answer(200, views.agent(registry.disable(service.world, path["name"], why)))


def enable_agent(service: Service, event: Mapping[str, Any], path: dict[str, str]) -> Answer:
    operator(service, event)
    return answer(200, views.agent(registry.disable(service.world, path["name"], None)))


def test_agent(service: Service, event: Mapping[str, Any], path: dict[str, str]) -> Answer:
    operator(service, event)
    key, sent = request.idempotency_key(event), body.read(event, TryAgent)
    wanted = making.Request(
        agent=path["name"], task=sent.task, message=sent.message, timezone=service.default_timezone,
        done_when=sent.done_when, max_attempts=1, test=True,
    )  # fmt: skip
    who = asker(service, event)
    return created(making.create(service.world, who, wanted, idempotency_key=key, allow_commands=service.allow_commands))


def agent_secret(service: Service, event: Mapping[str, Any], path: dict[str, str]) -> Answer:
    operator(service, event)
    agent = registry.get_agent(service.world, path["name"])
    if agent.kind != "https":
        raise Invalid("not_a_webhook", f"{agent.name} is a {agent.kind} agent; only calls of https agents are signed")
    told: agent_answers.AgentSecret = {"name": agent.name, "secret": webhooks.secret_for(agent.name, service.secrets[0])}
    return answer(200, told)


def remove_agent(service: Service, event: Mapping[str, Any], path: dict[str, str]) -> Answer:
    operator(service, event)
    registry.remove_agent(service.world, path["name"])
    removed: agent_answers.RemovedAgent = {"name": path["name"], "removed": True}
    return answer(200, removed)


def put_control(service: Service, event: Mapping[str, Any], _path: dict[str, str]) -> Answer:
    operator(service, event)
    sent = body.read(event, PutControl)
    return answer(200, views.control(registry.switch(service.world, stopped=sent.stopped, reason=sent.reason)))
