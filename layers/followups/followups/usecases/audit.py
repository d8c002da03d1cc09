"""The audit: reads everything, and tells what breaks a promise. Its own code path; it calls nothing that it checks.

While it reads, others write. So what looks wrong is looked at once more, strongly consistent, before it is a finding: an
item by itself, and pairs in the order in which the one follows from the other.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from followups.domain import audit_pairs, ids
from followups.domain.audit import judge
from followups.domain.audit_census import MOST_HELD, Gathering, Quotas
from followups.domain.entities import Control, FollowUp, Run
from followups.domain.errors import Conflict, StoreError, UnreadableItem
from followups.domain.findings import Finding, View, Weight
from followups.domain.ids import Key
from followups.domain.status import Status
from followups.ports import Ledger, Store
from followups.usecases.world import BUILTIN

#: What the census holds that is nothing wrong, and what only two items together tell.
_SOUND = frozenset({"alive", "slots"})
_PAIRS = _SOUND | {"too_many_descendants", "no_record", "ended_yet_alive", "fence_fell"}
_EVERY = 1_000
_LAST = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, kw_only=True, slots=True)
class Audited:
    """What an audit found."""

    at: datetime
    #: The sure ones first, then the oldest.
    findings: tuple[Finding, ...]
    #: By code, how many more looked wrong than are looked at again and told one by one.
    more: Mapping[str, int]
    follow_ups: int
    runs: int
    #: What the operator was told of already.
    told: Mapping[Key, int]

    @property
    def broken(self) -> int:
        """How many findings are sure."""
        return sum(it.weight is Weight.BROKEN for it in self.findings)

    @property
    def left(self) -> int:
        """How many of those are not repaired."""
        return sum(it.weight is Weight.BROKEN and not it.repaired for it in self.findings)


def audit(
    ledger: Ledger, at: datetime, *, global_cap: int, runs_per_hour: int = 0, all_in_line: bool = False,
    progress: Callable[[int], None] | None = None,
) -> Audited:  # fmt: skip
    """Looks at everything that is stored as it is at `at` (UTC, now), and writes nothing.

    `global_cap` and `runs_per_hour` (0: no limit) are the installation's limits; `all_in_line` says that everybody who is
    due stands in line for a slot (a laptop); `progress` is told each thousand items how many were read. Raises StoreError
    if the store cannot be read.
    """
    view = View(
        at=at, control=_control(ledger), global_cap=global_cap, runs_per_hour=runs_per_hour, all_in_line=all_in_line
    )
    before = ledger.slots(ids.ALL_SLOTS_KEY)
    seen = Gathering(view)
    for it in ledger.everything():
        seen.take(it)
        if progress and seen.items % _EVERY == 0:
            progress(seen.items)
    seen.end()
    found = [
        *seen.findings, *_by_themselves(ledger, seen, view), *_records(ledger, seen, view), *_slots(ledger, seen, view),
        *_lines(ledger, seen, view, before), *_trees(ledger, seen), *_quotas(ledger, seen, view),
    ]  # fmt: skip
    return Audited(
        at=at, findings=tuple(sorted(found, key=_place)), follow_ups=seen.follow_ups, runs=seen.runs, told=seen.told,
        more={code: count for code, count in seen.held.more.items() if code not in _SOUND},
    )  # fmt: skip


def repair(store: Store, audited: Audited, new_id: Callable[[], str]) -> Audited:
    """Makes each repair that is surely safe, under the version that was seen; gives the findings with what was done.

    What was changed meanwhile, and what the store does not take now, is left to the next audit. `new_id` gives fresh
    write ids.
    """
    made: dict[tuple[Key, str], bool] = {}
    findings = []
    for finding in audited.findings:
        if (wanted := finding.repair) is not None:
            name = (finding.key, finding.member)
            if name not in made:
                try:
                    store.commit(*wanted.changes(new_id()))
                except (Conflict, StoreError):
                    made[name] = False
                else:
                    made[name] = True
            finding = replace(finding, repaired=made[name])
        findings.append(finding)
    return replace(audited, findings=tuple(findings))


def _by_themselves(ledger: Ledger, seen: Gathering, view: View) -> Iterator[Finding]:
    for key in {key: None for kind, names in seen.held.names.items() if kind not in _PAIRS for key in names}:
        try:
            it = ledger.get(FollowUp, key) if key.sk == "META" else ledger.get(Run, key)
        except UnreadableItem:
            continue
        if it is not None:
            yield from judge(it, view)


def _records(ledger: Ledger, seen: Gathering, view: View) -> Iterator[Finding]:
    names = seen.held.names
    for key in names["no_record"]:
        try:
            it = ledger.get(FollowUp, key)
            if it is not None:
                yield from audit_pairs.without_record(it, ledger.get(Run, ids.run_key(it.owner, it.id, it.fence)), view)
        except UnreadableItem:
            continue
    for key, fence in [*names["ended_yet_alive"].items(), *names["fence_fell"].items()]:
        owner, _, follow_up_id = key.pk.rpartition("#")
        try:
            record = ledger.get(Run, ids.run_key(owner, follow_up_id, fence))
            it = ledger.get(FollowUp, key)
        except UnreadableItem:
            continue
        if it is not None and record is not None:
            yield from audit_pairs.ended_yet_alive(it, record)
            yield from audit_pairs.behind_its_records(it, record)


def _slots(ledger: Ledger, seen: Gathering, view: View) -> Iterator[Finding]:
    """First the live runs, then the sets, then those who hold slots there, and at last whatever looks wrong once more."""
    again = (_follow_up(ledger, key) for key in seen.held.names["alive"])
    alive = [it for it in again if it is not None and audit_pairs.is_alive(it, it.fence)]
    keys = {ids.ALL_SLOTS_KEY, *seen.held.names["slots"], *(ids.agent_slots_key(it.agent) for it in alive)}
    sets = {key: ledger.slots(key) for key in sorted(keys)}
    holders = _Holders(ledger)
    for key, members in sets.items():
        name = key.pk.removeprefix("AGENT#")
        living = {it: holder for it in members if (holder := holders.alive(it)) is not None}
        yield from audit_pairs.too_many_slots(key, members, living, BUILTIN.get(name) or seen.agents.get(name), view)
        for member in sorted(members):
            yield from _holder_of(ledger, holders, key, member)
    for it in alive:
        for key in (ids.agent_slots_key(it.agent), ids.ALL_SLOTS_KEY):
            if it.slot_id not in sets[key] and audit_pairs.is_alive(_follow_up(ledger, it.key), it.fence):
                yield from audit_pairs.run_without_slot(it, key)


class _Holders:
    """Those who hold slots, each read once."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._known: dict[str, FollowUp | None] = {}

    def get(self, member: str) -> FollowUp | None:
        """Gives the follow-up that a member names. Raises UnreadableItem."""
        if member not in self._known:
            named = ids.parse_slot_id(member)
            key = ids.follow_up_key(named[0], named[1]) if named else None
            self._known[member] = self._ledger.get(FollowUp, key) if key else None
        return self._known[member]

    def readable(self, member: str) -> FollowUp | None:
        """Gives it if it is there and can be read."""
        try:
            return self.get(member)
        except UnreadableItem:
            return None

    def alive(self, member: str) -> FollowUp | None:
        """Gives it if its run that holds the slot is live."""
        named, it = ids.parse_slot_id(member), self.readable(member)
        return it if named and audit_pairs.is_alive(it, named[2]) else None


