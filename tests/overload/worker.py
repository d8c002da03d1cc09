"""The functions as processes over ministack: `python -m tests.overload.worker KIND SITE`. Each ends when it is told to."""

import json
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

import boto3
from botocore.config import Config

from followups.adapters.dynamodb import DynamoDBStore
from followups.adapters.local import NoLeases, NoQueue, SystemChance, SystemClock
from followups.adapters.sqs import SqsQueue
from followups.domain.contract import AgentCall, Done, Pending
from followups.domain.entities import Run
from followups.domain.errors import StoreError
from followups.domain.status import Outcome
from followups.handlers import Handler, Log
from followups.handlers.queue import reporter, runner
from followups.handlers.sweeper import sweeper
from followups.ports import Queue
from followups.usecases.world import Limits, World

SECRET = b"0123456789abcdef0123456789abcdef"
#: As the template has them, in seconds: between two ticks, and what functions may take.
TICK_S, SWEEPER_S, RUNNER_S, REPORTER_S = 60, 55, 900, 60
#: More than will ever be open: what is asked for meanwhile is counted, and never refused for its number.
MAX_OPEN = 1_000_000
#: What bootstrap gives the sweeper.
AGAIN = timedelta(seconds=5)


@dataclass(frozen=True, kw_only=True, slots=True)
class Site:
    """Where everything is, and how many agents may run at once."""

    url: str
    table: str
    shards: int
    start_queue: str
    report_queue: str
    cap: int

    def client(self, service: str, *, connections: int = 10) -> Any:
        settings = Config(
            connect_timeout=5, read_timeout=30, retries={"total_max_attempts": 3, "mode": "standard"}, proxies={},
            max_pool_connections=connections,
        )  # fmt: skip
        return boto3.client(
            service, endpoint_url=self.url, region_name="eu-central-1", aws_access_key_id="test",
            aws_secret_access_key="test", config=settings,
        )  # fmt: skip

    def store(self, *, connections: int = 10) -> DynamoDBStore:
        return DynamoDBStore(self.client("dynamodb", connections=connections), self.table, shards=self.shards)

    def world(self, queue: Queue, *, connections: int = 10, **limits: Any) -> World:
        return World(
            store=self.store(connections=connections), queue=queue, clock=SystemClock(), chance=SystemChance(),
            leases=NoLeases(), limits=Limits(global_cap=self.cap, **limits),
        )  # fmt: skip

    def sweeping(self) -> World:
        """Gives the sweeper's world."""
        return self.world(SqsQueue(self.client("sqs"), self.start_queue, self.report_queue))

    def to_json(self) -> str:
        return json.dumps(asdict(self))


class Context:
    """Lambda's context object."""

    def __init__(self, seconds: float) -> None:
        self._until = time.monotonic() + seconds

    def get_remaining_time_in_millis(self) -> int:
        return max(0, int((self._until - time.monotonic()) * 1000))


class QuickAgent:
    """An agent that has nothing to do."""

    def start(self, _call: AgentCall) -> Done | Pending:
        return Done(outcome=Outcome.SUCCEEDED, summary="done")

    def poll(self, _call: AgentCall, handle: str) -> Done | Pending:
        raise NotImplementedError(handle)

    def cancel(self, _call: AgentCall, handle: str) -> None:
        raise NotImplementedError(handle)


class QuickMailer:
    """A mail service that takes all."""

    def send(self, run: Run) -> str:
        return f"<{run.id}@example.com>"


def _sweep(site: Site, places: int) -> None:
    """A tick each minute, as EventBridge has it; the kernel ends it when its time is over, as Lambda would. Prints what
    each did."""
    handle = sweeper(site.sweeping(), again=AGAIN)
    while True:
        started = time.monotonic()
        signal.setitimer(signal.ITIMER_REAL, SWEEPER_S)
        try:
            facts: dict[str, Any] = handle({}, Context(SWEEPER_S))
        except StoreError as error:
            facts = {"error": str(error)}
        signal.setitimer(signal.ITIMER_REAL, 0)
        seconds = time.monotonic() - started
        print(json.dumps({"seconds": round(seconds, 1)} | facts), flush=True)
        time.sleep(max(0.0, TICK_S - seconds))


def _run(site: Site, places: int) -> None:
    queue = SqsQueue(site.client("sqs", connections=places), None, site.report_queue)
    world = site.world(queue, connections=places)
    handle = runner(world, {"command": QuickAgent()}, (SECRET,), log=_tally())
    _consume(site, site.start_queue, handle, places, batch=1, seconds=RUNNER_S)


def _report(site: Site, places: int) -> None:
    handle = reporter(site.world(NoQueue(), connections=places), QuickMailer(), log=_tally())
    _consume(site, site.report_queue, handle, places, batch=5, seconds=REPORTER_S)


def _consume(site: Site, url: str, handle: Handler, places: int, *, batch: int, seconds: float) -> None:
    """Does what Lambda's event source does, in as many places at once."""
    sqs = site.client("sqs", connections=places)

    def work() -> None:
        while True:
            got = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=batch, WaitTimeSeconds=1).get("Messages", [])
            if not got:
                continue
            records = [{"messageId": it["MessageId"], "body": it["Body"], "eventSource": "aws:sqs"} for it in got]
            failed = {it["itemIdentifier"] for it in handle({"Records": records}, Context(seconds))["batchItemFailures"]}
            entries = [{"Id": str(n), "ReceiptHandle": it["ReceiptHandle"]} for n, it in enumerate(got)]
            done = [entry for entry, it in zip(entries, got, strict=True) if it["MessageId"] not in failed]
            if done:
                sqs.delete_message_batch(QueueUrl=url, Entries=done)

    threads = [threading.Thread(target=work, daemon=True) for _ in range(places)]
    for thread in threads:
        thread.start()
    threads[0].join()


def _tally() -> Log:
    """Gives a log that prints every two seconds what came of how many messages, and tells of trouble at once."""
    counted: Counter[str] = Counter()

    def log(word: str, facts: Mapping[str, Any]) -> None:
        counted[facts["result"] if word == "handled" else word] += 1
        if word in ("bug", "store_error", "bad_message"):
            print(f"{word} {json.dumps(dict(facts), default=str)}", file=sys.stderr, flush=True)

    def tell() -> None:
        while True:
            time.sleep(2)
            print(json.dumps(dict(counted)), flush=True)

    threading.Thread(target=tell, daemon=True).start()
    return log


KINDS: dict[str, Callable[[Site, int], None]] = {"sweeper": _sweep, "runner": _run, "reporter": _report}


if __name__ == "__main__":
    KINDS[sys.argv[1]](Site(**json.loads(sys.argv[2])), int(sys.argv[3]))
