"""Everything due at once on ministack: the handlers as processes over DynamoDB and SQS, and the API asked meanwhile."""

import json
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from followups.adapters.sqs import SqsQueue
from followups.api.app import api
from followups.api.routes import load_writes
from followups.api.service import Service
from followups.domain.entities import FollowUp, Run
from followups.domain.status import Outcome, ReportStatus, Status
from followups.local import events
from followups.usecases.registry import Registration, put_agent
from followups.usecases.sweep import sweep
from tests.overload.figures import Repeat, end_with_parent, now_mb, peak_mb, say, spread
from tests.overload.worker import MAX_OPEN, SECRET, SWEEPER_S, Context, Site
from tests.support import bulk
from tests.support.cfn import ROOT, plain, resources, table_definition, template
from tests.support.ministack import ministack

OWNER = "ada"
#: A sweep is killed after this long, in the middle of its claims.
_KILLED_AFTER_S = 2.0
_STUCK_S = 300.0
#: ministack reads the whole table for each list: asked more often, it would do little else.
_ASK_S = 3.0


def overload(count: int, *, seed: int, cap: int = 5, limit_s: float = 3600.0) -> dict[str, Any]:
    """Gives the figures of one drain of `count` follow-ups, and under `broken` what did not hold."""
    with tempfile.TemporaryDirectory(prefix="followups-overload-") as folder, ExitStack() as stack:
        site = _site(stack.enter_context(ministack(Path(folder))), cap)
        put_agent(site.sweeping(), "@quick", Registration(kind="command", command=("true",), max_concurrency=cap))
        start = time.monotonic()
        due = datetime.now(UTC) - timedelta(hours=1)
        accepted = bulk.write(site.store(), count, owner=OWNER, kind=_kind, seed=seed, batch=100, due=due)
        say(f"ministack: {count:,} follow-ups written in {time.monotonic() - start:.1f} s")
        figures = {"count": count, "cap": cap, "killed_sweep": _killed_sweep(site), "first_sweep": _first_sweep(site)}
        return figures | _Drain(site, accepted, random.Random(seed), Path(folder)).run(limit_s) | _judge(site, accepted)


def _kind(_number: int) -> tuple[str, str]:
    return "@quick", ""


def _site(url: str, cap: int) -> Site:
    """Makes the table and the two queues as the template has them."""
    shards = int(template()["Parameters"]["Shards"]["Default"])
    site = Site(url=url, table="followups", shards=shards, start_queue="", report_queue="", cap=cap)
    site.client("dynamodb").create_table(**table_definition(site.table))
    sqs, made = site.client("sqs"), {}
    for name in ("StartQueue", "ReportQueue"):
        properties = resources("AWS::SQS::Queue")[name]
        asked = {key: str(plain(properties[key])) for key in ("VisibilityTimeout", "MessageRetentionPeriod")}
        made[name] = sqs.create_queue(QueueName=name, Attributes=asked)["QueueUrl"]
    return Site(
        url=url, table=site.table, shards=shards, start_queue=made["StartQueue"], report_queue=made["ReportQueue"], cap=cap
    )


def _killed_sweep(site: Site) -> dict[str, Any]:
    """Kills a sweep in the middle of its claims; gives how many it had made, some of them without a message."""
    with _process("sweeper", site, 1) as process:
        until = time.monotonic() + 30
        while not (claims := _statuses(site)["claimed"]) and time.monotonic() < until:
            time.sleep(0.05)
        process.kill()
        process.wait()
    sent = site.client("sqs").get_queue_attributes(
        QueueUrl=site.start_queue, AttributeNames=["ApproximateNumberOfMessages"]
    )["Attributes"]["ApproximateNumberOfMessages"]
    claims = _statuses(site)["claimed"]
    say(f"ministack: a sweep was killed after {claims} claims, of which {sent} had their message")
    return {"claims": claims, "messages": int(sent)}


