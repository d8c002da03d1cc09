"""What is found after a soak, as plain values: what was asked for, what is stored, what the agents say, what was mailed."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from functools import cached_property

from followups.domain import ids
from followups.domain.entities import Agent, FollowUp, Run
from tests.soak.marks import Interval, Mark, intervals


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """All that the promises are held against."""

    #: By idempotency key: the ids that answers gave for it.
    accepted: Mapping[str, frozenset[str]]
    #: By id: when (monotonic clock) the answer came that it is cancelled.
    cancelled: Mapping[str, float] = field(default_factory=dict)
    follow_ups: Sequence[FollowUp]
    runs: Sequence[Run]
    agents: Mapping[str, Agent]
    global_cap: int
    marks: Sequence[Mark]
    #: By run id: mails of its report that were found.
    mails: Mapping[str, int]
    #: Members of all slot sets.
    slots: Sequence[str] = ()
    #: Ids of what should have been done by now.
    due: Sequence[str] = ()
    #: What the product's own auditor calls broken: item and sentence.
    findings: Sequence[tuple[str, str]] = ()
    #: Processes killed that send reports: each may have sent one that it did not note.
    sender_kills: int = 0

    @cached_property
    def by_id(self) -> dict[str, FollowUp]:
        return {it.id: it for it in self.follow_ups}

    @cached_property
    def by_run_id(self) -> dict[str, Run]:
        return {it.id: it for it in self.runs}

    @cached_property
    def runs_of(self) -> dict[str, list[Run]]:
        """The runs of each follow-up, in the order of their fences."""
        found: dict[str, list[Run]] = defaultdict(list)
        for run in sorted(self.runs, key=lambda it: it.fence):
            found[run.follow_up_id].append(run)
        return found

    @cached_property
    def starts(self) -> dict[str, list[Mark]]:
        """The start marks of each run: one, if all is well."""
        found: dict[str, list[Mark]] = defaultdict(list)
        for mark in self.marks:
            if mark.word == "start":
                found[mark.run_id].append(mark)
        return found

    @cached_property
    def said(self) -> dict[str, str]:
        """By run id: the word with which the agent ended, "end" or "failed"."""
        return {mark.run_id: mark.word for mark in self.marks if mark.word in ("end", "failed")}

    @cached_property
    def intervals(self) -> list[Interval]:
        return intervals(self.marks)

    def about(self, name: str) -> list[str]:
        """Gives all that is known of a follow-up or a run, line by line."""
        name = name.rpartition("#")[2]
        named = ids.parse_run_id(name)
        own = named[0] if named else name
        lines = [_short(self.by_id[own])] if own in self.by_id else []
        lines += [f"{_short(run)} mails={self.mails.get(run.id, 0)}" for run in self.runs_of.get(own, ())]
        of_it = [mark for mark in self.marks if own and own in mark.run_id]
        return lines + [f"{mark.at:.3f} {mark.word} {mark.run_id} in process {mark.pid}" for mark in of_it]


def _short(thing: FollowUp | Run) -> str:
    """Gives the fields that say something, times without their date."""
    found = []
    for one in fields(thing):
        value = getattr(thing, one.name)
        if value not in (None, "", 0, False):
            found.append(f"{one.name}={f'{value:%d %H:%M:%S.%f}'[:-3] if isinstance(value, datetime) else value}")
    return f"{type(thing).__name__} {' '.join(found)}"
