"""How a webhook knows that a call is ours: a symmetric signature by Standard Webhooks (https://www.standardwebhooks.com)."""

import base64
import hashlib
import hmac
from collections.abc import Sequence

_PREFIX = "whsec_"


def secret_for(agent_name: str, key: bytes) -> str:
    """Takes an agent's name, with its @, and a signing key of the installation; gives the secret that the agent's server
    verifies with. It is derived and stored nowhere: whoever holds the key can tell it again, for this agent only."""
    return _PREFIX + base64.b64encode(_mac(key, b"followups webhook\n" + agent_name.encode())).decode()


def signature(secrets: Sequence[str], message_id: str, timestamp: int, body: bytes) -> str:
    """Takes secrets as `secret_for` gives them, and what is sent, at which second since the epoch; gives the header
    `webhook-signature`, with a signature for each secret: while keys are rotated the old one still verifies."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    keys = [base64.b64decode(secret.removeprefix(_PREFIX)) for secret in secrets]
    return " ".join("v1," + base64.b64encode(_mac(key, signed)).decode() for key in keys)


def _mac(key: bytes, text: bytes) -> bytes:
    return hmac.new(key, text, hashlib.sha256).digest()
