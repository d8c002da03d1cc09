"""What the store's state machine may wish for: changes of a small world, so small that they meet each other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from hypothesis import strategies as st

from followups.domain import ids
from followups.domain.changes import Add, Change, FreeSlot, Live, Remove, SetAside, Spend, Swap, TakeSlot
from followups.domain.entities import Agent, Entity, FollowUp, Run
from followups.domain.ids import Key
from followups.domain.status import WAKING, ReportStatus, Status
from tests.support.clock import START
from tests.support.things import agent, control, follow_up, fresh, run

OWNERS = ("ada", "bob")
_OWNED = [*(("ada", n) for n in range(4)), *(("bob", n) for n in range(2))]
FOLLOW_UPS = [follow_up(owner=owner, id=ids.derive_id(owner, str(n)), agent=f"@{owner[0]}") for owner, n in _OWNED]
RUNS = [run(FOLLOW_UPS[n], fence=fence) for n, fence in ((0, 1), (0, 2), (0, 3), (5, 1))]
AGENTS = [agent(name) for name in ("@a", "@b")]
THINGS: list[FollowUp | Run | Agent | Any] = [*FOLLOW_UPS, *RUNS, *AGENTS, control()]
SETS = (ids.ALL_SLOTS_KEY, ids.agent_slots_key("@a"))
COUNTERS = (ids.quota_key("ada"), ids.hour_key("bob", START))
#: All times of this world: few, so that many are equal, and some a millisecond apart.
TIMES = [START + timedelta(milliseconds=n) for n in (0, 1, 60_000, 60_001, 86_400_000)]


@dataclass(frozen=True, kw_only=True)
class Wish:
    """A change in words; what it is in full depends on what is stored by then.

    `kind` is a change's name in lower case, or `put`: a swap of what is there, an add of what is not. `back` is how many
    versions ago the thing was read (for `live`: how far off the fence is). `fields` are those of the new version, or of
    the change itself.
    """

    kind: str
    key: Key
    back: int = 0
    fields: tuple[tuple[str, Any], ...] = ()

    def change(self, now: Mapping[Key, Entity], history: Mapping[Key, Sequence[Entity]]) -> Change:
        """Gives the change, of what is stored `now` and what was stored ever."""
        fields = dict(self.fields)
        if self.kind in _PLAIN:
            made: Change = _PLAIN[self.kind](self.key, **fields)
            return made
        if self.kind == "live":
            return Live(self.key, getattr(now.get(self.key), "fence", 0) + self.back)
        old = self._read(history)
        if self.kind == "setaside":
            return SetAside(self.key, old.version, fields["wake_at"])
        if self.kind == "remove":
            return Remove(old)
        if self.kind == "swap" or (self.kind == "put" and self.key in now):
            return Swap(old, replace(old, version=old.version + 1, write_id=fresh(), **fields))
        return Add(replace(_PROTOTYPES[self.key], write_id=fresh(), **fields))

    def _read(self, history: Mapping[Key, Sequence[Entity]]) -> Entity:
        """The thing as it was so many versions ago; one that was never there is as good as any."""
        read = history.get(self.key, [])
        return read[-1 - self.back] if self.back < len(read) else _PROTOTYPES[self.key]


_PLAIN: dict[str, Any] = {"takeslot": TakeSlot, "freeslot": FreeSlot, "spend": Spend}
_PROTOTYPES: dict[Key, Entity] = {it.key: it for it in THINGS}
_time = st.sampled_from(TIMES)


def _fields(key: Key) -> st.SearchStrategy[tuple[tuple[str, Any], ...]]:
    match _PROTOTYPES[key]:
        case FollowUp():
            status = st.sampled_from([*Status, *[Status.RUNNING, Status.SCHEDULED] * 2])
            drawn = st.tuples(status, _time, _time, _time, st.integers(0, 2)).map(_follow_up_fields)
        case Run():
            drawn = st.one_of(st.none(), _time).map(_run_fields)
        case Agent():
            drawn = st.integers(1, 5).map(lambda seconds: {"timeout_s": seconds})
        case _:
            drawn = st.booleans().map(lambda stopped: {"stopped": stopped})
    return drawn.map(lambda fields: tuple(fields.items()))


def _follow_up_fields(drawn: tuple[Status, Any, Any, Any, int]) -> dict[str, Any]:
    status, due_at, start_at, wake_at, fence = drawn
    times = {"due_at": due_at, "start_at": start_at, "wake_at": wake_at if status in WAKING else None}
    return {"status": status, "fence": fence, **times}


def _run_fields(wake_at: Any) -> dict[str, Any]:
    return {"wake_at": wake_at, "report_status": ReportStatus.SENT if wake_at is None else ReportStatus.PENDING}


def _wish(kind: str, things: Sequence[Any], backs: Sequence[int] = (0, 0, 0, 1, 2)) -> st.SearchStrategy[Wish]:
    def of(key: Key) -> st.SearchStrategy[Wish]:
        return st.builds(Wish, kind=st.just(kind), key=st.just(key), back=st.sampled_from(backs), fields=_fields(key))

    return st.sampled_from([it.key for it in things]).flatmap(of)


def _plain(kind: str, keys: Sequence[Key], **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Wish]:
    drawn = st.fixed_dictionaries(fields).map(lambda it: tuple(it.items()))
    return st.builds(Wish, kind=st.just(kind), key=st.sampled_from(keys), fields=drawn)


_member = st.sampled_from(["x", "y", "z"])
_later_or_never = st.fixed_dictionaries({"wake_at": st.one_of(st.none(), _time)}).map(lambda it: tuple(it.items()))
_aside = st.builds(
    Wish, kind=st.just("setaside"), key=st.sampled_from([it.key for it in (*FOLLOW_UPS, *RUNS)]),
    back=st.sampled_from([0, 0, 0, 1]), fields=_later_or_never,
)  # fmt: skip
_live = st.builds(
    Wish, kind=st.just("live"), key=st.sampled_from([it.key for it in FOLLOW_UPS]), back=st.sampled_from([0, 0, 1])
)
#: What mostly holds.
SOUND = st.one_of(
    _wish("put", THINGS, (0,)), _wish("put", FOLLOW_UPS, (0,)), _wish("put", AGENTS, (0,)),
    _plain("freeslot", SETS, member=_member), _plain("takeslot", SETS, member=_member, cap=st.integers(2, 3)),
    _plain("spend", COUNTERS, amount=st.integers(1, 3), limit=st.just(20)), _aside, _live,
)  # fmt: skip
#: What may hold or not.
RISKY = st.one_of(
    _wish("swap", THINGS), _wish("add", THINGS), _wish("remove", AGENTS), _live, _aside,
    _plain("takeslot", SETS, member=_member, cap=st.integers(1, 3)),
    _plain("spend", COUNTERS, amount=st.integers(1, 3), limit=st.integers(0, 7)),
)  # fmt: skip
WISH = st.one_of(SOUND, RISKY)
#: What is there at the start.
START_WITH = st.lists(
    st.one_of(_wish("add", FOLLOW_UPS), _wish("add", THINGS)), min_size=4, max_size=12, unique_by=lambda wish: wish.key
)


def _start(drawn: tuple[Wish, str, int]) -> list[Wish]:
    swap, member, cap = drawn
    fields = (("member", member), ("cap", cap))
    return [swap, *(Wish(kind="takeslot", key=key, fields=fields) for key in SETS)]


#: A follow-up's swap, and a slot of each set.
START_OF_RUN = st.tuples(_wish("put", FOLLOW_UPS, (0,)), _member, st.integers(1, 2)).map(_start)


def kind_of(key: Key) -> type[Entity]:
    """Gives what lies under a key of this world."""
    return type(_PROTOTYPES[key])


def distinct(wish: st.SearchStrategy[Wish], most: int) -> st.SearchStrategy[list[Wish]]:
    """Gives wishes for a transaction: each of another item."""
    return st.lists(wish, min_size=1, max_size=most, unique_by=lambda it: it.key)
