"""What must hold of each write of a follow-up or a run's record: the moves, the counters, what goes with what."""

from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from followups.domain import ids
from followups.domain.entities import FollowUp, Run
from followups.domain.ids import Key
from tests.simulation.courses import OLD_ZONES, Courses
from tests.simulation.faults import SKEW

if TYPE_CHECKING:
    from tests.simulation.agents import Life
    from tests.simulation.checks import Checks

#: DESIGN.md §2, as drawn.
MOVES = {
    "scheduled": {"scheduled", "claimed", "paused", "cancelled", "failed"},
    "claimed": {"scheduled", "claimed", "running", "paused", "cancelled", "failed", "done"},
    "running": {"running", "done", "failed", "scheduled", "paused", "cancelling"},
    "cancelling": {"cancelling", "cancelled"},
    "paused": {"paused", "scheduled", "cancelled", "failed"},
}
REPORT_MOVES = {"pending": {"pending", "sending", "failed"}, "sending": {"pending", "sent", "failed"}}
CLOSED = {"done", "failed", "cancelled"}
_NOT_STARTED = "The agent was not started"
TOLD = (
    "outcome", "summary", "report", "due_at", "due_wall", "planned_at", "occurrence", "attempt", "missed", "folded_to",
    "final", "started_at", "finished_at", "verdict", "evidence", "done_when", "test",
)  # fmt: skip


