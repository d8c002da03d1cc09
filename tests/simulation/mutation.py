"""Changes that a tired engineer could make, planted in the product as it is imported. The files stay as they are."""

import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, ModuleType


@dataclass(frozen=True, slots=True)
class Mutant:
    """A mistake: in `module` of the package each text of `edits` is replaced; it must be there exactly once."""

    name: str
    module: str
    edits: tuple[tuple[str, str], ...]

    def source(self, path: Path) -> str:
        """Gives the module's source with the mistake in it. Raises LookupError if the place is not there any more."""
        text = path.read_text(encoding="utf-8")
        for before, after in self.edits:
            if text.count(before) != 1:
                raise LookupError(f"mutant {self.name!r}: {text.count(before)} places in {self.module} for {before!r}")
            text = text.replace(before, after)
        return text


class _Loader(importlib.machinery.SourceFileLoader):
    mutant: Mutant

    def get_code(self, fullname: str) -> CodeType:
        path = Path(self.path)
        return compile(self.mutant.source(path), str(path), "exec")


class _Finder(importlib.abc.MetaPathFinder):
    def __init__(self, mutant: Mutant) -> None:
        self._mutant = mutant

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != f"followups.{self._mutant.module}":
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path)
        assert spec is not None
        assert spec.origin is not None
        loader = _Loader(fullname, spec.origin)
        loader.mutant = self._mutant
        spec.loader = loader
        return spec


def plant(mutant: Mutant) -> None:
    """Lets the next import of the module bring the mistake; call it before anything of the product is imported."""
    if f"followups.{mutant.module}" in sys.modules:
        raise RuntimeError(f"followups.{mutant.module} is imported already")
    sys.meta_path.insert(0, _Finder(mutant))
