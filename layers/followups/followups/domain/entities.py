"""The things that are stored. Frozen, keyword-only; a naive time is refused at birth."""

from dataclasses import dataclass, field
from datetime import datetime

from followups.domain import ids
from followups.domain.aware import Aware
from followups.domain.follow_up import FollowUp
from followups.domain.ids import Key
from followups.domain.record import Run


@dataclass(frozen=True, kw_only=True, slots=True)
class Agent(Aware):
    """An agent that follow-ups may name. Registered by operators only."""

    #: With its @, lower case.
    name: str
    #: One of `domain.targets.KINDS`.
    kind: str
    #: For a command: its argument vector, run without a shell.
    command: tuple[str, ...] = ()
    #: For what runs elsewhere: its name there, as an ARN or a URL; for a person: a mail address.
    target: str | None = None
    #: How it is called, where its kind has several ways: see `domain.targets.MODES`.
    mode: str | None = None
    #: Seconds that one run may take, 1 to 604,800.
    timeout_s: int = 600
    #: Why nothing is started with it now; None for one that is in use.
    disabled: str | None = None
    #: When a worker last asked for its work.
    asked_at: datetime | None = None
    #: Live runs at once, 1 to 100.
    max_concurrency: int = 1
    #: Whether a run that died without a result may simply be run again.
    rerun_safe: bool = False
    #: Default for follow-ups that do not say, 1 to 10.
    max_attempts: int = 3
    created_at: datetime
    #: Built in: cannot be replaced or removed.
    builtin: bool = False
    version: int = 1
    write_id: str

    @property
    def key(self) -> Key:
        return ids.agent_key(self.name)

    @property
    def slots_key(self) -> Key:
        return ids.agent_slots_key(self.name)


@dataclass(frozen=True, kw_only=True, slots=True)
class Control(Aware):
    """The kill switch. Read at every tick and every start."""

    #: No run is started while it is on; reports still go out.
    stopped: bool = False
    reason: str | None = None
    changed_at: datetime | None = None
    version: int = 1
    write_id: str = ""

    @property
    def key(self) -> Key:
        return ids.CONTROL_KEY


@dataclass(frozen=True, kw_only=True, slots=True)
class Named(Aware):
    """Which follow-up goes by a `replace_key` of its owner's."""

    owner: str
    replace_key: str
    follow_up_id: str
    version: int = 1
    write_id: str

    @property
    def key(self) -> Key:
        return ids.name_key(self.owner, self.replace_key)


Entity = FollowUp | Run | Agent | Control | Named


@dataclass(frozen=True, kw_only=True, slots=True)
class Unreadable:
    """A stored item that is due but that this code cannot read. Poison: set aside, never in the way."""

    key: Key
    version: int
    poison: int
    error: str = field(default="")


__all__ = ["Agent", "Control", "Entity", "FollowUp", "Named", "Run", "Unreadable"]
