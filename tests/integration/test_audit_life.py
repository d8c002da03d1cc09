"""The audit of whatever the product reaches is empty: lives of all kinds, looked at after every step."""

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from followups.domain import ids
from followups.domain.contract import AgentCall, Done, Pending
from followups.domain.editing import Patch
from followups.domain.entities import FollowUp, Run
from followups.domain.errors import AgentUncertain, MailNotSent, MailRefused, MailUncertain, Refused
from followups.domain.findings import Finding
from followups.domain.lineage import RunToken
from followups.domain.status import Outcome
from followups.usecases import manage, registry
from followups.usecases.audit import audit
from followups.usecases.create import Request, create
from followups.usecases.manage import Asker
from followups.usecases.report import send_report
from tests.support.audits import hurry
from tests.support.world import ME, Bench

CAP = 2


def findings(bench: Bench) -> list[Finding]:
    return list(audit(bench.store, bench.clock.now(), global_cap=CAP).findings)


class Mail:
    """Takes, refuses or loses a mail."""

    def __init__(self, does: Callable[[], None]) -> None:
        self.does = does

    def send(self, run: Run) -> str:
        self.does()
        return f"mail {run.id}"


class Dice:
    """A Chance that gives the same each time."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)

    def new_id(self) -> str:
        return ids.encode_id(self._rng.randbytes(17))

    def luck(self) -> float:
        return self._rng.random()


class Life:
    """Somebody who does all that can be done, at random, and a world that does its part each minute."""

    def __init__(self, bench: Bench, seed: int) -> None:
        self.bench, self.rng = bench, random.Random(seed)
        bench.world = replace(bench.world, chance=Dice(seed))
        self.made: list[FollowUp] = []
        self.live: list[RunToken] = []
        self.waiting: set[str] = set()
        bench.agent.does = self._agent
        for name, cap in (("@a", 1), ("@b", 2)):
            bench.register(name, max_concurrency=cap, rerun_safe=name == "@b", timeout_s=300)

    def step(self) -> str:
        """Does one thing and gives its name; a refusal is as good as any answer."""
        act = self.rng.choice((
            self.create, self.create, self.child, self.cancel, self.pause, self.resume, self.run_now, self.edit,
            self.switch, self.minute, self.minute, self.minute, self.minute, self.start, self.start, self.start,
            self.report, self.report, self.hours,
        ))  # fmt: skip
        try:
            act()
        except Refused:
            return f"{act.__name__} refused"
        return act.__name__

    def create(self) -> None:
        due = self.rng.choice(("in 1 second", "in 2 minutes", "in 1 hour", "daily", "in 30 days", "in 3 years"))
        request = Request(agent=self.rng.choice(("@a", "@b")), task="Task", when=due, timezone="Europe/Berlin")
        self._make(ME, request)

    def child(self) -> None:
        if self.live:
            asker = Asker(owner="me", token=self.rng.choice(self.live))
            self._make(asker, Request(agent="@b", task="Child", when="in 1 second", timezone="UTC"))

    def _make(self, asker: Asker, request: Request) -> None:
        made = create(self.bench.world, asker, request, idempotency_key=None, allow_commands=True)
        self.made.append(made.follow_up)

    def cancel(self) -> None:
        self._on_one(lambda it: manage.cancel(self.bench.world, ME, it.id))

    def pause(self) -> None:
        self._on_one(lambda it: manage.pause(self.bench.world, ME, it.id, "no time"))

    def resume(self) -> None:
        self._on_one(lambda it: manage.resume(self.bench.world, ME, it.id))

    def run_now(self) -> None:
        self._on_one(lambda it: manage.run_now(self.bench.world, ME, it.id))

    def edit(self) -> None:
        patch = self.rng.choice((Patch(task="Another"), Patch(max_attempts=1)))
        self._on_one(
            lambda it: manage.edit(
                self.bench.world, ME, it.id, patch, version=self.bench.now(it).version, allow_commands=True
            )
        )

    def switch(self) -> None:
        registry.switch(self.bench.world, stopped=self.rng.random() < 0.3, reason="a test")

    def minute(self) -> None:
        """Gives time its due: what was queued lies a while, as at a busy runner."""
        self.bench.clock.advance(seconds=60)
        self.bench.sweep()

    def hours(self) -> None:
        for minutes in range(self.rng.choice((5, 60, 240))):
            self.minute()
            if minutes % 60 == 59:
                self.report()  # a reporter that is away for longer breaks a promise

    def start(self) -> None:
        messages = self.bench.queue.take("start")
        self.rng.shuffle(messages)
        for message in messages:
            if self.rng.random() < 0.9:  # one that is lost is sent again
                self.bench.run(message)

    def report(self) -> None:
        for message in self.bench.queue.take("report"):
            send_report(self.bench.world, Mail(self._mail), message)

    def _on_one(self, act: Callable[[FollowUp], object]) -> None:
        if self.made:
            act(self.rng.choice(self.made))

    def _agent(self, call: AgentCall) -> Done | Pending:
        follow_up_id, _, fence = call.run_id.removeprefix("run-").rpartition("-")
        token = RunToken("me", follow_up_id, int(fence), call.deadline)
        match self.rng.randrange(7):
            case 0:
                raise AgentUncertain("the line went dead")
            case 1 | 2:
                self.live.append(token)
                return Pending(handle="there", poll_after=timedelta(seconds=self.rng.choice((1, 60))))
            case 3:
                return Done(outcome=Outcome.FAILED, summary="no")
            case 4:
                return Done(outcome=Outcome.TIMED_OUT, summary="late")
            case _:
                return Done(outcome=Outcome.SUCCEEDED, summary="well")

    def _mail(self) -> None:
        kind = self.rng.choice((None, None, None, MailNotSent, MailUncertain, MailRefused))
        if kind is not None:
            raise kind("so it is")


@pytest.mark.parametrize("seed", range(4))
def test_nothing_is_found_in_any_life(bench: Bench, seed: int) -> None:
    hurry(bench.store)
    life = Life(bench, seed)
    done: list[str] = []
    for _ in range(80):
        done.append(life.step())
        found = findings(bench)
        # A report that failed is a promise that the mail broke, and this is its alarm.
        assert [it for it in found if it.code != "report_failed"] == [], done
