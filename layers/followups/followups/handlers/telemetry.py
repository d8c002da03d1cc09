"""What a function says of itself: a JSON line for each word, and metrics in CloudWatch's embedded metric format.

Names and counts only. Neither a task's text nor a report nor an address ever reaches the logs.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from followups.domain.errors import QueueError
from followups.domain.messages import Message
from followups.handlers import Context, Event, Handler
from followups.ports import Queue

#: Words that are logged as errors.
ERRORS = frozenset({"bug", "store_error", "bad_message", "broken_promises", "mail_failed", "queue_error"})
Facts = Mapping[str, Any]
Metric = tuple[str, MetricUnit, float]

_SWEPT = {
    "claimed": "Claimed", "lease_over": "RunsUnknown", "given_up": "RunsFailed", "poisoned": "Poisoned", "unsent": "Unsent",
}  # fmt: skip
_ENDED = {
    "succeeded": "RunsSucceeded", "attention": "RunsAttention", "failed": "RunsFailed", "timed_out": "RunsTimedOut",
    "unknown": "RunsUnknown", "skipped": "RunsSkipped",
}  # fmt: skip
_REPORTED = {"sent": "ReportsSent", "refused": "ReportsFailed", "gave_up": "ReportsFailed"}
#: Ended otherwise than an agent's owner hopes for: an alarm hangs on their sum.
_LOST = frozenset({"RunsFailed", "RunsTimedOut", "RunsUnknown"})
_TROUBLE = {"bug": "Bugs", "bad_message": "BadMessages", "store_error": "StoreErrors", "queue_error": "QueueErrors"}


class Telemetry:
    """The log and the metrics of one function."""

    def __init__(self, function: str, *, namespace: str) -> None:
        # Lambda reads the time, and takes a line whose time it cannot read for one of level INFO.
        self._logger = Logger(service=f"followups-{function}", use_rfc3339=True, utc=True)
        self._metrics = Metrics(namespace=namespace, service="followups")

    def log(self, word: str, facts: Facts) -> None:
        """Logs the word with its facts, and counts what of it is counted."""
        level = self._logger.error if word in ERRORS else self._logger.info
        level(word, extra=dict(facts))
        for name, unit, value in metrics_of(word, facts):
            self._metrics.add_metric(name=name, unit=unit, value=value)

    def around(self, handler: Handler) -> Handler:
        """Gives the handler with each line named after its request, and its metrics written out at its end."""

        def handle(event: Event, context: Context) -> dict[str, Any]:
            self._logger.append_keys(request_id=getattr(context, "aws_request_id", None))
            try:
                return handler(event, context)
            finally:
                if self._metrics.metric_set:
                    self._metrics.flush_metrics()

        return handle


class ToldQueue:
    """A queue whose failures are told: whoever sends goes on, since the sweeper sends again."""

    def __init__(self, queue: Queue, log: Callable[[str, Facts], None]) -> None:
        self._queue, self._log = queue, log

    def send(self, messages: Sequence[tuple[Message, int]]) -> None:
        """Sends as the queue does. Raises QueueError."""
        try:
            self._queue.send(messages)
        except QueueError as error:
            self._log("queue_error", {"error": str(error)})
            raise


def metrics_of(word: str, facts: Facts) -> Iterator[Metric]:
    """Gives the metrics that a logged word is counted in: name, unit, value."""
    if word in _TROUBLE:
        yield _TROUBLE[word], MetricUnit.Count, 1
        yield "Trouble", MetricUnit.Count, 1
    elif word == "mail_failed":
        yield "ReportsFailed", MetricUnit.Count, 1
    elif count := _COUNTED.get(word):
        yield from count(facts)


def _swept(facts: Facts) -> Iterator[Metric]:
    # Always, also 0: that there is one says that the sweeper lives.
    yield "LateSeconds", MetricUnit.Seconds, facts.get("late_s", 0)
    yield "Waiting", MetricUnit.Count, facts.get("waiting", 0)
    for fact, name in _SWEPT.items():
        if facts.get(fact):
            yield from _counted(name, facts[fact])
    if facts.get("poisoned"):
        yield "Trouble", MetricUnit.Count, facts["poisoned"]


def _handled(facts: Facts) -> Iterator[Metric]:
    if facts["kind"] == "report":
        if name := _REPORTED.get(facts["result"]):
            yield name, MetricUnit.Count, 1
        return
    # An attempt that is tried again is no failure yet.
    if (name := _ENDED.get(facts.get("outcome", ""))) and facts.get("final"):
        yield from _counted(name, 1)
    if "late_s" in facts:
        yield "StartLateSeconds", MetricUnit.Seconds, facts["late_s"]


def _counted(name: str, count: float) -> Iterator[Metric]:
    yield name, MetricUnit.Count, count
    if name in _LOST:
        yield "RunsLost", MetricUnit.Count, count


def _audited(facts: Facts) -> Iterator[Metric]:
    yield "BrokenPromises", MetricUnit.Count, facts["broken"]


_COUNTED: dict[str, Callable[[Facts], Iterator[Metric]]] = {"swept": _swept, "handled": _handled, "audited": _audited}
