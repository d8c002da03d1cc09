"""The product put together as on AWS, over the simulated ports: the real handlers, called as Lambda calls them."""

import itertools
from collections import Counter, deque
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from followups.adapters.dynamodb import DynamoDBStore
from followups.adapters.local import NoLeases
from followups.api.app import api
from followups.api.service import Place, Service
from followups.domain.entities import FollowUp
from followups.domain.messages import Message
from followups.handlers import Handler
from followups.handlers.auditor import auditor
from followups.handlers.queue import reporter, runner
from followups.handlers.sweeper import sweeper
from followups.local import events
from followups.ports import Ledger
from followups.usecases.world import Limits, World
from tests.simulation.agents import NATURES, Agents, Life, Nature
from tests.simulation.audits import Audits
from tests.simulation.checks import Checks
from tests.simulation.consumers import Consumer
from tests.simulation.dynamo import FakeDynamoDB
from tests.simulation.engine import HOUR, MINUTE, SECOND, Engine, Process
from tests.simulation.faults import KINDS, LONGEST_LAG, SKEW, SPECIAL, Plan
from tests.simulation.people import People
from tests.simulation.ports import Caller, ProcessChance, ProcessClock, ProcessMailer, ProcessQueue, ProcessStore
from tests.simulation.tables import SimStore, Tables
from tests.simulation.targets import targets
from tests.simulation.workers import Workers

SECRET = b"0123456789abcdef0123456789abcdef"
#: As in template.yaml.
API_LIVES, SWEEPER_LIVES, RUNNER_LIVES, REPORTER_LIVES = 29 * SECOND, 55 * SECOND, 900 * SECOND, 60 * SECOND
AUDITOR_LIVES = 900 * SECOND
#: What can strike a call of each port.
_KINDS = {
    port: [kind for kind, ports in KINDS.items() if port in ports and kind not in SPECIAL]
    for port in ("store", "queue", "mail", "agent", "target")
}


class _Context(events.LocalContext):
    def __init__(self, process: Process) -> None:
        super().__init__()
        self._process = process

    def get_remaining_time_in_millis(self) -> int:
        assert self._process.killed_at is not None
        return self._process.killed_at - self._process.engine.now


