"""What a person may meet: a store that is none, a port that is taken, a full disk. (What may be typed: the catalogue.)"""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from followups.cli.client import Problem
from tests.support.laptop import Laptop

CHECK = {"agent": "@checklist", "task": "x", "message": "disk / < 99%", "due": "1d"}


def test_a_damaged_store_is_refused_and_left_as_it_is(laptop: Laptop) -> None:
    laptop.home.mkdir()
    path = laptop.home / "followups.db"
    path.write_bytes(b"this is no store at all, " * 20)
    for words in (["list"], ["run-due"], ["create", "@checklist", "x", "disk / < 9%", "1d"]):
        assert "damaged or no Followups store" in laptop.call(*words, code=1).stderr
    assert path.read_bytes() == b"this is no store at all, " * 20


@pytest.mark.slow
def test_a_newer_store_and_a_strange_database_are_refused(laptop: Laptop) -> None:
    laptop.call("agents", "add", "@a", "--command", "true")
    path = laptop.home / "followups.db"
    _sql(path, "PRAGMA user_version = 99")
    assert "newer Followups" in laptop.call("list", code=1).stderr
    path.unlink()
    _sql(path, "CREATE TABLE mine (a)")
    assert "not a Followups store" in laptop.call("list", code=1).stderr
    assert _sql(path, "SELECT name FROM sqlite_master") == [("mine",)]


@pytest.mark.slow
def test_a_port_in_use_is_said(laptop: Laptop) -> None:
    first = laptop.start("dev", "--port", "0")
    try:
        assert first.stderr is not None
        port = first.stderr.readline().split("127.0.0.1:")[1].split(",")[0]
        assert "--port" in laptop.call("dev", "--port", port, code=1).stderr
    finally:
        first.terminate()
        first.communicate(timeout=20)


def test_a_reader_that_goes_away_makes_no_noise(laptop: Laptop) -> None:
    laptop.client.create(CHECK, None)
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", "followups", "list"], env=laptop.environ(), stdout=write, stderr=subprocess.PIPE
    )  # fmt: skip
    os.close(write)
    assert done.returncode == 141
    assert done.stderr == b""


def test_run_due_imports_neither_api_nor_aws(laptop: Laptop) -> None:
    laptop.client.create(CHECK, None)
    code = "import sys\nfrom followups.cli.main import _run\n_run(['run-due'])\nprint(sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], env=laptop.environ(), capture_output=True, text=True, check=True)
    assert "Nothing is due." in done.stdout
    for name in ("boto3", "botocore", "pydantic", "aws_lambda_powertools", "followups.api", "email", "subprocess"):
        assert f"'{name}'" not in done.stdout


def _sql(path: object, statement: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(str(path))
    try:
        rows = connection.execute(statement).fetchall()
        connection.commit()
    finally:
        connection.close()
    return rows


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 160 KB, where this user may mount one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=160k", "tmpfs", disk], capture_output=True).returncode:
        pytest.skip("this user may not mount a small disk")
    yield disk
    # Lazily: this process's own connection to the store is still open.
    subprocess.run(["umount", "--lazy", disk], check=True)


def test_a_full_disk_is_said_and_nothing_is_half_written(tiny_disk: Path) -> None:
    laptop = Laptop(tiny_disk)
    laptop.add_agent("@a", "true")
    wish, made = {"agent": "@a", "task": "x" * 7_900, "due": "7d"}, 0
    with pytest.raises(Problem, match="store_full"):
        while laptop.client.create(wish, None):
            made += 1
            assert made < 50, "the disk never filled up"
    assert "is full; nothing was written" in laptop.call("create", "@a", "x" * 7_900, "7d", code=1).stderr
    assert len(laptop.json("list")["follow_ups"]) == made > 0
