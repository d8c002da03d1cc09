"""The follow-up: one thing to do later."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from followups.domain import ids
from followups.domain.aware import Aware
from followups.domain.ids import Key
from followups.domain.status import CLOSED, Outcome, Status, Verdict


@dataclass(frozen=True, kw_only=True, slots=True)
class FollowUp(Aware):
    """One thing to do later, once or again and again. It has at most one live run."""

    #: Verified identity of who made it; part of its key.
    owner: str
    #: 26 base32 characters.
    id: str
    #: The agent's name, with its @.
    agent: str
    #: What is to be done, one line.
    task: str
    #: More for the agent: a prompt, or a checklist's lines.
    message: str = ""
    #: The time as it was typed.
    when: str
    #: Canonical recurrence rule; None for once.
    rule: str | None = None
    #: Time without zone that the rule counts from: of a wall in the zone, or in UTC for minutes and hours.
    anchor: str | None = None
    #: IANA zone in which the rule is read.
    timezone: str
    #: Nominal time of the occurrence that comes next or is under way.
    due_at: datetime
    #: The wall time that it was made of; None for what is counted in hours, or was given with an offset.
    due_wall: str | None = None
    #: Version of the zones' data by which it was made.
    tzdata: str | None = None
    #: What the occurrence was put off to by hand.
    snoozed_to: datetime | None = None
    #: Seconds over which the starts of many are spread; its own share is fixed by its id.
    stagger_s: int | None = None
    #: What becomes of an occurrence that could not start at its time (`domain.late`); None runs it once.
    late: str | None = None
    #: Number of that occurrence, from 1.
    occurrence: int = 1
    #: Address for reports; None means the stack's or the laptop's default.
    report_to: str | None = None
    #: Attempts that an occurrence may take, 1 to 10.
    max_attempts: int = 3
    #: When it is a success, in words: the agent is asked whether that is so, and `met` ends also a recurrence.
    done_when: str | None = None
    #: How long to wait after each look that did not find it met (`domain.verdicts`), like `1d,2d,4d`; None for none.
    ladder: str | None = None
    #: No look is planned after this.
    give_up_at: datetime | None = None
    #: An operator's try of an agent: nothing is mailed.
    test: bool = False

    status: Status = Status.SCHEDULED
    #: When the sweeper must look again; None when paused or closed.
    wake_at: datetime | None
    #: No runner starts it before this: due time, back-off or run-now alike.
    start_at: datetime
    #: Raised by each claim; names the run.
    fence: int = 0
    #: Attempts of this occurrence that were started.
    attempt: int = 0
    #: Messages sent for this claim.
    sends: int = 0
    #: This claim was asked for by hand: it is never too late, and uses up no occurrence of a rule.
    extra: bool = False
    #: Occurrences that the live run makes up for, beside its own.
    missed: int = 0
    #: Nominal time of the last occurrence that the live run covers.
    folded_to: datetime | None = None
    claimed_at: datetime | None = None
    started_at: datetime | None = None
    #: When the live run must end.
    deadline_at: datetime | None = None
    #: When the live run's process is surely dead; None when not live.
    lease_until: datetime | None = None
    #: Name of the locked file that the live run's process holds (laptop); None where leases only end by time.
    lease_holder: str | None = None
    #: What the agent's target calls the live run, if it answered "pending": its own id where no answer was stored.
    handle: str | None = None
    #: When the live run's agent was heard of last, and what it said of how far it is.
    heard_at: datetime | None = None
    progress: str | None = None
    #: Follow-ups that the live run asked for and did not get, and why it did not get the last.
    refused: int = 0
    refused_why: str | None = None
    #: Why the last claim was given back, and since when it waits.
    blocked_reason: str | None = None
    blocked_since: datetime | None = None
    #: Occurrences that failed since the last that did not.
    failures_in_row: int = 0
    last_outcome: Outcome | None = None
    last_verdict: Verdict | None = None
    #: Why it was paused, cancelled or given up, in words.
    reason: str | None = None
    #: When a paused one goes on by itself.
    paused_until: datetime | None = None
    #: The owner's name for what it is about: a new one of that name takes its place.
    replace_key: str | None = None
    #: Id of the one that took its place while its run was live: nothing follows that run.
    replaced_by: str | None = None

    #: Id of the run that created it; None for a person's.
    parent: str | None = None
    #: Id of the follow-up at the top of its tree: its own, without a parent.
    root: str
    #: Generations below its root.
    depth: int = 0
    #: Whether it counts as one of its owner's open ones: those of earlier versions, and without a quota, do not.
    counted: bool = False

    #: Hash of the create request: tells a replay from a reuse of its idempotency key.
    request_hash: str = ""
    created_at: datetime
    updated_at: datetime
    closed_at: datetime | None = None
    #: When the store may forget it.
    expires_at: datetime | None = None
    #: Looks at it that raised.
    poison: int = 0
    version: int = 1
    write_id: str

    @property
    def key(self) -> Key:
        return ids.follow_up_key(self.owner, self.id)

    @property
    def run_id(self) -> str:
        """The id of the live run, or of the one that the present claim would start."""
        return ids.run_id(self.id, self.fence)

    @property
    def slot_id(self) -> str:
        return ids.slot_id(self.owner, self.id, self.fence)

    @property
    def is_closed(self) -> bool:
        return self.status in CLOSED

    @property
    def stagger(self) -> timedelta:
        """How long after its nominal times it starts."""
        return timedelta(seconds=ids.share_of(self.id, self.stagger_s or 0))

    @property
    def planned_at(self) -> datetime:
        """When the occurrence is to start: what it was put off to, else its nominal time and its stagger."""
        return self.snoozed_to or self.due_at + self.stagger
