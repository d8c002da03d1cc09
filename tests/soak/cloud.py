"""The part on ministack: the handlers as processes over DynamoDB, SQS and SES. The server itself is not killed."""

import json
import multiprocessing
import re
import urllib.request
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from itertools import count
from multiprocessing.process import BaseProcess
from pathlib import Path
from signal import SIGALRM
from typing import Any

from followups.adapters import codec
from followups.adapters.dynamodb_changes import plain_item
from followups.cli.client import Transport
from followups.domain.entities import FollowUp, Run
from followups.usecases.registry import Registration, put_agent
from tests.soak import agents, worker
from tests.soak.asks import Loopback
from tests.soak.fleet import Fleet, Member, Process
from tests.soak.worker import Site
from tests.support.cfn import table_definition
from tests.support.ministack import ministack

_PORT = re.compile(r"http://127\.0\.0\.1:(\d+)")
_RUN = re.compile(r"run-[a-z2-7]{26}-\d{6}")
#: Two more runners than the cap, as the template has it: a message that is refused must find a runner.
_PLACES = {"api": 2, "sweeper": 2, "runner": 14, "reporter": 2}
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class CloudPart:
    """A table, two queues, and two APIs, two sweepers, fourteen runners and two reporters."""

    name = "ministack"
    global_cap = 12
    every_s = 0.7
    senders = ("reporter",)
    # A claim or a lease that its process lost is found when its time is over; the longest lease is eight seconds.
    finds_at_once = False
    still_s = 12.0

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder = folder
        self.marks = folder / "marks"
        self.logs = folder / "logs"
        self.logs.mkdir()
        self.weights = {"api": 2, "sweeper": 2, "runner": 6, "reporter": 2}
        self.owner = "ada"
        (folder / "server").mkdir()
        url = stack.enter_context(ministack(folder / "server"))
        self._site = _make(url, self.marks, self.owner, self.global_cap)
        self.store = self._site.store()
        self.specs = (*agents.SPECS, *agents.LONG, *agents.LATER)
        for spec in self.specs:
            put_agent(self._site.world(_NO_QUEUE), spec.name, _registered(spec, self.marks))
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["tests.soak.warm"])
        self._numbers = count()
        self._apis: list[Member] = []
        self._logs: dict[int, Path] = {}
        self._ports: dict[Path, int] = {}

    def members(self, shift: timedelta) -> list[Member]:
        site = replace(self._site, shift=shift)
        found = [self._member(kind, site) for kind, places in _PLACES.items() for _ in range(places)]
        self._apis = [it for it in found if it.kind == "api"]
        return found

    def transports(self) -> list[Transport]:
        ports = [self._port(it.process.pid) for it in self._apis if it.process is not None]
        return [Loopback(port) for port in ports if port]

    def command(self, fleet: Fleet) -> Callable[[dict[str, str], str], dict[str, Any] | None] | None:
        return None

    def found(self) -> tuple[list[FollowUp], list[Run], list[str]]:
        client = self._site.client("dynamodb")
        pages = client.get_paginator("scan").paginate(TableName=self._site.table, ConsistentRead=True)
        items = [plain_item(raw) for page in pages for raw in page["Items"]]
        slots = [f"{it['pk']} {member}" for it in items if it.get("type") == "slots" for member in it.get("members", ())]
        things = [codec.from_item(it) for it in items if it.get("type") in codec.KINDS]
        return (
            [it for it in things if isinstance(it, FollowUp)],
            [it for it in things if isinstance(it, Run)],
            slots,
        )

    def mails(self) -> dict[str, int]:
        with _DIRECT.open(f"{self._site.url}/_ministack/ses/messages", timeout=60) as answer:
            by_account = json.load(answer)["messages"]
        named = [_RUN.search(it["BodyText"]) for sent in by_account.values() for it in sent]
        return Counter(name[0] if name else "no run" for name in named)

    def audit_by_command(self) -> list[str]:
        return []

    def leftovers(self) -> dict[str, int]:
        """Says how many messages are left in the queues: those of runs that have ended."""
        sqs = self._site.client("sqs")
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        left = {}
        for kind, url in (("start", self._site.start_queue), ("report", self._site.report_queue)):
            said = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
            left[f"{kind} messages"] = sum(int(said[name]) for name in names)
        return left

    def _member(self, kind: str, site: Site) -> Member:
        # A function whose time is over is killed by the kernel, as Lambda would.
        return Member(kind=kind, start=lambda: self._start(kind, site), may_end=frozenset({-SIGALRM}))

    def _start(self, kind: str, site: Site) -> Process:
        log = self.logs / f"{kind}-{next(self._numbers):05}.log"
        process = self._context.Process(target=worker.work, args=(kind, site, log), daemon=True)
        process.start()
        assert process.pid is not None
        self._logs[process.pid] = log
        return _Forked(process)

    def _port(self, pid: int) -> int | None:
        log = self._logs[pid]
        if log not in self._ports and log.exists() and (said := _PORT.search(log.read_text("utf-8", "replace"))):
            self._ports[log] = int(said[1])
        return self._ports.get(log)


class _Forked:
    """A process of the fork server's."""

    def __init__(self, process: BaseProcess) -> None:
        self._process = process
        self.pid = process.pid or 0

    def poll(self) -> int | None:
        return self._process.exitcode


class _NoQueue:
    """A queue for nobody."""

    def send(self, messages: object) -> None:
        raise AssertionError("registering sends nothing")


_NO_QUEUE = _NoQueue()


def _make(url: str, marks: Path, owner: str, global_cap: int) -> Site:
    """Makes what the template has: the table, two queues and a sender."""
    site = Site(
        url=url, table="followups-soak", shards=4, start_queue="", report_queue="", owner=owner, marks=marks,
        global_cap=global_cap,
    )  # fmt: skip
    site.client("dynamodb").create_table(**table_definition(site.table))
    site.client("sesv2").create_email_identity(EmailIdentity=worker.SENDER)
    sqs, attributes = site.client("sqs"), {"VisibilityTimeout": str(worker.VISIBILITY_S)}
    start, report = (sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"] for name in ("start", "report"))
    return replace(site, start_queue=start, report_queue=report)


def _registered(spec: agents.Spec, marks: Path) -> Registration:
    return Registration(
        kind="command", command=tuple(agents.command(spec, marks)), timeout_s=60, max_concurrency=spec.cap,
        rerun_safe=spec.rerun == "safe", max_attempts=spec.max_attempts,
    )  # fmt: skip
