"""Real processes in tests: killed in the end whatever the test said, and waited for with an end."""

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.laptop import Laptop


@contextmanager
def killed(process: "subprocess.Popen[str]") -> Iterator["subprocess.Popen[str]"]:
    """Kills the process in the end, whatever the test said."""
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def dev(laptop: Laptop, **more: str) -> "subprocess.Popen[str]":
    """Gives a `followups dev` that says it is up."""
    process = laptop.start("dev", "--port", "0", **more)
    assert process.stderr is not None and "Followups at" in process.stderr.readline()
    return process


def served(laptop: Laptop, port: int = 0) -> tuple["subprocess.Popen[str]", str]:
    """Gives a `followups dev` that says it is up, and where it serves the API."""
    process = laptop.start("dev", "--port", str(port))
    assert process.stderr is not None
    return process, process.stderr.readline().split("Followups at ")[1].split(",")[0]


def until(condition: Callable[[], object], seconds: float = 40) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    """Says whether a process is there that is no zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"
