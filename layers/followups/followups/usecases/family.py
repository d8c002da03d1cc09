"""Trees: a person's follow-up, and all that the agents of its runs have made."""

from dataclasses import dataclass

from followups.domain import editing, ids
from followups.domain.entities import FollowUp
from followups.domain.errors import Conflict, StoreBusy
from followups.domain.lineage import RunToken
from followups.domain.moves import advance, closing
from followups.domain.status import CLOSED, Status
from followups.usecases.manage import Asker, forgotten, get, no_token
from followups.usecases.world import World

_RACES = 5
#: What a run is refused is counted up to here: an agent that asks again and again writes no more than that.
_NOTED = 50


@dataclass(frozen=True, kw_only=True, slots=True)
class Tree:
    """A root and its descendants, those of a generation by their age."""

    root: str
    members: tuple[FollowUp, ...]
    #: How many follow-ups its agents have made, and may make.
    made: int
    limit: int


def tree(world: World, asker: Asker, follow_up_id: str) -> Tree:
    """Gives the whole tree that a follow-up belongs to. What the store has forgotten is missing. Raises NotFound."""
    root = get(world, asker, follow_up_id).root
    made = world.store.slots(ids.tree_key(asker.owner, root))
    found = (world.follow_up(asker.owner, name) for name in (root, *sorted(made)))
    known = (it for it in found if it is not None and not forgotten(world, it))
    members = tuple(sorted(known, key=lambda it: (it.depth, it.created_at, it.id)))
    return Tree(root=root, members=members, made=len(made), limit=world.limits.max_descendants)


def stop_tree(world: World, asker: Asker, follow_up_id: str) -> Tree:
    """Cancels all of a tree that is open, the root first: what is cancelled can make nothing more, so that the tree has an
    end. Raises NotFound, Forbidden for an agent, StoreBusy."""
    no_token(asker)
    for _ in range(_RACES):
        it = tree(world, asker, follow_up_id)
        stopping = [each for each in it.members if each.status not in CLOSED and each.status is not Status.CANCELLING]
        if not stopping and len(world.store.slots(ids.tree_key(asker.owner, it.root))) == it.made:
            # Nor has one of them made another between, and ended: none of these is live any more.
            return it
        for each in stopping:
            _cancel(world, each)
    raise StoreBusy(f"the tree of {follow_up_id} still changes; try again")


def _cancel(world: World, it: FollowUp) -> None:
    swap = editing.cancel(it, at=world.clock.now(), write_id=world.chance.new_id())
    if swap is None:
        return
    try:
        world.store.commit(swap, *closing(swap))
    except Conflict:
        return  # The next pass sees what it is by then.


def note_refusal(world: World, token: RunToken, why: str) -> None:
    """Notes with the live run what it asked for and did not get: its report tells that, whatever the agent says."""
    for _ in range(_RACES):
        live = world.follow_up(token.owner, token.follow_up_id)
        if live is None or live.fence != token.fence or live.status is not Status.RUNNING or live.refused >= _NOTED:
            return
        swap = advance(
            live, Status.RUNNING, at=world.clock.now(), write_id=world.chance.new_id(), wake_at=live.wake_at,
            refused=live.refused + 1, refused_why=why,
        )  # fmt: skip
        try:
            world.store.commit(swap)
        except Conflict:
            continue
        return
