"""Commits for tests of stores."""

from dataclasses import replace
from typing import Any

import pytest

from followups.domain.changes import Add, Change, Swap
from followups.domain.entities import FollowUp
from followups.domain.errors import Conflict
from followups.ports import Store
from tests.support.things import fresh


def refused(store: Store, *changes: Change) -> tuple[object, ...]:
    """Commits what must be refused; gives the changes that the refusal names."""
    with pytest.raises(Conflict) as conflict:
        store.commit(*changes)
    return conflict.value.failed


def moved(old: FollowUp, **fields: Any) -> Swap:
    """Gives a swap to the next version."""
    changed: dict[str, Any] = {"version": old.version + 1, "write_id": fresh()} | fields
    return Swap(old, replace(old, **changed))


def added(store: Store, thing: FollowUp) -> FollowUp:
    store.commit(Add(thing))
    return thing
