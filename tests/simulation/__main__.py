"""`python -m tests.simulation`: runs seeds, one after another in as many processes as there are cores.

Exits with 1 if a promise was broken: prints the seed and the shortest trace that it found. The last line is JSON.
"""

import argparse
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.simulation.simulate import Result

_TRACE = 120


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=500, help="how many (default: 500)")
    parser.add_argument("--first", type=int, default=0, help="the first seed (default: 0)")
    parser.add_argument("--seed", type=int, help="replay this one, with its whole trace")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin no seed after this time")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--shrink", type=float, default=60, metavar="SECONDS", help="how long to look for a shorter trace")
    parser.add_argument("--mutant", help="plant this mistake first")
    arguments = parser.parse_args()
    if os.environ.get("PYTHONHASHSEED") != "0":
        # A set's order must be the same in each run of a seed.
        again = [sys.executable, "-m", "tests.simulation", *sys.argv[1:]]
        os.execve(sys.executable, again, os.environ | {"PYTHONHASHSEED": "0"})
    if arguments.mutant:
        _plant(arguments.mutant)
    if arguments.seed is not None:
        return _replay(arguments.seed)
    return _explore(arguments)


def _plant(name: str) -> None:
    from tests.simulation.mutants import MUTANTS
    from tests.simulation.mutation import plant

    plant(next(it for it in MUTANTS if it.name == name))


def _replay(seed: int) -> int:
    from tests.simulation.simulate import simulate

    result = simulate(seed, trace=True)
    print("\n".join(result.trace))
    print(f"seed {seed}: {result.violation or 'every promise was kept'} (checksum {result.checksum:08x})")
    return 1 if result.violation else 0


def _explore(arguments: argparse.Namespace) -> int:
    began = time.monotonic()
    seeds, faults, noted, broken = 0, Counter[str](), Counter[str](), None
    for result in _results(arguments, began):
        seeds += 1
        faults.update(result.faults)
        noted.update(result.noted)
        if result.violation and broken is None:
            broken = result
        if seeds % 50 == 0 and sys.stderr.isatty():
            sys.stderr.write(f"\r{seeds} seeds, {faults.total()} faults, {time.monotonic() - began:.0f} s ")
    if sys.stderr.isatty():
        sys.stderr.write("\n")
    if broken is not None:
        _tell(broken, arguments)
    else:
        _table(faults, noted)
    seconds = round(time.monotonic() - began, 1)
    print(json.dumps({"seeds": seeds, "faults": faults.total(), "violations": int(broken is not None), "seconds": seconds}))
    return 0 if broken is None else 1


def _results(arguments: argparse.Namespace, began: float) -> Iterator["Result"]:
    """Gives the results as they come; none begins after the first violation, or when the time is over."""
    from tests.simulation.simulate import simulate

    seeds = iter(range(arguments.first, arguments.first + arguments.seeds))
    with ProcessPoolExecutor(arguments.processes) as pool:
        running = {pool.submit(simulate, seed) for seed in islice(seeds, 2 * arguments.processes)}
        stopped = False
        while running:
            done = next(as_completed(running))
            running.remove(done)
            result = done.result()
            stopped = stopped or result.violation is not None or time.monotonic() - began > arguments.seconds
            if not stopped:
                running |= {pool.submit(simulate, seed) for seed in islice(seeds, 1)}
            yield result


def _tell(broken: "Result", arguments: argparse.Namespace) -> None:
    from tests.simulation.shrink import shrink

    print(f"seed {broken.seed} breaks a promise: {broken.violation}")
    if arguments.shrink:
        short = shrink(broken, seconds=arguments.shrink)
        print("\n".join(short.trace[-_TRACE:]))
        print(f"that is: {short.violation}; faults: {', '.join(f'{kind} at {at}' for kind, at in short.struck) or 'none'}")
    print(f"again: python -m tests.simulation --seed {broken.seed}")


def _table(faults: Counter[str], noted: Counter[str]) -> None:
    for kind, count in faults.most_common():
        print(f"{count:>9,}  {kind.replace('_', ' ')}")
    print("seen: " + ", ".join(f"{word.replace('_', ' ')} {count:,}" for word, count in sorted(noted.items())))


if __name__ == "__main__":
    sys.exit(main())
