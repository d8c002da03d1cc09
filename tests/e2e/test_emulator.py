"""The built functions in Lambda's own runtime: cold, warm, killed at their timeout, crashed, and wrongly set up."""

import json
import os
import signal
import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.emulator import emulator
from tests.e2e.running import wait_for
from tests.support.offline import EVENTS, offline

pytestmark = pytest.mark.slow


def event(name: str) -> Any:
    return json.loads((EVENTS / name).read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("function", "case", "says"),
    [
        ("ApiFunction", "api/healthz.json", {"statusCode": 200}), ("SweeperFunction", "sweeper/tick.json", {}),
        ("RunnerFunction", "runner/start.json", {"batchItemFailures": []}),
        ("AuditorFunction", "auditor/audit.json", {"broken": 0}),
        ("ReporterFunction", "reporter/report.json", {"batchItemFailures": []}),
    ],
)  # fmt: skip
def test_each_function_starts_cold_and_answers(function: str, case: str, says: dict[str, Any], tmp_path: Path) -> None:
    with emulator(function, offline(function, tmp_path), tmp_path) as it:
        status, answer = it.invoke(event(case))
    assert status == 200
    assert "errorMessage" not in answer
    assert says.items() <= answer.items(), answer


def test_a_warm_call_is_answered_by_the_same_process(tmp_path: Path) -> None:
    with emulator("ApiFunction", offline("ApiFunction", tmp_path), tmp_path) as it:
        _, made = it.invoke(event("api/create.json"))
        assert made["statusCode"] == 201, made
        first = it.runtime()
        _, found = it.invoke(event("api/list.json"))
        assert it.runtime() == first
    assert [one["id"] for one in json.loads(found["body"])["follow_ups"]] == [json.loads(made["body"])["id"]]


def test_one_that_is_killed_at_its_timeout_has_written_nothing_and_the_next_works(tmp_path: Path) -> None:
    with emulator("ApiFunction", offline("ApiFunction", tmp_path), tmp_path, timeout=3) as it:
        assert it.invoke(event("api/list.json"))[1]["statusCode"] == 200
        killed = it.runtime()
        # It waits for its store, which somebody holds.
        with sqlite3.connect(tmp_path / "followups.db") as store:
            store.execute("begin exclusive")
            status, answer = it.invoke(event("api/create.json"))
        store.close()
        assert "timed out after 3" in str(answer), (status, answer)
        _, found = it.invoke(event("api/list.json"))
        assert it.runtime() != killed
    assert json.loads(found["body"])["follow_ups"] == []


def test_one_that_crashes_gives_an_error_and_the_next_works(tmp_path: Path) -> None:
    with emulator("ApiFunction", offline("ApiFunction", tmp_path), tmp_path) as it:
        assert it.invoke(event("api/list.json"))[1]["statusCode"] == 200
        with sqlite3.connect(tmp_path / "followups.db") as store:
            store.execute("begin exclusive")
            answers: list[tuple[int, Any]] = []
            call = threading.Thread(target=lambda: answers.append(it.invoke(event("api/create.json"))))
            call.start()
            wait_for(lambda: "START" in it.log.read_text().rpartition("REPORT")[2], seconds=10, pause=0.05)
            os.kill(it.runtime(), signal.SIGKILL)
            call.join(timeout=30)
        store.close()
        assert "Runtime.ExitError" in str(answers) or answers[0][0] == 502, answers
        _, found = it.invoke(event("api/list.json"))
    assert json.loads(found["body"])["follow_ups"] == []


def test_one_with_a_wrong_environment_names_the_variable_at_its_start(tmp_path: Path) -> None:
    environ = offline("SweeperFunction", tmp_path) | {"FOLLOWUPS_GLOBAL_CAP": "many"}
    with emulator("SweeperFunction", environ, tmp_path) as it:
        _, answer = it.invoke(event("sweeper/tick.json"))
        log = it.log.read_text()
    assert "FOLLOWUPS_GLOBAL_CAP" in str(answer) + log
    assert not (tmp_path / "followups.db").exists()
