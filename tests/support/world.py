"""A world for use cases: a real store on a file, a clock that is moved by hand, a queue that a test looks into."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from pytest import MonkeyPatch

from followups.adapters.local import NoLeases, SystemChance
from followups.adapters.sqlite import SQLiteStore
from followups.domain import ids
from followups.domain.changes import Change
from followups.domain.contract import AgentCall, Done, Pending
from followups.domain.entities import FollowUp, Run
from followups.domain.errors import QueueError
from followups.domain.messages import Message
from followups.domain.status import Outcome
from followups.usecases import registry
from followups.usecases.create import Request, create
from followups.usecases.manage import Asker
from followups.usecases.run import Crew, run
from followups.usecases.sweep import Swept, sweep
from followups.usecases.world import Limits, World
from tests.support.clock import ManualClock

SECRET = b"0123456789abcdef0123456789abcdef"
ME = Asker(owner="me")


class ListQueue:
    """Keeps what is sent; `broken` refuses it, as a queue does that cannot be reached."""

    def __init__(self) -> None:
        self.sent: list[tuple[Message, int]] = []
        self.broken = False

    def send(self, messages: Sequence[tuple[Message, int]]) -> None:
        if self.broken:
            raise QueueError("the queue cannot be reached")
        self.sent += messages

    def take(self, kind: str) -> list[Message]:
        """Gives the messages of a kind, and takes them out."""
        taken = [message for message, _ in self.sent if message.kind == kind]
        self.sent = [it for it in self.sent if it[0].kind != kind]
        return taken


class FakeAgent:
    """An agent that does what a test says; counts its calls."""

    def __init__(self, does: Callable[[AgentCall], Done | Pending] | None = None) -> None:
        self.calls: list[AgentCall] = []
        self.polls = 0
        self.cancelled = 0
        self.does = does or (lambda _call: Done(outcome=Outcome.SUCCEEDED, summary="well"))

    def start(self, call: AgentCall) -> Done | Pending:
        self.calls.append(call)
        return self.does(call)

    def poll(self, call: AgentCall, handle: str) -> Done | Pending:
        self.polls += 1
        return self.does(call)

    def cancel(self, call: AgentCall, handle: str) -> None:
        self.cancelled += 1


class Bench:
    """The world, and the few things that tests do with it again and again."""

    def __init__(self, path: Path, **limits: object) -> None:
        self.clock = ManualClock()
        self.queue = ListQueue()
        self.store = SQLiteStore(path)
        self.agent = FakeAgent()
        settings = replace(Limits(), **limits)  # type: ignore[arg-type]
        self.world = World(
            store=self.store, queue=self.queue, clock=self.clock, chance=SystemChance(), leases=NoLeases(), limits=settings
        )
        self.register("@a")

    def register(self, name: str, **settings: object) -> None:
        wanted = registry.Registration(kind="fake", **settings)  # type: ignore[arg-type]
        registry.put_agent(self.world, name, wanted)

    def create(
        self, due: str = "in 10 seconds", *, agent: str = "@a", asker: Asker = ME, key: str | None = None
    ) -> FollowUp:
        request = Request(agent=agent, task="Task", when=due, timezone="Europe/Berlin")
        return create(self.world, asker, request, idempotency_key=key, allow_commands=True).follow_up

    def sweep(self) -> Swept:
        return sweep(self.world)

    def run(self, message: Message) -> str:
        """Gives what came of the message in a word."""
        return run(
            self.world, Crew(targets={"fake": self.agent}, secret=SECRET), message, remaining=timedelta(minutes=15)
        ).word

    def run_all(self) -> list[str]:
        return [self.run(message) for message in self.queue.take("start")]

    def now(self, it: FollowUp) -> FollowUp:
        found = self.world.follow_up(it.owner, it.id)
        assert found is not None
        return found

    def runs(self, it: FollowUp) -> list[Run]:
        return self.store.runs(it.owner, it.id, limit=50)

    def live(self) -> frozenset[str]:
        return self.store.slots(ids.ALL_SLOTS_KEY)


def slow_commits(bench: Bench, monkeypatch: MonkeyPatch, *, seconds: float) -> None:
    """Lets each commit of the store take that long, and take effect at its end."""
    commit = bench.store.commit

    def slow(*changes: Change) -> None:
        bench.clock.advance(seconds=seconds)
        commit(*changes)

    monkeypatch.setattr(bench.store, "commit", slow)
