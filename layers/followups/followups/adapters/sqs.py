"""The queues on AWS: SQS, at least once, in any order."""

from collections.abc import Sequence
from itertools import islice
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from followups.domain.errors import QueueError
from followups.domain.messages import Message

#: What SQS takes in one call (SendMessageBatch), and the longest delay of a message in seconds.
_BATCH, _LONGEST_DELAY = 10, 900


class SqsQueue:
    """Sends start messages to the one queue and report messages to the other.

    A function that may not send to a queue has None for its URL: what it sends there all the same is not taken, and the
    sweeper, who owns liveness, sends it.
    """

    def __init__(self, client: Any, start_url: str | None, report_url: str | None) -> None:
        self._client = client
        self._urls = {"start": start_url, "report": report_url}

    def send(self, messages: Sequence[tuple[Message, int]]) -> None:
        """Takes (message, delay in seconds) pairs. Tries all of them, then raises QueueError if one was not taken."""
        problems: list[str] = []
        for kind, url in self._urls.items():
            waiting = iter([pair for pair in messages if pair[0].kind == kind])
            while batch := list(islice(waiting, _BATCH)):
                problems += self._send_batch(kind, url, batch)
        if problems:
            raise QueueError(f"{len(problems)} of {len(messages)} messages were not surely taken: {problems[0]}")

    def _send_batch(self, kind: str, url: str | None, batch: Sequence[tuple[Message, int]]) -> list[str]:
        """Gives a line for each message that was not surely taken."""
        if url is None:
            return [f"no {kind} queue is known here"] * len(batch)
        entries = [
            {"Id": str(n), "MessageBody": message.to_json(), "DelaySeconds": min(max(0, delay_s), _LONGEST_DELAY)}
            for n, (message, delay_s) in enumerate(batch)
        ]
        try:
            answer = self._client.send_message_batch(QueueUrl=url, Entries=entries)
        except (ClientError, BotoCoreError) as error:
            # Sending again is the sweeper's business, also where only the answer was lost: a double does no harm.
            return [str(error)] * len(batch)
        return [f"{it['Code']}: {it.get('Message', 'no reason given')}" for it in answer.get("Failed", ())]
