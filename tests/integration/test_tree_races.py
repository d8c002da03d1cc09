"""Agents that ask for more at once, from one tree, and somebody who stops it meanwhile."""

from datetime import timedelta

from followups.adapters.local import NoLeases, NoQueue, SystemChance
from followups.domain import ids
from followups.domain.changes import Add
from followups.domain.entities import FollowUp
from followups.domain.errors import Forbidden, WrongState
from followups.domain.lineage import RunToken
from followups.domain.status import CLOSED, Status
from followups.usecases import registry
from followups.usecases.create import Request, create
from followups.usecases.family import stop_tree, tree
from followups.usecases.manage import Asker
from followups.usecases.world import Limits, World
from tests.support.beds import Bed
from tests.support.clock import START, ManualClock
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
