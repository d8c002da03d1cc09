"""A laptop of its own for a test: a home folder, the `followups` command as a real process, and the API in process."""

import io
import json
import os
import signal
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from unittest.mock import patch

from followups import bootstrap
from followups.adapters.local import SystemClock
from followups.cli.client import Client, InProcess
from followups.cli.main import _run
from followups.config import LaptopConfig
from tests.support.contract import Checked

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
        try:
            out, err = process.communicate(timeout=60)
        finally:
            process.kill()  # One that hangs, and so fails the test, must not outlive it.
        assert process.returncode == code, f"followups {words}: exit {process.returncode}\n{out}\n{err}"
        return subprocess.CompletedProcess(words, process.returncode, out, err)

    def here(self, *words: str, **more: str) -> "subprocess.CompletedProcess[str]":
        """Runs the command in this process, for tests of what it says and not of its start."""
        out, err = io.StringIO(), io.StringIO()
        kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
        try:
            with patch.dict(os.environ, self.environ(**more), clear=True), redirect_stdout(out), redirect_stderr(err):
                code = _run(list(words))
        finally:
            for number, handler in kept.items():
                signal.signal(number, handler)
        return subprocess.CompletedProcess(words, code, out.getvalue(), err.getvalue())

    def json(self, *words: str, code: int = 0, **more: str) -> Any:
        """Runs the command with --json and gives its one document."""
        return json.loads(self.call("--json", *words, code=code, **more).stdout)

    @cached_property
    def client(self) -> Client:
        """The same store through the same routes, in this process: to prepare and to check, without a start each time."""
        handler = bootstrap.laptop_api(self.home, LaptopConfig(timezone="UTC"))
        return Client(Checked(InProcess(handler, bootstrap.laptop_user(), SystemClock().now)), None)

    def create_many(self, count: int, *, agent: str, due: str = "in 1 second") -> None:
        for number in range(count):
            self.client.create({"agent": agent, "task": f"Task {number}", "due": due}, None)

    def add_agent(self, name: str, *command: str, **more: Any) -> None:
        self.client.agent(name, "PUT", {"kind": "command", "command": command, **more})

    def status(self, follow_up_id: str) -> str:
        return str(self.client.of(follow_up_id).body["status"])

    def mails(self) -> list[Path]:
        return sorted((self.home / "outbox").glob("*.eml"))
