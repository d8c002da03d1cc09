"""What an operator asks of AWS itself, with credentials of their own: the stack, its queues, its logs, its mail."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    NoCredentialsError,
    NoRegionError,
    ProfileNotFound,
    SSOError,
    TokenRetrievalError,
)

from followups.domain.errors import AwsError, ConfigError, NoAccess

#: What AWS says to those who may not, in its many services.
_DENIED = ("AccessDenied", "Unauthorized", "NotAuthorized", "AuthorizationError")
#: What it says to those whom it does not know.
_UNKNOWN = ("ExpiredToken", "InvalidClientTokenId", "UnrecognizedClient", "SignatureDoesNotMatch", "InvalidSignature")
_LOGS = ("ApiLog", "SweeperLog", "RunnerLog", "ReporterLog", "AuditorLog")
#: How long a dead letter is kept from others while it is looked at.
_HOLD_S = 60


@dataclass(frozen=True, slots=True)
class Waiting:
    """What lies in a queue: ready, taken by somebody just now, and not ready before its delay is over."""

    ready: int
    taken: int
    delayed: int


@dataclass(frozen=True, slots=True)
class Mail:
    """What SES lets this account do."""

    enabled: bool
    #: Whether each recipient must be verified, too.
    sandbox: bool
    #: In the last 24 hours, and how many may be.
    sent: float
    per_day: float


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a function's log."""

    at: datetime
    #: The function: api, sweeper, runner, reporter or auditor.
    function: str
    message: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class DeadLetter:
    body: str
    receipt: str


@contextmanager
def asking(what: str) -> Iterator[None]:
    """Turns what goes wrong while AWS is asked something into words. Raises NoAccess, ConfigError, AwsError."""
    try:
        yield
    except (NoCredentialsError, CredentialRetrievalError, ProfileNotFound, SSOError, TokenRetrievalError) as error:
        hint = "run `aws sso login` or `aws configure`, or name a profile with AWS_PROFILE or `followups login --profile`"
        raise NoAccess([f"there are no AWS credentials to use ({error}): {hint}"]) from error
    except NoRegionError as error:
        raise ConfigError(["no AWS region is set: name one with --region or AWS_REGION"]) from error
    except ClientError as error:
        about = error.response.get("Error", {})
        code, said = str(about.get("Code", "")), str(about.get("Message", ""))
        if code.startswith(_UNKNOWN):
            raise NoAccess([f"AWS does not know these credentials ({code}): run `aws sso login` or renew them"]) from error
        if code.startswith(_DENIED):
            raise NoAccess([f"{what}: you may not ({said or code})"]) from error
        raise AwsError(f"{what}: AWS answered {code}: {said}") from error
    except BotoCoreError as error:
        raise AwsError(f"{what}: {error}") from error