def _first_sweep(site: Site) -> dict[str, Any]:
    """Sweeps once, in this process; gives how long it took."""
    start = time.monotonic()
    facts = sweep(site.sweeping(), remaining=timedelta(seconds=SWEEPER_S))
    seconds = time.monotonic() - start
    say(f"ministack: one sweep took {seconds:.1f} s: {dict(facts)}")
    return {"seconds": round(seconds, 1), "claims_per_s": round(facts["claimed"] / seconds, 1)} | facts


class _Drain:
    def __init__(self, site: Site, accepted: list[str], luck: random.Random, folder: Path) -> None:
        self._site, self._accepted, self._luck, self._folder = site, accepted, luck, folder
        load_writes()
        queue = SqsQueue(site.client("sqs"), site.start_queue, site.report_queue)
        world = site.world(queue, claim_at_birth=True, max_open=MAX_OPEN)
        service = Service(world=world, secrets=(SECRET,), default_timezone="UTC", allow_commands=False)
        self._api = api(service)
        self._latency: dict[str, list[float]] = defaultdict(list)
        self._refused: Counter[str] = Counter()

    def run(self, limit_s: float) -> dict[str, Any]:
        """Drains it with a sweeper, two places for runners more than the cap, and two for reporters: as the template has it
        by default."""
        runners = self._site.cap + 2
        places = {"sweeper": [1], "runner": [runners - runners // 2, runners // 2], "reporter": [2]}
        born = time.monotonic()
        with ExitStack() as stack:
            processes = {
                name: stack.enter_context(_process(kind, self._site, count, self._folder / name))
                for kind, counts in places.items()
                for number, count in enumerate(counts, 1)
                if (name := f"{kind} {number}")
            }
            with Repeat(self._ask, pause_s=_ASK_S):
                quarters = self._watch(born, limit_s, processes)
            seconds = time.monotonic() - born
            ended = [name for name, process in processes.items() if process.poll() is not None]
            peaks = {name: peak_mb(process.pid) for name, process in processes.items()}
        ticks = _lines(self._folder / "sweeper 1.out")
        noise = [line for name in processes for line in (self._folder / f"{name}.err").read_text().splitlines()]
        handled = self._handled()
        return {
            "seconds": round(seconds, 1), "runs_per_s": round(len(self._accepted) / seconds, 1), "peak_rss_mb": peaks,
            "sweeper_rss_mb_at_quarters": quarters, "ticks": len(ticks),
            "longest_tick_s": max((it["seconds"] for it in ticks), default=0), "swept": _sum(ticks, but="seconds"),
            "runners": handled["runner"], "reporters": handled["reporter"], "processes_that_ended": ended,
            "api": {name: spread(it) for name, it in sorted(self._latency.items())}, "api_refused": dict(self._refused),
            "noise": noise[:5],
        }  # fmt: skip

    def _watch(self, born: float, limit_s: float, processes: dict[str, "subprocess.Popen[bytes]"]) -> list[float]:
        total, last, seen, quarters, told = len(self._accepted), time.monotonic(), -1, [], 0.0
        while True:
            time.sleep(2)
            handled = self._handled()
            now, done, reported = time.monotonic(), handled["runner"]["finished"], handled["reporter"]["sent"]
            if reported != seen:
                seen, last = reported, now
            if done * 4 >= total * len(quarters) and len(quarters) < 5:
                quarters.append(now_mb(processes["sweeper 1"].pid))
            if now - told > 15:
                told = now
                refused = handled["runner"]["blocked"]
                say(
                    f"ministack: {done:,} run, {seen:,} reported of {total:,}, {done / (now - born):.1f}/s, "
                    f"{refused:,} refused, ticks: {len(_lines(self._folder / 'sweeper 1.out'))}"
                )
            if seen >= total or now - last > _STUCK_S or now - born > limit_s:
                return quarters

    def _handled(self) -> dict[str, Counter[str]]:
        """Gives by kind what came of how many messages, as the processes last told."""
        found: dict[str, Counter[str]] = {"runner": Counter(), "reporter": Counter()}
        for kind, counted in found.items():
            for path in self._folder.glob(f"{kind} *.out"):
                counted.update(next(reversed(_lines(path)), {}))
        return found

    def _ask(self) -> None:
        self._call("list", "GET", "/v1/follow-ups?limit=50")
        self._call("show", "GET", f"/v1/follow-ups/{self._luck.choice(self._accepted)}")
        self._call("create", "POST", "/v1/follow-ups", b'{"agent": "@quick", "task": "Later", "due": "30d"}')

    def _call(self, name: str, method: str, target: str, body: bytes | None = None) -> None:
        event = events.request(
            method, target, user=OWNER, headers={"content-type": "application/json"}, body=body, at=datetime.now(UTC)
        )
        start = time.monotonic()
        status = self._api(event, Context(29))["statusCode"]
        self._latency[name].append(time.monotonic() - start)
        if status >= 300:
            self._refused[f"{name} {status}"] += 1


def _statuses(site: Site) -> Counter[str]:
    """Gives how many items are in each status; `reported`: reports that are sent."""
    names = {"#status": "status", "#report": "report_status", "#blocked": "blocked_reason"}
    pages = site.client("dynamodb").get_paginator("scan").paginate(
        TableName=site.table, ProjectionExpression=", ".join(names), ExpressionAttributeNames=names
    )  # fmt: skip
    found: Counter[str] = Counter()
    for page in pages:
        for item in page["Items"]:
            if "status" in item:
                found[item["status"]["S"]] += 1
                found["refused"] += "blocked_reason" in item
            found["reported"] += item.get("report_status", {}).get("S") == ReportStatus.SENT
    return +found


def _lines(path: Path) -> list[dict[str, Any]]:
    """Gives the whole lines of what a process has printed."""
    return [json.loads(line) for line in path.read_text().split("\n")[:-1]] if path.exists() else []


def _sum(found: list[dict[str, Any]], *, but: str) -> dict[str, int]:
    total: Counter[str] = Counter()
    for it in found:
        total.update({name: value for name, value in it.items() if name != but and isinstance(value, int)})
    return dict(total)


@contextmanager
def _process(kind: str, site: Site, places: int, log: Path | None = None) -> Iterator["subprocess.Popen[bytes]"]:
    """Gives a process of that kind, which prints into `log`.out and `log`.err; it is killed at the end."""
    with ExitStack() as stack:
        out, err = (
            (stack.enter_context(Path(f"{log}.{end}").open("wb")) if log else subprocess.DEVNULL) for end in ("out", "err")
        )
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.overload.worker", kind, site.to_json(), str(places)], cwd=ROOT,
            stdin=subprocess.DEVNULL, stdout=out, stderr=err, preexec_fn=end_with_parent,  # noqa: PLW1509
        )  # fmt: skip
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def _judge(site: Site, accepted: list[str]) -> dict[str, Any]:
    """Gives what became of the accepted ones, and under `broken` what of it is not as promised."""
    ours, outcomes, claims, broken = set(accepted), Counter[str](), 0, []
    sent_twice = 0
    for it in site.store().everything():
        if isinstance(it, FollowUp) and it.id in ours:
            claims += it.fence
            if it.status is not Status.DONE:
                broken.append(f"{it.id} is {it.status}")
        elif isinstance(it, Run) and it.follow_up_id in ours:
            outcomes[it.follow_up_id] += it.final
            sent_twice += it.report_tries > 1
            if (it.outcome, it.report_status) != (Outcome.SUCCEEDED, ReportStatus.SENT):
                broken.append(f"{it.id} is {it.outcome}, its report {it.report_status}")
    broken += [f"{it} has {outcomes[it]} outcomes" for it in accepted if outcomes[it] != 1]
    return {
        "outcomes": outcomes.total(), "claims_per_run": round(claims / max(1, len(accepted)), 2),
        "reports_tried_twice": sent_twice, "broken": broken[:20],
    }  # fmt: skip
