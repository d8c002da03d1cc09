"""Verdicts: whether what a follow-up is to bring about is so, and when it is looked at again if it is not."""

import re
from dataclasses import replace
from datetime import datetime, timedelta

from followups.domain.contract import Done
from followups.domain.errors import Invalid
from followups.domain.follow_up import FollowUp
from followups.domain.late import UNITS
from followups.domain.status import Outcome, Verdict
from followups.domain.walltime import to_utc, wall
from followups.domain.zones import known_zone

#: The waits of a ladder, shortest and longest, and how many it may have.
SHORTEST, LONGEST, MOST = timedelta(minutes=5), timedelta(days=366), 12
_RUNG = re.compile(r"(\d{1,6})([mhd])", re.ASCII)
_GOOD = (Outcome.SUCCEEDED, Outcome.ATTENTION)
UNASKED = "The agent was asked whether it is so, and gave no verdict."


def judge(old: FollowUp, done: Done) -> Done:
    """Takes how a run ended; gives it with the verdict that counts: one only where one was asked for, and never a success
    where it is not `met`."""
    if old.done_when is None:
        return replace(done, verdict=None, evidence="")
    if done.outcome not in _GOOD:
        # Who failed cannot tell, whatever else was said.
        return replace(done, verdict=Verdict.CANNOT_TELL)
    verdict = done.verdict or Verdict.CANNOT_TELL
    evidence = done.evidence if done.verdict else done.evidence or UNASKED
    outcome = done.outcome if verdict is Verdict.MET else Outcome.ATTENTION
    return replace(done, verdict=verdict, evidence=evidence, outcome=outcome)


def next_look(old: FollowUp, at: datetime) -> tuple[datetime, datetime | None] | None:
    """Takes a follow-up that comes once and was not met; gives when it is looked at again by its ladder, as instant and
    naive wall time (None for what is counted in hours), or None if that has come to its end.

    The waits count from the nominal time of the last look, or from now where that would be past; days keep the wall time.
    With a time to give up at, the last wait is repeated until then.
    """
    if old.ladder is None:
        return None
    waits = old.ladder.split(",")
    if old.occurrence > len(waits) and old.give_up_at is None:
        return None
    wait, by_the_wall = _wait(waits[min(old.occurrence, len(waits)) - 1])
    zone = known_zone(old.timezone)
    # An hour that the clock left out moved the last look, and is not to move those behind it.
    meant = datetime.fromisoformat(old.due_wall) if old.due_wall else wall(old.due_at, zone)
    for base, shown in ((old.due_at, meant), (at, wall(at, zone))):
        local = shown + wait if by_the_wall else None
        moment = base + wait if local is None else to_utc(local, zone)
        if moment > at:
            return moment, local
    raise AssertionError("a wait has a length")


def check(
    *, kind: str, done_when: str | None, ladder: str | None, give_up_at: datetime | None, due_at: datetime, recurs: bool
) -> None:
    """Takes the kind of a follow-up's agent, and what is said of when it is a success. Raises Invalid
    `conflicting_fields` for what does not go together."""
    for name, value in (("retry_until_met", ladder), ("give_up_at", give_up_at)):
        if value is not None and done_when is None:
            raise _conflict(name, f"`{name}` goes with `done_when`: say in words when it is a success")
    if done_when is not None and kind == "person":
        raise _conflict(
            "done_when", "a person is told, and not asked for a verdict: leave it out, or name an agent that looks"
        )
    if ladder is not None and recurs:
        detail = "a recurrence comes again by its rule: leave `retry_until_met` out, or say a time that comes once"
        raise _conflict("retry_until_met", detail)
    if give_up_at is not None and give_up_at <= due_at:
        said = (
            f"it is due at {due_at:%Y-%m-%d %H:%M} UTC, and to be given up at {give_up_at:%Y-%m-%d %H:%M} UTC, before that"
        )
        raise _conflict("give_up_at", f"{said}: say a later `give_up_at`, or a time that is sooner")


def _conflict(field: str, detail: str) -> Invalid:
    return Invalid("conflicting_fields", detail, field=field)


def check_ladder(text: str) -> None:
    """Takes a ladder as stored. Raises ValueError."""
    waits = text.split(",")
    if len(waits) > MOST or not all(SHORTEST <= _wait(it)[0] <= LONGEST for it in waits):
        raise ValueError(f"not a ladder: {text[:40]!r}")


def _wait(rung: str) -> tuple[timedelta, bool]:
    """Gives how long a rung of a ladder is, and whether it keeps the wall time. Raises ValueError."""
    found = _RUNG.fullmatch(rung)
    if found is None:
        raise ValueError(f"not a ladder: {rung[:40]!r}")
    return int(found[1]) * UNITS[found[2]], found[2] == "d"


def given_up(old: FollowUp, moment: datetime) -> bool:
    """Says whether a look at that instant would come after the follow-up is to be given up."""
    return old.give_up_at is not None and moment > old.give_up_at
