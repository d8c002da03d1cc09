"""Every error that Followups raises on purpose, as one tree.

FollowupsError
├── Refused            what the caller asked for cannot be done; says which field, what is wrong, what would be right
│   ├── Invalid        (422) a field is wrong
│   ├── Forbidden      (403) not allowed, whatever the fields say
│   ├── NotFound       (404) not there, or not yours
│   ├── WrongState     (409) not in this state
│   ├── Gone           (410) too late
│   ├── Stale          (412) somebody else changed it first
│   └── OverLimit      (429) too many, too fast
├── Conflict           a commit's condition failed; nothing was written
├── IllegalTransition  a bug: a move that the table in `domain.status` does not have
├── StoreError         the store cannot be used, or not now
│   ├── StoreBusy      throttled or locked: try again
│   ├── StoreCorrupt   not a store, damaged, or of a newer version
│   └── StoreFull      the disk is full
├── AgentUncertain     it is unknown whether the agent ran: write nothing, the lease decides
├── AgentBusy          the agent surely did not start, and may later: blocked, not failed
├── QueueError         not all messages were surely taken
├── AwsError           AWS refused what an operator asked, or did not answer
├── ConfigError        a setting is missing or wrong: nothing starts
│   └── NoAccess       no credentials, or no permission; or the installation's address may not be spoken to
└── MailError
    ├── MailNotSent    surely not sent: try again
    ├── MailRefused    never to be sent like this
    └── MailUncertain  it may have been sent: the lease decides
"""

from collections.abc import Sequence
from datetime import timedelta


class FollowupsError(Exception):
    """The root: catch it at an outermost edge only."""


class Refused(FollowupsError):
    """A request that is refused.

    `code` is stable and machine-readable, `detail` a sentence for a person, `field` the JSON pointer's last part
    (None where no single field is at fault), `suggestions` are values of that field that would be taken, and `readings`
    those of them that may have been meant by what was sent. `retryable` says whether the same request may be taken later,
    without anybody's having changed anything; `hint` tells an agent what to do instead.
    """

    http_status = 400
    retryable = False

    def __init__(
        self, code: str, detail: str, *, field: str | None = None, suggestions: tuple[str, ...] = (),
        readings: tuple[str, ...] = (), retryable: bool | None = None, hint: str | None = None,
    ) -> None:  # fmt: skip
        super().__init__(f"{code}: {detail}")
        if retryable is not None:
            self.retryable = retryable
        self.hint = hint
        self.code = code
        self.detail = detail
        self.field = field
        self.suggestions = suggestions
        self.readings = readings


class Invalid(Refused):
    http_status = 422


class Unauthenticated(Refused):
    http_status = 401


class Forbidden(Refused):
    http_status = 403


class NotFound(Refused):
    http_status = 404


class WrongState(Refused):
    http_status = 409


class Stale(Refused):
    http_status = 412


class Gone(Refused):
    http_status = 410


class OverLimit(Refused):
    http_status = 429
    retryable = True


class Conflict(FollowupsError):
    """A commit whose condition failed. `failed` holds the changes that were refused, a `Swap` or `Add` first."""

    def __init__(self, failed: Sequence[object]) -> None:
        super().__init__("refused: " + ", ".join(str(change) for change in failed))
        self.failed = tuple(failed)


class IllegalTransition(FollowupsError):
    def __init__(self, entity: str, old: str, new: str) -> None:
        super().__init__(f"{entity}: no transition from {old} to {new}")


class StoreError(FollowupsError):
    """The store cannot do what was asked; the message says which store and why."""


class StoreBusy(StoreError):
    pass


class StoreCorrupt(StoreError):
    pass


class StoreFull(StoreError):
    pass


class UnreadableItem(StoreError):
    """A stored item is not of a form that this code reads."""


class AgentUncertain(FollowupsError):
    """The call to the agent broke off without an answer."""


class AgentBusy(FollowupsError):
    """The target has no room now (throttled, or nobody there to take the work): the agent surely did not start.

    `reason` is told to people; `retry_after` is when the target said to come again, if it did.
    """

    def __init__(self, reason: str, retry_after: timedelta | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry_after = retry_after


class MailError(FollowupsError):
    pass


class MailNotSent(MailError):
    pass


class MailRefused(MailError):
    pass


class MailUncertain(MailError):
    pass


class AwsError(FollowupsError):
    """What an operator asked of AWS came to nothing; the message says what and why."""


class QueueError(FollowupsError):
    """Not all messages were surely taken; the sweeper sends them again."""


class ConfigError(FollowupsError):
    """Settings that nothing can start with. One line each: which setting, what is wrong, what would be right."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class NoAccess(ConfigError):
    """The installation that is to be spoken to has no address, or one that is not safe."""
