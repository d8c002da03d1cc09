"""Ends what a worker started when the worker is gone, however it went: also by `kill -9`.

A process of its own that reads from a pipe which run is in hand, and which process groups are alive. At the pipe's end its
other end is closed, so whoever held it is gone, and what it started goes with it.
"""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

# Where there is a /proc, a run's processes are found by its id in their environment too, and by their session: a worker may
# die before it could say what it has started, and `timeout` and shells with job control make groups of their own. It is
# looked again and again, for what is killed last may have started something first.
_PROGRAM = """
import os, signal, sys, time
runs, groups = set(), set()
signal.signal(signal.SIGINT, signal.SIG_IGN)
for line in sys.stdin:
    kind, what = line[0], line[1:].strip()
    {"=": runs.add, "~": runs.discard, "+": groups.add, "-": groups.discard}[kind](what)
marks = {b"FOLLOWUPS_RUN_ID=" + run.encode() for run in runs}
def is_theirs(number):
    try:
        with open("/proc/" + number + "/environ", "rb") as file:
            return str(os.getsid(int(number))) in groups or not marks.isdisjoint(file.read().split(b"\\0"))
    except OSError:
        return False
def kill(send, number):
    try:
        send(int(number), signal.SIGKILL)
    except OSError:
        pass
for group in groups:
    kill(os.killpg, group)
quiet = 0
while (runs or groups) and os.path.isdir("/proc") and quiet < 5:
    found = [it for it in os.listdir("/proc") if it.isdigit() and is_theirs(it)]
    for number in found:
        kill(os.kill, number)
    quiet = 0 if found else quiet + 1
    time.sleep(0.02)
"""


class Reaper:
    """Watches over this process. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._noted: set[str] = set()
        self._process = _begin()

    @contextmanager
    def watching(self, run_id: str) -> Iterator[None]:
        """Watches over what is started for a run, until the block has come to its end."""
        self._note("=", "~", run_id, there=True)
        yield
        self._note("=", "~", run_id, there=False)

    def started(self, pid: int) -> None:
        """Notes a process that leads a session of its own."""
        self._note("+", "-", str(pid), there=True)

    def ended(self, pid: int) -> None:
        """Notes that it is gone, with its group."""
        self._note("+", "-", str(pid), there=False)

    def close(self) -> None:
        """Ends the watch; what is noted is killed."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def _note(self, sign: str, unsign: str, what: str, *, there: bool) -> None:
        with self._lock:
            (self._noted.add if there else self._noted.discard)(f"{sign}{what}\n")
            try:
                self._write(f"{sign if there else unsign}{what}\n")
            except BrokenPipeError:
                # It was killed itself: another takes its place, or nobody would watch.
                self.close()
                self._process = _begin()
                self._write("".join(self._noted))

    def _write(self, lines: str) -> None:
        assert self._process.stdin is not None
        os.write(self._process.stdin.fileno(), lines.encode())


def _begin() -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", _PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, start_new_session=True, bufsize=0,
    )  # fmt: skip
