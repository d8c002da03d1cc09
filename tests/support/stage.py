"""A stage for agents that misbehave: the real use cases, API and targets, over a clock that is moved by hand."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from followups.adapters.output_files import OutputFiles
from followups.api.app import api
from followups.api.service import Service
from followups.cli.client import Client, InProcess, Problem, Reply
from followups.domain import report
from followups.domain.contract import AgentCall, Done, Pending
from followups.domain.entities import FollowUp, Run
from followups.domain.status import Status
from followups.ports import AgentTarget
from followups.usecases import registry
from followups.usecases.report import send_report, with_whole
from followups.usecases.run import Crew, run
from tests.support.contract import Checked
from tests.support.world import SECRET, Bench

#: Steps of a play, in minutes: long enough for every lease, retry and second look that somebody might have planned.
_STEPS = (1,) * 12 + (15,) * 12 + (120,) * 24


class _Counted:
    """A target, and the calls that started something there."""

    def __init__(self, target: AgentTarget, calls: list[AgentCall]) -> None:
        self._target, self._calls = target, calls

    def start(self, call: AgentCall) -> Done | Pending:
        self._calls.append(call)
        return self._target.start(call)

    def poll(self, call: AgentCall, handle: str) -> Done | Pending:
        return self._target.poll(call, handle)

    def cancel(self, call: AgentCall, handle: str) -> None:
        self._target.cancel(call, handle)


@dataclass(frozen=True)
class Answered:
    """What the API answered, with the code of its problem if it is one."""

    status: int
    code: str | None
    replayed: bool = False


class Stage:
    """The bench, and the real targets by kind."""

    def __init__(self, folder: Path, targets: Mapping[str, AgentTarget]) -> None:
        self.bench = Bench(folder / "followups.db", callback="https://api.example.com")
        self.outputs = OutputFiles(folder / "runs")
        self.bench.world = replace(self.bench.world, outputs=self.outputs)
        #: What was asked of any target, in order.
        self.calls: list[AgentCall] = []
        #: The records whose reports were mailed, as the mailer had them.
        self.mailed: list[Run] = []
        self._crew = Crew(targets={kind: _Counted(it, self.calls) for kind, it in targets.items()}, secret=SECRET)
        service = Service(world=self.bench.world, secrets=(SECRET,), default_timezone="UTC", allow_commands=True)
        self._http = Checked(InProcess(api(service), "me", self.bench.clock.now))

    def begin(self, kind: str, **registration: Any) -> FollowUp:
        """Registers an agent and makes a follow-up for it, whose time has come."""
        registry.put_agent(self.bench.world, "@bad", registry.Registration(kind=kind, **{"max_attempts": 2} | registration))
        made = self.bench.create("in 10 seconds", agent="@bad")
        self.bench.clock.advance(seconds=10)
        return made

    def tick(self) -> list[str]:
        """Sweeps, runs what is to be run, and mails what is to be told; gives what came of the runs in words."""
        world, queue = self.bench.world, self.bench.queue
        self.bench.sweep()
        words = [run(world, self._crew, it, remaining=timedelta(minutes=15)).word for it in queue.take("start")]
        for message in queue.take("report"):
            send_report(world, self, message)
        return words

    def send(self, run: Run) -> str:
        """Takes a report, as the mailer does."""
        self.mailed.append(run)
        return f"mail {len(self.mailed)}"

    def play(self) -> None:
        """Lets two days pass."""
        for minutes in _STEPS:
            self.tick()
            self.bench.clock.advance(minutes=minutes)

    def say(self, token: str | None, path: str, **body: Any) -> Answered:
        """Says something to the API with a run's token."""
        try:
            it: Reply = Client(self._http, token).call("POST", path, body or None)
        except Problem as problem:
            return Answered(problem.status, str(problem.body["code"]))
        return Answered(it.status, None, it.headers.get("idempotent-replayed") == "true")

    def complete(self, call: AgentCall, outcome: str = "succeeded", *, token: str | None = None) -> Answered:
        """Says by a run's token that it is over."""
        path = f"/v1/runs/{call.run_id}/complete"
        return self.say(token or call.token, path, outcome=outcome, summary=f"it says {outcome}")

    def last(self, it: FollowUp) -> Run:
        """Gives the record of the run that ended it: the one of which a mail told, and there was no other mail."""
        assert self.bench.now(it).status in (Status.DONE, Status.FAILED)
        [final] = [run for run in self.bench.runs(it) if run.final]
        assert [run.id for run in self.mailed] == [final.id]
        return final

    def text(self, run: Run) -> str:
        """Gives the text of a run's report as it is mailed, in one line."""
        return " ".join(report.compose(with_whole(run, self.outputs)).text.split())
