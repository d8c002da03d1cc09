"""What answers hold, as types: mypy holds the views to them, and the OpenAPI document is made from them.

Beside a field's type stands what it means (a text) and what JSON Schema can say of it (a `Shape`). No pydantic here: a
laptop's `list` does not wait for it.
"""

from typing import Annotated, Any, Literal, NamedTuple, TypedDict

from followups.domain.status import Outcome, ReportStatus, Status, Verdict


class Shape(NamedTuple):
    """JSON Schema's keywords for a value; None says nothing."""

    pattern: str | None = None
    format: str | None = None
    minimum: int | None = None
    maximum: int | None = None


Id = Annotated[str, Shape(pattern="^[a-z2-7]{26}$")]
RunId = Annotated[str, Shape(pattern="^run-[a-z2-7]{26}-[0-9]{6}$")]
Instant = Annotated[str, Shape(format="date-time")]
Count = Annotated[int, Shape(minimum=0)]
Number = Annotated[int, Shape(minimum=1)]


class Blocked(TypedDict):
    reason: Annotated[str, "Why it waits though its time has come."]
    since: Instant | None


class LiveRun(TypedDict):
    """The run that is in progress."""

    id: RunId
    started_at: Instant | None
    deadline_at: Annotated[Instant | None, "When it must have ended."]
    target_id: Annotated[str | None, "What the agent's target calls it."]
    heard_at: Annotated[Instant | None, "When its agent was heard of last."]
    progress: Annotated[str | None, "What that said of how far it is."]
    claimed_at: Instant | None
    attempt: Number


class FollowUp(TypedDict):
    """One thing to do later, once or again and again."""

    id: Id
    status: Status
    agent: str
    task: Annotated[str, "What is to be done, one line."]
    message: Annotated[str, "More for the agent: a prompt, or a checklist's lines."]
    due: Annotated[str, "The time as it was typed."]
    due_at: Annotated[Instant, "The occurrence that comes next or is under way, in UTC."]
    due_local: Annotated[str, "The same time for a person, in `timezone`."]
    timezone: Annotated[str, "IANA zone."]
    rule: Annotated[str | None, "How it repeats, in RFC 5545's form; null for once."]
    repeats: Annotated[str | None, "How it repeats, in words."]
    occurrence: Annotated[Number, "Number of that occurrence, from 1."]
    attempt: Annotated[Count, "Attempts of this occurrence that were started."]
    max_attempts: Annotated[int, Shape(minimum=1, maximum=10)]
    report_to: Annotated[str | None, "Address for reports; null means the installation's default."]
    starts_at: Annotated[Instant | None, "Before this it does not start; null when paused, live or closed."]
    snoozed_to: Annotated[Instant | None, "What this occurrence was put off to."]
    stagger_s: Annotated[Count, "Seconds after `due_at` at which it starts, its share of a spread."]
    late: Annotated[str, "What becomes of it when it cannot start at its time."]
    tzdata: Annotated[str | None, "Version of the zones' data by which `due_at` was made of wall time."]
    blocked: Blocked | None
    run: LiveRun | None
    last_outcome: Outcome | None
    failures_in_row: Count
    reason: Annotated[str | None, "Why it was paused, cancelled or given up."]
    paused_until: Annotated[Instant | None, "When it goes on by itself; null until it is resumed."]
    replace_key: Annotated[str | None, "Your name for what it is about."]
    replaced_by: Annotated[Id | None, "The follow-up that took its place."]
    done_when: Annotated[str | None, "When it is a success, in words."]
    retry_until_met: Annotated[str | None, "How long it waits after each look that did not find it met."]
    give_up_at: Annotated[Instant | None, "No look is planned after this."]
    last_verdict: Verdict | None
    test: Annotated[bool, "An operator's try of the agent: nothing is mailed."]
    parent: Annotated[RunId | None, "The run that created it; null for a person's."]
    root: Annotated[Id, "The follow-up at the top of its tree."]
    depth: Annotated[Count, "Generations below its root."]
    created_at: Instant
    closed_at: Instant | None
    version: Annotated[Number, "Raised by each change; the ETag is this number in quotes."]


class Time(TypedDict):
    local: Annotated[str, "What a clock in the zone shows then.", Shape(pattern="^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}$")]
    utc: Instant


class Understood(TypedDict):
    understood: Annotated[str, "What was understood of the time, in words."]
    next: Annotated[list[Time], "The next times, five at most."]
    warnings: Annotated[list[str], "What a reader may not expect, and what was done otherwise than asked."]


class ToldFollowUp(FollowUp, Understood):
    """A follow-up, and what was understood of its time."""


class Preview(Understood):
    """What a text means; nothing was written."""

    task: Annotated[str | None, "Of a sentence; null for a time alone."]
    rule: Annotated[str | None, "How it repeats, in RFC 5545's form; null for once."]
    timezone: str


