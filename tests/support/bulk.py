"""Many follow-ups at once: decided by the domain as a create would, written through the store's own `commit`, some hundred
in a transaction. Fifty thousand requests would measure the requests."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from followups.domain import editing
from followups.domain.changes import Add
from followups.domain.editing import Wish
from followups.domain.entities import FollowUp
from followups.domain.ids import derive_id
from followups.domain.meaning import When
from followups.ports import Store

#: Agent and message of follow-up number n.
Kind = Callable[[int], tuple[str, str]]


def write(store: Store, count: int, *, owner: str, kind: Kind, due: datetime, seed: int, batch: int) -> list[str]:
    """Adds `count` follow-ups, a millisecond apart and all due since `due` or a little later; gives their ids in order."""
    line = list(_line(count, owner, kind, due, seed))
    for start in range(0, count, batch):
        store.commit(*(Add(item) for item in line[start : start + batch]))
    return [item.id for item in line]


def _line(count: int, owner: str, kind: Kind, due: datetime, seed: int) -> Iterator[FollowUp]:
    for number in range(count):
        moment = due + timedelta(milliseconds=number)
        agent, message = kind(number)
        wish = Wish(
            agent=agent, task=f"Task {number}", message=message, report_to=None, max_attempts=3,
            when=When(text="1h", due_at=moment, local=None, timezone="UTC"),
        )  # fmt: skip
        yield editing.create(
            wish, owner=owner, follow_up_id=derive_id(owner, f"overload {seed} {number}"), request_hash="", lineage=None,
            at=moment - timedelta(hours=1), write_id=derive_id("write", f"{seed} {number}"),
        )  # fmt: skip