def _holder_of(ledger: Ledger, holders: _Holders, key: Key, member: str) -> Iterator[Finding]:
    try:
        it, record, named = holders.get(member), None, ids.parse_slot_id(member)
        if named is not None and not audit_pairs.is_alive(it, named[2]):
            record = ledger.get(Run, ids.run_key(*named))
    except UnreadableItem:
        return  # Whether it is alive is not known.
    found = audit_pairs.slot_for_nothing(key, member, it, record)
    if found and member in ledger.slots(key):
        yield from found


def _lines(ledger: Ledger, seen: Gathering, view: View, before: frozenset[str]) -> Iterator[Finding]:
    """The first of each line, and whether anything of its agent was alive while it waited."""
    if not seen.heads:
        return
    # A run that was alive at the start may have ended since: its follow-up tells the agent all the same.
    holders = _Holders(ledger)
    named = [holders.readable(member) for member in before]
    busy = {holder.agent for holder in named if holder is not None}
    was_full = None in named or len(before) + seen.ended.total() >= view.global_cap
    for head in seen.heads.values():
        it = _follow_up(ledger, head.key)
        if it is not None and it.version == head.version and it.status is Status.SCHEDULED:
            was_alive = head.agent in busy or seen.ended[head.agent] > 0
            agent = BUILTIN.get(head.agent) or seen.agents.get(head.agent)
            yield from audit_pairs.line_stands_still(it, agent, was_alive=was_alive, was_full=was_full, view=view)


def _trees(ledger: Ledger, seen: Gathering) -> Iterator[Finding]:
    """Counts the descendants of those who seem to have too many, in a second reading."""
    roots = dict.fromkeys(seen.held.names["too_many_descendants"], 0)
    newest: dict[Key, datetime] = {}
    for it in ledger.everything() if roots else ():
        if isinstance(it, FollowUp) and it.depth > 0 and (root := ids.follow_up_key(it.owner, it.root)) in roots:
            roots[root] += 1
            newest[root] = max(it.created_at, newest.get(root, it.created_at))
    for root, count in roots.items():
        yield from audit_pairs.too_many_descendants(root, count, newest.get(root))


def _quotas(ledger: Ledger, seen: Gathering, view: View) -> Iterator[Finding]:
    """Counts the open follow-ups of those whose number seems wrong in a second reading. Of whom nothing was made and
    nothing ended since before the first, both numbers were what they are all the time."""
    suspects = seen.quotas.wrong()[:MOST_HELD]
    again = Quotas(view.at)
    for it in ledger.everything() if suspects else ():
        again.take(it)
    for owner in suspects:
        count, spent = again.open[owner], again.spent[owner]
        if owner not in again.moving and (count, spent) == (seen.quotas.open[owner], seen.quotas.spent[owner]):
            yield from audit_pairs.quota_wrong(owner, count, spent, sure=owner not in again.unread)


def _follow_up(ledger: Ledger, key: Key) -> FollowUp | None:
    try:
        return ledger.get(FollowUp, key)
    except UnreadableItem:
        return None


def _control(ledger: Ledger) -> Control:
    try:
        return ledger.get(Control, ids.CONTROL_KEY) or Control()
    except UnreadableItem:
        return Control()  # The census finds it.


def _place(it: Finding) -> tuple[bool, datetime, Key, str]:
    return it.weight is Weight.DOUBT, it.since or _LAST, it.key, it.code
