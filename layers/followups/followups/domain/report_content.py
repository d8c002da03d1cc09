"""The report's content: from the run record alone, and only what is known.

What an agent wrote is data: shown as text, escaped, never turned into links, images or markup.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from followups.domain.entities import Run
from followups.domain.status import Outcome, Status, Verdict
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
    #: Whether it is a reminder: the output is not an agent's, but what somebody wrote.
    reminds: bool
    output_ref: str | None
    why: str


def content(run: Run) -> Content:
    """Takes a run's record; gives what its report says. Times are in the follow-up's zone."""
    task, summary = first_line(plain(run.task)), first_line(plain(run.summary))
    headline, reminds = _headline(run), _reminds(run)
    said = f"[Followups] {headline}: {task}" + ("" if reminds else f" - {summary}")
    return Content(
        subject=first_line(said, _SUBJECT_LIMIT), headline=headline, task=task, summary="" if reminds else summary,
        explained=_explained(run), facts=_facts(run), hints=_hints(run), agent=plain(run.agent),
        # A reminder's message is all that it says.
        message="" if reminds else plain(run.message), output=plain(run.report), reminds=reminds,
        output_ref=None if run.output_ref is None else plain(run.output_ref), why=plain(_why(run)),
    )  # fmt: skip


def _reminds(run: Run) -> bool:
    """Says whether the report is the task itself, for a person to do."""
    return run.kind == "person" and run.outcome is Outcome.SUCCEEDED


def _headline(run: Run) -> str:
    if _reminds(run):
        return "reminder"
    if run.verdict is None or run.outcome not in (Outcome.SUCCEEDED, Outcome.ATTENTION):
        return HEADLINES[run.outcome]
    if run.verdict is Verdict.NOT_MET:
        return "not met yet" if run.next_at else "not met"
    return {Verdict.MET: "met", Verdict.CANNOT_TELL: "cannot tell whether it is met"}[run.verdict]


def _explained(run: Run) -> str | None:
    if run.outcome is Outcome.TIMED_OUT and run.kind not in (None, "command", "checklist"):
        return "It was told to stop at its deadline, as far as that can be told where it runs. It may have gone on."
    return _EXPLAINED.get(run.outcome)


def _facts(run: Run) -> tuple[Fact, ...]:
    pairs = [
        ("Agent", None if _reminds(run) else run.agent),
        ("Due", _due(run)),
        ("Started", None if _reminds(run) else _started(run)),
        ("Finished", None if _reminds(run) else _moment(run.finished_at, run.timezone)),
        ("Attempt", f"{run.attempt} of at most {run.max_attempts}" if run.attempt > 1 else None),
        ("Done when", run.done_when),
        ("Verdict", _verdict(run)),
        ("Refused", _refused(run)),
        ("Cost", usage_words(run)),
        ("Came late", _late(run)),
        ("Skipped too" if run.outcome is Outcome.SKIPPED else "Makes up for", _missed(run)),
        ("Repeats", _repeats(run)),
        ("Next", _next(run)),
        ("Run", run.id),
        ("Its id there", run.target_id),
    ]
    return tuple(Fact(name, plain(value)) for name, value in pairs if value is not None)


def _verdict(run: Run) -> str | None:
    if run.verdict is None:
        return None
    words = str(run.verdict).replace("_", " ")
    return f"{words}: {run.evidence}" if run.evidence else words


def _refused(run: Run) -> str | None:
    if not run.refused:
        return None
    what = "a follow-up that it asked for" if run.refused == 1 else f"{run.refused} follow-ups that it asked for"
    return f"{what}: {run.refused_why}"


def usage_words(run: Run) -> str | None:
    """Gives what the agent says that the run cost, or None if it did not."""
    counts = ((run.input_tokens, "tokens in"), (run.output_tokens, "tokens out"))
    said = [f"{count:,} {word}" for count, word in counts if count is not None]
    said += [f"${run.cost_usd}"] if run.cost_usd else []
    said = [run.model, *said] if run.model else said
    return ", ".join(said) + ", as the agent says" if said else None


def _late(run: Run) -> str | None:
    if run.late_at is None or run.late_outcome is None:
        return None
    return (
        f"{_moment(run.late_at, run.timezone)} the agent said after all: {HEADLINES[run.late_outcome]}; {run.late_summary}"
    )


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
    if run.verdict is Verdict.MET:
        return "none, it is met"
    if run.done_when:
        return "none: it was not met, and no further look is planned"
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
