"""A stage for one story at a time: the API, the engine, and an agent of each kind, over a clock that is moved by hand."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from followups.adapters.agents.person import PersonAgent
from followups.adapters.agents.worker import WorkerAgent
from followups.domain.census import Count
from followups.domain.contract import AgentCall, Done, Pending
from followups.domain.entities import FollowUp, Run
from followups.domain.errors import AgentUncertain
from followups.domain.ids import Key
from followups.domain.messages import Message
from followups.domain.status import Outcome
from followups.usecases.report import send_report
from followups.usecases.world import Limits
from tests.support.api import Answered
from tests.support.api_engine import LAPTOP, Engine

PATH = "/v1/follow-ups"
POLL = timedelta(minutes=1)
TASK = {"agent": "@a", "task": "Check it", "due": "in 10 seconds"}
#: What each of the agents that are there is registered with; all but two do what `Play.agent.does` says.
AGENTS: dict[str, dict[str, Any]] = {
    "@a": {"kind": "command", "command": ["true"]},
    "@hook": {"kind": "https", "target": "https://agent.example.com/run", "timeout_s": 3_600},
    "@desk": {"kind": "worker", "timeout_s": 3_600},
    "@ada": {"kind": "person", "target": "ada@example.com"},
}


def done(outcome: str = "succeeded", **fields: Any) -> Done:
    """Gives an agent's answer."""
    return Done(outcome=Outcome(outcome), summary=f"it {outcome}", **fields)


def break_off(_call: AgentCall) -> Done | Pending:
    """An agent whose answer is lost."""
    raise AgentUncertain("the line went dead")


class Play(Engine):
    """`tick` lets all happen that should."""

    def __init__(self, limits: Limits = LAPTOP, **more: Any) -> None:
        super().__init__(replace(limits, callback="https://api.example.com"), **more)
        self.targets |= {"https": self.agent, "worker": WorkerAgent(), "person": PersonAgent()}
        for name, body in AGENTS.items():
            self.register(name, body)

    def register(self, name: str, body: dict[str, Any]) -> dict[str, Any]:
        status, answered, _ = self.call("PUT", f"/v1/agents/{name}", body)
        assert status == 200, answered
        return dict(answered)

    def make(self, **more: Any) -> dict[str, Any]:
        status, body, _ = self.call("POST", PATH, TASK | more)
        assert status == 201, body
        return dict(body)

    def tick(self, **time: float) -> list[str]:
        """Lets time pass, sweeps, runs and reports; gives what came of the runs in words."""
        self.clock.advance(**time)
        self.sweep()
        words = [self.run(message, self.agent.does) for message in self.queue.take("start")]
        self.mail()
        return words

    def mail(self) -> None:
        for message in self.queue.take("report"):
            send_report(self.world, self.mailer, message)

    def begin(self, does: Any = None, **more: Any) -> AgentCall:
        """Makes a follow-up and lets its run begin; gives the call of its agent, which goes on unless `does` says else."""
        self.agent.does = does or (lambda _: Pending(handle="h-1", poll_after=POLL))
        it = self.now(self.make(**more))
        self.tick(seconds=(it.start_at - self.clock.now()).total_seconds())
        return self.agent.calls[-1]

    def say(self, call: AgentCall, verb: str, body: Any = None, *, token: str | None = None, **more: Any) -> Answered:
        """Says something of a run by its token. Nobody needs to be known for that: there is no authorizer."""
        event = self.event("POST", f"/v1/runs/{call.run_id}/{verb}", body, **more)
        event["requestContext"].pop("authorizer")
        event["headers"].setdefault("followups-run-token", call.token if token is None else token)
        return self.send(event)

    def now(self, it: AgentCall | dict[str, Any] | str) -> FollowUp:
        """Gives a follow-up as it is stored."""
        found = self.world.follow_up("me", _id(it))
        assert found is not None
        return found

    def records(self, it: AgentCall | dict[str, Any] | str) -> list[Run]:
        """Gives the records of its runs, newest first."""
        return self.store.runs("me", _id(it), limit=50)

    def spent(self, key: Key) -> int | None:
        """Gives what a counter says, or None if it was never written."""
        counts = {it.key: it.spent for it in self.store.everything() if isinstance(it, Count)}
        return counts.get(key)

    def message(self, it: AgentCall | dict[str, Any]) -> Message:
        """Gives a start message of the present claim or run, as a queue delivers it twice."""
        old = self.now(it)
        return Message("start", old.owner, old.id, old.fence)


def _id(it: AgentCall | dict[str, Any] | str) -> str:
    return it if isinstance(it, str) else it.request["follow_up_id"] if isinstance(it, AgentCall) else it["id"]
