"""The laptop's engine when there is more to do than at once: a slot that falls free is used, and nothing piles up."""

import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from followups import bootstrap
from followups.adapters.local import MemoryQueue, SystemClock
from followups.adapters.sqlite import SQLiteStore
from followups.cli.client import Client, InProcess
from followups.config import LaptopConfig, LaptopEnvironment
from followups.domain.entities import FollowUp, Run
from followups.domain.messages import Message
from followups.domain.status import Status
from followups.local import due
from followups.local import runtime as local_runtime
from followups.local.runtime import Parts, Runtime
from followups.ports import Store
from followups.usecases import registry
from tests.support import bulk
from tests.support.laptop import Laptop
from tests.support.things import fresh

ME = "me"


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[Parts]:
    yield _parts(tmp_path, bootstrap.laptop_store(tmp_path))


def _parts(home: Path, store: Store) -> Parts:
    settings = LaptopConfig(timezone="UTC", cap=2)
    return bootstrap.laptop_parts(LaptopEnvironment(home=home), settings, store=store, clock=SystemClock())


def _line(store: Store, count: int) -> list[str]:
    past = datetime.now(UTC) - timedelta(hours=1)
    return bulk.write(store, count, owner=ME, kind=_check, due=past, seed=1, batch=100)


def _check(_number: int) -> tuple[str, str]:
    return "@checklist", "disk / < 99%"


def test_a_slot_that_falls_free_is_used_before_the_next_tick_is_due(parts: Parts) -> None:
    """Twenty runs, two at once: with its ticks only, each half a minute, they would take minutes."""
    ids_ = _line(parts.world.store, 20)
    ended: list[str] = []
    start = time.monotonic()
    with Runtime(parts, on_run=lambda run: ended.append(run.follow_up_id), tick_s=30) as runtime:
        while len(ended) < len(ids_) and time.monotonic() < start + 30:
            runtime.tick()
            runtime.rest()
        assert runtime.drain(timeout_s=30)
    assert sorted(ended) == sorted(ids_)
    assert time.monotonic() - start < 30


def test_no_more_wait_in_memory_than_can_have_their_turn(parts: Parts) -> None:
    ids_ = _line(parts.world.store, 200)
    assert Runtime(parts, on_run=lambda _run: None).tick()["claimed"] == 4
    assert len(parts.queue.starts.close()) == 4
    found = [parts.world.follow_up(ME, it) for it in ids_]
    assert [it.status for it in found if it] == [Status.CLAIMED] * 4 + [Status.SCHEDULED] * 196


def test_a_message_that_waits_already_does_not_wait_twice() -> None:
    queue, message = MemoryQueue(), Message("start", ME, fresh(), 1)
    for _ in range(3):
        queue.send([(message, 0), (message, 0)])
    assert queue.take() == message
    queue.send([(message, 0)])
    assert queue.close() == [message], "one that was taken may be sent again"


def test_each_message_finds_one_who_waits_for_it_also_behind_one_whose_time_is_later() -> None:
    queue, later = MemoryQueue(), Message("start", ME, fresh(), 1)
    now = [Message("start", ME, fresh(), 1) for _ in range(6)]
    with ThreadPoolExecutor(4) as pool:
        taken = [pool.submit(queue.take) for _ in range(7)]
        queue.send([(later, 1)])
        for message in now:
            queue.send([(message, 0)])
        found = [it.result(timeout=30) for it in taken]
        for _ in found:
            queue.done()
    assert {it for it in found if it} == {later, *now}
    assert queue.idle(timeout_s=0)


def test_who_waits_until_all_is_handled_is_told_by_the_last(parts: Parts) -> None:
    queue = parts.queue
    queue.send([(Message(kind, ME, fresh(), 1), 0) for kind in ("start", "report", "start")])  # type: ignore[arg-type]
    assert not queue.starts.idle(timeout_s=0)
    with ThreadPoolExecutor(2) as pool:
        told = pool.submit(queue.starts.idle)
        for _ in range(2):
            assert queue.starts.take()
        assert queue.starts.in_hand() == 2
        for _ in range(2):
            queue.starts.done()
        assert told.result(timeout=30)
    assert not queue.reports.idle(timeout_s=0)


