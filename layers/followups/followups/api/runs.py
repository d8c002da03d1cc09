"""The routes by which a run's agent speaks for itself, with the run's token alone; and the work that workers ask for."""

from collections.abc import Mapping
from typing import Any

from followups.api import agent_answers, body, identity, request, views
from followups.api.agent_schemas import CompleteRun, PullWork, SayProgress
from followups.api.problems import Answer, answer
from followups.api.service import Service, operator
from followups.domain import contract, hearing
from followups.usecases import complete as completing
from followups.usecases import work


def complete(service: Service, event: Mapping[str, Any], path: dict[str, str]) -> Answer:
    token = identity.run_token(event, service.secrets)
    said = body.read(event, CompleteRun, request.MAX_RESULT).model_dump(mode="json")
    done, completion = contract.read_object(said), hearing.digest(said)
    it = completing.complete(service.world, token, path["id"], done, completion)
    told: agent_answers.Completed = {
        "run_id": it.record.id, "outcome": it.record.outcome, "verdict": it.record.verdict, "final": it.record.final,
        "next_at": views.instant(it.record.next_at),
    }  # fmt: skip
    return answer(200, told, {"Idempotent-Replayed": "true"} if it.replayed else {})


def heartbeat(service: Service, event: Mapping[str, Any], path: dict[str, str]) -> Answer:
    token = identity.run_token(event, service.secrets)
    return _heard(completing.heartbeat(service.world, token, path["id"]))


def progress(service: Service, event: Mapping[str, Any], path: dict[str, str]) -> Answer:
    token = identity.run_token(event, service.secrets)
    sent = body.read(event, SayProgress)
    return _heard(completing.heartbeat(service.world, token, path["id"], sent.message))


def _heard(it: completing.Heard) -> Answer:
    told: agent_answers.Heard = {
        "run_id": it.run_id, "deadline_at": views.instant(it.deadline_at), "cancelled": it.cancelled
    }  # fmt: skip
    return answer(200, told)


def pull_work(service: Service, event: Mapping[str, Any], path: dict[str, str]) -> Answer:
    operator(service, event)
    sent = body.read(event, PullWork)
    call = work.pull(service.world, service.secrets[0], path["name"], sent.worker, frozenset(sent.in_hand))
    told: agent_answers.Work = {"run": None if call is None else call.request | {"run_token": call.token}}
    return answer(200, told)
