"""Holds what a soak left behind against the promises. Pure: evidence in, violations out; none means that all holds."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from followups.domain import ids
from followups.domain.entities import FollowUp, Run
from followups.domain.status import CLOSED, Outcome, ReportStatus, Status
from tests.soak.evidence import Evidence
from tests.soak.marks import Interval, Mark

#: A process that was killed over a try of a mail was killed within this time: it lives no longer with it.
_A_TRY_S = 10.0


@dataclass(frozen=True, slots=True)
class Violation:
    """A promise that was not kept."""

    rule: str
    #: The follow-up, run, agent or key that it is about.
    name: str
    what: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.name}: {self.what}"


def check(it: Evidence) -> list[Violation]:
    """Gives all that is wrong, by rule."""
    rules = {
        "accepted": accepted, "one outcome": one_outcome, "once": once, "the record's truth": truth, "overlap": overlap,
        "cap": caps, "report": reports, "cancelled": cancelled, "early": early, "drained": drained, "audit": audited,
    }  # fmt: skip
    return [Violation(rule, name, what) for rule, find in rules.items() for name, what in find(it)]


Found = Iterator[tuple[str, str]]


def accepted(it: Evidence) -> Found:
    """What was accepted is stored, one follow-up for each key, and nothing else is."""
    owners = Counter(name for names in it.accepted.values() for name in names)
    for key, names in it.accepted.items():
        if len(names) != 1:
            yield key, f"the same idempotency key led to {sorted(names)}"
        for name in sorted(names):
            if name not in it.by_id:
                yield name, f"was accepted for key {key}, and is not in the store"
            if owners[name] > 1:
                yield name, f"is what more than one key led to, {key} for one"
    for name in sorted(it.by_id.keys() - owners.keys()):
        yield name, "is in the store, and nobody was told so"


def one_outcome(it: Evidence) -> Found:
    """Each occurrence has exactly one final record; a follow-up that happens once is closed, and as that record says."""
    for one in it.follow_ups:
        runs = it.runs_of.get(one.id, [])
        finals = Counter(run.occurrence for run in runs if run.final)
        if one.rule is None and one.status not in CLOSED:
            yield one.id, f"is still {one.status}"
        elif one.status is Status.CANCELLED:
            if sum(finals.values()) > 1:
                yield one.id, f"was cancelled and has {sum(finals.values())} final records"
        else:
            over = one.occurrence if one.status in CLOSED else one.occurrence - 1
            for number in sorted({*range(1, over + 1), *finals}):
                if finals[number] != (number <= over):
                    yield one.id, f"occurrence {number} of {over} has {finals[number]} final records"
        yield from _as_recorded(one, runs)
        for run in runs:
            if run.attempt > run.max_attempts:
                yield run.id, f"was attempt {run.attempt} of {run.max_attempts}"


def _as_recorded(one: FollowUp, runs: list[Run]) -> Found:
    last = max((run for run in runs if run.final), key=lambda run: run.fence, default=None)
    if last is None or one.status is Status.CANCELLED:
        return
    if one.last_outcome is not last.outcome or (one.status in CLOSED and last.follow_up_status is not one.status):
        yield (
            one.id,
            f"is {one.status} after {one.last_outcome}; its last record says {last.follow_up_status} after {last.outcome}",
        )


def once(it: Evidence) -> Found:
    """No run is started twice. A run is followed by another of its occurrence only if that one did not end it; and if the
    agent may not simply be run again, only if it said itself that it failed."""
    occurrences: dict[tuple[str, int], list[Run]] = defaultdict(list)
    for run_id, starts in it.starts.items():
        if len(starts) > 1:
            yield run_id, f"was started {len(starts)} times"
        run = it.by_run_id.get(run_id)
        if run is None:
            yield run_id, "ran, and there is no record of it"
        else:
            occurrences[run.follow_up_id, run.occurrence].append(run)
    for runs in occurrences.values():
        runs.sort(key=lambda run: it.starts[run.id][0].at)
        for before, after in pairwise(runs):
            agent = it.agents.get(before.agent)
            if before.final:
                yield after.id, f"ran after {before.id} had ended its occurrence as {before.outcome}"
            elif it.said.get(before.id) != "failed" and not (agent and agent.rerun_safe):
                yield (
                    after.id,
                    f"ran again after {before.id}, which {before.agent} did not call failed; it may not be rerun",
                )


def truth(it: Evidence) -> Found:
    """A record says of its run what the agent says of it."""
    for run in it.runs:
        started, said = run.id in it.starts, it.said.get(run.id)
        if run.outcome in (Outcome.SUCCEEDED, Outcome.ATTENTION) and said != "end":
            yield run.id, f"is recorded as {run.outcome}, and the agent {_words(started, said)}"
        elif run.outcome is Outcome.FAILED and said != "failed":
            yield run.id, f"is recorded as failed, and the agent {_words(started, said)}"


def _words(started: bool, said: str | None) -> str:
    return {"end": "did its work", "failed": "failed", None: "never ended" if started else "never started"}[said]


def overlap(it: Evidence) -> Found:
    """No two runs of one follow-up are alive at once."""
    latest: dict[str, Interval] = {}
    for this in it.intervals:
        own = (ids.parse_run_id(this.run_id) or ("", 0))[0]
        before = latest.get(own)
        if before is not None and this.start < before.end:
            yield this.run_id, f"began {before.end - this.start:.3f} s before the end of {before.run_id}"
        if before is None or this.end > before.end:
            latest[own] = this


def caps(it: Evidence) -> Found:
    """No more agents are alive at once than an agent's cap, nor over all than the global one."""
    by_agent: dict[str, list[Interval]] = defaultdict(list)
    for interval in it.intervals:
        by_agent[interval.agent].append(interval)
    for name, own in by_agent.items():
        agent = it.agents.get(name)
        if most := _more_than(agent.max_concurrency if agent else 1, own):
            yield name, most
    if most := _more_than(it.global_cap, it.intervals):
        yield "all agents", most


