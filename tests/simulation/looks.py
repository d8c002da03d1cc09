"""Verdicts, and what follows from them: told from what the agent said, and from what was asked for."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from followups.domain.entities import FollowUp, Run
from tests.simulation.grid import instant

if TYPE_CHECKING:
    from tests.simulation.checks import Checks

GOOD = ("succeeded", "attention")
_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}


class Looks:
    """The checks of verdicts."""

    def __init__(self, checks: "Checks") -> None:
        self._checks, self._that, self._stack = checks, checks.that, checks.stack

    def judged(self, old: FollowUp, run: Run, who: str) -> None:
        """Takes a follow-up whose run ends, and its record: only what is met is a success, only who was asked is heard."""
        verdict = None if run.verdict is None else str(run.verdict)
        if old.done_when is None or run.outcome == "skipped":
            self._that(verdict is None, "a verdict that nobody asked for", who, verdict)
            return
        self._checks.noted[f"verdict_{verdict}"] += 1
        if run.outcome not in GOOD:
            self._that(verdict == "cannot_tell", "who failed cannot tell", who, run.outcome, verdict)
            return
        life = self._stack.agents.lives.get(run.id)
        said = life.said.get(run.summary) if life else None
        right = str(said.verdict) if said and said.verdict else "cannot_tell"
        self._that(verdict == right, "the verdict is what the agent said", who, verdict, right)
        success = said is not None and right == "met" and str(said.outcome) == "succeeded"
        self._that((run.outcome == "succeeded") == success, "only what is met is a success", who, run.outcome, right)

    def next_look(self, old: FollowUp, due: datetime, at: datetime) -> datetime | None:
        """Gives when one that was not met is looked at again by its ladder, None if that has come to its end."""
        if old.ladder is None:
            return None
        waits = old.ladder.split(",")
        if old.occurrence > len(waits) and old.give_up_at is None:
            return None
        rung = waits[min(old.occurrence, len(waits)) - 1]
        self._checks.noted["looked_again"] += 1
        zone = ZoneInfo(old.timezone)
        meant = datetime.fromisoformat(old.due_wall) if old.due_wall else due.astimezone(zone).replace(tzinfo=None)
        wait = int(rung[:-1]) * _UNITS[rung[-1]]
        planned = instant(meant + wait, zone) if rung[-1] == "d" else due + wait
        if planned > at:
            return planned
        return instant(at.astimezone(zone).replace(tzinfo=None) + wait, zone) if rung[-1] == "d" else at + wait

    def given_up(self, old: FollowUp, start: datetime) -> bool:
        """Says whether a look at that time comes too late."""
        return old.give_up_at is not None and start > old.give_up_at
