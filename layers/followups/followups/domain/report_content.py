"""The report's content: from the run record alone, and only what is known.

What an agent wrote is data: shown as text, escaped, never turned into links, images or markup.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from followups.domain.entities import Run
from followups.domain.schedule import Rule
from followups.domain.status import Outcome, Status
from followups.domain.text import first_line, plain

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


def duration(time: timedelta) -> str:
    """Gives a span in words: `0.4 s`, `12 s`, `3 min 5 s`, `2 h 10 min`, `3 days 4 h`."""
    seconds = max(0.0, time.total_seconds())
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes_left = divmod(minutes, 60)
    days, hours_left = divmod(hours, 24)
    parts = [(days, "day" if days == 1 else "days"), (hours_left, "h"), (minutes_left, "min"), (rest, "s")]
    while parts and not parts[0][0]:
        parts.pop(0)
    return " ".join(f"{count} {unit}" for count, unit in parts[:2] if count)


def _facts(run: Run) -> tuple[Fact, ...]:
    pairs = [
        ("Agent", run.agent),
        ("Due", _moment(run.due_at, run.timezone)),
        ("Started", _started(run)),
        ("Finished", _moment(run.finished_at, run.timezone)),
        ("Attempt", f"{run.attempt} of at most {run.max_attempts}" if run.attempt > 1 else None),
        ("Makes up for", _missed(run)),
        ("Repeats", Rule.parse(run.rule).words if run.rule else None),
        ("Next", _next(run)),
        ("Run", run.id),
    ]
    return tuple(Fact(name, plain(value)) for name, value in pairs if value is not None)


def _started(run: Run) -> str:
    if run.started_at is None:
        return "never: no agent was started"
    late = run.started_at - run.due_at
    took = duration(run.finished_at - run.started_at)
    lateness = f", {duration(late)} after its time" if late > _ON_TIME else ""
    early = ", before its time, as asked" if run.started_at < run.due_at - _ON_TIME else ""
    # A clock that was set back meanwhile tells nothing of how long it took.
    is_known = run.outcome is not Outcome.UNKNOWN and run.finished_at >= run.started_at
    length = f", took {took}" if is_known else ""
    return f"{_moment(run.started_at, run.timezone)}{lateness}{early}{length}"


def _missed(run: Run) -> str | None:
    if not run.missed:
        return None
    if run.missed == 1:
        return "1 occurrence that could not start at its time"
    return f"{run.missed} occurrences that could not start at their time"


def _next(run: Run) -> str:
    if run.follow_up_status is Status.PAUSED:
        return "paused after three failed occurrences in a row; nothing more runs until it is resumed"
    if run.next_at is not None:
        return _moment(run.next_at, run.timezone)
    return "none, this was its last run" if run.rule else "none, it was to run once"


def _hints(run: Run) -> tuple[tuple[str, str], ...]:
    hints = [("See more", f"followups show {run.follow_up_id}")]
    if run.follow_up_status is Status.PAUSED:
        hints.append(("Resume it", f"followups resume {run.follow_up_id}"))
    elif run.next_at is not None:
        hints.append(("Stop it", f"followups delete {run.follow_up_id}"))
    elif run.outcome not in (Outcome.SUCCEEDED, Outcome.ATTENTION):
        hints.append(("Run it again", f'followups create {run.agent} "{_quoted(run.task)}" "in 1 minute"'))
    return tuple((what, plain(command)) for what, command in hints)


def _quoted(task: str) -> str:
    """Gives the task as it may stand between double quotes in a shell: nothing in it is run when it is pasted."""
    text = first_line(plain(task), 100)
    return "".join(f"\\{c}" if c in '"$`\\!' else c for c in text)


def _why(run: Run) -> str:
    maker = f"run {run.parent} created it" if run.parent else f"{run.owner} created it"
    return f"You get this because follow-up {run.follow_up_id} is reported to you; {maker}."


def _moment(moment: datetime, zone: str) -> str:
    local = moment.astimezone(ZoneInfo(zone))
    return f"{local:%a %Y-%m-%d %H:%M:%S} {zone}" + (f" ({moment:%H:%M:%S} UTC)" if local.utcoffset() else "")
