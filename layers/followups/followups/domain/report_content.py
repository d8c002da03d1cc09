"""The report's content: from the run record alone, and only what is known.

What an agent wrote is data: shown as text, escaped, never turned into links, images or markup.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from followups.domain.entities import Run
from followups.domain.status import Outcome, Status
from followups.domain.text import first_line, plain
from followups.domain.walltime import duration, step_notes, wall
from followups.domain.wording import said_rule
from followups.domain.zones import known_zone

_SUBJECT_LIMIT = 150
#: Shorter lateness than this is the normal course of things.
_ON_TIME = timedelta(seconds=90)
HEADLINES = {
    Outcome.SUCCEEDED: "succeeded",
    Outcome.ATTENTION: "needs attention",
    Outcome.FAILED: "failed",
    Outcome.TIMED_OUT: "timed out",
    Outcome.UNKNOWN: "outcome unknown",
    Outcome.CANCELLED: "cancelled",
    Outcome.SKIPPED: "skipped",
}
_EXPLAINED = {
    Outcome.TIMED_OUT: "It was stopped at its deadline. What it had done until then stays done.",
    Outcome.UNKNOWN: "It is not known whether the agent did its work: look before you run it again.",
}


@dataclass(frozen=True, slots=True)
class Fact:
    """One line of the report's table."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Content:
    """What a report says, in whatever form it is written."""

    subject: str
    headline: str
    task: str
    summary: str
    #: What the outcome means, where its name does not say it all.
    explained: str | None
    facts: tuple[Fact, ...]
    #: Commands that help now: (what for, command).
    hints: tuple[tuple[str, str], ...]
    agent: str
    message: str
    output: str
    output_ref: str | None
    why: str


def content(run: Run) -> Content:
    """Takes a run's record; gives what its report says. Times are in the follow-up's zone."""
    task, summary = first_line(plain(run.task)), first_line(plain(run.summary))
    headline = HEADLINES[run.outcome]
    subject = first_line(f"[Followups] {headline}: {task} - {summary}", _SUBJECT_LIMIT)
    return Content(
        subject=subject, headline=headline, task=task, summary=summary, explained=_EXPLAINED.get(run.outcome),
        facts=_facts(run), hints=_hints(run), agent=plain(run.agent), message=plain(run.message), output=plain(run.report),
        output_ref=None if run.output_ref is None else plain(run.output_ref), why=plain(_why(run)),
    )  # fmt: skip


def _facts(run: Run) -> tuple[Fact, ...]:
    pairs = [
        ("Agent", run.agent),
        ("Due", _due(run)),
        ("Started", _started(run)),
        ("Finished", _moment(run.finished_at, run.timezone)),
        ("Attempt", f"{run.attempt} of at most {run.max_attempts}" if run.attempt > 1 else None),
        ("Skipped too" if run.outcome is Outcome.SKIPPED else "Makes up for", _missed(run)),
        ("Repeats", _repeats(run)),
        ("Next", _next(run)),
        ("Run", run.id),
    ]
    return tuple(Fact(name, plain(value)) for name, value in pairs if value is not None)


def _due(run: Run) -> str:
    """Gives when it was due, and where the clock or a person made another time of that."""
    said = _moment(run.due_at, run.timezone)
    if run.due_wall:
        notes = step_notes(datetime.fromisoformat(run.due_wall), known_zone(run.timezone))
        said += "".join(f"; {note}" for note in notes)
    return said + (f"; to start {_moment(run.planned_at, run.timezone)}" if run.planned_at else "")


def _started(run: Run) -> str:
    if run.started_at is None:
        return "never: no agent was started"
    planned = run.planned_at or run.due_at
    late = run.started_at - planned
    took = duration(run.finished_at - run.started_at)
    lateness = f", {duration(late)} after its time" if late > _ON_TIME else ""
    early = ", before its time, as asked" if run.started_at < planned - _ON_TIME else ""
    # A clock that was set back meanwhile tells nothing of how long it took.
    is_known = run.outcome is not Outcome.UNKNOWN and run.finished_at >= run.started_at
    length = f", took {took}" if is_known else ""
    return f"{_moment(run.started_at, run.timezone)}{lateness}{early}{length}"


def _repeats(run: Run) -> str | None:
    # Records of earlier versions have no anchor: the time of day is the same in any occurrence.
    return said_rule(run.rule, run.anchor or wall(run.due_at, known_zone(run.timezone)).isoformat())


def _missed(run: Run) -> str | None:
    if not run.missed:
        return None
    said = "1 occurrence that could not start at its time"
    if run.missed > 1:
        said = f"{run.missed} occurrences that could not start at their time"
    return said + (f", the last {_moment(run.folded_to, run.timezone)}" if run.folded_to else "")


def _next(run: Run) -> str:
    if run.follow_up_status is Status.PAUSED:
        return "paused after three failed occurrences in a row; nothing more runs until it is resumed"
    if run.next_at is not None:
        return _moment(run.next_at, run.timezone)
    if run.rule:
        return "none, its last occurrence has come" if run.outcome is Outcome.SKIPPED else "none, this was its last run"
    return "none, it was to run once"


def _hints(run: Run) -> tuple[tuple[str, str], ...]:
    hints = [("See more", f"followups show {run.follow_up_id}")]
    if run.follow_up_status is Status.PAUSED:
        hints.append(("Resume it", f"followups resume {run.follow_up_id}"))
    elif run.next_at is not None:
        hints.append(("Stop it", f"followups delete {run.follow_up_id}"))
    elif run.final and run.outcome not in (Outcome.SUCCEEDED, Outcome.ATTENTION):
        hints.append(("Run it again", f"followups retry {run.follow_up_id}"))
    return tuple((what, plain(command)) for what, command in hints)


def _why(run: Run) -> str:
    maker = f"run {run.parent} created it" if run.parent else f"{run.owner} created it"
    return f"You get this because follow-up {run.follow_up_id} is reported to you; {maker}."


def _moment(moment: datetime, zone: str) -> str:
    local = moment.astimezone(known_zone(zone))
    return f"{local:%a %Y-%m-%d %H:%M:%S} {zone}" + (f" ({moment:%H:%M:%S} UTC)" if local.utcoffset() else "")
