"""The product put together as on a laptop: two `followups dev` on one store, with queues in memory and leases that end with
their processes. A crash takes a whole `dev` with it, and leaves some of its agents alive."""

import itertools
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from followups.adapters.local import NoLeases, NoQueue
from followups.domain.entities import FollowUp
from followups.domain.ids import Key
from followups.domain.messages import Message
from followups.local import events
from followups.usecases.abandoned import end_abandoned
from followups.usecases.world import World
from tests.simulation.agents import Life
from tests.simulation.engine import MINUTE, SECOND, Crash, Process
from tests.simulation.faults import SKEW
from tests.simulation.ports import Caller, ProcessChance, ProcessClock, ProcessStore
from tests.simulation.stack import Stack

_TICK, _FOREVER = 5 * SECOND, 3_660 * SECOND
#: The limits of a laptop, but the cap: as the composition root sets them.
LIMITS = {"look_ahead": timedelta(0), "blocked_s": (1.0, 5.0), "claim_at_birth": False}


class Host:
    """One `followups dev`: a ticker, workers, and what it holds in memory. `leases` is the port as its processes see it."""

    def __init__(self, stack: "LaptopStack", name: str, generation: int) -> None:
        self.stack = stack
        self.holder = f"{name}.{generation}"
        self.name = name
        self.up = True
        self.processes: set[Process] = set()
        self.waiting: dict[str, deque[Message]] = {"start": deque(), "report": deque()}
        self.busy = {"start": 0, "report": 0}
        self.working: list[str] = []
        self.lives: list[Life] = []
        self.skew = stack.engine.rng(self.holder).randint(-SKEW, SKEW) if stack.skewed else 0
        self._numbers = itertools.count(1)

    def surely_over(self, holder: str, run_id: str) -> bool:
        if holder == self.holder:
            return run_id not in self.working
        host = self.stack.hosts[holder]
        return not host.up and all(life.ended is not None for life in host.lives)

    def put_down(self, holder: str) -> None:
        host = self.stack.hosts[holder]
        if not host.up:
            for life in host.lives:
                self.stack.engine.at(self.stack.engine.now, life.process.kill)

    def invoke(self, name: str, work: Callable[[Process], Any], ended: Callable[[Process], None]) -> None:
        def left(process: Process) -> None:
            self.processes.discard(process)
            ended(process)

        process = self.stack.invoke(f"{self.holder} {name}", work, lives=_FOREVER, ended=left)
        process.skew = self.skew
        self.processes.add(process)
        self.stack.host_of[process] = self

    def tick(self) -> None:
        """Ends what broke off, and sweeps."""

        def work(process: Process) -> None:
            end_abandoned(self.stack.world(process))
            self.stack.handler("tick", process)(events.tick(self.stack.engine.instant(0)), events.LocalContext())

        self.invoke(f"tick {next(self._numbers)}", work, self.stack.checks.let_out)

    def take(self, message: Message) -> None:
        self.waiting[message.kind].append(message)
        self.pump()

    def pump(self) -> None:
        at_once = {"start": self.stack.limits.global_cap + 2, "report": 1}
        for kind, waiting in self.waiting.items():
            while self.up and waiting and self.busy[kind] < at_once[kind]:
                self._handle(waiting.popleft())

    def _handle(self, message: Message) -> None:
        self.busy[message.kind] += 1
        self.working.append(message.run_id)

        def ended(process: Process) -> None:
            self.busy[message.kind] -= 1
            self.working.remove(message.run_id)
            self.stack.checks.let_out(process)
            self.pump()

        name = f"{message.kind} {message.follow_up_id[:6]}-{message.fence}.{next(self._numbers)}"
        self.invoke(name, self.stack.work(message), ended)

    def crash(self) -> None:
        """kill -9: of its agents some go with it."""
        if not self.up:
            return
        self.up = False
        engine, rng = self.stack.engine, self.stack.engine.rng(f"crash of {self.holder}")
        engine.note(self.holder, "dies")
        for process in list(self.processes):
            process.die()
            engine.at(engine.now, process.kill)
        for life in self.lives:
            if life.ended is None and rng.random() < 0.5:
                engine.at(engine.now, life.process.kill)
        for waiting in self.waiting.values():
            waiting.clear()
        engine.at(engine.now + rng.randrange(SECOND, 5 * MINUTE), lambda: self.stack.start(self.name))


