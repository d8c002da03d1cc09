"""Runs the soak: `python -m tests.soak --minutes 5 --seed 1 --part sqlite|ministack|both`."""

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from time import monotonic
from typing import Any

from followups.domain.status import Outcome
from tests.soak.check import Violation, check
from tests.soak.cloud import CloudPart
from tests.soak.course import Course, Part
from tests.soak.evidence import Evidence
from tests.soak.laptop import LaptopPart

_SHOWN = 20


def main(words: Sequence[str] | None = None) -> int:
    """Gives the exit code: 1 if a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0, help="how long to kill, in each part (default: 5)")
    parser.add_argument("--seed", type=int, default=None, help="decides who dies when (default: a random one)")
    parser.add_argument("--part", choices=("sqlite", "ministack", "both"), default="both")
    asked = parser.parse_args(words)
    seed = random.SystemRandom().randrange(10_000) if asked.seed is None else asked.seed
    names = ("sqlite", "ministack") if asked.part == "both" else (asked.part,)
    sys.stderr.write(f"soak: {' and '.join(names)}, {asked.minutes:g} minutes of kills each, seed {seed}\n")
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    try:
        results = [soak(name, seed, asked.minutes) for name in names]
    except KeyboardInterrupt:
        sys.stderr.write("soak: interrupted; nothing is left behind, and nothing was judged\n")
        return 130
    print(json.dumps(results[0] if len(results) == 1 else _total(results, seed)))
    return 1 if any(it["violations"] for it in results) else 0


def _interrupt(*_: object) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # once is enough: what follows cleans up
    raise KeyboardInterrupt


def soak(name: str, seed: int, minutes: float) -> dict[str, Any]:
    """Runs a part; gives its figures. Its folder is removed if all is well."""
    folder = Path(tempfile.mkdtemp(prefix=f"followups-soak-{name}-"))
    began = monotonic()
    try:
        with ExitStack() as stack:
            part = CloudPart(folder, stack) if name == "ministack" else LaptopPart(folder, seed)
            course = Course(part=part, seed=seed, minutes=minutes)
            evidence = course.run()
            figures = _figures(part, course, evidence)
    except KeyboardInterrupt:
        shutil.rmtree(folder)
        raise
    trouble, troubles = _logged(part.logs)
    trouble += _left_behind(folder)
    violations = check(evidence) + [Violation("oddity", name, it) for it in course.oddities + trouble]
    figures |= {
        "part": name, "seed": seed, "seconds": round(monotonic() - began), "store_errors": troubles,
        "violations": len(violations),
    }  # fmt: skip
    if violations:
        _show(violations, evidence, folder)
    else:
        shutil.rmtree(folder)
    return figures


def _logged(logs: Path) -> tuple[list[str], int]:
    """Gives what the processes said of bugs, and how often the store did not do what they asked."""
    bugs, troubles = [], 0
    for path in sorted(logs.iterdir()):
        text = path.read_text("utf-8", "replace")
        troubles += text.count("followups: store_error")
        if "followups: bug" in text or "Traceback" in text or "set aside" in text:
            bugs.append(f"{path.name} says: {text[-2_000:]}")
    return bugs, troubles


def _left_behind(folder: Path) -> list[str]:
    """Gives the processes that still have to do with the folder (Linux)."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            said = (process / "cmdline").read_bytes() + b"\0" + (process / "environ").read_bytes()
        except OSError:
            continue
        if os.fsencode(folder) in said and int(process.name) != os.getpid():
            found.append(f"process {process.name} is left behind: {said[:200]!r}")
    return found


def _figures(part: Part, course: Course, it: Evidence) -> dict[str, Any]:
    outcomes = Counter(run.outcome.value for run in it.runs)
    return {
        "accepted": len(it.accepted),
        "runs": len(it.runs),
        "outcomes": dict(outcomes),
        "kills": dict(course.fleet.kills),
        "ends": dict(course.fleet.ends),
        "asked": dict(course.asks.counts),
        "retried": sum(not run.final for run in it.runs),
        "unknown_never_started": sum(run.outcome is Outcome.UNKNOWN and run.id not in it.starts for run in it.runs),
        "mails": sum(it.mails.values()),
        "duplicate_mails": sum(count - 1 for count in it.mails.values()),
        "mails_tried_again": sum(run.report_tries > 1 for run in it.runs),
        "leftovers": part.leftovers(),
    }


def _show(violations: Sequence[Violation], evidence: Evidence, folder: Path) -> None:
    for violation in violations[:_SHOWN]:
        print(f"VIOLATION {violation}")
        for line in evidence.about(violation.name):
            print(f"    {line}")
    if len(violations) > _SHOWN:
        print(f"... and {len(violations) - _SHOWN} more")
    print(f"What was found lies in {folder}.")


def _total(results: Sequence[dict[str, Any]], seed: int) -> dict[str, Any]:
    summed = ("seconds", "accepted", "runs", "mails", "duplicate_mails", "mails_tried_again", "violations")
    total = {name: sum(it[name] for it in results) for name in summed}
    kills: Counter[str] = Counter()
    for it in results:
        kills.update(it["kills"])
    return {"part": "both", "seed": seed, **total, "kills": dict(kills), "parts": list(results)}


if __name__ == "__main__":
    sys.exit(main())
