"""The store contract as a state machine: any changes, of now or stale, once or again, over two handles of one set of items.

After each step the store and the model agree on what was refused, and on all that is stored.
"""

import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from followups.domain.changes import Change, key_of
from followups.domain.entities import Agent, Control, FollowUp, Run
from followups.domain.errors import Conflict, UnreadableItem
from followups.domain.ids import Key
from followups.domain.status import Status
from tests.simulation.bed import FakeDynamoDBBed, SimulationBed
from tests.support import store_wishes as world
from tests.support.beds import Bed, DynamoDBBed, SQLiteBed, moto_bed
from tests.support.fuzz import search
from tests.support.store_model import ModelStore, Place, seen, without_error
from tests.support.store_wishes import THINGS, Wish

HANDLE = st.sampled_from([0, 1])
KEY = st.sampled_from([it.key for it in THINGS])
FOLLOW_UP = st.integers(0, len(world.FOLLOW_UPS) - 1)
#: As what it is asked for: mostly what it is.
KIND = st.sampled_from([None, None, None, FollowUp, Run, Agent, Control])
LINE = st.sampled_from([None, None, 1, 2])
#: Which of several, whatever they are by then.
NTH = st.integers(0, 30)
TIME = st.sampled_from(world.TIMES)
OWNER = st.sampled_from(["ada", "ada", "bob"])
GROUP = st.sampled_from(["open", "closed", "all"])
LIMIT = st.sampled_from([1, 1, 2, 3, 100])


class StoreMachine(RuleBasedStateMachine):
    """Two handles, the model, and what was committed before."""

    pages = Bundle("pages")

    def __init__(self, bed: Bed) -> None:
        super().__init__()
        self.bed = bed
        self.stores: list[Any] = [bed.open(), bed.open()]
        self.model = ModelStore()
        self.past: list[tuple[Change, ...]] = []

    @initialize(wishes=world.START_WITH)
    def begin(self, wishes: list[Wish]) -> None:
        self._wish(0, *wishes)

    @rule(handle=HANDLE, wishes=world.distinct(world.SOUND, 5))
    def commit_what_mostly_holds(self, handle: int, wishes: list[Wish]) -> None:
        self._wish(handle, *wishes)

    @rule(handle=HANDLE, wishes=world.distinct(world.WISH, 4))
    def commit_anything(self, handle: int, wishes: list[Wish]) -> None:
        self._wish(handle, *wishes)

    @rule(
        handle=HANDLE,
        nth=NTH,
        back=st.sampled_from([1, 1, 2]),
        removes=st.booleans(),
        beside=world.distinct(world.SOUND, 2),
    )
    def commit_what_is_stale(self, handle: int, nth: int, back: int, removes: bool, beside: list[Wish]) -> None:
        """Of something that was changed since it was read."""
        changed = [key for key, read in self.model.history.items() if len(read) > back]
        if removes:
            changed = [key for key in changed if world.kind_of(key) is Agent]
        if changed:
            key = changed[nth % len(changed)]
            stale = Wish(kind="remove" if removes else "swap", key=key, back=back)
            self._wish(handle, *(it for it in beside if it.key != key), stale)

    @rule(handle=HANDLE, wishes=world.START_OF_RUN)
    def commit_a_start(self, handle: int, wishes: list[Wish]) -> None:
        self._wish(handle, *wishes)

    @rule(handle=HANDLE, nth=NTH, off=st.sampled_from([0, 0, 1, -1]), beside=world.distinct(world.SOUND, 2))
    def commit_for_a_run(self, handle: int, nth: int, off: int, beside: list[Wish]) -> None:
        """As an agent's create: for a follow-up that runs, with its fence or another one's."""
        follow_ups = [it for it in self.model.entities.values() if isinstance(it, FollowUp)]
        live = [it.key for it in follow_ups if it.status is Status.RUNNING]
        if live:
            key = live[nth % len(live)]
            self._wish(handle, *(it for it in beside if it.key != key), Wish(kind="live", key=key, back=off))

    @rule(handle=HANDLE, back=st.integers(0, 4))
    def commit_again(self, handle: int, back: int) -> None:
        """An answer was lost: whoever wrote it does not know."""
        if back < len(self.past):
            self._commit(handle, self.past[-1 - back])

    @rule(handle=HANDLE, wishes=world.distinct(world.WISH, 2), which=st.integers(0, 1))
    def two_changes_of_one_item(self, handle: int, wishes: list[Wish], which: int) -> None:
        twice = [*wishes, wishes[which % len(wishes)]]
        with pytest.raises(ValueError, match="two changes of one item"):
            self.stores[handle].commit(*(it.change(self.model.entities, self.model.history) for it in twice))

    @rule(nth=NTH, heals=st.booleans())
    def spoil(self, nth: int, heals: bool) -> None:
        """A newer version of Followups writes what this one cannot read, until this one is upgraded."""
        if heals:
            for key in self.model.spoiled:
                self.bed.spoil(key, lambda item: {name: it for name, it in item.items() if name != "from_tomorrow"})
            self.model.spoiled.clear()
        elif keys := list(self.model.entities):
            key = keys[nth % len(keys)]
            self.bed.spoil(key, lambda item: item | {"from_tomorrow": 1})
            self.model.spoiled.add(key)

    @rule(target=pages, handle=HANDLE, owner=OWNER, group=GROUP, limit=LIMIT)
    def first_page(self, handle: int, owner: str, group: str, limit: int) -> Any:
        return self._page(handle, owner, group, None, None, limit)

    @rule(target=pages, handle=HANDLE, page=consumes(pages), limit=LIMIT)
    def next_page(self, handle: int, page: Any, limit: int) -> Any:
        """Whatever happened since the last one."""
        return self._page(handle, *page, limit)

    @rule(handle=HANDLE, key=KEY, kind=KIND, until=TIME, line=LINE, of=FOLLOW_UP, limit=LIMIT)
    def read(self, handle: int, key: Key, kind: Any, until: datetime, line: int | None, of: int, limit: int) -> None:
        store, model, parent = self.stores[handle], self.model, world.FOLLOW_UPS[of]
        self._get(handle, key, kind or world.kind_of(key))
        self._due(handle, until, line)
        assert store.runs(parent.owner, parent.id, limit=limit) == model.runs(parent.owner, parent.id, limit)
        assert store.agents() == model.agents()
        for key in world.SETS:
            assert store.slots(key) == model.members.get(key, frozenset())

    @invariant()
    def the_same_is_stored(self) -> None:
        assert seen(self.bed.items()) == self.model.seen()

    def teardown(self) -> None:
        """All that can be asked; nothing more if something is wrong already."""
        if not sys.exc_info()[0]:
            for thing in THINGS:
                self._get(1, thing.key, type(thing))
            for of in (0, 5):
                self.read(1, world.FOLLOW_UPS[of].key, None, world.TIMES[-1], None, of, 100)
            for owner in world.OWNERS:
                self._page(1, owner, "all", None, None, 100)
            found = without_error(self.stores[1].everything())
            assert len(found) == len(self.model.everything())
            assert {it.key: it for it in found} == self.model.everything()
        for store in self.stores:
            getattr(store, "close", lambda: None)()

    def _wish(self, handle: int, *wishes: Wish) -> None:
        changes = tuple(wish.change(self.model.entities, self.model.history) for wish in wishes)
        self.past.append(changes)
        self._commit(handle, changes)

    def _commit(self, handle: int, changes: tuple[Change, ...]) -> None:
        note(f"commit of {', '.join(map(str, changes))}")
        refused = self.model.commit(*changes)
        try:
            self.stores[handle].commit(*changes)
        except Conflict as conflict:
            assert conflict.failed == refused
        else:
            assert refused == (), "this should have been refused"
        for key in {key_of(change) for change in changes} & self.model.entities.keys():
            self._get(1 - handle, key, type(self.model.entities[key]))

    def _get(self, handle: int, key: Key, kind: Any) -> None:
        stored = self.model.entities.get(key)
        if stored is not None and (key in self.model.spoiled or kind is not type(stored)):
            with pytest.raises(UnreadableItem):
                self.stores[handle].get(kind, key)
        else:
            assert self.stores[handle].get(kind, key) == stored

    def _due(self, handle: int, until: datetime, line: int | None) -> None:
        found = without_error(self.stores[handle].due(until, line=line))
        expected = self.model.due(until)
        by_key = {it.key: it for it in found}
        assert len(found) == len(by_key)
        assert by_key == {key: it for key, it in expected.items() if key in by_key}
        for key in expected.keys() - by_key.keys():
            assert line is not None and self.model.may_be_left_out(key, by_key, line), f"{key} is left out"
        for pk in {it.key.pk for it in found if line is None}:
            # A shard holds whole partitions, so these come in the order of their time on every store.
            looks = [self.model.looks_at(it.key) for it in found if it.key.pk == pk]
            assert looks == sorted(looks)

    def _page(self, handle: int, owner: str, group: str, after: str | None, where: Place | None, limit: int) -> Any:
        """Gives how the list goes on, or nothing at its end: not before, and not after."""
        found, onward = self.stores[handle].list_follow_ups(owner, group=group, after=after, limit=limit)
        expected, last = self.model.page(owner, group, where, limit)
        assert found == expected
        assert (onward is None) == (last is None)
        return multiple() if onward is None else (owner, group, onward, last)


