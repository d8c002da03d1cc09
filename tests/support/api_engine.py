"""The API and the engine behind it in one process and one thread: a test decides what happens next, and when."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from followups.adapters.local import NoLeases
from followups.adapters.sqlite import SQLiteStore
from followups.api.app import api
from followups.api.service import Service
from followups.domain.contract import AgentCall, Done, Pending
from followups.domain.entities import Run
from followups.domain.errors import MailNotSent, MailRefused, MailUncertain
from followups.domain.ids import derive_id
from followups.domain.messages import Message
from followups.ports import AgentTarget, Outputs
from followups.usecases.report import send_report
from followups.usecases.run import Crew, run
from followups.usecases.sweep import Swept, sweep
from followups.usecases.world import Limits, NoOutputs, World
from tests.support.api import SECRET, Api
from tests.support.clock import ManualClock
from tests.support.world import FakeAgent, ListQueue

#: How long a runner has.
REMAINING = timedelta(minutes=15)
LAPTOP = Limits(look_ahead=timedelta(0), blocked_s=(1.0, 5.0))
AWS = Limits(claim_at_birth=True)
_MAIL = {"not sent": MailNotSent, "refused": MailRefused, "uncertain": MailUncertain}


class SteadyChance:
    """Names in a row, and always the same luck: what happened once happens again."""

    LUCK = 0.5

    def __init__(self) -> None:
        self._made = 0

    def new_id(self) -> str:
        self._made += 1
        return derive_id("chance", str(self._made))

    def luck(self) -> float:
        return self.LUCK


class FakeMailer:
    """Does what a test says, by word: accepted, not sent, refused, uncertain."""

    def __init__(self) -> None:
        self.does = "accepted"
        self.sent: list[Run] = []

    def send(self, it: Run) -> str:
        if self.does in _MAIL:
            raise _MAIL[self.does](f"mail {self.does}")
        self.sent.append(it)
        return f"mail-{len(self.sent)}"


class Engine(Api):
    """The API of a world that lives in memory, and what sweeper, runner and reporter do in it."""

    def __init__(self, limits: Limits, *, outputs: Outputs | None = None, **service: Any) -> None:
        self.clock = ManualClock()
        self.path = Path(":memory:")
        self.store = SQLiteStore(self.path)
        self.queue, self.agent, self.mailer = ListQueue(), FakeAgent(), FakeMailer()
        self.world = World(
            store=self.store, queue=self.queue, clock=self.clock, chance=SteadyChance(), leases=NoLeases(),
            outputs=outputs or NoOutputs(), limits=limits,
        )  # fmt: skip
        self.targets: dict[str, AgentTarget] = {"command": self.agent}
        usual = {"world": self.world, "secrets": (SECRET,), "default_timezone": "UTC", "allow_commands": True}
        self._handler = api(Service(**(usual | service)), log=self._log)
        self._looks = None

    def sweep(self) -> Swept:
        facts = sweep(self.world)
        assert not facts["poisoned"] and not facts["raced"], facts
        return facts

    def run(self, message: Message, does: Callable[[AgentCall], Done | Pending]) -> str:
        self.agent.does = does
        return run(self.world, Crew(targets=self.targets, secret=SECRET), message, remaining=REMAINING).word

    def report(self, message: Message, does: str) -> str:
        self.mailer.does = does
        return send_report(self.world, self.mailer, message)
