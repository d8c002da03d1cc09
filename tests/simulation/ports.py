"""The ports as one process sees them: each call takes time, gives way to others, and may go wrong."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from followups.domain import ids
from followups.domain.census import Stored
from followups.domain.changes import Change
from followups.domain.entities import Agent, FollowUp, Run, Unreadable
from followups.domain.errors import MailNotSent, MailRefused, MailUncertain, QueueError, StoreBusy
from followups.domain.ids import Key
from followups.domain.messages import Message
from followups.ports import E, Ledger, Listing
from tests.simulation.engine import SECOND, Crash, Process

if TYPE_CHECKING:
    from tests.simulation.stack import Stack

T = TypeVar("T")
_PAGE = 7


class Caller:
    """One process's way to the world."""

    def __init__(self, stack: "Stack", process: Process) -> None:
        self.stack, self.process = stack, process

    def __call__(self, port: str, what: str, effect: Callable[[], T], broken: Callable[[str], Exception]) -> T:
        """Calls a port: gives what it gives, or raises what it raises, or `broken`, or Crash."""
        process, engine = self.process, self.stack.engine
        if process.dead:
            raise Crash  # What Python runs on the way out (finally) does not happen: the process is gone.
        fault = self.stack.strike(process, port)
        engine.note(process.name, f"{what}{' ! ' + fault if fault else ''}")
        process.wait(self._latency(port, fault))
        if self.stack.plan.out(port, engine.now):
            engine.faults[f"{port}_outage"] += 1
            raise broken(f"the {port} is out")
        if fault == "crash_before":
            self._crash()
        if fault == "error":
            raise broken("it was refused")
        self.stack.acting = process.name
        given = effect()
        if fault in ("twice", "twice_late"):
            # A client that had no answer sends the same once more by itself.
            if fault == "twice_late":
                process.wait(process.rng.randrange(5 * SECOND))
            self.stack.acting = process.name
            given = effect()
        elif fault == "crash_after":
            self._crash()
        elif fault == "lost_answer":
            raise broken("the answer was lost")
        return given

    def _latency(self, port: str, fault: str | None) -> int:
        rng = self.process.rng
        if fault == "slow":
            return rng.randrange(100, 10 * SECOND)
        if fault == "very_slow":
            # Up to ten minutes, mostly less. Mailers give up before: it is what the lease of a mail's try is made for.
            return round(10 * SECOND * (12 if port == "mail" else 60) ** rng.random())
        return rng.randrange(1, 30)

    def _crash(self) -> None:
        self.stack.crashes(self.process)
        raise Crash


class ProcessStore:
    """The store behind the caller."""

    def __init__(self, call: Caller, store: Ledger) -> None:
        self._call, self._store = call, store

    def commit(self, *changes: Change) -> None:
        self._ask("commit " + ", ".join(map(str, changes)), lambda: self._store.commit(*changes))

    def get(self, kind: type[E], key: Key) -> E | None:
        return self._ask(f"get {key.pk} {key.sk}", lambda: self._store.get(kind, key))

    def due(self, until: datetime, *, line: int | None = None) -> Iterator[FollowUp | Run | Unreadable]:
        # Page by page, and the index goes on meanwhile: what was moved behind may be seen again, or not at all.
        seen: list[FollowUp | Run | Unreadable] = []
        while True:
            known = {it.key for it in seen}
            found = self._ask("due", lambda: list(self._store.due(until, line=line)))
            page = [it for it in found if it.key not in known][:_PAGE]
            yield from page
            seen += page
            if len(page) < _PAGE:
                return

    def list_follow_ups(self, owner: str, *, group: str, after: str | None, limit: int) -> Listing:
        return self._ask(f"list {group}", lambda: self._store.list_follow_ups(owner, group=group, after=after, limit=limit))

    def runs(self, owner: str, follow_up_id: str, *, limit: int) -> list[Run]:
        return self._ask("runs", lambda: self._store.runs(owner, follow_up_id, limit=limit))

    def agents(self) -> list[Agent]:
        return self._ask("agents", self._store.agents)

    def everything(self) -> Iterator[Stored]:
        rest = self._store.everything()
        while True:
            page: list[Stored] = []
            # Who asks for the same page twice is given the same.
            self._ask("scan", lambda page=page: page or page.extend(islice(rest, _PAGE)))  # type: ignore[misc]
            yield from page
            if not page:
                return

    def slots(self, key: Key) -> frozenset[str]:
        return self._ask(f"slots {key.pk}", lambda: self._store.slots(key))

    def _ask(self, what: str, effect: Callable[[], T]) -> T:
        return self._call("store", what, effect, StoreBusy)


class ProcessQueue:
    """The queue behind the caller."""

    def __init__(self, call: Caller) -> None:
        self._call = call

    def send(self, messages: Sequence[tuple[Message, int]]) -> None:
        stack, process = self._call.stack, self._call.process
        words = ", ".join(f"{it.kind} {it.follow_up_id[:6]}-{it.fence}" for it, _ in messages)

        def take() -> None:
            for message, delay_s in messages:
                stack.deliver(message, delay_s)

        if stack.strike(process, "queue", only="partial"):
            taken = messages[: process.rng.randrange(len(messages))]
            for message, delay_s in taken:
                stack.deliver(message, delay_s)
            raise QueueError(f"{len(messages) - len(taken)} of {len(messages)} were not taken")
        self._call("queue", f"send {words}", take, QueueError)


class ProcessMailer:
    """The mail behind the caller: what it accepted is kept, and looked at, by the checks."""

    def __init__(self, call: Caller) -> None:
        self._call = call

    def send(self, run: Run) -> str:
        stack, process = self._call.stack, self._call.process
        if stack.strike(process, "mail", only="refused"):
            raise MailRefused("the address is on the suppression list")

        def broken(why: str) -> Exception:
            kinds = (MailUncertain,) if why == "the answer was lost" else (MailNotSent, MailUncertain)
            return process.rng.choice(kinds)(why)

        return self._call("mail", f"mail {run.id[4:10]}-{run.fence}", lambda: stack.checks.mailed(process, run), broken)


class ProcessClock:
    """The machine's clock: off by a little, as clocks are."""

    def __init__(self, process: Process) -> None:
        self._process = process

    def now(self) -> datetime:
        process = self._process
        return process.engine.instant(process.engine.now + process.skew)

    def sleep(self, time: timedelta) -> None:
        if self._process.dead:
            raise Crash
        self._process.wait(max(0, round(time / timedelta(milliseconds=1))))


class ProcessChance:
    """Names and luck from the process's own stream."""

    def __init__(self, process: Process) -> None:
        self._rng = process.rng

    def new_id(self) -> str:
        return ids.encode_id(self._rng.randbytes(17))

    def luck(self) -> float:
        return self._rng.random()
