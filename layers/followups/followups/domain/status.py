"""The states, and the only table of the transitions between them.

DESIGN.md draws the same table. `advance` in `domain.moves` consults it at each write, so a transition that is not
listed here cannot reach a store.
"""

from enum import StrEnum


class Status(StrEnum):
    """Where a follow-up is in its life."""

    SCHEDULED = "scheduled"
    PAUSED = "paused"
    CLAIMED = "claimed"
    RUNNING = "running"
    CANCELLING = "cancelling"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class ReportStatus(StrEnum):
    """Where a run's report is on its way to the reader."""

    NONE = "none"
    PENDING = "pending"
    SENDING = "sending"
    SENT = "sent"
    DELIVERED = "delivered"
    BOUNCED = "bounced"
    FAILED = "failed"


class Outcome(StrEnum):
    """How a run ended. Only `succeeded` and `attention` mean that the agent did its work; `skipped` started none."""

    SUCCEEDED = "succeeded"
    ATTENTION = "attention"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    UNKNOWN = "unknown"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"


class Verdict(StrEnum):
    """Whether what `done_when` says is so. Only `met` is success."""

    MET = "met"
    NOT_MET = "not_met"
    CANNOT_TELL = "cannot_tell"


S, R = Status, ReportStatus

TRANSITIONS: dict[Status, frozenset[Status]] = {
    # edit, snooze, run now, early look, new zone data -> scheduled; poison -> failed
    S.SCHEDULED: frozenset({S.SCHEDULED, S.CLAIMED, S.PAUSED, S.CANCELLED, S.FAILED}),
    # blocked, edit, snooze, run now, next -> scheduled; send again, new text -> claimed; never started -> failed;
    # too late, and the last -> done
    S.CLAIMED: frozenset({S.SCHEDULED, S.CLAIMED, S.RUNNING, S.PAUSED, S.CANCELLED, S.FAILED, S.DONE}),
    # retry, next occurrence -> scheduled; poll -> running; three failures in a row -> paused
    S.RUNNING: frozenset({S.RUNNING, S.DONE, S.FAILED, S.SCHEDULED, S.PAUSED, S.CANCELLING}),
    S.CANCELLING: frozenset({S.CANCELLING, S.CANCELLED}),
    # resume, or the pause is over -> scheduled; poison -> failed
    S.PAUSED: frozenset({S.PAUSED, S.SCHEDULED, S.CANCELLED, S.FAILED}),
    S.DONE: frozenset(),
    S.FAILED: frozenset(),
    S.CANCELLED: frozenset(),
}

REPORT_TRANSITIONS: dict[ReportStatus, frozenset[ReportStatus]] = {
    R.NONE: frozenset(),
    R.PENDING: frozenset({R.PENDING, R.SENDING, R.FAILED}),
    # a delivery event may come before our own note of the acceptance
    R.SENDING: frozenset({R.PENDING, R.SENT, R.DELIVERED, R.BOUNCED, R.FAILED}),
    R.SENT: frozenset({R.DELIVERED, R.BOUNCED}),
    R.DELIVERED: frozenset({R.BOUNCED}),
    R.BOUNCED: frozenset(),
    R.FAILED: frozenset(),
}

CLOSED = frozenset({S.DONE, S.FAILED, S.CANCELLED})
OPEN = frozenset(Status) - CLOSED
#: Open states that the sweeper must look at again: they carry `wake_at`. So does a pause that has an end.
WAKING = OPEN - {S.PAUSED}
#: States in which an agent may be alive.
LIVE = frozenset({S.RUNNING, S.CANCELLING})
#: Report states that the sweeper must look at again.
REPORT_WAKING = frozenset({R.PENDING, R.SENDING})
