"""What lies in a store and is not what we wrote: read as it is or refused, and it is in nobody's way."""

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from followups.adapters.codec import Item, from_item, to_item
from followups.domain.changes import Add, Change, SetAside
from followups.domain.errors import StoreError, UnreadableItem
from followups.domain.status import Outcome, Status
from followups.handlers.sweeper import sweeper
from followups.local.events import LocalContext
from followups.ports import Store
from followups.usecases.sweep import sweep
from tests.support.api import Api
from tests.support.beds import SQLiteBed
from tests.support.clock import START
from tests.support.fuzz import search
from tests.support.hostile import any_text, in_time, json_values
from tests.support.things import agent, control, follow_up, later, run
from tests.support.world import Bench

IT = follow_up(
    owner="me", status=Status.SCHEDULED, rule="FREQ=DAILY;INTERVAL=1", anchor="2026-11-24T13:00:00", due_at=START,
    fence=1, reason="x", last_outcome=Outcome.FAILED,
)  # fmt: skip
RUN = run(IT, rule="FREQ=DAILY;INTERVAL=1", next_at=later(days=1))
AGENT = agent()
THINGS = [to_item(it) for it in (IT, RUN, AGENT, control())]


@st.composite
def spoiled_items(draw: st.DrawFn, items: list[Item]) -> tuple[Item, Item]:
    """Gives an item, and what became of it: one to three of its fields replaced, taken out or put in."""
    item = draw(st.sampled_from(items))
    changed = dict(item)
    for _ in range(draw(st.integers(1, 3))):
        name = draw(st.sampled_from(sorted(item)))
        how = draw(st.integers(0, 5))
        if how == 0:
            changed.pop(name, None)
        elif how == 1:
            changed[draw(any_text)] = draw(json_values)
        elif how == 2:
            changed[name] = item[draw(st.sampled_from(sorted(item)))]
        else:
            changed[name] = draw(json_values)
    return item, changed


@search(40)
@given(spoiled_items(THINGS))
def test_an_item_is_read_or_refused(items: tuple[Item, Item]) -> None:
    with in_time():
        try:
            entity = from_item(items[1])
        except UnreadableItem as error:
            str(error).encode("utf-8", "replace")
            assert len(str(error)) < 1_000
            return
    assert from_item(to_item(entity, shards=4)) == entity
    assert entity.key == (items[1]["pk"], items[1]["sk"])


class Spoilt:
    """An API whose store holds a sound follow-up of mine, and one of each thing that may be spoiled."""

    def __init__(self, home: Path) -> None:
        self.api = Api(home)
        self.sound = self.api.make()["id"]
        self.api.store.commit(Add(IT), Add(RUN), Add(AGENT), Add(control()))
        self.db = sqlite3.connect(self.api.path, isolation_level=None)
        # Those that are written; SQLite makes others itself.
        self.names = ", ".join(name for _, name, *_ in self.db.execute("PRAGMA table_info(items)"))
        self.rows = self.db.execute(f"SELECT {self.names} FROM items").fetchall()

    def spoil(self, item: Item, doc: str | bytes) -> None:
        """Puts all back as it was, and then the document in the item's place."""
        with self.db:
            self.db.execute("DELETE FROM items")
            self.db.executemany(
                f"INSERT INTO items ({self.names}) VALUES ({', '.join('?' * len(self.rows[0]))})", self.rows
            )
            self.db.execute("UPDATE items SET doc = ? WHERE pk = ? AND sk = ?", (doc, item["pk"], item["sk"]))


@pytest.fixture(scope="module")
def spoilt(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Spoilt]:
    made = Spoilt(tmp_path_factory.mktemp("stored"))
    yield made
    made.db.close()
    made.api.close()


LOOKS = [
    "/v1/follow-ups?status=all", f"/v1/follow-ups/{IT.id}", f"/v1/follow-ups/{IT.id}/runs", f"/v1/runs/{RUN.id}",
    f"/v1/runs/{RUN.id}/report", "/v1/agents", "/v1/agents/@backup", "/v1/control",
]  # fmt: skip


@search(20, share=0.2)
@given(
    spoiled_items(THINGS).map(lambda it: (it[0], json.dumps(it[1])))
    | st.tuples(
        st.sampled_from(THINGS), json_values.map(json.dumps) | any_text.map(lambda it: it.encode("utf-8", "replace"))
    )
)
@example((THINGS[0], json.dumps(THINGS[0] | {"rule": "FREQ=MONTHLY;INTERVAL=1"})))
@example((THINGS[0], json.dumps(THINGS[0] | {"timezone": "Mars/Phobos"})))
@example((THINGS[0], json.dumps(THINGS[0] | {"timezone": "America/New_York", "due_at": "0001-01-01T00:00:00.000Z"})))
@example((THINGS[1], json.dumps(THINGS[1] | {"rule": "FREQ=MONTHLY;INTERVAL=1"})))
@example((THINGS[0], json.dumps(THINGS[0] | {"handle": "\ud800"})))
@example((THINGS[0], json.dumps(THINGS[0] | {"\ud800": 1})))
@example((THINGS[0], "[]"))
@example((THINGS[0], "[" * 100_000))
@example((THINGS[1], b"\xff\xfe"))
def test_a_spoiled_item_is_in_nobodys_way(spoilt: Spoilt, spoiled: tuple[Item, str | bytes]) -> None:
    spoilt.spoil(*spoiled)
    for target in LOOKS:
        status, body, _ = spoilt.api.call("GET", target)
        assert status in (200, 404, 409, 503), target
        if target == LOOKS[0]:
            assert spoilt.sound in {it["id"] for it in body["follow_ups"]}
    try:
        sweeper(spoilt.api.world)({}, LocalContext())
    except StoreError:
        assert spoiled[0]["type"] == "control", "only what every look asks may stop a sweep"


class Refuses:
    """A store that cannot set anything aside, for a reason that nobody thought of."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)

    def commit(self, *changes: Change) -> None:
        if any(isinstance(change, SetAside) for change in changes):
            raise UnicodeEncodeError("utf-8", "x", 0, 1, "surrogates not allowed")
        self.store.commit(*changes)


def test_what_cannot_even_be_set_aside_stops_no_sweep(bench: Bench) -> None:
    spoiled, sound = bench.create(), bench.create()
    SQLiteBed(bench.store._path).spoil(spoiled.key, lambda item: item | {"mood": "bad"})
    world = replace(bench.world, store=Refuses(bench.store))
    assert sweep(world) == {"claimed": 1, "poisoned": 1, "stuck": 1}
    assert bench.now(sound).status is Status.CLAIMED
