"""What an audit finds, and how it may be repaired."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from followups.domain.changes import Change, FreeSlot, Spend, Swap
from followups.domain.entities import Control, FollowUp, Run
from followups.domain.ids import Key
from followups.domain.text import first_line, plain


class Weight(StrEnum):
    """How sure it is that a promise is broken."""

    BROKEN = "broken"
    #: It looks wrong, and there is a way in which it may be right; the sentence says which.
    DOUBT = "doubt"


@dataclass(frozen=True, kw_only=True, slots=True)
class Repair:
    """A change that is safe whatever else is true: under the version that was seen, or on what nobody can ask for again."""

    #: What it does, as a person says it of now: `the slot is freed`.
    does: str
    #: An item as it is, and as it should be but for version and write id.
    old: FollowUp | Run | None = None
    new: FollowUp | Run | None = None
    slot: FreeSlot | None = None
    #: What sets a counter right, by as much as it was wrong: what is counted meanwhile stays counted.
    spend: Spend | None = None

    def changes(self, write_id: str) -> tuple[Change, ...]:
        """Gives the repair as one conditional write. `write_id` is fresh."""
        if self.old is None or self.new is None:
            return tuple(filter(None, (self.slot, self.spend)))
        return (Swap(self.old, replace(self.new, version=self.old.version + 1, write_id=write_id)),)


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """Something that breaks a promise, or looks as if it did."""

    #: Stable and machine-readable.
    code: str
    key: Key
    #: In a slot set: whose slot.
    member: str = ""
    weight: Weight = Weight.BROKEN
    #: A sentence for a person. It may hold a user's text: a reason, or what could not be read.
    says: str
    #: Agent and task, one line: a user's text.
    about: str = ""
    since: datetime | None = None
    #: None: there is nothing that is surely safe.
    repair: Repair | None = None
    #: Whether the repair was made; None if nobody tried.
    repaired: bool | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class View:
    """What an audit knows beside the item: the instant, the kill switch, and what the installation may at once."""

    at: datetime
    control: Control = field(default_factory=Control)
    global_cap: int
    #: 0: no limit.
    runs_per_hour: int = 0
    #: Whether everybody who is due stands in line for a slot (on a laptop), and not only who was refused.
    all_in_line: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Notice:
    """A mail to the operator, ready to be sent."""

    #: The same for the same audit: its Message-ID is made of it.
    name: str
    at: datetime
    subject: str
    text: str
    html: str


def about(it: FollowUp | Run) -> str:
    """Gives agent and task in one line."""
    return first_line(plain(f"{it.agent} {it.task}"), 100)


def counted(number: int, word: str) -> str:
    """Gives `1 run`, `2 runs`."""
    return f"{number} {word}{'s' * (number != 1)}"


def said(moment: datetime) -> str:
    """Gives an instant as findings say it."""
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
