"""Fixtures that every kind of test may use."""

from pathlib import Path

import pytest
from hypothesis import settings

from tests.support.laptop import Laptop
from tests.support.world import Bench

# The same examples each time, and no clock: a slow machine must not fail a test, nor a lucky one pass it.
settings.register_profile("followups", derandomize=True, deadline=None)
settings.load_profile("followups")


@pytest.fixture
def laptop(tmp_path: Path) -> Laptop:
    return Laptop(tmp_path / "home")


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "followups.db")
