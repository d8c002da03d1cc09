"""Who goes by a `replace_key`: at most one that is open and was not replaced. Whoever was replaced starts no agent any
more; one whose run was live then is left to end, is reported, and nothing follows it."""

from collections import defaultdict
from collections.abc import Mapping
from typing import TYPE_CHECKING

from followups.domain import ids
from followups.domain.entities import FollowUp, Named
from followups.domain.ids import Key
from tests.simulation.tables import Stored

if TYPE_CHECKING:
    from tests.simulation.checks import Checks

#: It is over, or will be without having run.
_OVER = {"done", "failed", "cancelled", "cancelling"}


class Names:
    """Those of all owners."""

    def __init__(self, checks: "Checks") -> None:
        self._checks, self._that, self._stack = checks, checks.that, checks.stack
        self._open: dict[Key, set[str]] = defaultdict(set)
        #: Those that were replaced, and the fence of the run that was live then.
        self.replaced: dict[Key, int | None] = {}

    def committed(self, before: Mapping[Key, Stored | None], after: Mapping[Key, Stored | None]) -> None:
        names = set()
        for key, item in after.items():
            new, was = item.entity if item else None, before[key]
            if isinstance(new, Named):
                names.add(new.key)
            if isinstance(new, FollowUp) and new.replace_key is not None:
                old = was.entity if was else None
                names.add(self._follow_up(old if isinstance(old, FollowUp) else None, new, after))
        for name in names:
            self._one(name)

    def _follow_up(self, old: FollowUp | None, new: FollowUp, after: Mapping[Key, Stored | None]) -> Key:
        assert new.replace_key is not None
        name, who = ids.name_key(new.owner, new.replace_key), f"{new.id[:6]} {new.replace_key}"
        goes = str(new.status) not in _OVER and not new.replaced_by
        (self._open[name].add if goes else self._open[name].discard)(new.id)
        if old is None:
            return name
        self._that(old.replace_key == new.replace_key, "a name stays", who, old.replace_key)
        if old.replaced_by is None and new.replaced_by is not None:
            successor = after.get(ids.follow_up_key(new.owner, new.replaced_by))
            it = successor.entity if successor else None
            taken = isinstance(it, FollowUp) and it.replace_key == new.replace_key and it.version == 1
            self._that(taken, "replaced by one that is born in the same write", who, new.replaced_by)
            live = str(old.status) == "running"
            self._that(str(new.status) == ("running" if live else "cancelled"), "what is replaced ends", who, new.status)
            self.replaced[new.key] = new.fence if live else None
            own = live and isinstance(it, FollowUp) and it.parent == new.run_id
            self._checks.noted["replaced_by_its_own_run" if own else "replaced_while_live" if live else "replaced"] += 1
        elif old.replaced_by is not None:
            self._that(new.replaced_by == old.replaced_by, "replaced once", who, new.replaced_by)
            self._that(new.fence == old.fence, "nothing follows one that was replaced", who, new.status)
            self._that(str(new.status) in _OVER | {"running"}, "nothing follows one that was replaced", who, new.status)
        return name

    def _one(self, name: Key) -> None:
        holders, item = self._open[name], self._stack.tables.items.get(name)
        self._that(len(holders) <= 1, "two open ones of one name", name.sk, *sorted(holders))
        named = item.entity if item else None
        right = isinstance(named, Named) and (not holders or holders == {named.follow_up_id})
        self._that(right, "who goes by the name", name.sk, named, *holders)

    def began(self, key: Key, fence: int, who: str) -> None:
        """An agent has begun."""
        self._that(key not in self.replaced or self.replaced[key] == fence, "started after it was replaced", who)