def test_who_was_told_that_his_agent_is_out_of_use_is_not_claimed_only_to_be_told_again(parts: Parts) -> None:
    """A fence that rises each second would be at the end of its six digits in eleven days."""
    world = parts.world
    registry.put_agent(world, "@echo", registry.Registration(kind="command", command=("echo", "well")))
    registry.put_agent(world, "@far", registry.Registration(kind="worker"))
    registry.disable(world, "@echo", "too dear")
    past = datetime.now(UTC) - timedelta(hours=1)
    for agent in ("@echo", "@far"):
        bulk.write(world.store, 1, owner=ME, kind=lambda _, agent=agent: (agent, ""), due=past, seed=ord(agent[1]), batch=1)
    line = [it for it in world.store.due(datetime.now(UTC)) if isinstance(it, FollowUp)]

    def look() -> list[tuple[int, str | None]]:
        runtime.tick()
        runtime.drain()
        return [(it.fence, it.blocked_reason) for it in (world.follow_up(ME, it.id) for it in line) if it]

    with Runtime(parts, on_run=lambda _run: None) as runtime:
        told = look()
        assert sorted(fence for fence, _ in told) == [1, 1]
        assert {str(why)[:12] for _, why in told} == {"@echo is dis", "no worker of"}
        assert look() == look() == told
        assert due.is_work_waiting(world) is False
        assert sorted(due.refused(world).values()) == [1, 1]
        registry.disable(world, "@echo", "still too dear")
        assert sorted(fence for fence, _ in look()) == [1, 2], "another reason is told"
        registry.disable(world, "@echo", None)
        assert sorted(fence for fence, _ in look()) == [1, 3]
    assert sorted(it.status for it in (world.follow_up(ME, it.id) for it in line) if it) == [Status.DONE, Status.SCHEDULED]


class _Counting:
    """A store that counts what it is asked for."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.commits = self.given = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def commit(self, *changes: Any) -> None:
        self.commits += 1
        self._store.commit(*changes)

    def due(self, until: datetime, *, line: int | None = None) -> Iterator[Any]:
        for it in self._store.due(until, line=line):
            self.given += 1
            yield it


def test_a_tick_reads_the_beginning_of_a_long_line_only(tmp_path: Path) -> None:
    store = _Counting(bootstrap.laptop_store(tmp_path))
    _line(store, 500)
    parts = _parts(tmp_path, store)
    Runtime(parts, on_run=lambda _run: None).tick()
    assert due.something_to_do(store, SystemClock())
    assert due.is_work_waiting(parts.world)
    assert store.given < 20
    assert due.work_waiting(parts.world) == 496


def test_the_api_writes_through_the_store_that_it_is_given(tmp_path: Path) -> None:
    """Two stores on one file do not stand in one line: the API's requests would wait for all of the engine's."""
    store = _Counting(bootstrap.laptop_store(tmp_path))
    handler = bootstrap.laptop_api(tmp_path, LaptopConfig(timezone="UTC"), store=store)
    client = Client(InProcess(handler, ME, SystemClock().now), None)
    client.create({"agent": "@checklist", "task": "Task", "message": "disk / < 99%", "due": "7d"}, None)
    assert store.commits == 1


def test_who_stops_does_not_wait_for_an_agent_that_cannot_be_stopped(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a webhook that has the task and says nothing: it goes on, and is asked for when there is a next time."""
    monkeypatch.setattr(local_runtime, "_STOPPING_S", 0.05)
    at_work, go = threading.Event(), threading.Event()

    def webhook(*_: object) -> dict[str, Any]:
        at_work.set()
        go.wait(20)
        return {}

    _line(parts.world.store, 1)
    began = time.monotonic()
    with Runtime(replace(parts, runner=webhook), on_run=lambda _run: None) as runtime:
        runtime.tick()
        assert at_work.wait(10)
        assert not runtime.stop_agents()
    assert time.monotonic() - began < 15
    assert not go.is_set(), "it was not waited for"
    go.set()


@pytest.mark.slow
@pytest.mark.parametrize("kind", [FollowUp, Run])
def test_ctrl_c_amid_a_tick_loses_no_message(laptop: Laptop, kind: type, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first signal comes when the store has a claim, or a report's try, and the queue does not have its message."""
    laptop.add_agent("@a", "echo", "hello")
    laptop.client.create({"agent": "@a", "task": "Say hello", "due": "in 1 second"}, None)
    to_come, commit = [signal.SIGINT], SQLiteStore.commit

    def commit_and_signal(store: SQLiteStore, *changes: Any) -> None:
        commit(store, *changes)
        ours = threading.current_thread() is threading.main_thread() and isinstance(changes[0].new, kind)
        if ours and to_come:
            signal.raise_signal(to_come.pop())

    monkeypatch.setattr(SQLiteStore, "commit", commit_and_signal)
    if kind is Run:  # its message is lost, so that a tick finds the report
        monkeypatch.setattr("followups.usecases.settle.queue_report", lambda *_: None)
    ended = laptop.here("dev", "--port", "0")

    assert (ended.returncode, to_come) == (0, []), ended.stderr
    item = laptop.client.pages("all")[0]
    assert item["status"] in ({"scheduled", "done"} if kind is FollowUp else {"done"})
    assert len(laptop.mails()) == (item["status"] == "done")
