"""What an audit keeps in hand while it reads everything: names of what to look at again, and counts. Never the items."""

import zlib
from array import array
from collections import Counter, defaultdict
from datetime import datetime

from followups.domain.audit import (
    ALIVE,
    ENDED,
    MOST_DESCENDANTS,
    SKEW,
    judge,
    judge_count,
    judge_tree,
    judge_unreadable,
)
from followups.domain.audit_pairs import QUIET
from followups.domain.census import Count, SlotSet, Stored
from followups.domain.entities import Agent, FollowUp, Run, Unreadable
from followups.domain.findings import Finding, View
from followups.domain.ids import Key, follow_up_key
from followups.domain.status import Status

#: So many of a kind are looked at again and told one by one; the rest is counted.
MOST_HELD = 200
#: Two bytes each. A million follow-ups that agents made leave each of these at one.
_BUCKETS = 1 << 20
_FULL = (1 << 16) - 1
#: Partition of the notes of what the operator was told.
TOLD = "AUDIT"


class Held:
    """Names by kind, of each kind a limited number, and how many more there were."""

    def __init__(self) -> None:
        self.names: dict[str, dict[Key, int]] = defaultdict(dict)
        self.more: Counter[str] = Counter()

    def add(self, kind: str, key: Key, fence: int = 0) -> None:
        names = self.names[kind]
        if key in names or len(names) < MOST_HELD:
            names[key] = fence
        else:
            self.more[kind] += 1


class Tally:
    """Counts the descendants of each root in constant memory, never too few: roots may share a bucket, so who seems to
    have too many is counted again by itself."""

    def __init__(self) -> None:
        self._buckets = array("H", bytes(2 * _BUCKETS))

    def add(self, root: Key) -> bool:
        """Counts one more; says whether the root may have too many."""
        number = zlib.crc32(root.pk.encode()) % _BUCKETS
        self._buckets[number] = min(_FULL, self._buckets[number] + 1)
        return self._buckets[number] > MOST_DESCENDANTS


class Quotas:
    """Counts the open follow-ups of each owner that has a quota, and holds them against what was counted as they were made
    and ended. It keeps two numbers an owner."""

    def __init__(self, at: datetime) -> None:
        self._since = at - SKEW
        self.open: Counter[str] = Counter()
        self.spent: Counter[str] = Counter()
        #: Owners of whose follow-ups one was made or ended just now: their numbers need not go together.
        self.moving: set[str] = set()
        #: Owners of whose follow-ups one cannot be read.
        self.unread: set[str] = set()

    def take(self, it: Stored) -> None:
        """Takes the next item, of any kind."""
        match it:
            case FollowUp(counted=True):
                self.open[it.owner] += it.status not in ENDED
                if max(it.created_at, it.closed_at or it.created_at) >= self._since:
                    self.moving.add(it.owner)
            case Count() if it.key.sk == "QUOTA":
                self.spent[it.key.pk.removeprefix("OWNER#")] = it.spent
            case Unreadable() if it.key.sk == "META":
                self.unread.add(it.key.pk.rpartition("#")[0])

    def wrong(self) -> list[str]:
        """Gives the owners whose numbers differ, and should not."""
        owners = {*self.open, *self.spent} - self.moving
        return sorted(owner for owner in owners if self.open[owner] != self.spent[owner])


class Gathering:
    """Takes each stored item once, a partition's one after another where the store can do that."""

    def __init__(self, view: View) -> None:
        self._view = view
        self.follow_ups = self.runs = self.items = 0
        #: Of items by themselves, and of pairs, by the code of what may be wrong.
        self.held = Held()
        #: What needs no second look.
        self.findings: list[Finding] = []
        #: Of each agent the first in its line, if his time is long past.
        self.heads: dict[str, FollowUp] = {}
        #: Runs that ended within the last hour, by agent.
        self.ended: Counter[str] = Counter()
        self.agents: dict[str, Agent] = {}
        #: What the operator was told of, and when, as `domain.audit_mail` counts it.
        self.told: dict[Key, int] = {}
        self.quotas = Quotas(view.at)
        self._kept: Counter[str] = Counter()
        self._tally = Tally()
        self._group: FollowUp | None = None
        self._own_record = False
        self._highest: Run | None = None

    def take(self, it: Stored) -> None:
        """Takes the next item."""
        self.items += 1
        self.quotas.take(it)
        match it:
            case FollowUp():
                self.follow_ups += 1
                self._suspect(it)
                self._take_follow_up(it)
            case Run():
                self.runs += 1
                self._suspect(it)
                self._take_run(it)
            case Agent():
                self.agents[it.name] = it
            case SlotSet() if it.key.sk == "TREE":
                self._keep(judge_tree(it))
            case SlotSet():
                self.held.add("slots", it.key)
            case Count():
                self._keep(judge_count(it, self._view))
                if it.key.pk == TOLD:
                    self.told[it.key] = it.spent
            case Unreadable():
                self._keep(judge_unreadable(it))

    def end(self) -> None:
        """Says that there is no more."""
        self._close_group(None)

    def _suspect(self, it: FollowUp | Run) -> None:
        for finding in judge(it, self._view):
            self.held.add(finding.code, it.key)

    def _keep(self, findings: list[Finding]) -> None:
        for finding in findings:
            if self._kept[finding.code] < MOST_HELD:
                self._kept[finding.code] += 1
                self.findings.append(finding)
            else:
                self.held.more[finding.code] += 1

    def _take_follow_up(self, it: FollowUp) -> None:
        self._close_group(it)
        if it.status in ALIVE:
            self.held.add("alive", it.key, it.fence)
        if it.depth > 0 and self._tally.add(root := follow_up_key(it.owner, it.root)):
            self.held.add("too_many_descendants", root)
        in_line = it.blocked_reason is not None or self._view.all_in_line
        if it.status is Status.SCHEDULED and in_line and self._is_past(it.wake_at):
            first = self.heads.get(it.agent)
            if first is None or (it.start_at, it.created_at) < (first.start_at, first.created_at):
                self.heads[it.agent] = it

    def _take_run(self, it: Run) -> None:
        if self._view.at - QUIET <= it.finished_at <= self._view.at:
            self.ended[it.agent] += 1
        if self._group is None or (it.owner, it.follow_up_id) != (self._group.owner, self._group.id):
            self._close_group(None)
            return
        self._own_record = self._own_record or it.fence == self._group.fence
        if self._highest is None or it.fence > self._highest.fence:
            self._highest = it

    def _close_group(self, following: FollowUp | None) -> None:
        """Compares a follow-up with those of its records that came after it."""
        it, own, highest = self._group, self._own_record, self._highest
        self._group, self._own_record, self._highest = following, False, None
        if it is None:
            return
        if it.status in ENDED and it.status is not Status.CANCELLED and not own:
            self.held.add("no_record", it.key)
        if own and it.status not in ENDED and it.status in (Status.CLAIMED, *ALIVE):
            self.held.add("ended_yet_alive", it.key, it.fence)
        if highest is not None and highest.fence > it.fence:
            self.held.add("fence_fell", it.key, highest.fence)

    def _is_past(self, moment: datetime | None) -> bool:
        return moment is not None and self._view.at - moment > QUIET
