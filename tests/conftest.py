"""Fixtures that every kind of test may use."""

from pathlib import Path

import pytest

from tests.support.laptop import Laptop
from tests.support.world import Bench


@pytest.fixture
def laptop(tmp_path: Path) -> Laptop:
    return Laptop(tmp_path / "home")


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "followups.db")