class Page(TypedDict):
    follow_ups: list[FollowUp]
    next: Annotated[str | None, "Send it as `cursor` for the next page; null on the last one."]


class Report(TypedDict):
    """Where a run's report is on its way to the reader."""

    status: ReportStatus
    to: str | None
    tries: Count
    note: Annotated[str | None, "What the mail service called it, or why it was refused."]
    at: Instant | None


class Usage(TypedDict):
    """What the agent says that its run cost."""

    model: str | None
    input_tokens: Annotated[int | None, Shape(minimum=0)]
    output_tokens: Annotated[int | None, Shape(minimum=0)]
    cost_usd: Annotated[str | None, "A decimal number.", Shape(pattern=r"^[0-9]+(\.[0-9]+)?$")]


class LateResult(TypedDict):
    """What the agent said when its run was over already."""

    at: Instant
    outcome: Outcome
    summary: str
    report: str


class Denied(TypedDict):
    """Follow-ups that the run asked for and did not get."""

    count: Number
    why: Annotated[str | None, "Why it did not get the last."]


class Run(TypedDict):
    """What became of one attempt. It is there once the attempt has ended."""

    id: RunId
    follow_up_id: Id
    agent: str
    task: str
    outcome: Outcome
    summary: Annotated[str, "One line."]
    due_at: Instant
    started_at: Annotated[Instant | None, "Null if no agent was started."]
    finished_at: Instant
    occurrence: Number
    attempt: Count
    max_attempts: Number
    planned_at: Annotated[Instant, "When it was to start: `due_at`, or what that was put off or spread to."]
    missed: Annotated[Count, "Occurrences that it covers beside its own: they could not start at their time."]
    missed_until: Annotated[Instant | None, "The last of those."]
    final: Annotated[bool, "Whether it ended its occurrence; an attempt that is retried did not."]
    follow_up_status: Annotated[Status, "What the follow-up became by it."]
    next_at: Annotated[Instant | None, "The retry or the next occurrence."]
    parent: RunId | None
    depth: Count
    report: Report
    output: Annotated[str | None, "Where the whole output lies, if it was longer than a record may be."]
    kind: Annotated[str | None, "The agent's kind."]
    fence: Annotated[Number, "Raised by each claim; the end of the run's id."]
    claimed_at: Instant | None
    deadline_at: Annotated[Instant | None, "When it had to have ended."]
    lateness_s: Annotated[int | None, "Seconds after its time at which it started.", Shape(minimum=0)]
    target_id: Annotated[str | None, "What the agent's target calls it."]
    done_when: str | None
    verdict: Annotated[Verdict | None, "Whether `done_when` is so; null if that was not asked."]
    evidence: Annotated[str | None, "What the verdict goes by."]
    usage: Usage | None
    late_result: LateResult | None
    refused: Denied | None
    test: bool


class RunWithReport(Run):
    report_text: Annotated[str, "What the agent said."]


class Runs(TypedDict):
    runs: Annotated[list[Run], "Newest first, at most 100."]
    live: LiveRun | None
    coming: Annotated[list[Time], "Its next times by its rule, five at most."]


class Mail(TypedDict):
    """A run's report as it is mailed."""

    run: Run
    subject: str
    text: str
    html: str


class Tree(TypedDict):
    """A person's follow-up, and all that agents made of it."""

    root: Id
    follow_ups: Annotated[list[FollowUp], "The root first, then generation by generation."]
    made: Annotated[Count, "How many follow-ups its agents have made."]
    limit: Annotated[Count, "How many they may make."]


class Health(TypedDict):
    status: Literal["ok"]
    version: str


Body = dict[str, Any]


class FieldError(TypedDict):
    pointer: Annotated[str, "JSON pointer to the field, or `/` and the name of a query parameter."]
    msg: str


class Problem(TypedDict):
    """Why a request was refused (RFC 9457)."""

    type: Annotated[str, Shape(format="uri")]
    title: str
    status: Annotated[int, Shape(minimum=400, maximum=599)]
    detail: Annotated[str, "What is wrong and what would be right, for a person."]
    code: Annotated[str, "Stable, for a program."]
    instance: Annotated[str, "The path that was asked."]
    errors: Annotated[list[FieldError], "The fields at fault, where there are any."]
    requests: Annotated[
        list[Body], "What was sent, in ways that would be taken: ready to be sent, if one of them is meant."
    ]
    retryable: Annotated[bool, "Whether the same request may be taken later, without anybody's having changed anything."]
    hint: Annotated[str | None, "What to do instead, for an agent."]


class GatewayMessage(TypedDict):
    """What API Gateway refuses by itself."""

    message: str


class Document(TypedDict):
    """An OpenAPI document."""

    openapi: Annotated[str, Shape(pattern=r"^3\.1\.")]
