"""What must hold of runs that their agents end themselves: the first word wins, and nothing later changes it."""

from collections import Counter
from typing import TYPE_CHECKING, Any

from followups.domain import ids
from followups.domain.entities import FollowUp, Run
from tests.simulation.engine import SECOND
from tests.simulation.faults import SKEW
from tests.simulation.voices import same

if TYPE_CHECKING:
    from tests.simulation.agents import Life
    from tests.simulation.checks import Checks
    from tests.simulation.people import Answer

#: What is ended without a word of the agent's.
_UNHEARD = ("timed_out", "unknown", "cancelled")


class Completions:
    """Those of all runs."""

    def __init__(self, checks: "Checks") -> None:
        self._checks, self._that, self._stack = checks, checks.that, checks.stack
        #: The body that was taken, by run.
        self.won: dict[str, str] = {}
        self._fresh: Counter[str] = Counter()

    def answered(self, life: "Life", body: dict[str, Any], sent: int, answer: "Answer") -> None:
        """Takes a completion, when it was sent and what it was answered."""
        status, said, headers = answer
        run_id, text = life.call.run_id, same(body)
        record, live = self._record(life), self._live(life)
        self._checks.noted[f"completed_{status}"] += 1
        if status == 200:
            self._that(self.won.setdefault(run_id, text) == text, "the first completion wins", run_id)
            self._that(record is not None, "I7 completed without a record", run_id)
            assert record is not None
            self._that(record.outcome == said["outcome"], "I19 how it ended", run_id, record.outcome, said["outcome"])
            self._that(record.summary == body["summary"], "the record is what was completed", run_id, record.summary)
            if "Idempotent-Replayed" not in headers:
                self._fresh[run_id] += 1
                self._that(self._fresh[run_id] == 1, "completed twice", run_id)
                late = sent - self._stack.agents.deadline(life.call)
                # A deadline is told to the second.
                self._that(late <= self._skew + SECOND, "a completion after the deadline is late", run_id, late)
        elif status == 409:
            self._that(self.won.get(run_id) != text, "the same completion again has the same answer", run_id)
            self._that(record is not None, "already completed, without a record", run_id)
        elif status == 410:
            over = self._stack.engine.now >= self._stack.agents.deadline(life.call) - self._skew
            self._that(over or live is None, "I19 it is not over", run_id)
            if record is not None:
                self._late(record, run_id)
        else:
            self._that(status == 503, "a completion is answered", run_id, status, said)

    def _late(self, record: Run, run_id: str) -> None:
        unheard = record.outcome in _UNHEARD and run_id not in self.won
        self._that(unheard, "410 is for what ended without a word", run_id, record.outcome)
        self._that(record.late_at is not None, "what comes late is kept", run_id)
        self._checks.noted["kept_late"] += 1

    @property
    def _skew(self) -> int:
        return SKEW if self._stack.skewed else 0

    def _record(self, life: "Life") -> Run | None:
        named = ids.parse_run_id(life.call.run_id)
        assert named is not None
        item = self._stack.tables.items.get(ids.run_key(life.call.owner, *named))
        return item.entity if item and isinstance(item.entity, Run) else None

    def _live(self, life: "Life") -> FollowUp | None:
        named = ids.parse_run_id(life.call.run_id)
        assert named is not None
        it = self._checks.now_of(ids.follow_up_key(life.call.owner, named[0]))
        return it if it and it.fence == named[1] and str(it.status) in ("running", "cancelling") else None

    # Writes ---------------------------------------------------------------------------------------------------------

    def written(self, old: Run, new: Run, who: str) -> bool:
        """Takes a record before and after a write; says whether it was a late word, which changes nothing else."""
        if new.late_at == old.late_at:
            self._that(new.completion == old.completion, "the first completion wins", who)
            return False
        self._that(old.late_at is None, "the first late word is kept", who)
        self._that(old.outcome in _UNHEARD and old.completion is None, "late is what was not heard", who, old.outcome)
        names = [it for it in Run.__dataclass_fields__ if not it.startswith("late_")]
        changed = {it for it in names if getattr(old, it) != getattr(new, it)}
        self._that(changed == {"completion", "version", "write_id"}, "a late word changes nothing", who, *changed)
        return True
