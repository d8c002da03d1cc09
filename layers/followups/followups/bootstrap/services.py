"""What the Lambda functions stand on: AWS's services, or a file, for trying a function without an account."""

import json
import sys
from collections.abc import Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Protocol

from followups import config
from followups.adapters.local import secret_keys
from followups.domain.errors import ConfigError
from followups.domain.messages import Message
from followups.ports import AgentTarget, Ledger, Mailer, Notifier, Outputs, Queue

_OFFLINE = "sqlite:"


class _AnyMailer(Mailer, Notifier, Protocol):
    """Sends reports, and notices to the operator."""


class Services(Protocol):
    """The makers of what stands behind the ports; their arguments are as the functions' settings name them."""

    def store(self, table: str, shards: int, *, sweeps: bool = False) -> Ledger: ...

    def queue(self, start_url: str | None, report_url: str | None) -> Queue: ...

    def keys(self, secret_arn: str) -> Sequence[bytes]: ...

    def mailer(self, sender: str, report_to: str, configuration_set: str) -> _AnyMailer: ...

    def outputs(self, bucket: str) -> Outputs: ...

    def agents(self, keys: Sequence[bytes]) -> dict[str, AgentTarget]: ...


def services() -> Services:
    """Gives AWS's services, or what works offline, with `FOLLOWUPS_STORE=sqlite:PATH`. Raises ConfigError."""
    named = config.environment().get("FOLLOWUPS_STORE", "")
    if not named:
        return _Aws()
    if not named.startswith(_OFFLINE) or not named.removeprefix(_OFFLINE):
        raise ConfigError([f"FOLLOWUPS_STORE is {named!r}: write sqlite:/tmp/followups.db, or unset it to use AWS"])
    return _Offline(Path(named.removeprefix(_OFFLINE)))


class _Aws:
    def __init__(self) -> None:
        import boto3

        lacking = []
        session = boto3.Session()
        if session.region_name is None:
            lacking.append("AWS_REGION is not set: it is the region of the stack, like eu-central-1")
        if session.get_credentials() is None:
            lacking.append(
                "there are no AWS credentials: set AWS_PROFILE, or try the function without an account "
                "(sam local invoke -n events/offline.json)"
            )
        if lacking:
            raise ConfigError(lacking)

    def store(self, table: str, shards: int, *, sweeps: bool = False) -> Ledger:
        from followups.adapters.dynamodb import DynamoDBStore
        from followups.adapters.dynamodb_shards import most_shards

        client = _client("dynamodb")
        # What was written before their number was lowered lies in partitions that nobody writes to any more.
        return DynamoDBStore(client, table, shards=most_shards(client, table, shards) if sweeps else shards)

    def queue(self, start_url: str | None, report_url: str | None) -> Queue:
        from followups.adapters.sqs import SqsQueue

        return SqsQueue(_client("sqs"), start_url, report_url)

    def keys(self, secret_arn: str) -> Sequence[bytes]:
        from followups.adapters.local import SystemClock
        from followups.adapters.signing_keys import SigningKeys
        from followups.lambda_settings import signing_key

        return SigningKeys(_client("secretsmanager"), secret_arn, now=SystemClock().now, check=signing_key)

    def mailer(self, sender: str, report_to: str, configuration_set: str) -> _AnyMailer:
        from followups.adapters.ses import SesMailer

        client = _client("sesv2", attempts=1)
        return SesMailer(client, sender=sender, default_to=report_to, configuration_set=configuration_set)

    def outputs(self, bucket: str) -> Outputs:
        from followups.adapters.s3 import S3Outputs

        return S3Outputs(_client("s3"), bucket)

    def agents(self, keys: Sequence[bytes]) -> dict[str, AgentTarget]:
        from followups.adapters.agents.agentcore import AgentCoreAgent
        from followups.adapters.agents.https import HttpsAgent
        from followups.adapters.agents.lambda_ import LambdaAgent
        from followups.adapters.agents.states import StatesAgent
        from followups.adapters.local import SystemClock

        clock = SystemClock()
        return {
            "lambda": LambdaAgent(partial(waiting_client, "lambda"), clock),
            "agentcore": AgentCoreAgent(partial(waiting_client, "bedrock-agentcore")),
            "states": StatesAgent(waiting_client("stepfunctions", 10), clock),
            "https": HttpsAgent(keys, clock),
        }


class _Offline:
    """One file for the table, mails in a folder beside it, and messages that are only said."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def store(self, table: str, shards: int, *, sweeps: bool = False) -> Ledger:  # noqa: ARG002 - the file is the table
        from followups.bootstrap.laptop import store_at

        return store_at(self._path)

    def queue(self, start_url: str | None, report_url: str | None) -> Queue:  # noqa: ARG002 - there is none
        return _SaidQueue()

    def keys(self, secret_arn: str) -> Sequence[bytes]:  # noqa: ARG002 - the key is in a file beside the store
        return secret_keys(self._path.with_name("secret"))

    def mailer(self, sender: str, report_to: str, configuration_set: str) -> _AnyMailer:  # noqa: ARG002 - SES's
        from followups.adapters.outbox import OutboxMailer

        return OutboxMailer(self._path.with_name("outbox"), sender=sender, default_to=report_to)

    def outputs(self, bucket: str) -> Outputs:  # noqa: ARG002 - they are files beside the store
        from followups.adapters.output_files import OutputFiles

        return OutputFiles(self._path.with_name("runs"))

    def agents(self, keys: Sequence[bytes]) -> dict[str, AgentTarget]:  # noqa: ARG002 - nothing here calls anybody
        return {}


class _SaidQueue:
    """Says what it would send: put the body into events/runner/start.json or events/reporter/report.json, and go on."""

    def send(self, messages: Sequence[tuple[Message, int]]) -> None:
        for message, delay_s in messages:
            said = {"message": "would_send", "kind": message.kind, "delay_s": delay_s, "body": message.to_json()}
            sys.stdout.write(json.dumps(said) + "\n")


def _client(service: str, *, attempts: int = 3, seconds: int = 10, **more: Any) -> Any:
    """Gives a client that waits that long for an answer: by itself, less than any function's timeout, so that there is time
    to say what did not answer."""
    import boto3
    from botocore.config import Config

    retries = {"total_max_attempts": attempts, "mode": "standard"}
    return boto3.client(service, config=Config(connect_timeout=5, read_timeout=seconds, retries=retries, **more))


@lru_cache(maxsize=8)
def waiting_client(service: str, seconds: int) -> Any:
    """Gives a client of a service that waits for an agent that long, and asks once. Agents of one installation have few
    timeouts."""
    # What is quiet for minutes must not be dropped by what lies between; and an agent asked twice has run twice.
    return _client(service, attempts=1, seconds=seconds, tcp_keepalive=True)
