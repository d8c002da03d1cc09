"""Agents that ask for more at once, from one tree, and somebody who stops it meanwhile."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from followups.adapters.local import NoLeases, NoQueue, SystemChance
from followups.adapters.sqlite import SQLiteStore
from followups.domain import ids, runs
from followups.domain.changes import Add, Swap
from followups.domain.contract import Done
from followups.domain.entities import FollowUp
from followups.domain.errors import Forbidden, WrongState
from followups.domain.ids import Key
from followups.domain.lineage import RunToken
from followups.domain.status import CLOSED, Outcome, Status
from followups.usecases import registry
from followups.usecases.create import Request, create
from followups.usecases.family import stop_tree, tree
from followups.usecases.manage import Asker
from followups.usecases.world import Limits, World
from tests.support.beds import Bed
from tests.support.clock import START, ManualClock
from tests.support.decide import stamp
from tests.support.race import race
from tests.support.things import DEADLINE, follow_up, fresh, later

BUDGET = 5


def world_of(bed: Bed) -> World:
    limits = Limits(max_descendants=BUDGET, look_ahead=timedelta(0))
    world = World(
        store=bed.open(), queue=NoQueue(), clock=ManualClock(), chance=SystemChance(), leases=NoLeases(), limits=limits
    )
    registry.put_agent(world, "@a", registry.Registration(kind="command", command=("true",)))
    return world


def running(world: World, root: FollowUp | None = None) -> FollowUp:
    """Gives a follow-up of ada's with a live run: a root, or a child of that."""
    own = fresh()
    it = follow_up(
        id=own, root=root.id if root else own, depth=1 if root else 0, status=Status.RUNNING, fence=1, attempt=1,
        agent="@a", started_at=START, deadline_at=DEADLINE, lease_until=DEADLINE, wake_at=later(hours=1),
    )  # fmt: skip
    world.store.commit(Add(it))
    return it


def ask(world: World, of: FollowUp) -> str:
    """Has a live run ask for a child; gives "made", or the code of the refusal."""
    who = Asker(owner=of.owner, token=RunToken(of.owner, of.id, of.fence, DEADLINE))
    request = Request(agent="@a", task="More", when="1d", timezone="UTC")
    try:
        create(world, who, request, idempotency_key=None, allow_commands=False)
    except (WrongState, Forbidden) as refused:
        return refused.code
    return "made"


def test_a_tree_never_has_more_than_its_budget(server_bed: Bed) -> None:
    world = world_of(server_bed)
    root = running(world)
    others = [running(world, root) for _ in range(3)]
    won = race(16, 1, lambda racer, _: ask(world, [root, *others][racer % 4]) == "made")
    assert sum(map(sum, won)) == BUDGET
    assert len(world.store.slots(ids.tree_key("ada", root.id))) == BUDGET
    assert ask(world, root) == "cascade_budget"
    noted = [world.store.get(FollowUp, it.key) for it in (root, *others)]
    assert sum(it.refused for it in noted if it) >= 1


def test_a_tree_that_is_stopped_has_an_end(server_bed: Bed) -> None:
    world = world_of(server_bed)
    roots = [running(world) for _ in range(4)]
    person = Asker(owner="ada")

    def act(racer: int, number: int) -> bool:
        root = roots[number]
        if racer == 0:
            stop_tree(world, person, root.id)
            # Whatever was asked for at the same moment: nothing of it is left that could start.
            return not open_of(world, root)
        assert ask(world, root) in ("made", "run_not_live", "cascade_budget")
        return True

    won = race(6, len(roots), act)
    assert all(map(all, won))
    for root in roots:
        assert not open_of(world, root)
        assert ask(world, root) == "run_not_live"


def open_of(world: World, root: FollowUp) -> list[FollowUp]:
    its = tree(world, Asker(owner="ada"), root.id).members
    return [it for it in its if it.status not in CLOSED and it.status is not Status.CANCELLING]


class Between(SQLiteStore):
    """A store in which something happens once between two reads: after the tree's set, and before its members."""

    act: Callable[[], object] | None = None

    def slots(self, key: Key) -> frozenset[str]:
        members = super().slots(key)
        if key.sk == "TREE" and self.act is not None and members:
            act, self.act = self.act, None
            act()
        return members


def test_what_is_made_by_a_run_that_ends_at_that_moment_is_stopped_as_well(tmp_path: Path) -> None:
    store = Between(tmp_path / "f.db")
    world = World(store=store, queue=NoQueue(), clock=ManualClock(), chance=SystemChance(), leases=NoLeases())
    registry.put_agent(world, "@a", registry.Registration(kind="command", command=("true",)))
    top = running(world)
    assert ask(world, top) == "made"
    [name] = store.slots(ids.tree_key("ada", top.id))
    made = world.follow_up("ada", name)
    assert made is not None
    child = replace(
        made, status=Status.RUNNING, fence=1, attempt=1, started_at=START, deadline_at=DEADLINE, lease_until=DEADLINE,
        wake_at=later(hours=1), version=made.version + 1, write_id=fresh(),
    )  # fmt: skip
    store.commit(Swap(made, child))

    def end(it: FollowUp) -> None:
        done = Done(outcome=Outcome.SUCCEEDED, summary="well")
        store.commit(*runs.finish(it, done, rerun_safe=False, stamp=stamp(later(minutes=1))))

    def ends() -> None:
        """The child's run makes one more, and ends."""
        assert ask(world, child) == "made"
        end(child)

    end(top)
    store.act = ends
    stop_tree(world, Asker(owner="ada"), top.id)
    assert not open_of(world, top)