Beds = Callable[[], Bed]


@pytest.fixture
def new_simulation() -> Beds:
    return SimulationBed


@pytest.fixture
def new_simulated_dynamodb() -> Beds:
    return FakeDynamoDBBed


@pytest.fixture
def new_sqlite(tmp_path: Path) -> Beds:
    numbers = count()
    return lambda: SQLiteBed(tmp_path / f"followups-{next(numbers)}.db")


@pytest.fixture
def new_moto() -> Iterator[Beds]:
    with moto_bed() as bed:
        yield lambda: DynamoDBBed(bed.client)


@pytest.fixture
def new_ministack(ministack_client: Any) -> Beds:
    return lambda: DynamoDBBed(ministack_client)


#: For each store: how to make empty beds, the examples and their steps in `make test`, and the share of FUZZ_EXAMPLES.
STORES: dict[str, tuple[str, int, int, float]] = {
    "simulation": ("new_simulation", 12, 40, 0.5),
    "simulated DynamoDB": ("new_simulated_dynamodb", 8, 40, 0.3),
    "sqlite": ("new_sqlite", 8, 40, 0.3),
    "moto": ("new_moto", 1, 25, 0.02),
    "ministack": ("new_ministack", 2, 20, 0.03),
}
#: What another one of them covers as well, and takes longest, waits for `make races`.
SLOW = frozenset({"moto", "ministack", "simulation", "simulated DynamoDB"})


@pytest.mark.hypothesis
@pytest.mark.parametrize("name", [pytest.param(it, marks=pytest.mark.slow) if it in SLOW else it for it in STORES])
def test_whatever_is_asked_of_a_store_it_does_as_the_model(name: str, request: pytest.FixtureRequest) -> None:
    fixture, few, steps, share = STORES[name]
    new_bed: Beds = request.getfixturevalue(fixture)
    run_state_machine_as_test(lambda: StoreMachine(new_bed()), settings=search(few, share=share, stateful_step_count=steps))
