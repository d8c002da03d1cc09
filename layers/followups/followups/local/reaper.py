"""Ends what a process started when that process is gone, however it went: also by `kill -9`.

A process of its own that reads the numbers of process groups from a pipe (`+7` is alive, `-7` has ended). At the pipe's end
its other end is closed, so whoever held it is gone, and what it started goes with it.
"""

import os
import subprocess
import sys

_PROGRAM = """
import os, signal, sys
alive = set()
signal.signal(signal.SIGINT, signal.SIG_IGN)
for line in sys.stdin:
    (alive.add if line[0] == "+" else alive.discard)(int(line[1:]))
for group in alive:
    try:
        os.killpg(group, signal.SIGKILL)
    except OSError:
        pass
"""


class Reaper:
    """Watches over this process. Thread-safe: a line is written at once."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip

    def started(self, pid: int) -> None:
        """Notes a process that leads a group of its own."""
        self._write(f"+{pid}\n")

    def ended(self, pid: int) -> None:
        """Notes that it is gone, with its group."""
        self._write(f"-{pid}\n")

    def close(self) -> None:
        """Ends the watch; what is noted as alive is killed."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def _write(self, line: str) -> None:
        assert self._process.stdin is not None
        os.write(self._process.stdin.fileno(), line.encode())
