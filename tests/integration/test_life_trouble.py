"""Trouble that a review found: each of these stopped more than it should, or lasted longer."""

import json
import sqlite3
from datetime import timedelta
from pathlib import Path

import pytest

from followups.domain import ids
from followups.domain.contract import Done
from followups.domain.errors import AgentUncertain
from followups.domain.ids import Key
from followups.domain.status import Outcome, Status
from followups.local.server import same_user
from followups.usecases import manage
from followups.usecases.abandoned import end_abandoned
from followups.usecases.create import Request, create
from tests.support.clock import START
from tests.support.laptop import Laptop
from tests.support.world import ME, Bench, slow_commits


def spoil(path: Path, key: Key) -> None:
    """Gives a stored document a field of a version that is yet to come."""
    db = sqlite3.connect(path)
    (doc,) = db.execute("SELECT doc FROM items WHERE pk = ? AND sk = ?", key).fetchone()
    db.execute("UPDATE items SET doc = ? WHERE pk = ? AND sk = ?", (json.dumps(json.loads(doc) | {"new": 1}), *key))
    db.commit()
    db.close()


def _uncertain(_call: object) -> Done:
    raise AgentUncertain("the line went dead")


def test_a_live_run_that_cannot_be_read_hides_no_other(bench: Bench, tmp_path: Path) -> None:
    bench.create()
    bench.sweep()
    bench.clock.advance(seconds=10)
    bench.agent.does = _uncertain
    bench.run_all()
    [member] = bench.live()
    named = ids.parse_slot_id(member)
    assert named is not None
    spoil(tmp_path / "followups.db", ids.follow_up_key(named[0], named[1]))
    assert end_abandoned(bench.world) == {}
    bench.create("in 1 second")
    assert bench.sweep()["claimed"] == 1


def test_an_agent_that_cannot_be_read_fails_its_own_follow_up_only(bench: Bench, tmp_path: Path) -> None:
    bench.register("@b")
    blocked, other = bench.create(), bench.create(agent="@b")
    bench.sweep()
    bench.clock.advance(seconds=10)
    spoil(tmp_path / "followups.db", ids.agent_key("@a"))
    assert sorted(bench.run_all()) == ["finished", "refused"]
    assert "cannot be read" in bench.runs(blocked)[0].summary
    assert bench.now(other).status is Status.DONE


def test_a_line_of_an_agent_that_cannot_be_read_stops_no_sweep(bench: Bench, tmp_path: Path) -> None:
    bench.register("@b")
    first, _ = bench.create(), bench.create()
    bench.sweep()
    bench.clock.advance(seconds=10)
    bench.agent.does = _uncertain
    assert sorted(bench.run_all()) == ["blocked", "uncertain"]
    spoil(tmp_path / "followups.db", ids.agent_key("@a"))
    bench.create("in 1 second", agent="@b")
    assert bench.sweep()["claimed"] >= 1
    assert bench.now(first).fence == 1


def test_an_extra_run_uses_up_no_attempt_of_an_occurrence(bench: Bench) -> None:
    it = bench.create("daily")
    bench.clock.advance(hours=23, minutes=59, seconds=50)
    manage.run_now(bench.world, ME, it.id)
    bench.agent.does = lambda _call: Done(outcome=Outcome.FAILED, summary="no luck")
    bench.sweep()
    bench.run_all()
    after = bench.now(it)
    assert (after.start_at, after.attempt, after.extra) == (it.due_at, 0, False)


def test_a_key_is_free_again_when_its_follow_up_is_forgotten(bench: Bench) -> None:
    request = Request(agent="@a", task="Task", when="7d", timezone="UTC")
    first = create(bench.world, ME, request, idempotency_key="k", allow_commands=True)
    manage.cancel(bench.world, ME, first.follow_up.id)
    bench.clock.advance(days=91)
    again = create(bench.world, ME, request, idempotency_key="k", allow_commands=True)
    assert not again.replayed
    assert manage.get(bench.world, ME, first.follow_up.id).status is Status.SCHEDULED
    assert again.follow_up.due_at - first.follow_up.due_at == timedelta(days=91)


@pytest.mark.parametrize(("takes_s", "left_s"), [(100, 200), (400, None)])
def test_what_the_store_took_to_note_a_start_is_not_the_agents(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, takes_s: int, left_s: int | None
) -> None:
    """Else an agent could outlive its lease, and another be started beside it."""
    bench.register("@five", timeout_s=300)
    it = bench.create(agent="@five")
    bench.sweep()
    bench.clock.advance(seconds=10)
    slow_commits(bench, monkeypatch, seconds=takes_s)
    assert bench.run_all() == ["finished"]
    assert [call.seconds for call in bench.agent.calls] == ([left_s] if left_s else [])
    [run] = bench.runs(it)
    assert run.outcome == (Outcome.SUCCEEDED if left_s else Outcome.FAILED)
    assert left_s or "took so long" in run.summary


def test_what_is_beyond_the_hours_runs_waits_for_the_next_hour(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "hour.db", runs_per_hour=2)
    made = [bench.create() for _ in range(3)]
    for _ in range(59):
        bench.clock.advance(minutes=1)
        bench.sweep()
        bench.run_all()
    [last] = [now for it in made if (now := bench.now(it)).status is not Status.DONE]
    assert last.blocked_reason == "this hour's 2 runs are spent: that many may be started for one owner"
    assert last.attempt == 0
    assert last.wake_at is not None
    assert timedelta(hours=1) < last.wake_at - START <= timedelta(hours=1, minutes=1)
    bench.clock.advance(minutes=2)
    bench.sweep()
    assert bench.run_all() == ["finished"]


SOCKETS = """  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:0001 0100007F:1F90 01 00000000:00000000 00:00000000 00000000  {uid}        0 {inode} 1
"""


@pytest.mark.parametrize(
    ("uid", "inode", "served"),
    [("me", "77", True), ("0", "77", True), ("64999", "77", False), ("0", "0", False), ("me", "0", False)],
)
def test_a_peer_that_has_closed_its_socket_is_nobody(tmp_path: Path, uid: str, inode: str, served: bool) -> None:
    import os

    table = tmp_path / "tcp"
    table.write_text(SOCKETS.format(uid=os.getuid() if uid == "me" else uid, inode=inode))
    assert same_user(("127.0.0.1", 1), ("127.0.0.1", 8080), table) is served


def test_what_a_terminal_cannot_show_stops_no_worker(laptop: Laptop) -> None:
    laptop.call("agents", "add", "@euro", "--max-concurrency", "3", "--command", "printf", "costs 3 \u20ac")
    laptop.create_many(6, agent="@euro")
    done = laptop.call("run-due", "--at", "2099-01-01T00:00Z", PYTHONIOENCODING="latin-1")
    assert done.stdout.count("costs 3 ?") == 6
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_a_claim_whose_process_is_gone_is_given_back_at_once(laptop: Laptop) -> None:
    laptop.call("agents", "add", "@slow", "--command", "sleep", "0.5")
    laptop.create_many(3, agent="@slow")
    first = laptop.start("run-due", "--at", "2099-01-01T00:00Z")
    assert first.stderr is not None and "Running" in first.stderr.readline()
    first.kill()
    first.communicate()
    # A claim is sent again after two minutes; here not even one has passed.
    for second in range(20, 40):
        laptop.call("run-due", "--at", f"2099-01-01T00:00:{second}Z")
        if not laptop.json("list")["follow_ups"]:
            return
    pytest.fail("a follow-up is still open")
