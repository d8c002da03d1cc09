"""The laptop's engine: a ticker, a delay queue in memory, a hard cap of workers, and the four handlers."""

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from followups.adapters.leases import FileLeases
from followups.adapters.local import MemoryQueue
from followups.domain import claims, ids
from followups.domain.entities import Run
from followups.domain.errors import Conflict, StoreError
from followups.domain.messages import Message
from followups.domain.status import Status
from followups.handlers import Handler
from followups.local import events
from followups.usecases.abandoned import end_abandoned
from followups.usecases.outgoing import Swept
from followups.usecases.world import World

#: Told of each run that ended.
OnRun = Callable[[Run], None]
#: Reports sent at once, so that they keep up with the runs.
_REPORTERS = 3
#: Shortest and longest time between two ticks, in seconds.
SOONEST_TICK_S, TICK_S = 0.05, 1.0
#: How long the end of agents that were killed is waited for, in seconds.
_STOPPING_S = 10


class LocalQueue:
    """Start messages and report messages, apart: a report never waits behind an agent."""

    def __init__(self) -> None:
        self.starts = MemoryQueue()
        self.reports = MemoryQueue()

    def send(self, messages: Sequence[tuple[Message, int]]) -> None:
        for kind, queue in (("start", self.starts), ("report", self.reports)):
            queue.send([it for it in messages if it[0].kind == kind])


@dataclass(frozen=True, kw_only=True, slots=True)
class Parts:
    """What the composition root puts together for a laptop."""

    world: World
    queue: LocalQueue
    leases: FileLeases
    sweeper: Handler
    runner: Handler
    reporter: Handler
    #: Kills the agents that are alive.
    stop_agents: Callable[[], None]


class Runtime:
    """Runs what is due. Use it as a context manager; leaving it gives back what was claimed and not started."""

    def __init__(self, parts: Parts, *, on_run: OnRun, tick_s: float = TICK_S) -> None:
        self._parts = parts
        self._on_run = on_run
        self._tick_s = tick_s
        # Two more than the cap: who is refused for want of a slot must find a worker that tells him so.
        count = parts.world.limits.global_cap + 2
        self._workers = [self._thread(parts.queue.starts, parts.runner) for _ in range(count)]
        self._workers += [self._thread(parts.queue.reports, parts.reporter) for _ in range(_REPORTERS)]
        self._ended = threading.Event()
        self._stopped = False

    def __enter__(self) -> "Runtime":
        for worker in self._workers:
            worker.start()
        return self

    def __exit__(self, *_error: object) -> None:
        for message in self._parts.queue.starts.close():
            self._give_back(message)
        idle = self._parts.queue.starts.idle(0 if self._stopped else None)
        self._parts.queue.reports.idle(timeout_s=10)
        self._parts.queue.reports.close()
        for worker in self._workers:
            # Who still waits for a server that was not to be stopped is not waited for.
            worker.join(timeout=5 if idle else 0)
        self._parts.leases.close()

    def tick(self) -> Swept:
        """Ends what broke off and sweeps. Raises StoreError."""
        facts = end_abandoned(self._parts.world)
        self._parts.leases.sweep_files()
        facts.update(self._parts.sweeper(events.tick(self._parts.world.clock.now()), events.LocalContext()))
        if facts["poisoned"]:
            sys.stderr.write(f"followups: {facts['poisoned']} stored items could not be handled and were set aside\n")
        return facts

    def rest(self) -> None:
        """Waits until it is time for the next tick: a second, or less if a run ends, for its slot is somebody's turn."""
        time.sleep(SOONEST_TICK_S)
        self._ended.wait(self._tick_s - SOONEST_TICK_S)
        self._ended.clear()

    def drain(self, timeout_s: float | None = None) -> bool:
        """Waits until every message was handled, reports included, or for the timeout; says whether it is so."""
        return self._parts.queue.starts.idle(timeout_s) and self._parts.queue.reports.idle(timeout_s)

    def stop_claiming(self) -> int:
        """Takes no more messages, and gives back the claims behind them; gives how many agents are still at work."""
        for message in self._parts.queue.starts.close():
            self._give_back(message)
        return self._parts.queue.starts.in_hand()

    def stop_agents(self) -> bool:
        """Kills the agents that are alive here; their runs end as `unknown`. Says whether all runs have ended: what goes on
        elsewhere is not waited for any more."""
        self._stopped = True
        self._parts.stop_agents()
        return self.drain(_STOPPING_S)

    def _thread(self, queue: MemoryQueue, handler: Handler) -> threading.Thread:
        def work() -> None:
            while (message := queue.take()) is not None:
                try:
                    with self._parts.leases.working(message.run_id):
                        handler(events.batch(message), events.LocalContext())
                    if message.kind == "start":
                        self._tell(message)
                finally:
                    queue.done()

        return threading.Thread(target=work, daemon=True, name=f"followups-{id(queue):x}")

    def _tell(self, message: Message) -> None:
        key = ids.run_key(message.owner, message.follow_up_id, message.fence)
        try:
            run = self._parts.world.store.get(Run, key)
        except StoreError as error:
            sys.stderr.write(f"followups: {error}\n")
            return
        if run is not None:
            self._ended.set()
            # Who prints may have lost his reader, or have a terminal that cannot show it; the worker must live on.
            with contextlib.suppress(OSError, ValueError):
                self._on_run(run)

    def _give_back(self, message: Message) -> None:
        world = self._parts.world
        try:
            old = world.follow_up(message.owner, message.follow_up_id)
            if old and old.status is Status.CLAIMED and old.fence == message.fence:
                at = world.clock.now()
                world.store.commit(claims.return_unstarted(old, at=at, write_id=world.chance.new_id()))
        except (Conflict, StoreError):
            # Somebody else has it, or its claim is sent again by itself.
            return
