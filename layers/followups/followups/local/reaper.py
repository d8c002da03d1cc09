"""Ends what a process started when that process is gone, however it went: also by `kill -9`.

A process of its own that reads the numbers of process groups from a pipe (`+7` is alive, `-7` has ended). At the pipe's end
its other end is closed, so whoever held it is gone, and what it started goes with it.
"""

import os
import subprocess
import sys
import threading

# A session's other groups too, where there is a /proc: `timeout` and shells with job control make such.
_PROGRAM = """
import os, signal, sys
alive = set()
signal.signal(signal.SIGINT, signal.SIG_IGN)
for line in sys.stdin:
    (alive.add if line[0] == "+" else alive.discard)(int(line[1:]))
def kill(number, send):
    try:
        send(number, signal.SIGKILL)
    except OSError:
        pass
def session(number):
    try:
        return os.getsid(number)
    except OSError:
        return None
found = [int(it) for it in os.listdir("/proc") if it.isdigit()] if alive and os.path.isdir("/proc") else []
others = [it for it in found if session(it) in alive]
for group in alive:
    kill(group, os.killpg)
for number in others:
    kill(number, os.kill)
"""


class Reaper:
    """Watches over this process. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._alive: set[int] = set()
        self._process = _begin()

    def started(self, pid: int) -> None:
        """Notes a process that leads a session of its own."""
        with self._lock:
            self._alive.add(pid)
            self._write(f"+{pid}\n")

    def ended(self, pid: int) -> None:
        """Notes that it is gone, with its group."""
        with self._lock:
            self._alive.discard(pid)
            self._write(f"-{pid}\n")

    def close(self) -> None:
        """Ends the watch; what is noted as alive is killed."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def _write(self, line: str) -> None:
        assert self._process.stdin is not None
        try:
            os.write(self._process.stdin.fileno(), line.encode())
        except BrokenPipeError:
            # It was killed itself: another takes its place, or nobody would watch.
            self.close()
            self._process = _begin()
            assert self._process.stdin is not None
            os.write(self._process.stdin.fileno(), "".join(f"+{pid}\n" for pid in self._alive).encode())


def _begin() -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", _PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, start_new_session=True, bufsize=0,
    )  # fmt: skip
