"""Everything due at once on a laptop: the real `followups dev` works through it, and its API is asked meanwhile."""

import json
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from followups import bootstrap, config
from followups.adapters.local import SystemClock
from followups.adapters.sqlite import SQLiteStore
from followups.local.runtime import Runtime
from tests.overload.figures import Repeat, cpu_s, end_with_parent, now_mb, peak_mb, say, spread
from tests.overload.judge import judge, over_bounds
from tests.overload.worker import MAX_OPEN
from tests.support import bulk
from tests.support.laptop import Laptop

#: Stop measuring when nothing more was finished for this long.
_STUCK_S = 120.0
_CHECKS = "disk / < 99%"
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def overload(count: int, *, seed: int, cap: int = 8, limit_s: float = 3600.0) -> dict[str, Any]:
    """Gives the figures of one drain of `count` follow-ups, and under `broken` what did not hold."""
    with tempfile.TemporaryDirectory(prefix="followups-overload-") as folder:
        laptop = Laptop(Path(folder) / "home")
        note = Path(folder) / "ran.txt"
        laptop.add_agent("@note", "sh", "-c", f'echo "$FOLLOWUPS_RUN_ID" >> {note}', max_concurrency=cap)
        laptop.call("config", "cap", str(cap))
        laptop.call("config", "max-open", str(MAX_OPEN))
        start = time.monotonic()
        store = SQLiteStore(laptop.home / "followups.db")
        accepted = bulk.write(
            store, count, owner=bootstrap.laptop_user(), kind=_kind, seed=seed, batch=500,
            due=datetime.now(UTC) - timedelta(hours=1),
        )  # fmt: skip
        store.close()
        say(f"local: {count:,} follow-ups written in {time.monotonic() - start:.1f} s; `followups dev` starts, cap {cap}")
        figures: dict[str, Any] = {"count": count, "cap": cap, "tick_s": _ticks(laptop)}
        drain = _Drain(laptop, accepted, random.Random(seed), limit_s)
        started = datetime.now(UTC)
        drain.run(Path(folder))
        figures |= drain.figures | judge(laptop, accepted, note, started)
        figures["broken"] += over_bounds(figures)
        return figures


def _ticks(laptop: Laptop) -> list[float]:
    """Gives how many seconds ticks take with all of them due and nobody at work; what they claimed is given back."""
    environ = laptop.environ()
    parts = bootstrap.laptop_parts(
        config.read_environment(environ), config.read_laptop_config(laptop.home, environ), clock=SystemClock(),
        store=bootstrap.laptop_store(laptop.home),
    )  # fmt: skip
    runtime, seconds = Runtime(parts, on_run=lambda _run: None), []
    for _ in range(3):
        start = time.monotonic()
        runtime.tick()
        seconds.append(round(time.monotonic() - start, 3))
    runtime.stop_claiming()
    parts.leases.close()
    say(f"local: a tick takes {seconds} s")
    return seconds


def _kind(number: int) -> tuple[str, str]:
    """Four of five run a program, the fifth is a check in the process."""
    return ("@checklist", _CHECKS) if number % 5 == 4 else ("@note", "")


class _Drain:
    def __init__(self, laptop: Laptop, accepted: list[str], luck: random.Random, limit_s: float) -> None:
        self._laptop = laptop
        self._accepted = accepted
        self._luck = luck
        self._limit_s = limit_s
        self._url = ""
        self._latency: dict[str, list[float]] = defaultdict(list)
        self._refused: list[str] = []
        self.figures: dict[str, Any] = {}

    def run(self, folder: Path) -> None:
        with _dev(self._laptop, folder) as (pid, url):
            self._url = url
            born = time.monotonic()
            with Repeat(self._ask, pause_s=0.25):
                rates = self._watch(pid, born)
            seconds = time.monotonic() - born
            self.figures |= {
                "seconds": round(seconds, 1), "cpu_s": round(cpu_s(pid), 1), "peak_rss_mb": peak_mb(pid),
                "rss_mb_at_quarters": rates, "api": {name: spread(it) for name, it in sorted(self._latency.items())},
                "api_refused": len(self._refused), "api_refusals": self._refused[:3],
            }  # fmt: skip

    def _watch(self, pid: int, born: float) -> list[float]:
        """Waits until all are closed and reported; gives the memory used at each quarter of the way."""
        total, last, seen, quarters = len(self._accepted), time.monotonic(), (0, 0), [now_mb(pid)]
        first_end: float | None = None
        while True:
            time.sleep(2)
            runs, reported = _progress(self._laptop)
            now = time.monotonic()
            if (runs, reported) != seen:
                seen, last = (runs, reported), now
            if runs and first_end is None:
                first_end = now - born
            if runs * 4 >= total * len(quarters) and len(quarters) < 5:
                quarters.append(now_mb(pid))
            say(
                f"local: {runs:,} run, {reported:,} reported of {total:,}, {runs / (now - born):.1f}/s, "
                f"{1000 * cpu_s(pid) / max(1, runs):.1f} ms of processor each, {now_mb(pid)} MB"
            )
            if reported >= total or now - last > _STUCK_S or now - born > self._limit_s:
                self.figures |= {"runs": runs, "reported": reported, "runs_per_s": round(runs / (now - born), 1)}
                return quarters

    def _ask(self) -> None:
        self._call("list", "GET", "/v1/follow-ups?limit=50")
        self._call("show", "GET", f"/v1/follow-ups/{self._luck.choice(self._accepted)}")
        self._call("create", "POST", "/v1/follow-ups", {"agent": "@note", "task": "Later", "due": "30d"})

    def _call(self, name: str, method: str, path: str, body: Any = None) -> None:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self._url + path, data=data, headers=headers, method=method)
        started = time.monotonic()
        try:
            with _DIRECT.open(request, timeout=60) as answer:
                answer.read()
        except (urllib.error.URLError, OSError) as error:
            self._refused.append(f"{name}: {error}")
        self._latency[name].append(time.monotonic() - started)


@contextmanager
def _dev(laptop: Laptop, folder: Path) -> Iterator[tuple[int, str]]:
    """Gives the number and the URL of a `followups dev`; it is asked to end, and must."""
    out, err = folder / "dev.out", folder / "dev.err"
    with out.open("wb") as stdout, err.open("wb") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "followups", "dev", "--port", "0"], env=laptop.environ(), stdin=subprocess.DEVNULL,
            stdout=stdout, stderr=stderr, preexec_fn=end_with_parent,  # noqa: PLW1509
        )  # fmt: skip
    try:
        while " at http://" not in err.read_text():
            if process.poll() is not None:
                raise RuntimeError(f"followups dev ended: {err.read_text()}")
            time.sleep(0.05)
        yield process.pid, "http://" + err.read_text().split(" at http://")[1].split(",")[0]
    finally:
        process.terminate()
        try:
            process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if extra := err.read_text().splitlines()[1:]:
            say("local: dev said: " + " | ".join(extra[:5]))


def _progress(laptop: Laptop) -> tuple[int, int]:
    db = sqlite3.connect(f"file:{laptop.home / 'followups.db'}?mode=ro", uri=True, timeout=30)
    try:
        query = "SELECT count(*), count(*) FILTER (WHERE wake_at IS NULL) FROM items WHERE sk LIKE 'RUN#%'"
        runs, reported = db.execute(query).fetchone()
        return runs, reported
    finally:
        db.close()
