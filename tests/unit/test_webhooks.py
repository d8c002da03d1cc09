"""The signatures of webhooks, against the words of the specification."""

import base64
import hashlib
import hmac

import pytest

from followups.domain import webhooks

KEY, OTHER = b"k" * 32, b"o" * 32


def expected(secret: str, text: bytes) -> str:
    """Signs as the specification says it: with what follows `whsec_`, decoded, over id, timestamp and body with dots."""
    key = base64.b64decode(secret[len("whsec_") :], validate=True)
    return "v1," + base64.b64encode(hmac.digest(key, text, hashlib.sha256)).decode()


def test_a_secret_is_derived_from_the_key_and_the_name() -> None:
    secret = webhooks.secret_for("@backup", KEY)
    assert secret == "whsec_" + base64.b64encode(hmac.digest(KEY, b"followups webhook\n@backup", "sha256")).decode()
    assert secret == webhooks.secret_for("@backup", KEY)
    assert len({secret, webhooks.secret_for("@other", KEY), webhooks.secret_for("@backup", OTHER)}) == 3
    assert 24 <= len(base64.b64decode(secret.removeprefix("whsec_"))) <= 64, "what the specification demands of a secret"


def test_a_known_answer() -> None:
    """Made once with the reference library, so that a change of ours that verifies only itself is seen."""
    assert webhooks.secret_for("@backup", KEY) == "whsec_KnpNGmwqWxzhCsDRAbmGYUVkcbLkstlKHkOfrczev90="
    signed = webhooks.signature([webhooks.secret_for("@backup", KEY)], "run-1", 1_764_000_000, b'{"v": 1}')
    assert signed == "v1,yO6TfmnDzPft8tGf3y3+7N9sUEb4En2W57kZFyYt1PU="


@pytest.mark.parametrize("body", [b"", b"{}", b'{"a": "b.c"}', "é\u2028".encode(), b"\xff\x00", b"x" * 100_000])
def test_what_is_signed_is_id_time_and_body(body: bytes) -> None:
    secret = webhooks.secret_for("@backup", KEY)
    assert webhooks.signature([secret], "run-1", 1_764_000_000, body) == expected(secret, b"run-1.1764000000." + body)


def test_each_secret_signs_while_keys_are_rotated() -> None:
    secrets = [webhooks.secret_for("@backup", key) for key in (KEY, OTHER)]
    both = webhooks.signature(secrets, "run-1", 1, b"x").split(" ")
    assert both == [expected(secret, b"run-1.1.x") for secret in secrets]
    assert len(set(both)) == 2


def test_every_part_counts() -> None:
    secret = [webhooks.secret_for("@backup", KEY)]
    signed = {
        webhooks.signature(secret, run_id, at, body)
        for run_id, at, body in [("run-1", 1, b"x"), ("run-2", 1, b"x"), ("run-1", 2, b"x"), ("run-1", 1, b"y")]
    }
    assert len(signed) == 4
