"""Every row of the catalogue is tested, here or elsewhere, or says why not yet; and what says so still holds."""

import ast
import importlib
from pathlib import Path

import pytest

from tests.integration.catalogue.rows import ELSEWHERE, NOT_YET, OTHERWISE, ROWS, rows_of
from tests.support.cfn import ROOT

HERE = Path(__file__).parent


def rows_here() -> set[int]:
    """Gives the rows that a test of this folder names, or one of its cases."""
    found: set[int] = set()
    for path in HERE.glob("test_*.py"):
        module = importlib.import_module(f"tests.integration.catalogue.{path.stem}")
        for name, test in vars(module).items():
            if name.startswith("test_"):
                marks = [mark for mark in getattr(test, "pytestmark", ()) if mark.name == "parametrize"]
                names = [name, *(str(getattr(case, "id", "")) for mark in marks for case in mark.args[1])]
                found |= {number for it in names for number in rows_of(it)}
    return found


def test_every_row_is_tested_or_says_why_not_yet() -> None:
    here = rows_here()
    assert here | set(ELSEWHERE) | set(NOT_YET) == set(ROWS)
    assert set(OTHERWISE) <= here | set(ELSEWHERE)


@pytest.mark.parametrize("number", NOT_YET)
def test_what_is_not_there_yet_is_still_not_there(number: int) -> None:
    assert NOT_YET[number].still_so(), f"row {number} can be tested now: {NOT_YET[number].why}"


@pytest.mark.parametrize(("file", "test"), sorted({it for those in ELSEWHERE.values() for it in those}))
def test_what_is_tested_elsewhere_is_there(file: str, test: str) -> None:
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    assert test in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_a_row_is_read_from_a_name() -> None:
    assert rows_of("test_api_58_every_status") == rows_of("api-58-done") == {58}
    assert rows_of("test_cli_66_68_both") == {66, 68}
    assert rows_of("test_what_is_not_there") == rows_of("a-58") == set()