def _more_than(cap: int, of: list[Interval]) -> str | None:
    # At the same instant the end of one comes before the start of another; of one that is only a point, its start.
    moments = [(one.start, 0, n) for n, one in enumerate(of)]
    moments += [(one.end, -1 if one.end > one.start else 1, n) for n, one in enumerate(of)]
    alive: set[int] = set()
    for at, order, n in sorted(moments):
        alive = alive | {n} if order == 0 else alive - {n}
        if len(alive) > cap:
            names = ", ".join(sorted(of[it].run_id for it in alive))
            return f"{len(alive)} were alive at {at:.3f}, {cap} may be: {names}"
    return None


def reports(it: Evidence) -> Found:
    """Each report that is due was mailed at least once; more often only if a try was left open by a kill, and noted."""
    for run in it.runs:
        mails = it.mails.get(run.id, 0)
        owed = run.final and run.outcome is not Outcome.CANCELLED
        if owed and run.report_status is not ReportStatus.SENT:
            yield run.id, f"has its report {run.report_status} after {run.report_tries} tries: {run.report_note}"
        if owed and not mails:
            yield run.id, f"has no mail; its report is {run.report_status}"
        if not owed and (mails or run.report_status is not ReportStatus.NONE):
            yield run.id, f"is {run.outcome} and not to be reported; {mails} mails, its report is {run.report_status}"
        if mails > run.report_tries:
            yield run.id, f"was mailed {mails} times in {run.report_tries} tries"
    for name in sorted(it.mails.keys() - it.by_run_id.keys()):
        yield name, "was mailed, and there is no record of it"
    yield from _mailed_again(it)
    again = sum(max(0, run.report_tries - 1) for run in it.runs)
    if again > it.sender_kills:
        yield "all reports", f"{again} were tried again, and only {it.sender_kills} processes that send were killed"


def _mailed_again(it: Evidence) -> Found:
    """Where each try says who makes it: who made one before the last must have been killed over it."""
    tries: dict[str, list[Mark]] = defaultdict(list)
    killed: dict[int, list[float]] = defaultdict(list)
    for mark in it.marks:
        if mark.word == "mailing":
            tries[mark.run_id].append(mark)
        elif mark.word == "killed":
            killed[mark.pid].append(mark.at)
    for run_id, of_it in tries.items():
        for first in of_it[:-1]:
            if not any(first.at <= at <= first.at + _A_TRY_S for at in killed[first.pid]):
                yield run_id, f"was mailed again, and process {first.pid} that mailed it at {first.at:.3f} was not killed"


def cancelled(it: Evidence) -> Found:
    """After the answer that it is cancelled nothing starts, and it stays so."""
    for name in it.cancelled:
        one = it.by_id.get(name)
        if one is not None and one.status is not Status.CANCELLED:
            yield name, f"was answered to be cancelled, and is {one.status}"
    for run_id, starts in it.starts.items():
        at = it.cancelled.get((ids.parse_run_id(run_id) or ("", 0))[0], float("inf"))
        if late := [start.at - at for start in starts if start.at > at]:
            yield run_id, f"started {late[0]:.3f} s after the answer that it is cancelled"


def early(it: Evidence) -> Found:
    """Nothing starts before its time."""
    for run in it.runs:
        if run.started_at is not None and run.started_at < run.due_at:
            yield run.id, f"started at {run.started_at}, and was due at {run.due_at}"


def drained(it: Evidence) -> Found:
    """Nothing is left: no slot taken, nothing that should have been done."""
    for member in it.slots:
        yield member, "holds a slot still"
    for name in it.due:
        yield name, "should have been done by now"


def audited(it: Evidence) -> Found:
    """The product's own auditor finds nothing broken."""
    yield from it.findings
