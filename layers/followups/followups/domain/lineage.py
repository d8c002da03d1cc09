"""What a run may ask for on its own account: less than a person, and never a cascade (DESIGN.md §3)."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from followups.domain import ids
from followups.domain.changes import Change, Live, Spend
from followups.domain.entities import FollowUp
from followups.domain.errors import Forbidden, Unauthenticated
from followups.domain.status import Status

MAX_DEPTH = 2
MAX_DESCENDANTS = 20
#: A child is never due sooner than this: a chain of agents cannot spin.
CHILD_FLOOR = timedelta(minutes=5)
_PREFIX = "fr1"


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


def sign_run(run: RunToken, secret: bytes) -> str:
    """Gives the run token: HMAC-SHA256 (RFC 2104) over owner, follow-up and fence. `secret` is at least 32 bytes.

    It needs no expiry: it is worth something only while the follow-up is running with that fence.
    """
    payload = f"{run.owner}\n{run.follow_up_id}\n{run.fence}".encode()
    return f"{_PREFIX}.{_b64(payload)}.{_b64(_mac(payload, secret))}"


def read_run_token(text: str, secrets: Sequence[bytes]) -> RunToken:
    """Gives the run that a token stands for, signed with any of the secrets (two, so that they can be rotated).

    Raises Unauthenticated `invalid_run_token`.
    """
    try:
        prefix, payload_text, mac_text = text.split(".")
        payload, mac = _unb64(payload_text), _unb64(mac_text)
        genuine = [hmac.compare_digest(_mac(payload, secret), mac) for secret in secrets]
        owner, follow_up_id, fence = payload.decode().rsplit("\n", 2)
        token = RunToken(owner, follow_up_id, int(fence))
    except (ValueError, binascii.Error) as error:
        raise _invalid() from error
    if prefix != _PREFIX or not any(genuine):
        raise _invalid()
    return token


def live_parent(parent: FollowUp | None, token: RunToken) -> FollowUp:
    """Takes the follow-up of the token's run; gives it back if that run is live. Raises Forbidden `run_not_live`."""
    if parent is None or parent.status is not Status.RUNNING or parent.fence != token.fence:
        raise Forbidden("run_not_live", "the run that this token belongs to has ended")
    return parent


def descend(parent: FollowUp | None, token: RunToken) -> Lineage:
    """Takes the follow-up of the token's run; gives its child's lineage.

    Raises Forbidden `run_not_live` or `cascade_depth`.
    """
    parent = live_parent(parent, token)
    if parent.depth + 1 > MAX_DEPTH:
        raise Forbidden(
            "cascade_depth", f"a follow-up made by an agent may be at most {MAX_DEPTH} generations below a person's"
        )
    return Lineage(parent=parent.run_id, root=parent.root, depth=parent.depth + 1)


def conditions(parent: FollowUp) -> tuple[Change, ...]:
    """Gives what must hold in the very transaction that creates a child: a live parent, and budget left in its tree."""
    return (
        Live(parent.key, parent.fence),
        Spend(ids.budget_key(parent.owner, parent.root), 1, MAX_DESCENDANTS),
    )


def earliest_child(due: datetime, at: datetime) -> datetime:
    """Gives the time at which a child may be due that asks for `due`."""
    return max(due, at + CHILD_FLOOR)


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
