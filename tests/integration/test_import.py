"""`followups import`: what the first version kept comes over, is said, and nothing of it is lost or half-written."""

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.laptop import Laptop
from tests.support.old_file import FILE, TASK, stored, writer


@pytest.fixture
def old(laptop: Laptop) -> Callable[..., str]:
    return writer(laptop)


def test_each_task_is_brought_over_and_said(laptop: Laptop, old: Callable[..., str]) -> None:
    before = datetime.now(UTC) - timedelta(seconds=1)
    done = laptop.here("import", old(*FILE))
    found = stored(laptop)
    backup, bridge, digest, log = (
        found[task] for task in ("Check backup health", "Verify bridge", "Send the digest", "Read the log")
    )
    short = {it["task"]: it["id"][:8] for it in found.values()}
    lines = done.stdout.splitlines()
    assert lines[0].startswith(
        f"a  imported as {backup['id'][:8]}: @backup Check backup health - due Mon 2060-12-20 09:00 Europe/Berlin (in 1"
    )
    assert lines[1] == (f"b  imported as {short['Verify bridge']}: @backup Verify bridge - due now: it was due 2020-02-03")
    assert lines[2] == (
        f"c  imported as {short['Send the digest']}, paused: @backup Send the digest - the first version had started it at "
        f"2020-02-03 08:00, so it may have run already; `followups resume {short['Send the digest']}` runs it, "
        f"`followups delete {short['Send the digest']}` drops it"
    )
    assert "due now: it was due 2020-02-03; the first version had started it" in lines[3]
    assert "may run again (--rerun safe)" in lines[3]
    assert lines[4] == "e  skipped: @gone Old - the first version completed it on 2020-02-04"
    assert lines[5].startswith("Imported 4 (1 paused), skipped 1. Due now: 2;")
    assert (done.returncode, done.stderr, len(lines)) == (0, "", 6)

    assert (backup["agent"], backup["message"], backup["due_at"]) == ("@backup", "Is it new?", "2060-12-20T08:00:00Z")
    for overdue in (bridge, log):
        assert overdue["status"] == "scheduled"
        assert before < datetime.fromisoformat(overdue["due_at"]) < datetime.now(UTC) + timedelta(seconds=2)
    assert (digest["status"], "may have run" in digest["reason"]) == ("paused", True)


def test_it_runs_like_any_other(laptop: Laptop, old: Callable[..., str]) -> None:
    laptop.here("import", old(*FILE))
    later = f"{datetime.now(UTC) + timedelta(minutes=10):%Y-%m-%dT%H:%M:%SZ}"
    ran = json.loads(laptop.here("run-due", "--json", "--at", later).stdout)["ran"]
    assert sorted(run["task"] for run in ran) == ["Read the log", "Verify bridge"]
    digest = stored(laptop)["Send the digest"]
    laptop.here("resume", digest["id"])
    ran = json.loads(laptop.here("run-due", "--json", "--at", later).stdout)["ran"]
    assert [run["task"] for run in ran] == ["Send the digest"]


def test_a_second_import_changes_nothing_whatever_became_of_the_first(laptop: Laptop, old: Callable[..., str]) -> None:
    file = old(*FILE)
    laptop.here("import", file)
    laptop.here("delete", stored(laptop)["Check backup health"]["id"])
    laptop.here("run-due", "--at", f"{datetime.now(UTC) + timedelta(minutes=1):%Y-%m-%dT%H:%M:%SZ}")
    laptop.here("resume", stored(laptop)["Send the digest"]["id"])
    # Which agents there are now changes nothing in what came over before.
    laptop.client.agent("@reader", "DELETE")
    before = stored(laptop)
    # Nor does how far the first version came with them meanwhile, nor the zone in which the dates are read.
    further = [it | {"status": "dispatching"} if it["id"] == "a" else it for it in FILE]
    for words in (["import", file], ["import", old(*further)], ["import", file, "--timezone", "Asia/Tokyo"]):
        again = laptop.here(*words)
        assert stored(laptop) == before
        assert (again.returncode, again.stderr) == (0, "")
        assert [line.split("- ")[1] for line in again.stdout.splitlines()[:4]] == [
            f"imported before as {before[task]['id'][:8]}, {status}"
            for task, status in [
                ("Check backup health", "cancelled"), ("Verify bridge", "done"), ("Send the digest", "scheduled"),
                ("Read the log", "done"),
            ]
        ]  # fmt: skip
        assert again.stdout.splitlines()[5].startswith("Nothing changed")


@pytest.mark.parametrize(
    ("task", "said"),
    [
        ({"task": 7}, "task 2 (id b): task: it is a number, not text"),
        ({"task": "  "}, "task 2 (id b): task: it is empty"),
        ({"task": "a\nb"}, "task 2 (id b): task: it contains a line break"),
        ({"task": "x" * 8_001}, "task 2 (id b): task: String should have at most 8000"),
        ({"message": "\x00"}, "task 2 (id b): message: it contains the control character"),
        ({"message": "\U0001f600" * 16_000}, "task 2 (id b): message: with its task it has more than the 64 KB"),
        ({"due_date": "2126-01-01"}, "task 2 (id b): due_date: '2126-01-01': it is too far off"),
        ({"recipient": "@checklist", "message": "make coffee"}, "task 2 (id b): message: line 1"),
        ({"status": "running"}, "task 2 (id b): status: 'running' is none of"),
        ({"id": "a"}, "task 2 (id a): id: task 1 has the same"),
    ],
)
def test_a_file_with_one_wrong_task_changes_nothing(
    laptop: Laptop, old: Callable[..., str], task: dict[str, Any], said: str
) -> None:
    refused = laptop.here("import", old(TASK, TASK | {"id": "b"} | task))
    assert (refused.returncode, refused.stdout) == (2, "")
    assert said in refused.stderr and "nothing was imported" in refused.stderr
    assert refused.stderr.count("\n") == 1
    assert stored(laptop) == {}


