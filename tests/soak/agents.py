"""The agents of a soak: quick and slow ones, with caps of one to five, some that may be run again and one that fails."""

import sys
from pathlib import Path
from typing import Any, NamedTuple

from tests.soak import agent


class Spec(NamedTuple):
    name: str
    cap: int
    rerun: str
    shortest_ms: int
    longest_ms: int
    failing_percent: int = 0
    max_attempts: int = 3
    #: How often it is named, beside the others.
    weight: int = 100


SPECS = (
    Spec("@once-alone", 1, "never", 10, 80),
    Spec("@once-two", 2, "never", 20, 250),
    Spec("@once-four", 4, "never", 10, 100),
    Spec("@once-five", 5, "never", 50, 500),
    Spec("@safe-alone", 1, "safe", 10, 80),
    Spec("@safe-three", 3, "safe", 20, 300),
    Spec("@safe-five", 5, "safe", 10, 60),
    Spec("@shaky-once", 2, "never", 10, 150, 25, 2),
    Spec("@shaky-safe", 2, "safe", 10, 150, 25, 2),
)
#: Those that outlive the process that started them, and the pause before a retry: a lease that ends too soon lets another
#: run of the same follow-up begin.
SLOW = (Spec("@slow-safe", 3, "safe", 10_000, 35_000, weight=8), Spec("@slow-once", 2, "never", 3_000, 12_000, weight=12))
#: Those that die with their runner, and live nearly as long as that may.
LONG = (Spec("@long-safe", 2, "safe", 1_000, 3_500, weight=25),)
#: Those that work elsewhere: their runner is told "pending", and asks again.
LATER = (Spec("@later-once", 4, "never", 100, 600), Spec("@later-safe", 5, "safe", 100, 600))


def command(spec: Spec, marks: Path) -> list[str]:
    """Gives the agent's argument vector; the same words tell an agent in the process of its runner what to do."""
    words = [sys.executable, "-I", "-S", agent.__file__, str(marks), spec.name]
    return words + [str(number) for number in (spec.shortest_ms, spec.longest_ms, spec.failing_percent)]


def registration(spec: Spec, marks: Path) -> dict[str, Any]:
    """Gives the body with which it is registered by the API."""
    return {
        "kind": "command", "command": command(spec, marks), "max_concurrency": spec.cap, "rerun": spec.rerun,
        "max_attempts": spec.max_attempts, "timeout_s": 60,
    }  # fmt: skip
