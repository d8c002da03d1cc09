"""A follow-up that the store's TTL has forgotten, and its idempotency key used again: DynamoDB deletes in any order."""

from followups.adapters.sqlite import SQLiteStore
from followups.domain import ids
from followups.domain.entities import FollowUp
from followups.domain.status import Status
from followups.usecases.audit import audit
from tests.support.world import Bench


def forget(store: SQLiteStore, it: FollowUp) -> None:
    """Deletes the follow-up and leaves its runs, as a TTL may do for two days."""
    store._connection().execute("DELETE FROM items WHERE pk = ? AND sk = ?", it.key)


def run_once(bench: Bench) -> FollowUp:
    made = bench.create(key="weekly report")
    bench.sweep()
    bench.clock.advance(seconds=10)
    bench.run_all()
    return bench.now(made)


def test_a_key_that_is_used_again_while_old_runs_are_left_runs_and_ends(bench: Bench) -> None:
    first = run_once(bench)
    forget(bench.store, first)
    again = run_once(bench)
    assert (again.id, again.status, again.fence) == (first.id, Status.DONE, 2)
    assert [it.fence for it in bench.runs(again)] == [2, 1]
    assert len(bench.agent.calls) == 2
    assert bench.live() == frozenset() == bench.store.slots(ids.agent_slots_key("@a"))
    assert audit(bench.store, bench.clock.now(), global_cap=2).findings == ()