def test_what_is_no_file_is_refused_and_makes_no_store(laptop: Laptop, tmp_path: Path) -> None:
    damaged, secret = tmp_path / "damaged.json", tmp_path / "secret.json"
    damaged.write_text('{"tasks": [')
    secret.write_text("{}")
    secret.chmod(0)
    files = [(damaged, "not JSON"), (tmp_path, "Is a directory"), (tmp_path / "none", "No such file")]
    for path, said in [*files, *([(secret, "Permission denied")] if os.getuid() else [])]:
        refused = laptop.here("import", str(path))
        assert (refused.returncode, refused.stderr.count("\n"), said in refused.stderr) == (2, 1, True), refused.stderr
    assert json.loads(laptop.here("--json", "import", str(damaged)).stdout)["code"] == "invalid_file"
    assert not laptop.home.exists()


def test_agents_that_are_missing_are_all_named_before_anything_is_written(laptop: Laptop, old: Callable[..., str]) -> None:
    file = old(*FILE, TASK | {"id": "x", "recipient": "@two"}, TASK | {"id": "y", "recipient": "one"})
    refused = laptop.here("import", file)
    assert (refused.returncode, refused.stdout, refused.stderr.count("\n")) == (2, "", 1)
    assert "`followups agents add @one --command PROGRAM [ARGUMENT]...`" in refused.stderr
    assert "`followups agents add @two --command PROGRAM [ARGUMENT]...`" in refused.stderr
    assert "@gone" not in refused.stderr, "what stays behind needs no agent"
    assert stored(laptop) == {}


def test_a_dry_run_says_the_same_and_writes_nothing(laptop: Laptop, old: Callable[..., str]) -> None:
    laptop.here("import", old(TASK))
    before = stored(laptop)
    dry = laptop.here("import", old(*FILE), "--dry-run")
    assert stored(laptop) == before
    assert f"a  skipped: @backup Check backup health - imported before as {before[TASK['task']]['id'][:8]}" in dry.stdout
    assert "b  would be imported: @backup Verify bridge - due now: it was due 2020-02-03" in dry.stdout
    assert "c  would be imported, paused: @backup Send the digest" in dry.stdout
    assert "Would import 3 (1 paused), skipped 2." in dry.stdout


def test_json_is_one_document(laptop: Laptop, old: Callable[..., str]) -> None:
    file = old(*FILE)
    for dry in (["--dry-run"], []):
        done = laptop.here("import", file, "--json", *dry)
        document = json.loads(done.stdout)
        assert [it["result"] for it in document["tasks"]] == ["imported", "imported", "paused", "imported", "skipped"]
        assert (document["imported"], document["paused"], document["skipped"]) == (3, 1, 1)
        assert (document["dry_run"], done.stderr) == (bool(dry), "")
    ids = [it["follow_up"] and it["follow_up"]["id"] for it in document["tasks"]]
    assert ids == [*(stored(laptop)[it["task"]]["id"] for it in FILE[:4]), None]


def test_dates_are_read_in_the_users_zone_and_said_with_it(laptop: Laptop, old: Callable[..., str]) -> None:
    dates = ["2040-12-20", "2040-12-20T10:30:00.5", "2040-12-20T10:30:00Z", "2040-03-25T02:30"]
    tasks = [TASK | {"id": date, "task": date, "due_date": date} for date in dates]
    done = laptop.here("import", old(*tasks))
    due = [stored(laptop)[date]["due_at"] for date in dates]
    # The last does not exist in Berlin: the first instant that does is 03:00 summer time.
    assert due == ["2040-12-20T08:00:00Z", "2040-12-20T09:30:00Z", "2040-12-20T10:30:00Z", "2040-03-25T01:00:00Z"]
    assert "due Thu 2040-12-20 09:00 Europe/Berlin" in done.stdout
    tokyo = laptop.here(
        "import", old(*(it | {"id": f"t{it['id']}", "task": "t" + it["id"]} for it in tasks)), "--timezone", "Asia/Tokyo"
    )
    assert stored(laptop)["t2040-12-20"]["due_at"] == "2040-12-20T00:00:00Z"
    assert "due Thu 2040-12-20 09:00 Asia/Tokyo" in tokyo.stdout
    assert laptop.here("import", old(TASK), "--timezone", "Mars").returncode == 2


def test_fields_that_are_not_known_are_said(laptop: Laptop, old: Callable[..., str]) -> None:
    done = laptop.here("import", old(TASK | {"priority": 3}))
    assert (done.returncode, done.stderr) == (0, "Not known and left out: priority.\n")


def test_an_agents_run_imports_nothing(laptop: Laptop, old: Callable[..., str]) -> None:
    for name in ("FOLLOWUPS_RUN_ID", "FOLLOWUPS_RUN_TOKEN"):
        refused = laptop.here("import", old(TASK), **{name: "x"})
        assert (refused.returncode, "not_inside_a_run" in refused.stderr) == (4, True)
    assert stored(laptop) == {}
