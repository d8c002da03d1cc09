"""`python -m tests.overload [local|ministack|outages|all] --count N --seed N`: more at once than there is time for.

Tells on stderr how far it is; the last line on stdout is one JSON object with the figures. Exit code 1 if something did not
recover, was done twice or not at all, or went over a bound.
"""

import argparse
import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from tests.overload import aws, local
from tests.overload.figures import say
from tests.support.cfn import ROOT

#: So many times less on ministack, which is one process that does the work of three services.
_FEWER = 10


def _outages(_count: int, _seed: int, _limit_s: float) -> dict[str, Any]:
    """Gives how many of the outages and jumps of the clock passed without an operator."""
    start = time.monotonic()
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", "-rf", "tests/integration/test_outages.py"]
    done = subprocess.run([*command, "-o", "addopts=--import-mode=importlib"], cwd=ROOT, capture_output=True, text=True)
    passed, failed = (_count_of(word, done.stdout) for word in ("passed", "failed"))
    broken = [line for line in done.stdout.splitlines() if line.startswith("FAILED")]
    if done.returncode and not broken:
        broken = [f"the tests ended with {done.returncode}: {done.stdout[-300:]}{done.stderr[-300:]}"]
    say(f"outages: {passed} recovered, {failed} did not")
    return {"recovered": passed, "failed": failed, "seconds": round(time.monotonic() - start, 1), "broken": broken[:20]}


def _count_of(word: str, said: str) -> int:
    found = re.search(rf"(\d+) {word}", said)
    return int(found[1]) if found else 0


PARTS: dict[str, Callable[[int, int, float], dict[str, Any]]] = {
    "outages": _outages,
    "local": lambda count, seed, limit_s: local.overload(count, seed=seed, limit_s=limit_s),
    "ministack": lambda count, seed, limit_s: aws.overload(max(1, count // _FEWER), seed=seed, limit_s=limit_s),
}


def main() -> int:
    """Runs the parts that are asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.overload", description="More at once than there is time for.")
    parser.add_argument("part", nargs="?", choices=[*PARTS, "all"], default="all")
    parser.add_argument("--count", type=_positive, default=50_000, help="due at once on the laptop; a tenth on ministack")
    parser.add_argument("--seed", type=int, default=1, help="for the ids and for what the API is asked")
    parser.add_argument("--limit", type=float, default=3_600, metavar="SECONDS", help="for each part (default: an hour)")
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # it leaves no process and no folder behind
    names = list(PARTS) if asked.part == "all" else [asked.part]
    figures: dict[str, Any] = {}
    for name in names:
        figures[name] = PARTS[name](asked.count, asked.seed, asked.limit)
        for line in figures[name]["broken"]:
            say(f"{name}: BROKEN: {line}")
    broken = sum(len(it["broken"]) for it in figures.values())
    print(json.dumps({"seed": asked.seed, **figures, "broken": broken}))
    return 1 if broken else 0


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not 1 or more")
    return number


if __name__ == "__main__":
    sys.exit(main())
