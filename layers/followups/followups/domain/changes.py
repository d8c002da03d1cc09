"""The vocabulary of writes. One change is one conditional write, several are one transaction.

`Store.commit` takes these and nothing else. Any failed condition raises `Conflict`, which names the changes that
failed, and then nothing happened.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from followups.domain.entities import Entity
from followups.domain.ids import Key


@dataclass(frozen=True, slots=True)
class Swap:
    """Put `new` if the stored version is still `old`'s. A stored `write_id` equal to `new`'s means: it was us, done."""

    old: Entity
    new: Entity

    def __str__(self) -> str:
        return f"swap {self.old.key.pk} {self.old.key.sk} v{self.old.version}"


@dataclass(frozen=True, slots=True)
class Add:
    """Put the entity if there is none under its key. A stored `write_id` equal to its own means: it was us, done."""

    entity: Entity

    def __str__(self) -> str:
        return f"add {self.entity.key.pk} {self.entity.key.sk}"


@dataclass(frozen=True, slots=True)
class TakeSlot:
    """Put `member` into the set under `key` unless the set has `cap` members (1 or more) already. Again is no change,
    even if the set has more than that by now."""

    key: Key
    member: str
    cap: int

    def __str__(self) -> str:
        return f"slot {self.key.pk} {self.key.sk}"


@dataclass(frozen=True, slots=True)
class FreeSlot:
    """Take `member` out of the set under `key`. Never fails; again is no change."""

    key: Key
    member: str

    def __str__(self) -> str:
        return f"free {self.key.pk} {self.key.sk}"


@dataclass(frozen=True, slots=True)
class Spend:
    """Add `amount` to the counter under `key` unless it would pass `limit`.

    `expires_at` is when a store with a TTL may forget the counter; None keeps it.
    """

    key: Key
    amount: int
    limit: int
    expires_at: datetime | None = None

    def __str__(self) -> str:
        return f"spend {self.key.pk} {self.key.sk}"


@dataclass(frozen=True, slots=True)
class Live:
    """Only if the follow-up under `key` is running with this fence: what a dead run asks for is not done."""

    key: Key
    fence: int

    def __str__(self) -> str:
        return f"live {self.key.pk} fence {self.fence}"


@dataclass(frozen=True, slots=True)
class Remove:
    """Delete the entity if the stored version is still its own. For the agent registry only."""

    entity: Entity

    def __str__(self) -> str:
        return f"remove {self.entity.key.pk} {self.entity.key.sk} v{self.entity.version}"


@dataclass(frozen=True, slots=True)
class SetAside:
    """Push an unreadable item's look into the future and count it, if its version is still this one.

    `wake_at` None takes it out of the due index for good. It touches index attributes only: what cannot be read must
    not be rewritten.
    """

    key: Key
    version: int
    wake_at: datetime | None

    def __str__(self) -> str:
        return f"set aside {self.key.pk} {self.key.sk}"


Change = Swap | Add | TakeSlot | FreeSlot | Spend | Live | Remove | SetAside


def key_of(change: Change) -> Key:
    """Gives the key of the item that a change concerns."""
    match change:
        case Swap(_, entity) | Add(entity) | Remove(entity):
            return entity.key
        case _:
            return change.key


def refuse_doubles(changes: Sequence[Change]) -> None:
    """Raises ValueError for two changes of one item: a transaction has no order in which the one could see the other."""
    if len({key_of(change) for change in changes}) < len(changes):
        raise ValueError(f"two changes of one item in one commit: {', '.join(map(str, changes))}")
