"""Who may know whom (DESIGN.md §4), read from the source: a layering that is only declared does not last."""

import ast
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "layers/followups/followups"
INWARD = {"domain", "ports", "usecases"}
#: Room: the rooms and the other packages that it may import. Rooms that are not listed may import everything.
ROOMS: dict[str, tuple[set[str], set[str]]] = {
    "domain": ({"domain"}, {"cronsim", "tzdata"}),
    "ports": ({"domain"}, set()),
    "usecases": (INWARD, set()),
    "adapters": ({"domain", "ports", "adapters"}, {"boto3", "botocore"}),
    "handlers": (INWARD | {"handlers"}, {"aws_lambda_powertools"}),
    "api": (INWARD | {"handlers", "api"}, {"aws_lambda_powertools", "pydantic", "pydantic_core"}),
    "config": ({"domain"}, {"platformdirs"}),
    "lambda_settings": ({"domain"}, {"pydantic"}),
}
ENVIRONMENT = {"environ", "environb", "getenv", "putenv", "unsetenv"}
CLIENTS = {"client", "resource", "session", "Session"}
LONGEST = 300


def imports(tree: ast.AST, modules: set[str]) -> Iterator[str]:
    """Gives all that is imported, also within functions and `if TYPE_CHECKING`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parent = "." * node.level + (node.module or "")
            yield from (it if (it := f"{parent}.{alias.name}") in modules else parent for alias in node.names)


def uses(tree: ast.AST, module: str, names: set[str]) -> bool:
    """Says whether one of a module's names is used, as `module.name` or imported from it."""
    return any(
        (
            isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id == module
            and node.attr in names
        )
        or (isinstance(node, ast.ImportFrom) and node.module == module and {it.name for it in node.names} & names)
        for node in ast.walk(tree)
    )


def violations(package: Path) -> list[str]:
    """Gives a line for each rule that the package breaks."""
    files = {
        ".".join((package.name, *it.relative_to(package).with_suffix("").parts)).removesuffix(".__init__"): it
        for it in package.rglob("*.py")
    }
    found, graph = [], {}
    for module, path in sorted(files.items()):
        text = path.read_text(encoding="utf-8")
        tree, room = ast.parse(text), [*module.split("."), ""][1]
        known = set(imports(tree, set(files))) - {package.name}
        graph[module] = {it for it in known if it in files}
        rooms, others = ROOMS.get(room, (None, None))
        for name in sorted(known):
            top, second = [*name.split("."), ""][:2]
            if top == "" or (top == package.name and name not in files):
                found.append(f"{module} imports {name}, which is relative or not there")
            elif rooms is not None and others is not None:
                allowed = second in rooms if top == package.name else top in sys.stdlib_module_names or top in others
                found += [] if allowed else [f"{module} imports {name}"]
        if module != f"{package.name}.config" and uses(tree, "os", ENVIRONMENT):
            found.append(f"{module} reads the environment")
        if not module.startswith(f"{package.name}.bootstrap") and uses(tree, "boto3", CLIENTS):
            found.append(f"{module} makes a boto3 client")
        if (lines := text.count("\n")) > LONGEST:
            found.append(f"{module} has {lines} lines")
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        found.append("cycle: " + " -> ".join(reversed(error.args[1])))
    return found


def test_package_keeps_its_rules() -> None:
    assert violations(PACKAGE) == []


def plant(root: Path, files: dict[str, str]) -> Path:
    """Writes a package with these files beside an empty one of each room."""
    package = root / "followups"
    for name, text in {f"{room}/__init__.py": "" for room in ROOMS}.items() | files.items():
        path = package / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return package


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"domain/a.py": "import json\nimport followups.domain.b\n", "domain/b.py": ""}, []),
        ({"domain/a.py": "import requests\n"}, ["followups.domain.a imports requests"]),
        ({"domain/a.py": "from followups.adapters import x\n"}, ["followups.domain.a imports followups.adapters"]),
        ({"usecases/a.py": "def f():\n  import followups.adapters\n"}, ["followups.usecases.a imports followups.adapters"]),
        ({"usecases/a.py": "import botocore.config\n"}, ["followups.usecases.a imports botocore.config"]),
        ({"adapters/a.py": "from followups import usecases\n"}, ["followups.adapters.a imports followups.usecases"]),
        ({"handlers/a.py": "import followups.adapters\n"}, ["followups.handlers.a imports followups.adapters"]),
        ({"ports/a.py": "import followups.usecases\n"}, ["followups.ports.a imports followups.usecases"]),
        ({"api/a.py": "from . import b\n", "api/b.py": ""}, ["followups.api.a imports ., which is relative or not there"]),
        ({"cli/a.py": "import os\nx = os.environ['X']\n"}, ["followups.cli.a reads the environment"]),
        ({"local/a.py": "from os import getenv\n"}, ["followups.local.a reads the environment"]),
        ({"config.py": "import os\nx = os.environ\n"}, []),
        ({"adapters/a.py": "import boto3\nx = boto3.client('s3')\n"}, ["followups.adapters.a makes a boto3 client"]),
        ({"cli/a.py": "from boto3 import Session\n"}, ["followups.cli.a makes a boto3 client"]),
        ({"bootstrap.py": "import boto3\nx = boto3.client('s3')\n"}, []),
        ({"domain/a.py": "x = 1\n" * 301}, ["followups.domain.a has 301 lines"]),
    ],
)
def test_a_planted_violation_is_found(tmp_path: Path, files: dict[str, str], expected: list[str]) -> None:
    assert violations(plant(tmp_path, files)) == expected


@pytest.mark.parametrize(
    "hidden",
    [
        "import followups.domain.a\n",
        "def f():\n    from followups.domain.a import x\n",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from followups.domain import a\n",
    ],
)
def test_a_cycle_is_found_however_it_is_hidden(tmp_path: Path, hidden: str) -> None:
    package = plant(tmp_path, {"domain/a.py": "import followups.domain.b\n", "domain/b.py": hidden})
    (found,) = violations(package)
    assert found.startswith("cycle: ")
    assert "followups.domain.a -> followups.domain.b" in found
