"""A worker: asks for the runs of one agent, runs its command here, and says what came of it.

The run's lease is kept by heartbeats. Who is not heard of for five minutes is taken for gone, and his run may be another
worker's then. So a command ends with its lease: where the server cannot be heard of, and with the worker (`local.reaper`).
"""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from followups.adapters.agents.command import CommandAgent
from followups.cli.client import Client, Problem, Unreachable
from followups.domain.contract import AgentCall, Done, fit
from followups.domain.entities import Agent
from followups.domain.hearing import WORKER_LEASE
from followups.domain.status import Outcome
from followups.domain.walltime import duration
from followups.ports import Clock

#: Between two signs of life: several fit into a lease.
BEAT = timedelta(seconds=30)
#: Between two tries to say what came of a run.
AGAIN = timedelta(seconds=5)
#: So long before its lease is surely over a command is stopped whose run could not be kept.
MARGIN = timedelta(seconds=30)
#: How often it is looked whether a person wants to end.
_LOOK_S = 0.5
#: What a command can say of itself.
_OWN = (Outcome.SUCCEEDED, Outcome.ATTENTION, Outcome.FAILED)
_MOST_MONEY = 1_000_000
_REMEMBERED = 100

Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Worked:
    """What became of one run."""

    run_id: str
    #: The outcome that was taken for it; where nothing was told, what was found instead.
    word: str
    summary: str
    #: Whether what came of it was told and taken.
    told: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Person:
    """Who sits before the worker: what is said to them, and whether they want to end (and so are told of what is waited
    for)."""

    say: Say
    ending: Callable[[], bool] = lambda: False


class _Stopped(Exception):
    """The command was stopped before its end; says why."""

    def __init__(self, word: str, why: str) -> None:
        super().__init__(why)
        self.word = word


