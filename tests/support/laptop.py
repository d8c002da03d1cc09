"""A laptop of its own for a test: a home folder, the `followups` command as a real process, and the API in process."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from followups import bootstrap
from followups.adapters.local import SystemClock
from followups.cli.client import Client, InProcess
from followups.config import LaptopConfig

ROOT = Path(__file__).parents[2]


@dataclass
class Laptop:
    """One `FOLLOWUPS_HOME` and the commands called on it."""

    home: Path

    def environ(self, **more: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("FOLLOWUPS_")}
        return kept | {"FOLLOWUPS_HOME": str(self.home), "TZ": "Europe/Berlin", "COLUMNS": "120"} | more

    def start(self, *words: str, **more: str) -> "subprocess.Popen[str]":
        """Starts the command and gives its process."""
        return subprocess.Popen(
            [sys.executable, "-m", "followups", *words], env=self.environ(**more), text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def call(self, *words: str, code: int = 0, **more: str) -> "subprocess.CompletedProcess[str]":
        """Runs the command to its end and checks its exit code."""
        process = self.start(*words, **more)
        out, err = process.communicate(timeout=60)
        assert process.returncode == code, f"followups {words}: exit {process.returncode}\n{out}\n{err}"
        return subprocess.CompletedProcess(words, process.returncode, out, err)

    def json(self, *words: str, code: int = 0, **more: str) -> Any:
        """Runs the command with --json and gives its one document."""
        return json.loads(self.call("--json", *words, code=code, **more).stdout)

    def create_many(self, count: int, *, agent: str, due: str = "in 1 second") -> None:
        """Creates follow-ups in this process: fifty commands would take fifty starts."""
        handler = bootstrap.laptop_api(self.home, LaptopConfig(timezone="UTC"))
        client = Client(InProcess(handler, bootstrap.laptop_user(), SystemClock().now), None)
        for number in range(count):
            client.create({"agent": agent, "task": f"Task {number}", "due": due}, None)

    def mails(self) -> list[Path]:
        return sorted((self.home / "outbox").glob("*.eml"))
