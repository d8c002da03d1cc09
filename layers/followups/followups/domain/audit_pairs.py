"""The promises of FAILURES.md §2 that two stored items keep together. Like `domain.audit`, written anew from outside.

A scan is no snapshot: each of these takes what a second, strongly consistent look found, in the order that it says.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from followups.domain.audit import ALIVE, ENDED, KEPT, MOST_DESCENDANTS
from followups.domain.changes import FreeSlot, Spend
from followups.domain.entities import Agent, FollowUp, Run
from followups.domain.findings import Finding, Repair, View, Weight, about, said
from followups.domain.ids import Key, parse_slot_id, quota_key
from followups.domain.status import Status

#: Where nothing of an agent ran for so long, its line must have moved.
QUIET = timedelta(hours=1)
#: Longer than this in a line is worth a word.
LONG_WAIT = timedelta(days=1)
#: No installation may have more agents alive at once, nor an agent more live runs.
HIGHEST_CAP = 100
#: How the runner says that an agent is out of use, and its whole line with it.
_OUT_OF_USE = (" is disabled: ", "no worker of ")
HIGHEST_QUOTA = 1_000_000


def is_alive(it: FollowUp | None, fence: int) -> bool:
    """Says whether the follow-up's run of that fence is live."""
    return it is not None and it.fence == fence and it.status in ALIVE


def without_record(it: FollowUp, record: Run | None, view: View) -> list[Finding]:
    """Takes an ended follow-up and the record of its last fence, read after it."""
    forgotten = it.expires_at or (it.closed_at or it.updated_at) + KEPT
    if record is not None or it.status not in (Status.DONE, Status.FAILED) or forgotten <= view.at:
        return []
    says = f"it is {it.status}, but its run {it.run_id} left no record: nobody was told"
    return [Finding(code="no_record", key=it.key, says=says, about=about(it), since=it.closed_at)]


def ended_yet_alive(it: FollowUp, record: Run | None) -> list[Finding]:
    """Takes a follow-up, and the record of its present fence that was read before it."""
    if record is None or record.fence != it.fence or it.status not in (Status.CLAIMED, *ALIVE):
        return []
    says = f"it is {it.status}, but its run {it.run_id} has ended and has its record: it cannot end again"
    return [Finding(code="ended_yet_alive", key=it.key, says=says, about=about(it), since=record.finished_at)]


def behind_its_records(it: FollowUp, record: Run) -> list[Finding]:
    """Takes a follow-up, and a record of it that was read before: fences never fall."""
    if record.fence <= it.fence:
        return []
    says = f"it is at fence {it.fence}, but has a record of fence {record.fence}: fences never fall"
    return [Finding(code="fence_fell", key=it.key, says=says, about=about(it), since=record.finished_at)]


def slot_for_nothing(key: Key, member: str, it: FollowUp | None, record: Run | None) -> list[Finding]:
    """Takes a slot set's member that is there before and after its follow-up (and its run's record) were read."""
    named = parse_slot_id(member)
    agent = _agent_of(key)
    if named is None:
        says = f"{member[:80]!r} holds a slot of {_set(key)}, and names no run"
        return [Finding(code="slot_for_nothing", key=key, member=member, says=says)]
    fence, run_id = named[2], member.rpartition("#")[2]
    if is_alive(it, fence):
        if it is None or agent in (None, it.agent):
            return []
        says = f"run {run_id} of {it.agent} holds a slot of {_set(key)}"
        return [Finding(code="slot_for_nothing", key=key, member=member, says=says, about=about(it), since=it.started_at)]
    says = f"run {run_id} holds a slot of {_set(key)}, but is not alive: the slot is lost to all others"
    # No start can ask for this slot again: its run has ended, or its fence is past, or its follow-up has closed.
    over = record is not None or (it is not None and (it.fence > fence or it.status in ENDED))
    return [
        Finding(
            code="slot_for_nothing", key=key, member=member, says=says, about=about(it) if it else "",
            since=record.finished_at if record else None,
            repair=Repair(does="the slot is freed", slot=FreeSlot(key, member)) if over else None,
        )
    ]  # fmt: skip


def run_without_slot(it: FollowUp, key: Key) -> list[Finding]:
    """Takes a live follow-up that was live with the same fence before and after its slot was missing from this set."""
    says = f"its run {it.run_id} is alive and holds no slot of {_set(key)}: more may start than the cap allows"
    return [Finding(code="run_without_slot", key=it.key, says=says, about=about(it), since=it.started_at)]


