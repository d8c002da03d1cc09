"""The things that are stored. Frozen, keyword-only; a naive time is refused at birth."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from followups.domain import ids
from followups.domain.ids import Key
from followups.domain.status import CLOSED, Outcome, ReportStatus, Status


class _Aware:
    """Refuses naive times in any field: a time without a zone is a bug waiting for a journey."""

    __slots__: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in self.__slots__:
            value = getattr(self, name)
            if isinstance(value, datetime) and value.utcoffset() != timedelta(0):
                raise ValueError(f"{type(self).__name__}.{name} must be in UTC, not {value!r}")


@dataclass(frozen=True, kw_only=True, slots=True)
class FollowUp(_Aware):
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
    #: What the agent's target calls the live run, if it answered "pending".
    handle: str | None = None
    #: Why the last claim was given back, and since when it waits.
    blocked_reason: str | None = None
    blocked_since: datetime | None = None
    #: Occurrences that failed since the last that did not.
    failures_in_row: int = 0
    last_outcome: Outcome | None = None
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


@dataclass(frozen=True, kw_only=True, slots=True)
class Run(_Aware):
    """What became of one attempt. Written when it ended; it is also the outbox of its report."""

    owner: str
    follow_up_id: str
    fence: int
    agent: str
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
    finished_at: datetime
    #: Occurrences it covers beside its own, and the nominal time of the last of them.
    missed: int = 0
    folded_to: datetime | None = None
    outcome: Outcome
    #: One line.
    summary: str
    #: What the agent said; capped by the agent's adapter.
    report: str = ""
    #: Where the whole output lies, if it was longer.
    output_ref: str | None = None
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


@dataclass(frozen=True, kw_only=True, slots=True)
class Agent(_Aware):
    """An agent that follow-ups may name. Registered by operators only."""

    #: With its @, lower case.
    name: str
    #: One of `domain.targets.KINDS`.
    kind: str
    #: For a command: its argument vector, run without a shell.
    command: tuple[str, ...] = ()
    #: For what runs elsewhere: its name there, as an ARN or a URL; for a person: a mail address.
    target: str | None = None
    #: How it is called, where its kind has several ways: see `domain.targets.MODES`.
    mode: str | None = None
    #: Seconds that one run may take, 1 to 604,800.
    timeout_s: int = 600
    #: Why nothing is started with it now; None for one that is in use.
    disabled: str | None = None
    #: Live runs at once, 1 to 100.
    max_concurrency: int = 1
    #: Whether a run that died without a result may simply be run again.
    rerun_safe: bool = False
    #: Default for follow-ups that do not say, 1 to 10.
    max_attempts: int = 3
    created_at: datetime
    #: Built in: cannot be replaced or removed.
    builtin: bool = False
    version: int = 1
    write_id: str

    @property
    def key(self) -> Key:
        return ids.agent_key(self.name)

    @property
    def slots_key(self) -> Key:
        return ids.agent_slots_key(self.name)


@dataclass(frozen=True, kw_only=True, slots=True)
class Control(_Aware):
    """The kill switch. Read at every tick and every start."""

    #: No run is started while it is on; reports still go out.
    stopped: bool = False
    reason: str | None = None
    changed_at: datetime | None = None
    version: int = 1
    write_id: str = ""

    @property
    def key(self) -> Key:
        return ids.CONTROL_KEY


@dataclass(frozen=True, kw_only=True, slots=True)
class Named(_Aware):
    """Which follow-up goes by a `replace_key` of its owner's."""

    owner: str
    replace_key: str
    follow_up_id: str
    version: int = 1
    write_id: str

    @property
    def key(self) -> Key:
        return ids.name_key(self.owner, self.replace_key)


Entity = FollowUp | Run | Agent | Control | Named


@dataclass(frozen=True, kw_only=True, slots=True)
class Unreadable:
    """A stored item that is due but that this code cannot read. Poison: set aside, never in the way."""

    key: Key
    version: int
    poison: int
    error: str = field(default="")
