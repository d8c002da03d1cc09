"""What is to happen of each follow-up, and when, by what was asked of it and what has happened: told from its writes alone.
Each occurrence is run, made up for or skipped once, none twice and none left out, to the rule's end."""

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from followups.domain.entities import FollowUp, Run
from followups.domain.ids import Key
from tests.simulation.faults import SKEW
from tests.simulation.grid import Grid, grid, instant
from tests.simulation.looks import GOOD

if TYPE_CHECKING:
    from tests.simulation.checks import Checks

#: What the zones' data of another year is called here.
OLD_DATA = "2020a"
#: Who writes as that data's product did.
OLD_ZONES = "old zones"
#: How late an occurrence may start that is not to run late.
_GRACE = timedelta(minutes=5)
_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}
_PAUSES_AFTER = 3
CLOSED = ("done", "failed", "cancelled")
#: All that says when. Only what is meant to may change it.
_WHEN = ("due_at", "due_wall", "snoozed_to", "start_at", "rule", "anchor", "timezone", "stagger_s", "late", "occurrence")


@dataclass
class Course:
    """One follow-up's."""

    #: None for once.
    grid: Grid | None
    #: How long after its times it starts.
    share: timedelta
    #: Nominal time of the occurrence that comes next or is under way.
    due: datetime
    occurrence: int
    put_off: datetime | None = None
    #: "Run now" was asked, and the run that was meant has not ended.
    by_hand: bool = False
    #: The live run is one between two times of the rule.
    extra: bool = False
    failures: int = 0

    @property
    def planned(self) -> datetime:
        return self.put_off or self.due + self.share


