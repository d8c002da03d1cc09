"""What is counted beside the follow-ups: an owner's open ones, and all that one root's runs have led to."""

from collections import defaultdict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from followups.domain import ids
from followups.domain.entities import FollowUp
from followups.domain.ids import Key

if TYPE_CHECKING:
    from tests.simulation.checks import Checks


class Budgets:
    """The checks of counts, of sets, and of what was stopped."""

    def __init__(self, checks: "Checks") -> None:
        self._checks, self._that, self._stack = checks, checks.that, checks.stack
        self._open: dict[str, set[str]] = defaultdict(set)
        self._trees: dict[tuple[str, str], set[str]] = defaultdict(set)
        #: Roots of which it was answered that all is stopped.
        self.stopped: set[tuple[str, str]] = set()

    def committed(self, was: Mapping[Key, Any], now: Mapping[Key, Any]) -> None:
        """Takes what a commit has written, before and after."""
        owners, roots = set(), set()
        for key, new in now.items():
            if not isinstance(new, FollowUp):
                continue
            if new.counted:
                owners.add(new.owner)
                (self._open[new.owner].discard if new.expires_at else self._open[new.owner].add)(new.id)
            if new.depth and key not in was:
                roots.add((new.owner, new.root))
                self._trees[new.owner, new.root].add(new.id)
                self._that((new.owner, new.root) not in self.stopped, "a tree that was stopped makes nothing", new.id)
        for owner in owners:
            self._quota(owner)
        for owner, root in roots:
            self._tree(owner, root)

    def _quota(self, owner: str) -> None:
        opened, limit = len(self._open[owner]), self._stack.limits.max_open
        counted = self._stack.tables.counters.get(ids.quota_key(owner), 0)
        self._that(counted == opened, "I12 an owner's open ones are counted", owner, counted, opened)
        self._that(not limit or opened <= limit, "I12 open ones of one owner", owner, opened)

    def _tree(self, owner: str, root: str) -> None:
        made, kept = self._trees[owner, root], self._stack.tables.slots.get(ids.tree_key(owner, root), set())
        self._that(kept == made, "I12 a tree is the set of what it made", root, *sorted(kept ^ made))
        self._that(len(made) <= self._stack.limits.max_descendants, "I12 descendants of one root", root, len(made))

    def was_stopped(self, owner: str, root: str) -> None:
        """Takes a root of which it was answered that all of its tree is stopped."""
        self.stopped.add((owner, root))
        for item in self._stack.tables.items.values():
            it = item.entity
            if isinstance(it, FollowUp) and (it.owner, it.root) == (owner, root):
                over = it.expires_at is not None or str(it.status) == "cancelling"
                self._that(over, "a stopped tree is stopped as a whole", it.id, it.status)
        self._checks.noted["trees_stopped"] += 1

    def began(self, it: FollowUp, who: str) -> None:
        """An agent has begun."""
        self._that((it.owner, it.root) not in self.stopped, "nothing of a stopped tree starts", who)
