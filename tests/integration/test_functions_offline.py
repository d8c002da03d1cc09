"""The functions without an account: a file for the table, mails in a folder, and messages that are said."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.cfn import ROOT
from tests.support.offline import EVENTS, OFFLINE, offline

#: `make races` runs it: it waits for other processes.
pytestmark = pytest.mark.slow

_CALL = """
import importlib.util, json, sys
from followups.local.events import LocalContext
spec = importlib.util.spec_from_file_location("app", sys.argv[1])
app = importlib.util.module_from_spec(spec)
spec.loader.exec_module(app)
print(json.dumps({"answer": app.handler(json.load(open(sys.argv[2])), LocalContext())}))
"""


def invoke(function: str, event: Path, environ: dict[str, str]) -> tuple[Any, list[dict[str, Any]], str]:
    """Calls a function in a fresh process, as `sam local invoke` does; gives its answer, what it said, and errors."""
    app = ROOT / "functions" / function.removesuffix("Function").lower() / "app.py"
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("FOLLOWUPS_", "AWS_"))}
    none = {"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null"}
    done = subprocess.run(
        [sys.executable, "-c", _CALL, str(app), str(event)], env=clean | none | environ, capture_output=True, text=True,
        timeout=60,
    )  # fmt: skip
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    answers = [it["answer"] for it in lines if "answer" in it]
    return (answers[0] if answers else None), [it for it in lines if "answer" not in it], done.stderr


def batch(event: Path, body: str, folder: Path) -> Path:
    """Puts a message that was said into the event of the function that takes it."""
    shape = json.loads(event.read_text(encoding="utf-8"))
    shape["Records"][0]["body"] = body
    made = folder / event.name
    made.write_text(json.dumps(shape))
    return made


def test_from_create_to_mail_offline(tmp_path: Path) -> None:
    request = json.loads((EVENTS / "api/create.json").read_text(encoding="utf-8"))
    task = {
        "agent": "@checklist",
        "task": "Is the port closed?",
        "message": "port 127.0.0.1:1 closed",
        "due": "in 1 second",
    }
    request |= {"body": json.dumps(task), "isBase64Encoded": False}
    event = tmp_path / "create.json"
    event.write_text(json.dumps(request))
    answer, said, err = invoke("ApiFunction", event, offline("ApiFunction", tmp_path))
    assert answer["statusCode"] == 201, err
    [start] = [it["body"] for it in said if it.get("message") == "would_send"]
    answer, said, err = invoke(
        "RunnerFunction", batch(EVENTS / "runner/start.json", start, tmp_path), offline("RunnerFunction", tmp_path)
    )
    assert answer == {"batchItemFailures": []}, err
    [report] = [it["body"] for it in said if it.get("message") == "would_send"]
    invoke(
        "ReporterFunction", batch(EVENTS / "reporter/report.json", report, tmp_path), offline("ReporterFunction", tmp_path)
    )
    [mail] = (tmp_path / "outbox").glob("*.eml")
    assert "Is the port closed?" in mail.read_text()
    answer, _, err = invoke("AuditorFunction", EVENTS / "auditor/audit.json", offline("AuditorFunction", tmp_path))
    assert (answer["broken"], answer["runs"]) == (0, 1), err


@pytest.mark.parametrize(
    ("function", "event"),
    [
        ("ApiFunction", "api/list.json"), ("SweeperFunction", "sweeper/tick.json"),
        ("ReporterFunction", "reporter/report.json"),
    ],
)  # fmt: skip
def test_each_function_works_offline(function: str, event: str, tmp_path: Path) -> None:
    answer, _, err = invoke(function, EVENTS / event, offline(function, tmp_path))
    assert answer is not None, err


def test_without_aws_a_function_says_what_it_lacks() -> None:
    answer, _, err = invoke(
        "RunnerFunction", EVENTS / "runner/start.json", OFFLINE["RunnerFunction"] | {"FOLLOWUPS_STORE": ""}
    )
    assert answer is None
    assert "AWS_REGION is not set" in err and "there are no AWS credentials" in err and "events/offline.json" in err


def test_another_store_is_refused(tmp_path: Path) -> None:
    _, _, err = invoke("ApiFunction", EVENTS / "api/list.json", OFFLINE["ApiFunction"] | {"FOLLOWUPS_STORE": "mysql:x"})
    assert "FOLLOWUPS_STORE is 'mysql:x'" in err
