"""A worker: asks for the runs of one agent, runs its command here, and says what came of it.

The run's lease is kept by heartbeats. Who is not heard of for five minutes is taken for gone, so what a worker runs must go
with it: see `local.reaper`.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from followups.adapters.agents.command import CommandAgent
from followups.cli.client import Client, Problem, Unreachable
from followups.domain.contract import AgentCall, Done
from followups.domain.entities import Agent
from followups.domain.status import Outcome

#: Seconds between two signs of life: several fit into a lease.
_BEAT_S = 60.0
#: Seconds between two tries to say what came of a run.
_AGAIN_S = 5.0
#: What a worker cannot tell by the contract is left to the lease.
_TOLD = (Outcome.SUCCEEDED, Outcome.ATTENTION, Outcome.FAILED)
_SUMMARY, _REPORT = 2_000, 390_000

Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Worked:
    """What became of one run."""

    run_id: str
    #: The outcome that was told, or what was found instead.
    word: str
    summary: str


class Worker:
    """Works for one agent at one run after the other. `command` is what runs it, `now` the present instant in UTC."""

    def __init__(
        self, client: Client, agent: str, command: tuple[str, ...], runner: CommandAgent, *, name: str,
        now: Callable[[], datetime], say: Say,
    ) -> None:  # fmt: skip
        self._client, self._agent, self._command, self._runner = client, agent, command, runner
        self._name, self._now, self._say = name, now, say
        self._ended = threading.Event()

    def ask(self) -> dict[str, Any] | None:
        """Gives a run to work at, or None if there is none. Raises Problem, Unreachable."""
        body = {"worker": self._name, "in_hand": []}
        run: dict[str, Any] | None = self._client.agent(self._agent, "POST", body, "/work").body["run"]
        return run

    def work(self, request: dict[str, Any]) -> Worked:
        """Takes a run as it was handed out; runs the command to its end or the deadline, and tells what came of it."""
        token = str(request["run_token"])
        call = self._call(request, token)
        answers: list[Done] = []
        self._ended.clear()
        thread = threading.Thread(target=lambda: self._run(call, answers), daemon=True, name=f"followups-{call.run_id}")
        thread.start()
        why = self._attend(call.run_id, token)
        thread.join()
        if why is not None:
            return Worked(run_id=call.run_id, word=why, summary="The command was stopped.")
        return self._tell(call, answers[0])

    def _call(self, request: dict[str, Any], token: str) -> AgentCall:
        deadline = datetime.fromisoformat(str(request["deadline"]).replace("Z", "+00:00"))
        at = self._now()
        agent = Agent(name=self._agent, kind="command", command=self._command, created_at=at, write_id="worker")
        told = {name: value for name, value in request.items() if name != "run_token"}
        return AgentCall(
            run_id=str(request["run_id"]), agent=agent, owner="", request=told, deadline=deadline,
            seconds=max(0.0, (deadline - at).total_seconds()), token=token,
        )  # fmt: skip

    def _run(self, call: AgentCall, answers: list[Done]) -> None:
        try:
            answers.append(self._runner.start(call))
        finally:
            self._ended.set()

    def _attend(self, run_id: str, token: str) -> str | None:
        """Says that the run lives until it has ended; gives why the command was stopped, if it was."""
        while not self._ended.wait(_BEAT_S):
            try:
                cancelled = self._client.of_run(run_id, "/heartbeat", token).body["cancelled"]
            except Unreachable as error:
                self._say(f"{error}; the run goes on")
                continue
            except Problem as problem:
                if problem.status >= 500 or problem.status == 429:
                    continue
                self._runner.processes.stop_all(for_good=False)
                return "over"
            if cancelled:
                self._runner.processes.stop_all(for_good=False)
                return "cancelled"
        return None

    def _tell(self, call: AgentCall, done: Done) -> Worked:
        """Tells what came of it, until that is heard or too late."""
        if done.outcome not in _TOLD:
            return Worked(run_id=call.run_id, word=str(done.outcome), summary=f"{done.summary} Its lease tells that.")
        while True:
            try:
                told = self._client.of_run(call.run_id, "/complete", call.token, _body(done)).body
            except (Unreachable, Problem) as error:
                lost = isinstance(error, Problem) and error.status < 500 and error.status != 429
                if lost or self._now() > call.deadline:
                    return Worked(run_id=call.run_id, word="lost", summary=str(error))
                self._say(f"{error}; it is told again")
                time.sleep(_AGAIN_S)
                continue
            return Worked(run_id=call.run_id, word=str(told["outcome"]), summary=done.summary)


def _body(done: Done) -> dict[str, Any]:
    body: dict[str, Any] = {"outcome": done.outcome, "summary": done.summary[:_SUMMARY], "report_md": done.report[:_REPORT]}
    if done.verdict is not None:
        body |= {"verdict": done.verdict, "evidence": done.evidence}
    if (it := done.usage) is not None:
        cost = None if it.cost_usd is None else float(it.cost_usd)
        usage = {"model": it.model, "input_tokens": it.input_tokens, "output_tokens": it.output_tokens, "cost_usd": cost}
        body["usage"] = {name: value for name, value in usage.items() if value is not None}
    return body