class LaptopStack(Stack):
    """Everything on a laptop, for one seed."""

    again = None
    place = None
    # Its agents are its own processes: there is no line that breaks while they go on.
    impossible = frozenset({("agent", "error"), ("agent", "lost_answer"), ("agent", "broken_line")})

    def __init__(self, *arguments: Any, **more: Any) -> None:
        self.hosts: dict[str, Host] = {}
        #: The last of each name, by name.
        self._latest: dict[str, Host] = {}
        #: What is claimed or runs, and is somebody's.
        self._held: set[Key] = set()
        self.host_of: dict[Process, Host] = {}
        super().__init__(*arguments, **more)
        self.limits = replace(self.limits, **LIMITS)  # type: ignore[arg-type]
        self._generations = itertools.count(1)
        self._planned: dict[str, int] = {}
        for name in ("dev-1", "dev-2"):
            self.start(name)

    def start(self, name: str) -> None:
        host = Host(self, name, next(self._generations))
        self.hosts[host.holder] = self._latest[name] = host
        self._plan_ticks()

    def world(self, process: Process) -> World:
        call, host = Caller(self, process), self.host_of.get(process)
        return World(
            store=ProcessStore(call, self.store), queue=_HostQueue(host) if host else NoQueue(),
            clock=ProcessClock(process), chance=ProcessChance(process), leases=host or NoLeases(), limits=self.limits,
        )  # fmt: skip

    def crashes(self, process: Process) -> None:
        if host := self.host_of.get(process):
            host.crash()
        super().crashes(process)

    def kills(self, process: Process) -> None:
        if host := self.host_of.get(process):
            host.crash()
        else:
            super().kills(process)

    def began(self, process: Process, life: Life) -> None:
        if self.natures[life.call.agent.name].way == "waits":
            self.host_of[process].lives.append(life)

    def tick(self, name: str) -> None:
        """An agent calls `run-due`, which refuses inside a run; one that hides where it runs only ticks a bit early."""
        for host in self._latest.values():
            if host.up:
                host.tick()
                return

    @property
    def quiet(self) -> bool:
        return not self.engine.alive and not any(any(it.waiting.values()) for it in self._latest.values() if it.up)

    def _plan_tick(self) -> None:
        self._plan_ticks()

    def _committed(self, before: Any, after: Any) -> None:
        for key, item in after.items():
            it = item.entity if item else None
            held = isinstance(it, FollowUp) and it.lease_holder is not None
            (self._held.add if held else self._held.discard)(key)
        super()._committed(before, after)

    def _plan_ticks(self) -> None:
        waking = [it.wake_at for it in self.tables.items.values() if it.wake_at is not None]
        if waking:
            self._tick_for(min(waking))

    def _tick_for(self, moment: datetime) -> None:
        """A laptop ticks each second; here only when something may have to be looked at, and each quarter of a minute
        while anything is claimed or runs, since its process may have died."""
        soonest = (moment - self.engine.start) // timedelta(milliseconds=1) - SKEW
        after = min(soonest, self.engine.now + 3 * _TICK) if self._held else soonest
        when = (max(after, self.engine.now) // _TICK + 1) * _TICK
        for name, planned in [(it.name, self._planned.get(it.name)) for it in self._latest.values() if it.up]:
            # What is planned for just now is still to come: the other one was first.
            if planned is None or planned < self.engine.now or when < planned:
                self._planned[name] = when
                self.engine.at(when, lambda name=name: self._tick(name, when))

    def _tick(self, name: str, when: int) -> None:
        if self._planned.get(name) != when:
            return
        del self._planned[name]
        host = self._latest[name]
        if host.up and not self.plan.out("tick", self.engine.now):
            host.tick()
        self._plan_ticks()


class _HostQueue:
    """The queue in a host's memory. It cannot be out, and what it loses in a crash the store brings back."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def send(self, messages: Any) -> None:
        engine = self._host.stack.engine
        if not self._host.up:
            raise Crash
        for message, delay_s in messages:
            engine.at(engine.now + delay_s * SECOND, lambda message=message: self._host.up and self._host.take(message))
