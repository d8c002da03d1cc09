"""Stores for audits: spoiled ones, and what is found in them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from followups.adapters import codec
from followups.adapters.sqlite import SQLiteStore
from followups.domain import ids
from followups.domain.changes import Change, TakeSlot
from followups.domain.entities import FollowUp, Run
from followups.domain.findings import Finding
from followups.domain.status import ReportStatus, Status
from followups.usecases.audit import Audited, audit, repair
from tests.support.beds import Item, SQLiteBed
from tests.support.decide import running
from tests.support.things import follow_up, fresh, later, run

Spoil = Callable[[Item], Item]
#: When an audit looks: what a test makes is due in an hour, or was claimed or started at its start.
NOON = later(minutes=5)


class Books(SQLiteBed):
    """A store that is audited: a file whose writes need not outlive a power cut, which is ten times as fast."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.store = SQLiteStore(path)
        hurry(self.store)

    @contextmanager
    def _file(self) -> Iterator[object]:
        with super()._file() as db:
            db.execute("PRAGMA synchronous = OFF")
            yield db

    def look(self, at: datetime = NOON, *, cap: int = 100, **limits: int) -> Audited:
        return audit(self.store, at, global_cap=cap, **limits)

    def codes(self, at: datetime = NOON, **limits: int) -> list[str]:
        return [it.code for it in self.look(at, **limits).findings]

    def only(self, code: str, at: datetime = NOON, **limits: int) -> Finding:
        """Gives the one finding that there is, which is this one."""
        [finding] = self.look(at, **limits).findings
        assert finding.code == code
        return finding

    def mend(self, audited: Audited) -> Audited:
        return repair(self.store, audited, fresh)


def hurry(store: SQLiteStore) -> None:
    """Lets this thread's commits go without waiting for the disk."""
    store._connection().execute("PRAGMA synchronous = OFF")


def without(*names: str) -> Spoil:
    return lambda item: {name: value for name, value in item.items() if name not in names}


def having(**fields: object) -> Spoil:
    return lambda item: item | fields


def waking(moment: datetime) -> Spoil:
    return having(wake_at=codec.epoch_ms(moment), wake_at_text=codec.iso(moment))


def looked_at(moment: datetime) -> Spoil:
    """Somebody looked, and will again, but nothing came of it."""
    return lambda item: waking(moment + timedelta(minutes=15))(item) | {"updated_at": codec.iso(moment)}


def done(**fields: object) -> FollowUp:
    """Gives one that ended well at its time, without its record."""
    usual = {"status": Status.DONE, "fence": 1, "closed_at": later(), "expires_at": later(days=90), "attempt": 1}
    return follow_up(**(usual | fields))


def sent(of: FollowUp, **fields: object) -> Run:
    """Gives the record of its run, whose report was sent."""
    usual = {"report_status": ReportStatus.SENT, "wake_at": None, "expires_at": later(days=90), "finished_at": later()}
    return run(of, **(usual | fields))


def live(**fields: object) -> tuple[FollowUp, list[Change]]:
    """Gives one that runs, and the slots that it holds."""
    it = running(**fields)
    return it, [TakeSlot(key, it.slot_id, 100) for key in (ids.agent_slots_key(it.agent), ids.ALL_SLOTS_KEY)]


def blocked(**fields: object) -> FollowUp:
    """Gives one that waits in the line of its agent since a test's start."""
    usual = {
        "due_at": later(), "fence": 1, "wake_at": later(minutes=1), "blocked_reason": "@backup is busy",
        "blocked_since": later(),
    }  # fmt: skip
    return follow_up(**(usual | fields))