class Courses:
    """Those of all follow-ups."""

    def __init__(self, checks: "Checks") -> None:
        self._checks, self._that, self._stack = checks, checks.that, checks.stack
        self.of: dict[Key, Course] = {}
        #: Times that somebody gave a follow-up another time.
        self.edits: Counter[Key] = Counter()
        #: The last version at which "run now" was answered with 202, and at which something came between it and a start.
        self.asked: dict[Key, int] = {}
        self._unasked: dict[Key, int] = {}

    # Writes ---------------------------------------------------------------------------------------------------------

    def born(self, new: FollowUp, who: str) -> None:
        share = new.start_at - new.due_at
        self._that(timedelta() <= share <= timedelta(seconds=new.stagger_s or 0), "the share of a stagger", who, share)
        self._begin(new, share, who)

    def wrote(self, old: FollowUp, new: FollowUp, record: Run | None, who: str) -> None:
        """Takes a follow-up before and after a write, and the record of the run that ended by it, if one did."""
        verb, course = self._verb(), self.of[new.key]
        changed = [it for it in _WHEN if getattr(old, it) != getattr(new, it)]
        if self._stack.acting == OLD_ZONES:
            return
        if record is not None:
            self._ended(course, old, new, record, who)
        elif str(new.status) == "running" != str(old.status):
            self._started(course, old, new, who)
        else:
            self._moved(course, old, new, verb, changed, who)
        course.by_hand = course.by_hand or (verb == "run now" and str(new.status) == "scheduled")
        self._paused(old, new, course, verb, who)
        if verb in ("edit", "snooze", "pause") or str(new.status) == "running":
            self._unasked[new.key] = new.version
        course = self.of[new.key]
        if new.tzdata != OLD_DATA and new.expires_at is None:
            said, right = (new.due_at, new.snoozed_to, new.occurrence), (course.due, course.put_off, course.occurrence)
            self._that(said == right, "I14 none left out, none twice", who, *map(str, (*said, "not", *right)))

    def _moved(self, course: Course, old: FollowUp, new: FollowUp, verb: str, changed: list[str], who: str) -> None:
        """Whoever asks for another time gets it, and nobody else moves anything."""
        if verb == "edit" and old.task != new.task:
            # Each edit has a task of its own; not so what the product writes after it.
            if set(changed) - {"late"}:
                self.edits[new.key] += 1
                self._begin(new, course.share, who, failures=course.failures)
        elif verb == "snooze" and "snoozed_to" in changed:
            course.put_off, course.by_hand = new.snoozed_to, False
            self._that(set(changed) <= {"snoozed_to", "start_at"}, "a snooze moves nothing else", who, changed)
            self._that(new.start_at == new.snoozed_to, "a snooze is when it starts", who, new.start_at, new.snoozed_to)
        elif verb == "run now" and "start_at" in changed:
            self._that(changed == ["start_at"], "run now moves nothing else", who, changed)
        elif verb == "pause" and course.by_hand and str(new.status) == "paused":
            # What was asked for by hand is not any more: it starts at its own time again, or when its next try may.
            right = max(old.start_at, course.put_off or old.due_at + course.share)
            self._that(new.start_at == right, "a pause takes run now back", who, new.start_at, right)
            self._that(set(changed) <= {"start_at"}, "a pause moves nothing else", who, changed)
            course.by_hand = False
        elif changed:
            self._read_anew(old, new, changed, who)

    def _begin(self, new: FollowUp, share: timedelta, who: str, failures: int = 0) -> None:
        """It has a time of its own from now on."""
        times = grid(new.rule, new.anchor or "", new.timezone) if new.rule else None
        self.of[new.key] = Course(times, share, new.due_at, new.occurrence, new.snoozed_to, failures=failures)
        self._that(new.start_at == self.of[new.key].planned, "the stagger stays", who, new.due_at, new.start_at)
        # What an agent asks for may be moved away from its grid.
        self._that(times is None or bool(new.parent) or new.due_at in times, "I14 on the rule's grid", who, new.due_at)
        if new.due_wall is not None:
            right = instant(datetime.fromisoformat(new.due_wall), ZoneInfo(new.timezone))
            self._that(new.due_at == right, "I14 the wall time is what was meant", who, new.due_at, right)

    def _read_anew(self, old: FollowUp, new: FollowUp, changed: list[str], who: str) -> None:
        """Nobody asked for it: then the zones' data has changed, and the wall time is what was meant."""
        anew = old.tzdata == OLD_DATA != new.tzdata and set(changed) <= {"due_at", "start_at"}
        self._that(anew and str(old.status) == "scheduled", "I14 nobody asked for another time", who, changed)
        # What waits for a new attempt, or was asked for by hand, keeps its own time.
        planned = str(new.start_at) if "start_at" in changed else ""
        self._that(planned in ("", str(self.of[new.key].planned)), "I14 the wall time is what was meant", who, planned)
        self._checks.noted["read_anew"] += 1

    def _paused(self, old: FollowUp, new: FollowUp, course: Course, verb: str, who: str) -> None:
        before, after = str(old.status), str(new.status)
        if after != "paused":
            self._that(new.paused_until is None, "I4 only a pause has an end", who)
        if before == "paused" and after == "scheduled":
            course.failures = 0
            if verb != "resume":
                early = (old.paused_until or datetime.max.replace(tzinfo=UTC)) - self._now()
                self._that(early <= self._tolerance(), "a pause lasts until its end", who, old.paused_until)
                self._checks.noted["went_on_by_itself"] += 1
        elif after == "paused" and before in ("running", "claimed") and verb != "pause":
            self._that(course.failures >= _PAUSES_AFTER, "nobody paused it", who, course.failures)

    # Runs -----------------------------------------------------------------------------------------------------------

    def _started(self, course: Course, old: FollowUp, new: FollowUp, who: str) -> None:
        assert new.started_at is not None
        early = max(old.start_at, old.start_at if course.by_hand else course.planned) - self._now()
        self._that(early <= self._tolerance(), "I14 before its time", who, early)
        self._that(old.tzdata != OLD_DATA, "I14 the wall time is what was meant", who, old.due_at)
        late, within = new.started_at - course.planned, _allowed(new.late)
        free = within is None or course.by_hand or new.attempt > 1
        self._that(free or late <= within, "later than it may start", who, late, new.late)  # type: ignore[operator]
        course.extra = course.grid is not None and course.by_hand and new.started_at < course.due
        if course.grid is not None:
            self._covers(course, new.started_at, new.missed, new.folded_to, who)

    def _covers(self, course: Course, until: datetime, missed: int, folded_to: datetime | None, who: str) -> datetime:
        """Says whether a run makes up for all that was missed until then and for nothing else; gives the last of it."""
        assert course.grid is not None
        right = course.grid.between(course.due, until - course.share)
        last = right[-1] if right else course.due
        said = (missed, folded_to or course.due)
        self._that(said == (len(right), last), "I19 what was missed is told", who, *map(str, said), len(right), last)
        return last

    def _ended(self, course: Course, old: FollowUp, new: FollowUp, run: Run, who: str) -> None:
        self._that(run.due_at == course.due, "I14 none left out, none twice", who, run.due_at, course.due)
        self._that((run.planned_at or run.due_at) == course.planned, "I19 when it was planned", who, run.planned_at)
        self._checks.looks.judged(old, run, who)
        if str(new.status) == "cancelled":
            return
        extra = course.grid is not None and course.by_hand and (run.started_at or run.finished_at) < course.due
        if not run.final:
            self._retried(course, old, new, run, extra, who)
            return
        skipped = run.outcome == "skipped"
        if skipped and not (old.replaced_by and str(old.status) == "running"):
            self._skipped(course, old, run, who)
        good = run.outcome in GOOD
        course.failures = 0 if good else course.failures + (not skipped)
        course.by_hand = course.extra = False
        status = str(new.status)
        if run.verdict == "met":
            self._that(status == "done", "what is met is done", who, status)
            return
        following = self._following(course, old, run, extra, who)
        if following is None:
            self._closes(course, old, status, run, who)
            return
        self._that(status not in CLOSED, "a recurrence closes at its end", who, following)
        pauses = "paused" if course.failures >= _PAUSES_AFTER else "scheduled"
        self._that(status == pauses, "three failures in a row pause it", who, course.failures)
        if not extra:
            course.due, course.put_off, course.occurrence = following, None, course.occurrence + 1
        self._that(new.start_at == course.planned, "I14 the next one's time", who, new.start_at, course.planned)

    def _following(self, course: Course, old: FollowUp, run: Run, extra: bool, who: str) -> datetime | None:
        """Gives the nominal time of what comes next, None if nothing does."""
        if old.replaced_by:
            return None
        if course.grid is None:
            following = self._checks.looks.next_look(old, course.due, run.finished_at)
        else:
            covered = self._covered(course, old, run, who)
            following = course.due if extra else course.grid.after(covered)
        if following is None:
            self._checks.noted["came_to_its_end"] += course.grid is not None
            return None
        start = course.planned if extra else following + course.share
        if self._checks.looks.given_up(old, start):
            self._checks.noted["given_up"] += 1
            return None
        return following

    def _closes(self, course: Course, old: FollowUp, status: str, run: Run, who: str) -> None:
        """What was to bring something about, and did not, has failed; else it closes as its last run went."""
        well = run.outcome in (*GOOD, "skipped") or course.grid is not None
        right = "done" if well and (old.done_when is None or old.replaced_by) else "failed"
        self._that(status == right, "I2 how it closes", who, run.outcome, run.verdict)

    def _covered(self, course: Course, old: FollowUp, run: Run, who: str) -> datetime:
        """Gives the last time that a run has covered."""
        if run.outcome == "skipped":
            within = _allowed(run_late := old.late)
            assert within is not None, run_late
            until = run.finished_at - within - timedelta(microseconds=1)
            return self._covers(course, until, run.missed, run.folded_to, who)
        if run.started_at is None:
            return self._covers(course, run.finished_at, run.missed, run.folded_to, who)
        covered = old.folded_to
        assert covered is not None
        self._that((run.missed, run.folded_to or covered) == (old.missed, covered), "I19 the record of it", who, covered)
        return covered

    def _skipped(self, course: Course, old: FollowUp, run: Run, who: str) -> None:
        within = _allowed(old.late)
        late = run.finished_at - course.planned
        self._that(within is not None and late > within, "skipped, and was not too late", who, late, old.late)
        self._that(self._now() - course.planned > (within or late) - self._tolerance(), "skipped before its time", who)
        self._that(run.started_at is None and not run.attempt, "skipped after an attempt", who, run.attempt)
        asked = self.asked.get(old.key, 0) > self._unasked.get(old.key, 0)
        self._that(not course.by_hand and not asked, "skipped what was asked for by hand", who)

    def _retried(self, course: Course, old: FollowUp, new: FollowUp, run: Run, extra: bool, who: str) -> None:
        self._that(not old.replaced_by, "nothing follows one that was replaced", who)
        self._that(str(new.status) == "scheduled", "I3 a retry is scheduled", who)
        soonest = run.finished_at + timedelta(seconds=15)
        if new.attempt == 0:
            # Its occurrence's time comes before that: then it is that one, with all its attempts.
            self._that(extra and new.start_at == course.planned, "I10 attempts are counted", who, new.start_at)
            course.by_hand = course.extra = False
        else:
            self._that(new.start_at >= soonest, "a retry waits", who, new.start_at)

    # Others ---------------------------------------------------------------------------------------------------------

    def occurrence(self, key: Key, fence: int) -> tuple[object, ...]:
        """Gives what names the occurrence whose run has begun; one between two has a name of its own."""
        course = self.of[key]
        return (self.edits[key], course.due, *((fence,) if course.extra else ()))

    def next_times(self, it: FollowUp) -> list[datetime]:
        """Gives its nominal times from the present one on, five at most."""
        times = [it.due_at]
        while it.rule and len(times) < 5 and (following := grid(it.rule, it.anchor or "", it.timezone).after(times[-1])):
            times.append(following)
        return times

    def _verb(self) -> str:
        """Gives what a person does who writes just now, by the name of the action."""
        name, asks, _ = self._stack.acting.partition(" > ")
        return name.partition(" #")[0] if asks else ""

    def _now(self) -> datetime:
        return self._stack.engine.instant(self._stack.engine.now)

    def _tolerance(self) -> timedelta:
        return timedelta(milliseconds=SKEW if self._stack.skewed else 0)


def _allowed(late: str | None) -> timedelta | None:
    """Gives how late an occurrence may start, None for however late."""
    if late in (None, "run_once"):
        return None
    if late == "skip":
        return _GRACE
    number, unit = str(late).removeprefix("run_within ")[:-1], str(late)[-1]
    return int(number) * _UNITS[unit]
