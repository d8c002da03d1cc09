"""The mutants can be planted: a mutant whose place is gone would be a test that cannot fail."""

from pathlib import Path

import pytest

import followups
from tests.simulation.mutants import MUTANTS
from tests.simulation.mutation import Mutant

PACKAGE = Path(followups.__file__).parent


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_each_mutant_has_its_place_and_is_sound_python(mutant: Mutant) -> None:
    path = PACKAGE / f"{mutant.module.replace('.', '/')}.py"
    changed = mutant.source(path)
    assert changed != path.read_text(encoding="utf-8")
    compile(changed, str(path), "exec")


def test_a_place_that_is_gone_is_said() -> None:
    with pytest.raises(LookupError, match="0 places in domain"):
        Mutant("gone", "domain.claims", (("not there", "x"),)).source(PACKAGE / "domain/claims.py")