class Stack:
    """Everything, for one seed. `only` leaves all faults out but these, named as `struck` names them."""

    #: The pause after which a sweep looks once more if somebody waits; as the composition root sets it.
    again: timedelta | None = timedelta(seconds=5)
    #: What cannot go wrong here, by port and kind.
    impossible: frozenset[tuple[str, str]] = frozenset()
    #: Where agents are called: on AWS.
    place: Place | None = Place(region="eu-central-1", longest_run_s=900)

    def __init__(
        self, engine: Engine, plan: Plan, *, limits: Limits, only: frozenset[tuple[str, str]] | None = None,
        skip: frozenset[int] = frozenset(), dynamodb: bool = False, natures: Mapping[str, Nature] = NATURES,
    ) -> None:  # fmt: skip
        self.engine, self.plan, self.limits, self.natures = engine, plan, limits, natures
        self.struck: list[tuple[str, str]] = []
        #: The process whose call takes effect just now.
        self.acting = ""
        #: Decides what goes wrong, where a test wants to; else the plan and the seed do.
        self.strikes: Callable[[Process], str | None] | None = None
        self._only = only
        lags = engine.rng("index")
        self.tables = Tables(
            now=lambda: engine.now,
            lag=lambda: lags.randrange(LONGEST_LAG) if self.around("stale_index", f"{engine.now}", lags) else 0,
        )
        self.store = self._dynamodb() if dynamodb else SimStore(self.tables)
        self.agents = Agents(self)
        self.checks = Checks(self)
        self.workers = Workers(self)
        self.audits = Audits(self)
        self.people = People(self, skip)
        self.tables.watch = self._committed
        self.skewed = self.plan.rates.get("skew", 0) > 0
        self._sent: Counter[Message] = Counter()
        self._ticks = itertools.count()
        self._tick_at: int | None = None
        self.consumers = {
            "start": Consumer(self, "start", limits.global_cap + 2, RUNNER_LIVES, deque()),
            "report": Consumer(self, "report", 2, REPORTER_LIVES, deque()),
        }

    # What goes wrong ------------------------------------------------------------------------------------------------

    def strike(self, process: Process, port: str, *, only: str | None = None) -> str | None:
        """Gives what goes wrong with a process's next call of a port, if anything does."""
        process.calls += only is None
        if self.strikes is not None:
            fault = None if only else self.strikes(process)
            return self._strikes(fault, process.name) if fault else None
        roll, low = process.rng.random(), 0.0
        for kind in (only,) if only else _KINDS[port]:
            if (port, kind) not in self.impossible:
                low += self.plan.chance(kind, self.engine.now)
            if roll < low:
                return self._strikes(kind, f"{process.name}/{process.calls}")
        return None

    def around(self, kind: str, name: str, rng: Any) -> bool:
        return rng.random() < self.plan.chance(kind, self.engine.now) and self._strikes(kind, name) is not None

    def _strikes(self, kind: str, name: str) -> str | None:
        if self._only is not None and (kind, name) not in self._only:
            return None
        self.struck.append((kind, name))
        self.engine.faults[kind] += 1
        return kind

    def _dynamodb(self) -> Ledger:
        """The real adapter, over a DynamoDB at which others are at work too."""
        luck = self.engine.rng("collision")
        client = FakeDynamoDB(self.tables, lambda: self.around("collision", f"{self.engine.now}", luck))
        return DynamoDBStore(client, "simulated", shards=3, sleep=lambda _: None, luck=luck.random)

    # Processes ------------------------------------------------------------------------------------------------------

    def invoke(
        self, name: str, work: Callable[[Process], Any], *, lives: int, ended: Callable[[Process], None] = lambda _: None
    ) -> Process:
        """Starts an invocation, which may be killed at any moment."""
        process = Process(self.engine, name, work, lives=lives, ended=ended)
        if self.skewed:
            process.skew = process.rng.randint(-SKEW, SKEW)
        if self.around("killed", name, process.rng):
            moment = self.engine.now + process.rng.randrange(min(lives, 3 * MINUTE))
            self.engine.at(moment, lambda: self.kills(process))
        return process

    def kills(self, process: Process) -> None:
        """Kills an invocation from outside."""
        process.kill()

    def crashes(self, process: Process) -> None:
        """Lets an invocation die of itself."""
        self.engine.note(process.name, "crashes")
        process.die()

    def began(self, process: Process, life: Life) -> None:
        """Told of an agent that a runner has started."""

    def work(self, message: Message) -> Callable[[Process], Any]:
        """Gives what a consumer does with a message."""

        def work(process: Process) -> Any:
            return self.handler(message.kind, process)(events.batch(message), _Context(process))

        return work

    def world(self, process: Process) -> World:
        call = Caller(self, process)
        return World(
            store=ProcessStore(call, self.store), queue=ProcessQueue(call), clock=ProcessClock(process),
            chance=ProcessChance(process), leases=NoLeases(), limits=self.limits,
        )  # fmt: skip

    def handler(self, kind: str, process: Process) -> Handler:
        """Gives a function's handler as its process has it."""
        world, call = self.world(process), Caller(self, process)

        def log(word: str, facts: Mapping[str, Any]) -> None:
            if word in ("bug", "bad_message"):
                self.checks.fail(f"{process.name} logged {word}: {dict(facts)}")

        if kind == "start":
            return runner(world, targets(call), (SECRET,), log=log)
        if kind == "report":
            return reporter(world, ProcessMailer(call), log=log)
        if kind == "tick":
            return sweeper(world, log=log, again=self.again)
        if kind == "audit":
            limits = {"global_cap": self.limits.global_cap, "runs_per_hour": self.limits.runs_per_hour}
            ledger = ProcessStore(call, self.store)
            return auditor(ledger, self.audits, world.clock, world.chance, **limits, log=self.audits.log)
        service = Service(
            world=world, secrets=(SECRET,), default_timezone="Europe/Berlin", allow_commands=self.place is None,
            place=self.place,
        )  # fmt: skip
        return api(service, log=log)

    # Time -----------------------------------------------------------------------------------------------------------

    def tick(self, name: str) -> None:
        """Fires the sweeper once."""

        def work(process: Process) -> Any:
            return self.handler("tick", process)(events.tick(self.engine.instant(self.engine.now)), _Context(process))

        self.invoke(name, work, lives=SWEEPER_LIVES, ended=self.checks.let_out)

    def _minute(self, when: int) -> None:
        if self._tick_at != when:
            return
        self._tick_at = None
        number, rng = when // MINUTE, self.engine.rng(f"minute {when // MINUTE}")
        lost = self.around("lost_tick", f"{number}", rng) or self.plan.out("tick", self.engine.now)
        if not lost:
            count = 4 if self.around("more_ticks", f"{number}", rng) else 1
            for index in range(count):
                self.tick(f"tick {number}{'abcd'[index] if count > 1 else ''}")
        self._plan_tick()

    def _plan_tick(self) -> None:
        """Plans the next tick at which something may have to be looked at: those before it would find nothing."""
        waking = [it.wake_at for it in self.tables.items.values() if it.wake_at is not None]
        waking += [it.wake_at for it in self.tables.shown().values() if it.wake_at is not None]
        if waking:
            self._tick_for(min(waking))

    def _tick_for(self, moment: datetime) -> None:
        ahead = self.limits.look_ahead + timedelta(milliseconds=SKEW)
        wanted = (moment - ahead - self.engine.start) // timedelta(minutes=1)
        when = max(self.engine.now // MINUTE + 1, wanted) * MINUTE
        if self._tick_at is None or when < self._tick_at:
            self._tick_at = when
            self.engine.at(when, lambda: self._minute(when))

    def _committed(self, before: Any, after: Any) -> None:
        self.checks.committed(before, after)
        for item in after.values():
            if item is not None and item.wake_at is not None:
                self._tick_for(item.wake_at)
            if item is not None and isinstance(item.entity, FollowUp):
                self.workers.told(item.entity)

    def audit(self) -> None:
        """Lets the auditor look once."""

        def work(process: Process) -> Any:
            return self.handler("audit", process)(events.tick(self.engine.instant(self.engine.now)), _Context(process))

        self.invoke(f"audit {self.engine.now // MINUTE}", work, lives=AUDITOR_LIVES, ended=self.checks.let_out)

    # Messages -------------------------------------------------------------------------------------------------------

    def deliver(self, message: Message, delay_s: int) -> None:
        """Takes a message: it arrives once or more, after its delay or later, in any order."""
        self._sent[message] += 1
        name = f"{message.kind} {message.follow_up_id[:6]}-{message.fence}.{self._sent[message]}"
        rng = self.engine.rng(f"deliver {name}")
        self._arrive(message, name, delay_s * SECOND + self._transit(name, rng))
        if self.around("duplicate_delivery", name, rng):
            self._arrive(
                message, f"{name}=", delay_s * SECOND + rng.choice((rng.randrange(HOUR), rng.randrange(2 * SECOND)))
            )

    def _transit(self, name: str, rng: Any) -> int:
        if self.around("late_delivery", name, rng):
            return int(rng.randrange(HOUR))
        if self.around("reordered_delivery", name, rng):
            return int(rng.randrange(30 * SECOND))
        return int(rng.randrange(5, 200))

    def _arrive(self, message: Message, name: str, after: int) -> None:
        consumer = self.consumers[message.kind]
        self.engine.at(self.engine.now + after, lambda: consumer.arrive(message, 1, name))

    @property
    def quiet(self) -> bool:
        """Says whether no process is alive and no message waits."""
        return not self.engine.alive and not any(it.waiting or it.busy for it in self.consumers.values())