class Worker:
    """Works for one agent at one run after the other. `command` is what runs it, `name` the worker's own, another for
    each process; `beat` is the time between two signs of life."""

    def __init__(
        self, client: Client, agent: str, command: tuple[str, ...], runner: CommandAgent, *, name: str, clock: Clock,
        person: Person, beat: timedelta = BEAT,
    ) -> None:  # fmt: skip
        self._client, self.agent, self._command, self._runner = client, agent, command, runner
        self._name, self._clock, self._person, self._beat = name, clock, person, beat
        #: Runs that it was given and is done with, told or not: what it was given otherwise it may be given again.
        self._done: deque[str] = deque(maxlen=_REMEMBERED)
        #: The run that it works at, until what came of it is told.
        self.in_hand: str | None = None
        self._asked_at = clock.now()
        self._thread = ThreadPoolExecutor(1, "followups-command")

    def ask(self) -> dict[str, Any] | None:
        """Gives a run to work at, or None if there is none. Raises Problem, Unreachable."""
        self._asked_at = self._clock.now()
        body = {"worker": self._name, "in_hand": list(self._done)}
        run: dict[str, Any] | None = self._client.agent(self.agent, "POST", body, "/work").body["run"]
        return run

    def work(self, request: dict[str, Any]) -> Worked:
        """Takes a run as it was handed out; runs the command to its end or the deadline, and tells what came of it."""
        call = self._call(request)
        self.in_hand = call.run_id
        self._done.append(call.run_id)
        worked = self._worked(call)
        self.in_hand = None
        return worked

    def _worked(self, call: AgentCall) -> Worked:
        ended = self._thread.submit(self._runner.start, call)
        try:
            self._attend(call, ended)
            done = ended.result()
        except _Stopped as stopped:
            self._runner.processes.stop_all(for_good=False)
            done = ended.result()
            if stopped.word != Outcome.CANCELLED:
                return Worked(run_id=call.run_id, word=stopped.word, summary=f"{stopped} It was stopped.", told=False)
            if done.outcome not in _OWN:
                # What it has done by then it has done; that it ends is told at once, for the slot's sake.
                done = replace(done, outcome=Outcome.FAILED, summary=f"{stopped} It was stopped.")
        return self._tell(call, done)

    def _call(self, request: dict[str, Any]) -> AgentCall:
        deadline = datetime.fromisoformat(str(request["deadline"]).replace("Z", "+00:00"))
        at = self._clock.now()
        agent = Agent(name=self.agent, kind="command", command=self._command, created_at=at, write_id="worker")
        told = {name: value for name, value in request.items() if name != "run_token"}
        return AgentCall(
            run_id=str(request["run_id"]), agent=agent, owner="", request=told, deadline=deadline,
            seconds=max(0.0, (deadline - at).total_seconds()), token=str(request["run_token"]),
        )  # fmt: skip

    def _attend(self, call: AgentCall, ended: Future[Done]) -> None:
        """Says that the run lives until its command has ended. Raises _Stopped where that is to be stopped."""
        kept_at, beat_at, told = self._asked_at, self._clock.now() + self._beat, False
        while not wait([ended], timeout=min(_LOOK_S, self._beat.total_seconds())).done:
            if self._person.ending() and not told:
                told = True
                self._person.say("Waiting for the run to end; Ctrl-C again stops it.")
            at = self._clock.now()
            if at < beat_at:
                continue
            beat_at = at + self._beat
            if self._beats(call):
                kept_at = at
            elif self._clock.now() - kept_at >= WORKER_LEASE - MARGIN:
                silent = duration(self._clock.now() - kept_at)
                raise _Stopped("lost", f"The run could not be kept for {silent}, and may be another worker's by now.")

    def _beats(self, call: AgentCall) -> bool:
        """Says that the run lives; gives whether that was heard. Raises _Stopped for one that is to end."""
        try:
            cancelled = self._client.of_run(call.run_id, "/heartbeat", call.token).body["cancelled"]
        except (Unreachable, Problem) as error:
            if isinstance(error, Problem) and error.status == 410:
                raise _Stopped("over", f"{error}.") from error
            self._person.say(f"{error}; the run goes on")
            return False
        if cancelled:
            raise _Stopped(Outcome.CANCELLED, "The run was cancelled while its command was at work.")
        return True

    def _tell(self, call: AgentCall, done: Done) -> Worked:
        """Tells what came of it, until that is heard or too late."""
        if done.outcome not in (*_OWN, Outcome.UNKNOWN):
            # The contract has no word for it.
            why = f"{done.summary} That is for the server to tell, when the run's time is over."
            return Worked(run_id=call.run_id, word=str(done.outcome), summary=why, told=False)
        body = _body(done)
        while True:
            try:
                told = self._client.of_run(call.run_id, "/complete", call.token, body).body
            except (Unreachable, Problem) as error:
                if not may_pass(error) or self._clock.now() > call.deadline:
                    return Worked(run_id=call.run_id, word="not taken", summary=str(error), told=False)
                self._person.say(f"{error}; it is told again")
                self._clock.sleep(AGAIN)
                continue
            return Worked(run_id=call.run_id, word=str(told["outcome"]), summary=done.summary, told=True)


def may_pass(error: Problem | Unreachable) -> bool:
    """Says whether the same request may be taken later."""
    return not isinstance(error, Problem) or error.status >= 500 or error.status == 429


def _body(done: Done) -> dict[str, Any]:
    """Gives the completion. As much of the report as is shown of one fits into a request, whatever its characters."""
    body: dict[str, Any] = {"outcome": done.outcome, "summary": done.summary, "report_md": fit(done.report)}
    if done.verdict is not None:
        body |= {"verdict": done.verdict, "evidence": done.evidence}
    if (it := done.usage) is not None:
        cost = None if it.cost_usd is None or float(it.cost_usd) > _MOST_MONEY else float(it.cost_usd)
        usage = {"model": it.model, "input_tokens": it.input_tokens, "output_tokens": it.output_tokens, "cost_usd": cost}
        body["usage"] = {name: value for name, value in usage.items() if value is not None}
    return body