class Operator:
    """One stack, as its operator sees it. `connect` gives a client of an AWS service, by the service's name.

    Every method raises NoAccess for missing credentials or permissions, and AwsError for what else goes wrong.
    """

    def __init__(self, connect: Callable[[str], Any], stack: str) -> None:
        self._connect = connect
        self.stack = stack

    def client(self, service: str) -> Any:
        with asking(f"service {service}"):
            return self._connect(service)

    @cached_property
    def _described(self) -> Mapping[str, Any]:
        with asking(f"stack {self.stack}"):
            found: Mapping[str, Any] = self.client("cloudformation").describe_stacks(StackName=self.stack)["Stacks"][0]
        return found

    @property
    def status(self) -> str:
        """The stack's status, like UPDATE_COMPLETE."""
        return str(self._described["StackStatus"])

    @property
    def changed_at(self) -> datetime:
        """When it was last deployed."""
        changed: datetime = self._described.get("LastUpdatedTime") or self._described["CreationTime"]
        return changed

    @cached_property
    def outputs(self) -> Mapping[str, str]:
        """The stack's outputs, by name."""
        return {it["OutputKey"]: it["OutputValue"] for it in self._described.get("Outputs", [])}

    @cached_property
    def parameters(self) -> Mapping[str, str]:
        """The stack's parameters, by name."""
        return {it["ParameterKey"]: it.get("ParameterValue", "") for it in self._described.get("Parameters", [])}

    def output(self, name: str) -> str:
        """Gives an output. Raises AwsError if the stack has none of that name."""
        if name not in self.outputs:
            raise AwsError(f"stack {self.stack} has no output {name}: it is not Followups, or an older one")
        return self.outputs[name]

    def caller(self) -> str:
        """Gives the ARN of whose credentials these are."""
        with asking("who you are"):
            return str(self.client("sts").get_caller_identity()["Arn"])

    def sweep(self) -> dict[str, Any]:
        """Lets the sweeper look once, now; gives what it did, counted."""
        with asking("the sweeper"):
            answer = self.client("lambda").invoke(FunctionName=self.output("SweeperFunctionName"), Payload=b"{}")
            said = json.loads(answer["Payload"].read())
        if answer.get("FunctionError"):
            raise AwsError(f"the sweeper failed: {said.get('errorMessage', said)}")
        return dict(said)

    def last_tick(self, since: datetime) -> datetime | None:
        """Gives when a sweep last came to its end, if one did after `since`."""
        found = self._lines("SweeperLog", '{ $.message = "swept" }', since)
        return max((at for at, _ in found), default=None)

    def waiting(self, queue: str) -> Waiting:
        """Gives what lies in the queue whose URL that output is."""
        names = [f"ApproximateNumberOfMessages{which}" for which in ("", "NotVisible", "Delayed")]
        with asking(queue):
            asked = self.client("sqs").get_queue_attributes(QueueUrl=self.output(queue), AttributeNames=names)
        return Waiting(*(int(asked["Attributes"].get(name, 0)) for name in names))

    def dead_letters(self, queue: str) -> Iterator[DeadLetter]:
        """Gives the messages of a dead letter queue, each hidden from others for a minute."""
        while True:
            with asking(queue):
                found = self.client("sqs").receive_message(
                    QueueUrl=self.output(queue), MaxNumberOfMessages=10, VisibilityTimeout=_HOLD_S
                )
            messages = found.get("Messages", [])
            if not messages:
                return
            yield from (DeadLetter(it["Body"], it["ReceiptHandle"]) for it in messages)

    def give_back(self, letter: DeadLetter, *, dead: str) -> None:
        """Lets others see a dead letter again at once."""
        with asking(dead):
            self.client("sqs").change_message_visibility(
                QueueUrl=self.output(dead), ReceiptHandle=letter.receipt, VisibilityTimeout=0
            )

    def send_again(self, letter: DeadLetter, *, dead: str, queue: str) -> None:
        """Sends a dead letter once more, then removes it: dying between the two doubles it, which its fence forgives."""
        with asking(queue):
            client = self.client("sqs")
            client.send_message(QueueUrl=self.output(queue), MessageBody=letter.body)
            client.delete_message(QueueUrl=self.output(dead), ReceiptHandle=letter.receipt)

    def table_status(self, name: str) -> str:
        """Gives the table's status, like ACTIVE."""
        with asking(f"table {name}"):
            return str(self.client("dynamodb").describe_table(TableName=name)["Table"]["TableStatus"])

    def mail(self) -> Mail:
        """Gives what SES lets this account do."""
        with asking("SES"):
            it = self.client("sesv2").get_account()
        quota = it.get("SendQuota", {})
        return Mail(
            enabled=bool(it.get("SendingEnabled", True)), sandbox=not it.get("ProductionAccessEnabled", False),
            sent=float(quota.get("SentLast24Hours", 0)), per_day=float(quota.get("Max24HourSend", 0)),
        )  # fmt: skip

    def is_verified(self, address: str) -> bool:
        """Says whether SES knows the address, or its domain, as verified."""
        client = self.client("sesv2")
        for identity in (address, address.rpartition("@")[2]):
            with asking(f"SES identity {identity}"):
                try:
                    if client.get_email_identity(EmailIdentity=identity).get("VerifiedForSendingStatus"):
                        return True
                except client.exceptions.NotFoundException:
                    continue
        return False

    def agent_tags(self, kind: str, arn: str) -> Mapping[str, str] | None:
        """Gives the tags of what stands behind an agent (a function, a state machine, an AgentCore runtime or harness, by
        its ARN without alias or endpoint); None if there is none."""
        service = {"states": "stepfunctions", "agentcore": "bedrock-agentcore-control"}.get(kind, "lambda")
        client = self.client(service)
        gone = {"states": ("ResourceNotFound", "StateMachineDoesNotExist")}.get(kind, ("ResourceNotFoundException",))
        with asking(arn):
            try:
                if kind == "lambda":
                    return dict(client.list_tags(Resource=arn)["Tags"])
                if kind == "states":
                    return {it["key"]: it["value"] for it in client.list_tags_for_resource(resourceArn=arn)["tags"]}
                return dict(client.list_tags_for_resource(resourceArn=arn)["tags"])
            except ClientError as error:
                if error.response.get("Error", {}).get("Code") in gone:
                    return None
                raise

    def logs(self, word: str, since: datetime) -> list[Line]:
        """Gives the lines of all functions' logs that have the word, in the order of time."""
        found = [
            Line(at, name.removesuffix("Log").lower(), message)
            for name in _LOGS
            for at, message in self._lines(name, f'"{word}"', since)
        ]
        return sorted(found, key=lambda it: it.at)

    def _lines(self, log: str, pattern: str, since: datetime) -> Iterator[tuple[datetime, Mapping[str, Any]]]:
        asked = {"logGroupName": self.output(log), "filterPattern": pattern, "startTime": int(since.timestamp() * 1000)}
        with asking(log):
            for page in self.client("logs").get_paginator("filter_log_events").paginate(**asked):
                for event in page["events"]:
                    yield datetime.fromtimestamp(event["timestamp"] / 1000, UTC), _parsed(event["message"])


def _parsed(text: str) -> Mapping[str, Any]:
    """Gives a log line as its JSON object; what is none is a message."""
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    return found if isinstance(found, dict) else {"message": text.rstrip()}
