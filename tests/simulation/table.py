"""`python -m tests.simulation.table`: plants each mutant in a process of its own and shows which seed finds it.

Exits with 1 if one survives: then the simulation would not have found that mistake either. The last line is JSON.
"""

import argparse
import json
import re
import subprocess
import sys
import time

from tests.simulation.mutants import MUTANTS

_FOUND = re.compile(r"seed (\d+) breaks a promise: ([^:]+)")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.table", description=__doc__)
    parser.add_argument("--seeds", type=int, default=2_000, help="how many to try at most (default: 2000)")
    parser.add_argument("names", nargs="*", help="some mutants only")
    arguments = parser.parse_args()
    mutants = [it for it in MUTANTS if not arguments.names or it.name in arguments.names]
    began, survived = time.monotonic(), []
    print(f"{'mutant':<44} {'seed':>5} {'seconds':>8}  promise that it breaks")
    for mutant in mutants:
        start = time.monotonic()
        command = [sys.executable, "-m", "tests.simulation", "--mutant", mutant.name, "--shrink", "0"]
        ran = subprocess.run([*command, "--seeds", str(arguments.seeds)], capture_output=True, text=True)
        found = _FOUND.search(ran.stdout)
        if not found:
            survived.append(mutant.name)
            sys.stderr.write(ran.stderr[-2000:])
        seed, promise = (found[1], found[2]) if found else ("-", "SURVIVES")
        print(f"{mutant.name:<44} {seed:>5} {time.monotonic() - start:>8.1f}  {promise}", flush=True)
    seconds = round(time.monotonic() - began, 1)
    killed = len(mutants) - len(survived)
    print(json.dumps({"mutants": len(mutants), "killed": killed, "survived": survived, "seconds": seconds}))
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main())
