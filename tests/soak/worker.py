"""The handlers as processes against ministack: what Lambda's event sources do, around the product's own handlers.

A process is one place of Lambda: it takes one event at a time, is killed by the kernel when the function's time is over,
and deletes a message only when the handler has returned. What it does not get done the product must find.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from followups.adapters.dynamodb import DynamoDBStore
from followups.adapters.local import NoLeases, NoQueue, SystemChance, SystemClock
from followups.adapters.ses import SesMailer
from followups.adapters.sqs import SqsQueue
from followups.api.app import api
from followups.api.routes import load_writes
from followups.api.service import Service
from followups.domain.contract import AgentCall, Done, Pending
from followups.domain.entities import Run
from followups.domain.errors import AgentUncertain, StoreError
from followups.domain.status import Outcome
from followups.handlers import Handler
from followups.handlers.queue import reporter, runner
from followups.handlers.sweeper import sweeper
from followups.local.server import HOST, ApiServer
from followups.ports import Mailer, Queue
from followups.usecases.world import Limits, World
from tests.soak import agent, marks
from tests.soak.fleet import die_with_parent

#: A function's time, after which its process is dead, and what its lease has beyond that.
TIMEOUT_S, MARGIN = 6.0, timedelta(seconds=2)
#: As SQS events ask for: six times the function's time.
VISIBILITY_S = 36
SENDER = "followups@example.com"
_SECRET = b"0123456789abcdef0123456789abcdef"
_LIMITS = Limits(
    look_ahead=timedelta(seconds=5), blocked_s=(1.0, 5.0), reserve=timedelta(seconds=2), lease_margin=MARGIN,
    max_open=1_000,  # never reached, and counted at each create and each end
)  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Site:
    """Where everything is."""

    url: str
    table: str
    shards: int
    start_queue: str
    report_queue: str
    owner: str
    marks: Path
    global_cap: int
    #: How far the processes' clocks are ahead of the machine's.
    shift: timedelta = timedelta(0)

    def client(self, service: str, *, attempts: int = 3) -> Any:
        # As the product makes them, but for the address and the credentials.
        retries = {"total_max_attempts": attempts, "mode": "standard"}
        settings = Config(connect_timeout=5, read_timeout=10, retries=retries, proxies={})
        return boto3.client(
            service, endpoint_url=self.url, region_name="eu-central-1", aws_access_key_id="test",
            aws_secret_access_key="test", config=settings,
        )  # fmt: skip

    def store(self) -> DynamoDBStore:
        return DynamoDBStore(self.client("dynamodb"), self.table, shards=self.shards)

    def world(self, queue: Queue, **limits: Any) -> World:
        return World(
            store=self.store(), queue=queue, clock=SystemClock(self.shift), chance=SystemChance(), leases=NoLeases(),
            limits=replace(_LIMITS, global_cap=self.global_cap, **limits),
        )  # fmt: skip


def warm(site: Site) -> None:
    """Loads what every process needs; a process that is forked from this one starts in a few milliseconds."""
    load_writes()
    for service in ("dynamodb", "sqs", "sesv2"):
        site.client(service)


def work(kind: str, site: Site, log: Path) -> None:
    """Is a process of that kind until it is killed. Writes what goes wrong into `log`."""
    os.setsid()
    die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    fd = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(fd, 1)
    os.dup2(fd, 2)
    _KINDS[kind](site)


def _api(site: Site) -> None:
    world = site.world(SqsQueue(site.client("sqs"), site.start_queue, site.report_queue), claim_at_birth=True)
    service = Service(world=world, secrets=(_SECRET,), default_timezone="UTC", allow_commands=True)
    server = ApiServer(0, api(service, log=_log), user=site.owner, now=world.clock.now)
    _say(f"http://{HOST}:{server.server_address[1]}")
    server.serve_forever()


def _sweeper(site: Site) -> None:
    handle = sweeper(site.world(SqsQueue(site.client("sqs"), site.start_queue, site.report_queue)), log=_log)
    while True:
        with _Invocation(30) as context:
            try:
                handle({}, context)
            except StoreError as error:
                _log("store_error", {"error": str(error)})
        time.sleep(1)


def _runner(site: Site) -> None:
    world = site.world(SqsQueue(site.client("sqs"), None, site.report_queue))
    targets = {"command": MarkingAgent(site.marks)}
    _consume(site, site.start_queue, runner(world, targets, (_SECRET,), log=_log))


def _reporter(site: Site) -> None:
    mailer = SesMailer(site.client("sesv2", attempts=1), sender=SENDER, default_to="me@example.com")
    noting = MarkingMailer(mailer, site.marks)
    _consume(site, site.report_queue, reporter(site.world(NoQueue()), noting, log=_log))


_KINDS: dict[str, Callable[[Site], None]] = {
    "api": _api, "sweeper": _sweeper, "runner": _runner, "reporter": _reporter,
}  # fmt: skip


def _consume(site: Site, url: str, handle: Handler) -> None:
    """Calls the handler with each message, alone, and deletes what it acknowledged."""
    sqs = site.client("sqs")
    while True:
        got = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=1, WaitTimeSeconds=2)
        for message in got.get("Messages", ()):
            with _Invocation(TIMEOUT_S) as context:
                record = {"messageId": message["MessageId"], "body": message["Body"], "eventSource": "aws:sqs"}
                answer = handle({"Records": [record]}, context)
            if not answer["batchItemFailures"]:
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])


class _Invocation:
    """Lambda's context object; when the time is over the kernel kills the process (SIGALRM's default), as Lambda would."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def __enter__(self) -> "_Invocation":
        self._until = time.monotonic() + self._seconds
        signal.setitimer(signal.ITIMER_REAL, self._seconds)
        return self

    def __exit__(self, *_error: object) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)

    def get_remaining_time_in_millis(self) -> int:
        return max(0, int((self._until - time.monotonic()) * 1000))


