"""The SQS adapter against moto: batches, delays, and what was not surely taken."""

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError
from botocore.stub import Stubber
from moto import mock_aws

from followups.adapters.sqs import SqsQueue
from followups.domain.errors import QueueError
from followups.domain.messages import Message, read_message

ID = "mfzwizltoq3tqnrvgmzdcmrtgq"
Pairs = list[tuple[Message, int]]


def start(fence: int) -> Message:
    return Message("start", "ada", ID, fence)


def report(fence: int) -> Message:
    return Message("report", "ada", ID, fence)


def client_of() -> Any:
    return boto3.client("sqs", region_name="eu-central-1", aws_access_key_id="test", aws_secret_access_key="test")


class Aws:
    """Two queues in moto, and what was sent to each."""

    def __init__(self) -> None:
        self.client = client_of()
        self.start = self.client.create_queue(QueueName="start")["QueueUrl"]
        self.report = self.client.create_queue(QueueName="report")["QueueUrl"]
        self.calls: list[dict[str, Any]] = []
        self.client.meta.events.register("provide-client-params.sqs.SendMessageBatch", self._note)

    def _note(self, params: dict[str, Any], **_: Any) -> None:
        self.calls.append(params)

    def received(self, url: str) -> list[Message | None]:
        found: list[Message | None] = []
        while batch := self.client.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            found += [read_message(it["Body"]) for it in batch]
        return found


@pytest.fixture
def aws() -> Iterator[Aws]:
    with mock_aws():
        yield Aws()


def test_each_kind_goes_to_its_queue_ten_at_a_time(aws: Aws) -> None:
    messages: Pairs = [(start(n), 0) for n in range(1, 24)] + [(report(n), 0) for n in range(1, 12)]
    SqsQueue(aws.client, aws.start, aws.report).send(messages)
    assert [len(it["Entries"]) for it in aws.calls] == [10, 10, 3, 10, 1]
    assert {it.fence for it in aws.received(aws.start) if it and it.kind == "start"} == set(range(1, 24))
    assert {it.fence for it in aws.received(aws.report) if it and it.kind == "report"} == set(range(1, 12))


def test_delays_are_whole_seconds_that_sqs_takes(aws: Aws) -> None:
    SqsQueue(aws.client, aws.start, aws.report).send([(start(1), 0), (start(2), 117), (start(3), 901), (start(4), -1)])
    (call,) = aws.calls
    assert [it["DelaySeconds"] for it in call["Entries"]] == [0, 117, 900, 0]
    assert [it.fence for it in aws.received(aws.start) if it] == [1, 4]


def test_nothing_to_send_is_no_call(aws: Aws) -> None:
    SqsQueue(aws.client, aws.start, aws.report).send([])
    assert aws.calls == []


def test_a_queue_that_is_not_there_does_not_keep_the_others_from_theirs(aws: Aws) -> None:
    queue = SqsQueue(aws.client, aws.start + "-gone", aws.report)
    with pytest.raises(QueueError, match="2 of 3 messages were not surely taken"):
        queue.send([(start(1), 0), (report(2), 0), (start(3), 0)])
    assert [it.fence for it in aws.received(aws.report) if it] == [2]


def test_a_function_sends_only_to_the_queues_it_knows(aws: Aws) -> None:
    with pytest.raises(QueueError, match="no report queue is known here"):
        SqsQueue(aws.client, aws.start, None).send([(report(1), 0), (start(2), 0)])
    assert [it.fence for it in aws.received(aws.start) if it] == [2]


def test_partial_failure_is_told() -> None:
    client = client_of()
    with Stubber(client) as stubber:
        failed = {"Id": "1", "SenderFault": False, "Code": "InternalError", "Message": "try later"}
        taken = {"Id": "0", "MessageId": "m", "MD5OfMessageBody": "x"}
        stubber.add_response("send_message_batch", {"Successful": [taken], "Failed": [failed]})
        with pytest.raises(QueueError, match="1 of 2 messages were not surely taken: InternalError: try later"):
            SqsQueue(client, "https://sqs.example/1/q", None).send([(start(1), 0), (start(2), 0)])


def test_lost_connection_is_told() -> None:
    class Unreachable:
        def send_message_batch(self, **_: Any) -> None:
            raise EndpointConnectionError(endpoint_url="https://sqs.example")

    with pytest.raises(QueueError, match="2 of 2 messages were not surely taken: Could not connect"):
        SqsQueue(Unreachable(), "https://sqs.example/1/q", None).send([(start(1), 0), (start(2), 0)])


def test_body_carries_names_only(aws: Aws) -> None:
    SqsQueue(aws.client, aws.start, aws.report).send([(start(3), 0)])
    body = json.loads(aws.calls[0]["Entries"][0]["MessageBody"])
    assert body == {"v": 1, "kind": "start", "owner": "ada", "follow_up_id": ID, "fence": 3}
