"""What a store holds beside its entities, for whoever reads all of it."""

from dataclasses import dataclass

from followups.domain.entities import Entity, Unreadable
from followups.domain.ids import Key


@dataclass(frozen=True, kw_only=True, slots=True)
class SlotSet:
    """Who holds the slots of an agent, or of all."""

    key: Key
    #: Never empty: an empty set is as good as none.
    members: frozenset[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Count:
    """A counter."""

    key: Key
    spent: int


Stored = Entity | SlotSet | Count | Unreadable