def too_many_slots(
    key: Key, members: frozenset[str], alive: Mapping[str, FollowUp], agent: Agent | None, view: View
) -> list[Finding]:
    """Takes a slot set, those of its runs that are alive, and for an agent's set the agent.

    After a cap was lowered, more than it are alive for a while. So it is sure only where it is known that it was not: the
    agent was registered once, and a run of it started since.
    """
    cap = view.global_cap if _agent_of(key) is None else agent.max_concurrency if agent else HIGHEST_CAP
    if len(members) <= cap:
        return []
    started = [it.started_at for it in alive.values() if it.started_at]
    unchanged = agent is not None and agent.version == 1 and any(it > agent.created_at for it in started)
    sure = unchanged or len(members) > HIGHEST_CAP
    says = f"{len(members)} hold a slot of {_set(key)}; {cap} is the limit"
    if not sure:
        says += ". Right only if the limit was lowered while they ran."
    return [
        Finding(
            code="too_many_slots", key=key, weight=Weight.BROKEN if sure else Weight.DOUBT, says=says,
            since=max(started, default=None),
        )
    ]  # fmt: skip


def line_stands_still(head: FollowUp, agent: Agent | None, *, was_alive: bool, was_full: bool, view: View) -> list[Finding]:
    """Takes the first of an agent's line, who waits for a slot, and the agent. `was_alive` says whether a run of that agent
    was alive within the last hour, `was_full` whether as many were as may be, of all agents."""
    if agent is not None and agent.disabled is not None:
        return []
    asks = agent is None or agent.kind != "worker" or (agent.asked_at or agent.created_at) > view.at - QUIET
    since = max(head.start_at, head.blocked_since or head.start_at)
    touched = max([head.wake_at or head.updated_at, head.updated_at, *filter(None, [view.control.changed_at])])
    if view.control.stopped or view.at - touched <= QUIET:
        return []
    waits = f"it waits since {said(since)}" + (f" ({head.blocked_reason})" if head.blocked_reason else "")
    if not was_alive and not was_full and asks:
        # Nobody has noted when an agent came back into use.
        sure = not any(words in (head.blocked_reason or "") for words in _OUT_OF_USE)
        says = f"{waits}, but nothing of {head.agent} ran for an hour: its line stands still"
        says += "" if sure else ". Right only if its agent came back just now."
        weight = Weight.BROKEN if sure else Weight.DOUBT
        return [Finding(code="line_stands_still", key=head.key, weight=weight, says=says, about=about(head), since=since)]
    if view.at - since <= LONG_WAIT:
        return []
    right = "its agent is busy all the time" if asks else "no worker asks for its work"
    says = f"{waits}, the first of its line. Right only if {right}."
    return [Finding(code="long_wait", key=head.key, weight=Weight.DOUBT, says=says, about=about(head), since=since)]


def too_many_descendants(root: Key, count: int, newest: datetime | None) -> list[Finding]:
    """Takes how many stored follow-ups have this one at the top of their tree."""
    if count <= MOST_DESCENDANTS:
        return []
    says = f"{count} follow-ups descend from it; {MOST_DESCENDANTS} is the limit"
    return [Finding(code="too_many_descendants", key=root, says=says, since=newest)]


def quota_wrong(owner: str, count: int, spent: int, *, sure: bool) -> list[Finding]:
    """Takes an owner of whose follow-ups none was made or ended while they were counted, how many are open, and how many
    are counted as open; `sure` says that all of them could be read."""
    if count == spent:
        return []
    says = f"{owner} has {count} open follow-ups that count, and {spent} are counted"
    if not sure:
        says += ". Right only if those that cannot be read are the difference."
    repair = Repair(does="the count is set right", spend=Spend(quota_key(owner), count - spent, HIGHEST_QUOTA))
    return [
        Finding(
            code="quota_wrong", key=quota_key(owner), weight=Weight.BROKEN if sure else Weight.DOUBT, says=says,
            repair=repair if sure else None,
        )
    ]  # fmt: skip


def _agent_of(key: Key) -> str | None:
    """Gives whose slots a set has; None for those of all."""
    return key.pk.removeprefix("AGENT#") if key.pk.startswith("AGENT#") else None


def _set(key: Key) -> str:
    return _agent_of(key) or "all agents"
