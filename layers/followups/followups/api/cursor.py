"""Where a listing goes on: signed, so that it is neither guessed nor carried to another owner or filter."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence

from followups.api.problems import HttpProblem


def sign(after: str, scope: str, secret: bytes) -> str:
    """Gives the cursor for `after`, good within `scope` (owner and filter) only."""
    mac = _mac(after, scope, secret)
    return _text(mac + after.encode())


def read(cursor: str, scope: str, secrets: Sequence[bytes]) -> str:
    """Gives what was signed. Raises HttpProblem 400 `invalid_cursor`."""
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        if _text(raw) != cursor:
            raise ValueError("another spelling of the same bytes")
        mac, after = raw[:16], raw[16:].decode()
    except (ValueError, binascii.Error) as error:
        raise _invalid() from error
    if not any(hmac.compare_digest(_mac(after, scope, secret), mac) for secret in secrets):
        raise _invalid()
    return after


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _mac(after: str, scope: str, secret: bytes) -> bytes:
    text = f"followups cursor\n{len(scope)}\n{scope}\n{after}"
    return hmac.new(secret, text.encode(), hashlib.sha256).digest()[:16]


def _invalid() -> HttpProblem:
    return HttpProblem(400, "invalid_cursor", "the cursor is not one of ours for this listing; start from the first page")