class Writes:
    """The checks of writes."""

    def __init__(self, checks: "Checks", courses: Courses) -> None:
        self._checks, self._that, self._stack, self._courses = checks, checks.that, checks.stack, courses
        self._finals: set[tuple[Any, ...]] = set()
        self._starts: Counter[Key] = Counter()

    def follow_up(self, old: FollowUp | None, new: FollowUp, parent: FollowUp | None, record: Run | None) -> None:
        """Takes a follow-up before and after a write, its parent before it, and the record that came with it."""
        who, now = f"{new.id[:6]} {old.status if old else 'new'} -> {new.status} v{new.version}", self._now()
        status = str(new.status)
        waits = status in CLOSED or (status == "paused" and new.paused_until is None)
        self._that((new.wake_at is None) == waits, "I4 open and not paused <=> wake_at", who, new.wake_at)
        self._that((new.expires_at is None) == (status not in CLOSED), "I4 closed <=> expires_at", who)
        self._that(new.wake_at is None or new.wake_at <= now + timedelta(days=400, minutes=1), "I16 W4", who, new.wake_at)
        self._that(new.sends <= 8 and new.attempt <= new.max_attempts and new.poison == 0, "I10 counters", who, new)
        self._that(new.depth <= self._stack.limits.max_depth, "I12 depth", who, new.depth)
        self._checks.history[new.key, new.version] = new
        if old is None or (old.expires_at is not None and old.expires_at <= now + timedelta(milliseconds=SKEW)):
            self._that(status == "scheduled", "I3 born scheduled", who)
            self._courses.born(new, who)
            if new.parent:
                self._child(new, parent, who)
            return
        self._that(status in MOVES.get(str(old.status), set()), "I2, I3 no such transition", who)
        self._that(new.version == old.version + 1, "I5 version", who, old.version)
        raised = status == "claimed" and str(old.status) == "scheduled"
        self._that(new.fence == old.fence + raised, "I5 fence", who, old.fence, new.fence)
        self._courses.wrote(old, new, record, who)
        self._look(old, new, who)
        if status == "running" and str(old.status) == "claimed":
            self._start(old, new, who)
        elif status == "scheduled" and str(old.status) == "running" and record is None:
            self._released(old, new, who)
        elif str(old.status) in ("running", "cancelling") and record is not None and record.started_at is None:
            self._unstarted(old, who)
        elif str(old.status) == status == "running" and "tick" in self._stack.acting:
            over = new.lease_until is None or new.lease_until <= now + timedelta(milliseconds=SKEW)
            asked = new.handle is not None or over
            self._that(asked, "a live run is asked for by a name", who, new.handle)

    def _child(self, new: FollowUp, parent: FollowUp | None, who: str) -> None:
        named = ids.parse_run_id(new.parent or "")
        live = parent is not None and str(parent.status) == "running" and named == (parent.id, parent.fence)
        self._that(live, "I12 a child of a live run only", who, new.parent)
        assert parent is not None
        family = (parent.root, parent.depth + 1)
        self._that((new.root, new.depth) == family, "I12 a child is one generation below its parent", who, new.depth)
        self._that(new.due_at >= new.created_at + timedelta(minutes=5), "I12 a child is not due at once", who, new.due_at)

    def _look(self, old: FollowUp, new: FollowUp, who: str) -> None:
        looked = not self._stack.acting.startswith(("audit", OLD_ZONES)) and "> PATCH" not in self._stack.acting
        if looked and str(new.status) == str(old.status) == "claimed":
            self._that(new.sends == old.sends + 1, "W3 each look that acts raises a counter", who, new.sends)
            # A claim whose message is picked up is never sent again: whoever is refused gives his claim back.
            self._that(bool(self._stack.plan.rates), "a blocked message never stays in the queue", who, new.sends)
            self._checks.noted["resent"] += 1
        self._checks.noted["refused_a_start"] += bool(new.blocked_reason) and not old.blocked_reason

    def _start(self, old: FollowUp, new: FollowUp, who: str) -> None:
        named = f"start {new.id[:6]}-{new.fence}." in self._stack.acting
        self._that(named, "I5 a message starts the claim that it names only", who, self._stack.acting)
        self._that(new.attempt == old.attempt + 1, "I10 the attempt is counted before the work", who)
        self._spent(new, 1, who)

    def _spent(self, it: FollowUp, runs: int, who: str) -> None:
        """One more run was started in its hour, or one less."""
        assert it.started_at is not None
        hour, limit = ids.hour_key(it.owner, it.started_at), self._stack.limits.runs_per_hour
        self._starts[hour] += runs
        self._that(not limit or self._starts[hour] <= limit, "I12 runs per hour", who, hour, self._starts[hour])
        counted = self._stack.tables.counters.get(hour, 0)
        self._that(not limit or counted == self._starts[hour], "I12 an hour's runs are counted", who, hour, counted)

    def _released(self, old: FollowUp, new: FollowUp, who: str) -> None:
        """Its agent surely did not start: it is in its line again as if nothing had been."""
        self._unstarted(old, who)
        self._that(new.attempt == old.attempt - 1, "a run that is given back spends no attempt", who, new.attempt)
        self._that(bool(new.blocked_reason), "who is given back is blocked", who)
        self._that((new.start_at, new.extra) == (old.start_at, old.extra), "who is given back keeps its place", who)
        self._checks.noted["given_back"] += 1

    def _unstarted(self, old: FollowUp, who: str) -> None:
        self._that(old.run_id not in self._stack.agents.lives, "who is given back has not begun", who)
        self._spent(old, -1, who)

    def run(self, old: Run | None, new: Run) -> None:
        """Takes a run's record before and after a write."""
        who, status = f"{new.id[4:10]}-{new.fence}", str(new.report_status)
        waking = status in ("pending", "sending")
        self._that((new.wake_at is not None) == waking, "I4 a report on its way <=> wake_at", who, status)
        self._that(new.report_tries <= 8, "I10 mail tries", who)
        if old is None:
            self._ended(new, who)
            return
        self._that(all(getattr(old, it) == getattr(new, it) for it in TOLD), "I6 an outcome never changes", who)
        if self._checks.completions.written(old, new, who):
            return
        before = str(old.report_status)
        moves = REPORT_MOVES.get(before, set()) | ({before} if self._stack.acting.startswith("audit") else set())
        self._that(status in moves, "I3 no such transition of a report", who, before, status)
        self._that(new.version == old.version + 1, "I5 version", who)

    def _ended(self, new: Run, who: str) -> None:
        follow_up, noted = self._checks.now_of(ids.follow_up_key(new.owner, new.follow_up_id)), self._checks.noted
        assert follow_up is not None
        noted[f"run_{new.outcome}"] += 1
        noted["made_up_for"] += new.missed
        noted["never_started"] += new.started_at is None and new.outcome != "skipped"
        self._that(str(follow_up.status) == str(new.follow_up_status), "I7 the record goes with its follow-up", who)
        reported = new.final and new.follow_up_status != "cancelled" and not new.test
        self._that((new.report_status == "none") != reported, "I7 what is reported", who, new.report_status)
        life = self._stack.agents.lives.get(new.id)
        over = new.outcome in ("unknown", "cancelled", "timed_out") and life is not None
        self._that(not over or not self._checks.is_alive(life), "I1 no lease ends before its agent", who)  # type: ignore[arg-type]
        if "at work at its deadline, " in new.summary and self._stack.natures[new.agent].way == "asked":
            self._that(new.id in self._checks.told_to_stop, "who is past its deadline is told to stop", who)
        if new.started_at is not None and new.outcome in ("succeeded", "attention", "failed"):
            self._said(new, life, who)
        if reported:
            # One that was asked for by hand may end before its time.
            extra = (new.started_at or new.finished_at) < new.due_at
            occurrence = (new.key.pk, self._courses.edits[follow_up.key], new.due_at) + ((new.fence,) if extra else ())
            self._that(occurrence not in self._finals, "I6 one final outcome an occurrence", who, new.due_at)
            self._finals.add(occurrence)

    def _said(self, new: Run, life: "Life | None", who: str) -> None:
        """The record says what its own agent said, or that there was none."""
        if self._stack.natures[new.agent].way == "person" and not new.summary.startswith(_NOT_STARTED):
            right = (new.task, "pia@example.com", "succeeded" if new.done_when is None else "attention")
            told = (new.summary, new.report_to, str(new.outcome))
            self._that(told == right, "a person is told the task", who, *told)
            return
        truth = life.said if life and life.said else {_NOT_STARTED: None}
        known = any(new.summary.startswith(summary) for summary in truth)
        self._that(known, "I6 the record says what its own agent said", who, *truth, new.summary)

    def _now(self) -> Any:
        return self._stack.engine.instant(self._stack.engine.now)