class MarkingMailer:
    """Says before each mail who sends it: a second one must be explained by the death of who sent the first."""

    def __init__(self, mailer: Mailer, path: Path) -> None:
        self._mailer = mailer
        self._path = path

    def send(self, run: Run) -> str:
        marks.write(self._path, "mailing", run.id, run.agent, os.getpid())
        return self._mailer.send(run)


class MarkingAgent:
    """An agent in the process of its runner, which dies with it; told by its command's words what to do.

    One whose name begins with `@later` works elsewhere: it answers "pending", and its end is found by a poll.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def start(self, call: AgentCall) -> Done | Pending:
        name, shortest, longest, percent = call.agent.command[-4:]
        elsewhere = name.startswith("@later")
        marks.write(self._path, "start", call.run_id, name, 0 if elsewhere else os.getpid())
        seconds = agent.seconds(shortest, longest)
        if elsewhere:
            return Pending(handle=f"{agent.now() + seconds:.6f}", poll_after=timedelta(seconds=seconds))
        time.sleep(seconds)
        return self._end(call, failed=agent.fails(percent))

    def poll(self, call: AgentCall, handle: str) -> Done | Pending:
        if (left := float(handle) - agent.now()) > 0:
            return Pending(handle=handle, poll_after=timedelta(seconds=left))
        return self._end(call, failed=False, at=float(handle))

    def cancel(self, call: AgentCall, handle: str) -> None:
        raise AgentUncertain("no agent of the soak lives as long as that")

    def _end(self, call: AgentCall, *, failed: bool, at: float | None = None) -> Done:
        word = "failed" if failed else "end"
        marks.write(self._path, word, call.run_id, call.agent.command[-4], os.getpid(), at=at)
        if failed:
            return Done(outcome=Outcome.FAILED, summary="It did not work.")
        return Done(outcome=Outcome.SUCCEEDED, summary="It worked.")


def _log(word: str, facts: Mapping[str, Any]) -> None:
    if word in ("bug", "store_error", "bad_message"):
        _say(f"followups: {word} {json.dumps(dict(facts), default=str)}")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
