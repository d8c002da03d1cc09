"""What the use cases need from the world, as Protocols. Adapters fulfil them, tests swap them by argument."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

from followups.domain.census import Stored
from followups.domain.changes import Change
from followups.domain.contract import AgentCall, Done, Pending
from followups.domain.entities import Agent, Control, FollowUp, Named, Run, Unreadable
from followups.domain.findings import Notice
from followups.domain.ids import Key
from followups.domain.messages import Message

E = TypeVar("E", FollowUp, Run, Agent, Control, Named)
Listing = tuple[list[FollowUp], str | None]


class Store(Protocol):
    """Where everything is kept. Reads by key are strongly consistent; `due` and `list_follow_ups` may be stale."""

    def commit(self, *changes: Change) -> None:
        """Makes all changes or none. Raises Conflict with the changes whose condition failed, ValueError for two changes
        of one item, StoreError otherwise."""

    def get(self, kind: type[E], key: Key) -> E | None:
        """Gives the entity under the key, or None."""

    def due(self, until: datetime, *, line: int | None = None) -> Iterator[FollowUp | Run | Unreadable]:
        """Gives each item with `wake_at` <= `until`, all pages, soonest first within a shard.

        With `line` it may leave out a scheduled follow-up if it gives so many others of its agent that may start sooner: a
        long line need not be read to its end to find whose turn it is.
        """

    def list_follow_ups(self, owner: str, *, group: str, after: str | None, limit: int) -> Listing:
        """Gives an owner's follow-ups of a group (`open`, `closed` or `all`; open first, soonest first) and where to go
        on: the `after` of the next page, or None at the end."""

    def runs(self, owner: str, follow_up_id: str, *, limit: int) -> list[Run]:
        """Gives the latest runs of a follow-up, newest first."""

    def agents(self) -> list[Agent]:
        """Gives all registered agents, by name."""

    def slots(self, key: Key) -> frozenset[str]:
        """Gives the members of a slot set."""


class Census(Protocol):
    """Everything that is stored, for the auditor."""

    def everything(self) -> Iterator[Stored]:
        """Gives each stored item once, as it is when it is read, strongly consistent; a partition's one after another
        where the store can. No snapshot: what is written meanwhile may be seen or not. Raises StoreError."""


class Ledger(Store, Census, Protocol):
    """A store that can also be read whole."""


class Queue(Protocol):
    """Delivers messages at least once, in any order, after a delay of whole seconds (0 to 900)."""

    def send(self, messages: Sequence[tuple[Message, int]]) -> None:
        """Takes (message, delay in seconds) pairs. Raises QueueError if not all were surely taken."""


class AgentTarget(Protocol):
    """A way to run an agent. Never raises for what the agent does wrong: that is a Done with its outcome."""

    def start(self, call: AgentCall) -> Done | Pending:
        """Runs or starts the agent. Raises AgentUncertain if it is unknown whether it runs, AgentBusy if it surely does not
        and may later."""

    def poll(self, call: AgentCall, handle: str) -> Done | Pending:
        """Asks for a pending run. The handle is what `start` or the last poll gave, or the run's id where no answer of
        `start` was stored. Raises AgentUncertain if there was no answer, AgentBusy if it surely never started."""

    def cancel(self, call: AgentCall, handle: str) -> None:
        """Stops a pending run as best it can. Never raises."""


class Outputs(Protocol):
    """Where what agents said is kept that is too long for a record."""

    def keep(self, name: str, text: str) -> str | None:
        """Gives where the text lies now, or None if it could not be kept."""

    def read(self, ref: str) -> str | None:
        """Gives the text that lies there, at most as much of it as a report shows, or None if it cannot be read."""


class Mailer(Protocol):
    """Hands a report to the mail."""

    def send(self, run: Run) -> str:
        """Gives what the mail is called by whoever took it. Raises MailNotSent, MailRefused or MailUncertain."""


class Notifier(Protocol):
    """Hands a notice to the operator's mail."""

    def tell(self, notice: Notice) -> str:
        """Gives what the mail is called by whoever took it. Raises MailNotSent, MailRefused or MailUncertain."""


class Leases(Protocol):
    """What is known of the processes that hold leases."""

    @property
    def holder(self) -> str | None:
        """The name under which this process holds its own, or None where leases end by time only."""

    def surely_over(self, holder: str, run_id: str) -> bool:
        """Says whether the holder's process and all that it started are surely gone, or, asked of this very process,
        whether it does not work at that run."""

    def put_down(self, holder: str) -> None:
        """Ends what a holder started that is gone itself; call it when a lease's time is over."""


class Clock(Protocol):
    def now(self) -> datetime:
        """Gives the present instant in UTC."""

    def sleep(self, time: timedelta) -> None:
        """Waits."""


class Chance(Protocol):
    """Fresh names and luck."""

    def new_id(self) -> str:
        """Gives 26 base32 characters that nobody has had before."""

    def luck(self) -> float:
        """Gives a random number, 0 <= x < 1."""
