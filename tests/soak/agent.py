"""The agent of the soak: says in the file of marks that it starts, works for a while, and says how it ended.

`python -I -S agent.py MARKS NAME SHORTEST_MS LONGEST_MS FAILING_PERCENT`: a program of its own, which imports as little as
it can: thousands of it are started.
"""

import os
import sys
import time


def mark(path: str, word: str, run_id: str, name: str, pid: int, at: float) -> None:
    """Appends one line, whole, whoever else writes."""
    line = f"{word} {run_id} {name} {pid} {at:.6f}\n".encode("ascii")
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(fd, line)
    finally:
        os.close(fd)


def now() -> float:
    """Gives seconds of the one clock that all processes see, whatever happens to the time of day."""
    return time.clock_gettime(time.CLOCK_MONOTONIC)


def luck() -> float:
    """Gives a random number, 0 <= x < 1, without the import of `random`."""
    return int.from_bytes(os.urandom(4), "big") / 2**32


def seconds(shortest_ms: str, longest_ms: str) -> float:
    """Gives how long to work this time."""
    return (int(shortest_ms) + luck() * (int(longest_ms) - int(shortest_ms))) / 1000


def fails(percent: str) -> bool:
    """Says whether to fail this time."""
    return luck() * 100 < int(percent)


def main(path: str, name: str, shortest_ms: str, longest_ms: str, percent: str) -> None:
    """Does the work; exits with 3 if it fails."""
    run_id = os.environ["FOLLOWUPS_RUN_ID"]
    mark(path, "start", run_id, name, os.getpid(), now())
    time.sleep(seconds(shortest_ms, longest_ms))
    failed = fails(percent)
    mark(path, "failed" if failed else "end", run_id, name, os.getpid(), now())
    print("It did not work." if failed else "It worked.")
    sys.exit(3 if failed else 0)


if __name__ == "__main__":
    main(*sys.argv[1:])
