"""Fixtures that every kind of test may use."""

from pathlib import Path

import pytest

from tests.support.laptop import Laptop


@pytest.fixture
def laptop(tmp_path: Path) -> Laptop:
    return Laptop(tmp_path / "home")
