"""The simulation itself: a seed replays exactly, promises are checked, and a short trace is found."""

import os
import subprocess
import sys

import pytest

from tests.simulation.shrink import least
from tests.simulation.simulate import simulate

SEEDS = {"on the fake store": 2, "on the DynamoDB adapter": 8, "on a laptop": 5}


@pytest.mark.parametrize(
    "seed",
    [pytest.param(seed, id=name, marks=() if name == "on a laptop" else pytest.mark.slow) for name, seed in SEEDS.items()],
)
def test_a_seed_keeps_every_promise_and_replays_exactly(seed: int) -> None:
    first, again = simulate(seed), simulate(seed)
    assert first.violation is None
    assert first.faults
    assert first == again


def test_a_mistake_is_found_and_ends_with_1() -> None:
    command = [sys.executable, "-m", "tests.simulation", "--first", "1", "--seeds", "1", "--processes", "1"]
    ran = subprocess.run(
        [*command, "--shrink", "0", "--mutant", "fence not raised"], capture_output=True, text=True, env={**os.environ}
    )
    assert ran.returncode == 1
    assert "breaks a promise: I5 fence" in ran.stdout
    assert '"violations": 1' in ran.stdout.splitlines()[-1]


def test_the_least_that_is_broken_is_found() -> None:
    assert list(least(range(40), lambda some: {3, 17} <= set(some))) == [3, 17]
    assert list(least(range(5), lambda _: True)) == []
    assert list(least(range(3), lambda _: False)) == [0, 1, 2]
