"""What the measurements need: samples, a process's memory, progress for a person."""

import ctypes
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Looked up here: between fork and exec of a program with threads nothing may be loaded.
_prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None


def end_with_parent() -> None:
    """For a process that is born: if we are killed, the kernel ends it too (prctl PR_SET_PDEATHSIG is 1)."""
    if _prctl is not None:
        _prctl(1, signal.SIGTERM)


def say(text: str) -> None:
    """Tells a person on stderr how far it is; stdout is for the figures."""
    print(text, file=sys.stderr, flush=True)


def spread(samples: list[float]) -> dict[str, float]:
    """Gives median, 99th percentile and largest of samples in seconds, as milliseconds, and their number."""
    if not samples:
        return {"n": 0}
    line = sorted(samples)
    at = {"p50_ms": line[len(line) // 2], "p99_ms": line[int(len(line) * 0.99)], "max_ms": line[-1]}
    return {"n": len(line)} | {name: round(value * 1000, 1) for name, value in at.items()}


def peak_mb(pid: int) -> float:
    """Gives the largest resident memory that a process has had, in megabytes (VmHWM, proc(5)); 0 if it is gone."""
    return _status_mb(pid, "VmHWM:")


def now_mb(pid: int) -> float:
    """Gives the resident memory that a process has now, in megabytes; 0 if it is gone."""
    return _status_mb(pid, "VmRSS:")


def cpu_s(pid: int) -> float:
    """Gives the processor time that a process has used, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def _status_mb(pid: int, name: str) -> float:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((round(int(line.split()[1]) / 1024, 1) for line in lines if line.startswith(name)), 0.0)


class Repeat:
    """Does something again and again in a thread of its own, for as long as the context lasts."""

    def __init__(self, act: Callable[[], Any], *, pause_s: float) -> None:
        self._act = act
        self._pause_s = pause_s
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)

    def __enter__(self) -> "Repeat":
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._end.set()
        self._thread.join(timeout=60)

    def _work(self) -> None:
        while not self._end.is_set():
            started = time.monotonic()
            self._act()
            self._end.wait(max(0.0, self._pause_s - (time.monotonic() - started)))
