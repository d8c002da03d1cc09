"""Fixtures that every kind of test may use."""

import signal
from pathlib import Path

import pytest
from hypothesis import settings

from tests.support.fuzz import EXAMPLES
from tests.support.laptop import Laptop
from tests.support.world import Bench

# A shell's background jobs ignore Ctrl-C, and so would all that they start: some tests send it.
signal.signal(signal.SIGINT, signal.default_int_handler)

# The same examples each time, and no clock: a slow machine must not fail a test, nor a lucky one pass it.
settings.register_profile("followups", derandomize=True, deadline=None, max_examples=30)
# FUZZ_EXAMPLES asks for as many, other ones each time; a failure prints how to have it again.
settings.register_profile("fuzz", max_examples=max(1, EXAMPLES), deadline=None, print_blob=True)
settings.load_profile("fuzz" if EXAMPLES else "followups")


@pytest.fixture
def laptop(tmp_path: Path) -> Laptop:
    return Laptop(tmp_path / "home")


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "followups.db")
