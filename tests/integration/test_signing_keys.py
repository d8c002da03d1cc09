"""A secret that is rotated while functions live: no token that is out is refused, and none is made too early."""

from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest

from followups.adapters.signing_keys import SigningKeys
from followups.domain.errors import ConfigError
from followups.lambda_settings import signing_key
from tests.support.things import fresh

FIRST, SECOND = "the first key, of enough characters: 0123456789", "the second key, of enough characters: 0123456789"


class Clock:
    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@pytest.fixture
def client(ministack_url: str) -> Any:
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "eu-central-1"}
    return boto3.client("secretsmanager", endpoint_url=ministack_url, **keys)


@pytest.fixture
def arn(client: Any) -> str:
    return str(client.create_secret(Name=f"key-{fresh('key')}", SecretString=FIRST)["ARN"])


def test_one_key_signs_and_verifies(client: Any, arn: str) -> None:
    keys = SigningKeys(client, arn, now=Clock().now, check=signing_key)
    assert list(keys) == [FIRST.encode()]


def test_a_rotation_is_heard_of_before_the_new_key_signs(client: Any, arn: str) -> None:
    clock, other = Clock(), Clock()
    verifies = SigningKeys(client, arn, now=clock.now, check=signing_key)
    client.put_secret_value(SecretId=arn, SecretString=SECOND)
    signs = SigningKeys(client, arn, now=other.now, check=signing_key)  # a runner that has just started
    assert signs[0] == FIRST.encode() and signs[0] in verifies, "who verifies has not heard of the second yet"
    clock.ahead = other.ahead = timedelta(minutes=5)
    assert set(verifies) == {FIRST.encode(), SECOND.encode()}
    assert signs[0] == FIRST.encode()
    clock.ahead = other.ahead = timedelta(minutes=11)
    assert signs[0] == SECOND.encode() and signs[0] in verifies
    assert FIRST.encode() in verifies, "tokens that are out stay good"


def test_a_weak_key_is_refused_at_once(client: Any) -> None:
    weak = client.create_secret(Name=f"key-{fresh('key')}", SecretString="changeme")["ARN"]
    with pytest.raises(ConfigError, match="too weak"):
        SigningKeys(client, weak, now=Clock().now, check=signing_key)
