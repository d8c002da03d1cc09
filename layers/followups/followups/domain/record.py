"""The run's record: what became of one attempt."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from followups.domain import ids
from followups.domain.aware import Aware
from followups.domain.ids import Key
from followups.domain.status import Outcome, ReportStatus, Status, Verdict


@dataclass(frozen=True, kw_only=True, slots=True)
class Run(Aware):
    """What became of one attempt. Written when it ended; it is also the outbox of its report."""

    owner: str
    follow_up_id: str
    fence: int
    agent: str
    #: The agent's kind, where it was known.
    kind: str | None = None
    task: str
    message: str = ""
    timezone: str
    #: Canonical recurrence rule and what it counts from; None for once.
    rule: str | None = None
    anchor: str | None = None
    due_at: datetime
    #: As of the follow-up.
    due_wall: str | None = None
    #: When it was to start, if that was not at `due_at`.
    planned_at: datetime | None = None
    occurrence: int
    attempt: int
    max_attempts: int
    claimed_at: datetime | None = None
    #: None if no agent was started.
    started_at: datetime | None = None
    #: When it had to have ended.
    deadline_at: datetime | None = None
    #: What the agent's target calls it.
    target_id: str | None = None
    finished_at: datetime
    #: Occurrences it covers beside its own, and the nominal time of the last of them.
    missed: int = 0
    folded_to: datetime | None = None
    outcome: Outcome
    #: One line.
    summary: str
    #: What the agent said, or its beginning.
    report: str = ""
    #: Where the whole output lies, if it was longer.
    output_ref: str | None = None
    #: What success was, in words; whether it was so, and what the agent goes by.
    done_when: str | None = None
    verdict: Verdict | None = None
    evidence: str = ""
    #: What the agent says that it cost.
    model: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    #: In US dollars, as a decimal number.
    cost_usd: str | None = None
    #: Hash of the completion by which the agent ended it: tells the same one again from another.
    completion: str | None = None
    #: What the agent said when the run was over already, and when.
    late_at: datetime | None = None
    late_outcome: Outcome | None = None
    late_summary: str | None = None
    late_report: str = ""
    #: Follow-ups that it asked for and did not get, and why it did not get the last.
    refused: int = 0
    refused_why: str | None = None
    test: bool = False
    #: Whether this ended its occurrence; an attempt that is retried did not.
    final: bool
    #: What the follow-up became by it.
    follow_up_status: Status
    #: When it runs next: the retry or the next occurrence.
    next_at: datetime | None = None
    parent: str | None = None
    depth: int = 0

    report_status: ReportStatus
    report_to: str | None = None
    #: Times that the mail was tried.
    report_tries: int = 0
    #: What the mailer called it, or why it was refused.
    report_note: str | None = None
    reported_at: datetime | None = None
    wake_at: datetime | None
    expires_at: datetime | None = None
    poison: int = 0
    version: int = 1
    write_id: str

    @property
    def key(self) -> Key:
        return ids.run_key(self.owner, self.follow_up_id, self.fence)

    @property
    def id(self) -> str:
        return ids.run_id(self.follow_up_id, self.fence)

    @property
    def lateness(self) -> timedelta | None:
        """How long after its time it started, none if before; None if no agent was started."""
        if self.started_at is None:
            return None
        return max(timedelta(0), self.started_at - (self.planned_at or self.due_at))
