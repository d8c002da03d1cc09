"""What a run may ask for on its own account: less than a person, and never a cascade (DESIGN.md §3)."""

import base64
import binascii
import hashlib
import hmac
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from followups.domain import ids
from followups.domain.changes import Change, Live, TakeSlot
from followups.domain.entities import FollowUp
from followups.domain.errors import Forbidden, Unauthenticated, WrongState
from followups.domain.status import Status

#: What an installation may have else: see `usecases.world.Limits`.
MAX_DEPTH = 2
MAX_DESCENDANTS = 20
#: A child is never due sooner than this: a chain of agents cannot spin.
CHILD_FLOOR = timedelta(minutes=5)
#: What an agent is told that asked for one too many.
NO_MORE = (
    "Do not ask again: no follow-up can be made from here any more. Do the rest in this run, or name it in your report, "
    "for a person to follow up."
)
_PREFIX = "fr2"


@dataclass(frozen=True, kw_only=True, slots=True)
class Lineage:
    """Where a child comes from."""

    #: Id of the run that asks.
    parent: str
    root: str
    depth: int


@dataclass(frozen=True, slots=True)
class RunToken:
    """The bearer's run: what is said with the token is said on its account."""

    owner: str
    follow_up_id: str
    fence: int
    #: When the run has to have ended, to the second.
    deadline: datetime

    @property
    def run_id(self) -> str:
        return ids.run_id(self.follow_up_id, self.fence)


def sign_run(run: RunToken, secret: bytes) -> str:
    """Gives the run token: HMAC-SHA256 (RFC 2104) over owner, follow-up, fence and deadline. `secret` is at least 32 bytes.

    What it may ask for it may ask for only while the follow-up is running with that fence; a result that comes after the
    deadline is late.
    """
    payload = f"{run.owner}\n{run.follow_up_id}\n{run.fence}\n{math.ceil(run.deadline.timestamp())}".encode()
    return f"{_PREFIX}.{_b64(payload)}.{_b64(_mac(payload, secret))}"


def read_run_token(text: str, secrets: Sequence[bytes]) -> RunToken:
    """Gives the run that a token stands for, signed with any of the secrets (two, so that they can be rotated).

    Raises Unauthenticated `invalid_run_token`.
    """
    try:
        prefix, payload_text, mac_text = text.split(".")
        payload, mac = _unb64(payload_text), _unb64(mac_text)
        genuine = [hmac.compare_digest(_mac(payload, secret), mac) for secret in secrets]
        owner, follow_up_id, fence, deadline = payload.decode().rsplit("\n", 3)
        token = RunToken(owner, follow_up_id, int(fence), datetime.fromtimestamp(int(deadline), UTC))
    except (ValueError, OverflowError, OSError, binascii.Error) as error:
        raise _invalid() from error
    if prefix != _PREFIX or not any(genuine):
        raise _invalid()
    return token


def live_parent(parent: FollowUp | None, token: RunToken) -> FollowUp:
    """Takes the follow-up of the token's run; gives it back if that run is live. Raises Forbidden `run_not_live`."""
    if parent is None or parent.status is not Status.RUNNING or parent.fence != token.fence:
        raise Forbidden("run_not_live", "the run that this token belongs to has ended")
    return parent


def descend(parent: FollowUp | None, token: RunToken, *, max_depth: int = MAX_DEPTH) -> Lineage:
    """Takes the follow-up of the token's run; gives its child's lineage.

    Raises Forbidden `run_not_live`, WrongState `cascade_depth`.
    """
    parent = live_parent(parent, token)
    if parent.depth + 1 > max_depth:
        deep = "a follow-up made by an agent may be at most" if max_depth else "here no agent may make a follow-up:"
        detail = f"{deep} {_counted(max_depth, 'generation')} below a person's"
        raise WrongState("cascade_depth", detail, retryable=False, hint=NO_MORE)
    return Lineage(parent=parent.run_id, root=parent.root, depth=parent.depth + 1)


def conditions(parent: FollowUp, child_id: str, *, max_descendants: int = MAX_DESCENDANTS) -> tuple[Change, ...]:
    """Gives what must hold in the very transaction that creates a child: a live parent, and budget left in its tree,
    whose set is also how its members are found."""
    return (
        Live(parent.key, parent.fence),
        TakeSlot(ids.tree_key(parent.owner, parent.root), child_id, max_descendants),
    )


def no_budget(max_descendants: int) -> WrongState:
    """Gives the refusal of a child of a tree that has made all that it may."""
    detail = f"the tree that this run belongs to has made its {_counted(max_descendants, 'follow-up')}"
    return WrongState("cascade_budget", detail, retryable=False, hint=NO_MORE)


def earliest_child(due: datetime, at: datetime) -> datetime:
    """Gives the time at which a child may be due that asks for `due`."""
    return max(due, at + CHILD_FLOOR)


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _invalid() -> Unauthenticated:
    return Unauthenticated("invalid_run_token", "the run token is not one of ours")


def _mac(payload: bytes, secret: bytes) -> bytes:
    return hmac.new(secret, b"followups run token\n" + payload, hashlib.sha256).digest()


def _b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _unb64(text: str) -> bytes:
    raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    if _b64(raw) != text:
        # Padding, or the bits of the last character that base64 leaves unused: one run has one token.
        raise ValueError("another spelling")
    return raw
