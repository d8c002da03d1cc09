"""A scan is no snapshot: an audit finds nothing in what only looks wrong because others write while it reads."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from followups.domain.census import Stored
from followups.domain.contract import AgentCall, Done, Pending
from followups.domain.findings import Finding
from followups.domain.ids import Key
from followups.domain.status import Outcome, Status
from followups.usecases import manage
from followups.usecases.audit import audit
from tests.integration.test_audit_life import CAP, Life
from tests.support.audits import hurry
from tests.support.world import ME, Bench


class Torn:
    """A scan that was torn: up to a key it saw what was, from there on what is. Reads by key see what is."""

    def __init__(self, bench: Bench, before: list[Stored], after: list[Stored], cut: int) -> None:
        self._store = bench.store
        keys = sorted({it.key for it in (*before, *after)})
        old = set(keys[:cut])
        self._items = [it for it in before if it.key in old] + [it for it in after if it.key not in old]

    def everything(self) -> Iterator[Stored]:
        return iter(sorted(self._items, key=lambda it: it.key))

    def get(self, kind: type[Any], key: Key) -> Any:
        return self._store.get(kind, key)

    def slots(self, key: Key) -> frozenset[str]:
        return self._store.slots(key)


def found(ledger: Any, bench: Bench) -> list[Finding]:
    """Gives what is found, but for reports that failed, which are told for days."""
    found = audit(ledger, bench.clock.now(), global_cap=CAP).findings
    return [it for it in found if it.code != "report_failed"]


@pytest.mark.parametrize("seed", [0, 1])
def test_a_torn_scan_finds_nothing(bench: Bench, seed: int) -> None:
    hurry(bench.store)
    life = Life(bench, seed)
    for _ in range(60):
        before = list(bench.store.everything())
        done = life.step()
        after = list(bench.store.everything())
        for cut in range(0, len(after) + 1, 1 + len(after) // 8):
            assert found(Torn(bench, before, after, cut), bench) == [], (done, cut)


class Interrupted:
    """A store in which something happens before the read of this number."""

    def __init__(self, bench: Bench, number: int, act: Callable[[], object]) -> None:
        self._store, self._left, self._act = bench.store, number, act

    def everything(self) -> Iterator[Stored]:
        self._count()
        yield from self._store.everything()

    def get(self, kind: type[Any], key: Key) -> Any:
        self._count()
        return self._store.get(kind, key)

    def slots(self, key: Key) -> frozenset[str]:
        self._count()
        return self._store.slots(key)

    @property
    def happened(self) -> bool:
        return self._left < 0

    def _count(self) -> None:
        self._left -= 1
        if self._left == -1:
            self._act()


@pytest.mark.parametrize("what", ["start", "finish", "fail", "cancel"])
def test_nothing_is_found_whenever_a_run_starts_or_ends_meanwhile(bench: Bench, what: str) -> None:
    hurry(bench.store)
    number, happened = 0, True
    while happened:
        it = bench.create("in 1 second")
        bench.clock.advance(seconds=1)
        bench.sweep()
        bench.agent.does = lambda _: Pending(handle="there", poll_after=timedelta(seconds=1))
        if what != "start":
            bench.run_all()
        ledger = Interrupted(bench, number, lambda of=it: end(bench, of.id, what))  # type: ignore[misc]
        assert found(ledger, bench) == [], (what, number)
        number, happened = number + 1, ledger.happened
        end(bench, it.id, "finish")
        assert bench.now(it).is_closed
    assert number >= 5, "it was tried before each read of the audit"


def end(bench: Bench, follow_up_id: str, what: str) -> None:
    """Starts the run if need be, or has it end."""
    if what == "cancel":
        manage.cancel(bench.world, ME, follow_up_id)
    if what == "start":
        bench.run_all()
        return

    def agent(_call: AgentCall) -> Done:
        return Done(outcome=Outcome.FAILED if what == "fail" else Outcome.SUCCEEDED, summary="so it is")

    bench.agent.does = agent
    for _ in range(60):
        old = bench.world.follow_up("me", follow_up_id)
        assert old is not None
        if old.is_closed or (what == "fail" and old.status is Status.SCHEDULED):
            return
        bench.clock.advance(seconds=61)
        bench.sweep()
        bench.run_all()
