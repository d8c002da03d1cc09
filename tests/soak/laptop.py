"""The part on SQLite: the commands themselves, on one file."""

import json
import random
import re
import sqlite3
import sys
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

from followups import bootstrap
from followups.adapters import codec
from followups.adapters.local import SystemClock
from followups.adapters.sqlite import SQLiteStore
from followups.cli.client import InProcess, Transport
from followups.config import LaptopConfig, write_laptop_config
from followups.domain.entities import FollowUp, Run
from tests.soak.agents import SLOW, SPECS, registration
from tests.soak.asks import Loopback
from tests.soak.fleet import Fleet, Member, Process, popen
from tests.support.laptop import Laptop

_DEVS, _LOOPS = 2, 4
_PORT = re.compile(r"http://127\.0\.0\.1:(\d+)")
_RUN = re.compile(rb"^Followups-Run: (\S+)", re.MULTILINE)


class LaptopPart:
    """One `FOLLOWUPS_HOME` with two `followups dev` and four loops of `run-due`."""

    name = "sqlite"
    global_cap = 8
    every_s = 0.7
    senders = ("dev", "run-due")
    finds_at_once = True
    # The slowest agent, which may have been started by a process that is gone.
    still_s = 40.0

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self.marks = folder / "marks"
        self.logs = folder / "logs"
        self.logs.mkdir()
        self.weights = {"dev": 3, "run-due": 4, "agent": 3, "create": 1}
        self.laptop = Laptop(folder / "home")
        self.specs = (*SPECS, *SLOW)
        self.owner = bootstrap.laptop_user()
        self._luck = random.Random(f"{seed} pauses")
        self._numbers = count()
        self._ports: dict[Path, int] = {}
        self._devs: list[Member] = []
        self._logs: dict[int, Path] = {}
        handler = bootstrap.laptop_api(self.laptop.home, LaptopConfig(timezone="UTC"))
        self._in_process = InProcess(handler, self.owner, SystemClock().now)
        write_laptop_config(self.laptop.home, self.laptop.environ(), {"cap": self.global_cap})
        for spec in self.specs:
            self.laptop.client.agent(spec.name, "PUT", registration(spec, self.marks))
        self.store = SQLiteStore(self.laptop.home / "followups.db")

    def members(self, shift: timedelta) -> list[Member]:
        pause = lambda: self._luck.uniform(0.2, 1.5)  # noqa: E731
        loops = [
            Member(kind="run-due", start=lambda: self._run_due(shift), may_end=frozenset({0}), pause=pause)
            for _ in range(_LOOPS)
        ]
        # `dev` knows no other time than the machine's: other days are for `run-due --at`.
        self._devs = [] if shift else [Member(kind="dev", start=self._dev) for _ in range(_DEVS)]
        return self._devs + loops

    def transports(self) -> list[Transport]:
        ports = [self._port(it.process.pid) for it in self._devs if it.process is not None]
        return [self._in_process, *(Loopback(port) for port in ports if port)]

    def command(self, fleet: Fleet) -> Callable[[dict[str, str], str], dict[str, Any] | None] | None:
        def create(body: dict[str, str], key: str) -> dict[str, Any] | None:
            process = self.laptop.start(
                "--json", "create", body["agent"], body["task"], body["due"], "--timezone", body["timezone"], "--key", key
            )
            with fleet.guest("create", process):
                out, err = process.communicate(timeout=60)
            if process.returncode < 0:
                return None
            assert process.returncode == 0, f"create exited with {process.returncode}: {err}"
            made: dict[str, Any] = json.loads(out)
            return made

        return create

    def found(self) -> tuple[list[FollowUp], list[Run], list[str]]:
        db = sqlite3.connect(self.laptop.home / "followups.db")
        try:
            things = [codec.from_item(json.loads(doc)) for (doc,) in db.execute("SELECT doc FROM items")]
            slots = [f"{pk} {member}" for pk, member in db.execute("SELECT pk, member FROM slots")]
        finally:
            db.close()
        return (
            [it for it in things if isinstance(it, FollowUp)],
            [it for it in things if isinstance(it, Run)],
            slots,
        )

    def mails(self) -> dict[str, int]:
        named = [_RUN.search(path.read_bytes()) for path in self.laptop.mails()]
        return Counter(name[1].decode() if name else "no run" for name in named)

    def audit_by_command(self) -> list[str]:
        process = self.laptop.start("audit")
        out, err = process.communicate(timeout=120)
        return [] if process.returncode == 0 else [f"exit {process.returncode}: {out} {err}"]

    def leftovers(self) -> dict[str, int]:
        """Counts the files that killed processes left behind, which are in nobody's way."""
        home = self.laptop.home
        return {pattern: n for pattern in ("locks/*", "outbox/.*", "*.new") if (n := len(list(home.glob(pattern))))}

    def _dev(self) -> Process:
        return self._start("dev", "--port", "0")

    def _run_due(self, shift: timedelta) -> Process:
        at = f"{datetime.now(UTC) + shift:%Y-%m-%dT%H:%M:%SZ}"
        return self._start("run-due", *(("--at", at) if shift else ()))

    def _start(self, command: str, *words: str) -> Process:
        log = self.logs / f"{command}-{next(self._numbers):05}.log"
        process = popen([sys.executable, "-m", "followups", command, *words], environ=self.laptop.environ(), log=log)
        self._logs[process.pid] = log
        return process

    def _port(self, pid: int) -> int | None:
        log = self._logs[pid]
        if log not in self._ports and (said := _PORT.search(log.read_text("utf-8", "replace"))):
            self._ports[log] = int(said[1])
        return self._ports.get(log)
