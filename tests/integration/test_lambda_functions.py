"""The five functions as Lambda loads them: `functions/*/app.py`, their environment, AWS's services on ministack."""

import importlib.util
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest

from followups.domain.errors import ConfigError
from followups.lambda_settings import ApiSettings, AuditorSettings, ReporterSettings, RunnerSettings, SweeperSettings
from followups.local.events import LocalContext
from tests.support.cfn import ROOT, table_definition
from tests.support.ministack import DIRECT
from tests.support.things import fresh

REGION = "eu-central-1"
Handler = Callable[[dict[str, Any], Any], dict[str, Any]]


class Stack:
    """What the template makes, as far as the functions use it, and their environment."""

    def __init__(self, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        self.url = url
        keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": REGION}
        for name, value in (keys | {"AWS_ENDPOINT_URL": url}).items():
            monkeypatch.setenv(name, value)
        table = f"followups-{fresh('stack')}"
        self.table = table
        self.dynamodb = boto3.client("dynamodb")
        self.dynamodb.create_table(**table_definition(table))
        self.sqs = boto3.client("sqs")
        self.start = self.sqs.create_queue(QueueName=f"start-{table}")["QueueUrl"]
        self.report = self.sqs.create_queue(QueueName=f"report-{table}")["QueueUrl"]
        secret = boto3.client("secretsmanager").create_secret(Name=f"key-{table}", SecretString=SECRET)
        boto3.client("sesv2").create_email_identity(EmailIdentity="followups@example.com")
        boto3.client("sesv2").create_configuration_set(ConfigurationSetName=f"set-{table}")
        self._values = {
            "TABLE": table, "SHARDS": "4", "START_QUEUE_URL": self.start, "REPORT_QUEUE_URL": self.report,
            "GLOBAL_CAP": "2", "RUNS_PER_HOUR": "0", "LOOK_AHEAD_SECONDS": "120", "TOKEN_SECRET_ARN": secret["ARN"],
            "RUNNER_TIMEOUT": "300",
            "LEASE_MARGIN_SECONDS": "60", "DEFAULT_TIMEZONE": "Europe/Berlin",
            "ALLOWED_RECIPIENTS": "*@example.com", "ALLOW_ANY_RECIPIENT": "no", "SENDER": "followups@example.com",
            "REPORT_TO": "ops@example.com", "CONFIGURATION_SET": f"set-{table}",
            "OUTPUT_BUCKET": f"outputs-{table.lower()}", "API_URL": "https://followups.example.com",
            "MAX_OPEN": "1000", "MAX_DEPTH": "2", "MAX_DESCENDANTS": "20",
        }  # fmt: skip
        self.bucket = self._values["OUTPUT_BUCKET"]
        self.s3 = boto3.client("s3")
        self.s3.create_bucket(Bucket=self.bucket, CreateBucketConfiguration={"LocationConstraint": REGION})

    def load(self, function: str, **changed: str) -> Handler:
        """Loads a function in a fresh module, with just the variables that its settings name."""
        model = {
            "api": ApiSettings, "sweeper": SweeperSettings, "runner": RunnerSettings, "reporter": ReporterSettings,
            "auditor": AuditorSettings,
        }  # fmt: skip
        for name in self._values:
            self._monkeypatch.delenv(f"FOLLOWUPS_{name}", raising=False)
        for variable in model[function].variables():
            value = changed.get(variable, self._values[variable.removeprefix("FOLLOWUPS_")])
            self._monkeypatch.setenv(variable, value)
        path = ROOT / "functions" / function / "app.py"
        spec = importlib.util.spec_from_file_location(f"app_{function}", path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        handler: Handler = module.handler
        return handler

    def mailed(self) -> list[str]:
        """Gives the texts of all mails that SES has accepted."""
        with DIRECT.open(f"{self.url}/_ministack/ses/messages") as answer:
            sent = json.loads(answer.read())["messages"]
        return [it["BodyText"] or "" for them in sent.values() for it in them]

    def batch(self, url: str, event: Path) -> dict[str, Any]:
        """Gives the event file's batch with what really lies in the queue."""
        received = self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
        shape = json.loads(event.read_text(encoding="utf-8"))
        [record] = shape["Records"]
        return {"Records": [record | {"messageId": it["MessageId"], "body": it["Body"]} for it in received]}


SECRET = "correct horse battery staple, 0123456789"
EVENTS = ROOT / "events"


@pytest.fixture
def stack(ministack_url: str, monkeypatch: pytest.MonkeyPatch) -> Stack:
    return Stack(ministack_url, monkeypatch)


def test_from_create_to_mail_through_the_four_functions(stack: Stack) -> None:
    api, sweeper, runner, reporter = (stack.load(name) for name in ("api", "sweeper", "runner", "reporter"))
    made = _call(api, "POST", "/v1/follow-ups", {
        "agent": "@checklist", "task": "Check the port", "message": "port 127.0.0.1:1 closed", "due": "in 1 second",
        "report_to": "me@example.com",
    })  # fmt: skip
    assert made["status"] == "claimed", "what is due within the look-ahead is claimed at birth"
    tick = json.loads((EVENTS / "sweeper/tick.json").read_text(encoding="utf-8"))
    assert sweeper(tick, LocalContext()) == {}, "it is claimed already: a sweep has nothing to do"

    start = stack.batch(stack.start, EVENTS / "runner/start.json")
    assert len(start["Records"]) == 1
    assert runner(start, ShortContext()) == {"batchItemFailures": []}
    assert runner(start, ShortContext()) == {"batchItemFailures": []}, "a duplicate is dropped"
    report = stack.batch(stack.report, EVENTS / "reporter/report.json")
    assert len(report["Records"]) == 1
    assert reporter(report, LocalContext()) == {"batchItemFailures": []}

    run = _call(api, "GET", f"/v1/follow-ups/{made['id']}/runs")["runs"][0]
    assert (run["outcome"], run["report"]["status"]) == ("succeeded", "sent")
    assert _call(api, "GET", f"/v1/follow-ups/{made['id']}")["status"] == "done"


@pytest.mark.slow
def test_a_later_one_is_claimed_by_the_sweeper_with_its_delay(stack: Stack) -> None:
    api, sweeper = stack.load("api"), stack.load("sweeper")
    later = _call(api, "POST", "/v1/follow-ups", {
        "agent": "@checklist", "task": "Later", "message": "port 127.0.0.1:1 closed", "due": "in 10 minutes",
    })  # fmt: skip
    assert later["status"] == "scheduled"
    tick = json.loads((EVENTS / "sweeper/tick.json").read_text(encoding="utf-8"))
    assert sweeper(tick, LocalContext()) == {}


@pytest.mark.slow
def test_the_api_refuses_recipients_that_are_not_on_the_list(stack: Stack) -> None:
    api = stack.load("api")
    refused = _call(api, "POST", "/v1/follow-ups", {
        "agent": "@checklist", "task": "x", "message": "port 127.0.0.1:1 closed", "due": "7d",
        "report_to": "me@elsewhere.org",
    })  # fmt: skip
    assert (refused["status"], refused["code"]) == (403, "recipient_not_allowed")


def test_commands_are_refused_on_aws(stack: Stack) -> None:
    api = stack.load("api")
    refused = _call(api, "POST", "/v1/follow-ups", {
        "agent": "@checklist", "task": "x", "message": "command true", "due": "7d",
    })  # fmt: skip
    assert "laptop only" in refused["detail"]
    refused = _call(api, "PUT", "/v1/agents/@x", {"kind": "command", "command": ["true"]})
    assert refused["code"] == "unknown_kind"


def test_a_wrong_environment_fails_at_the_cold_start_and_names_the_variable(stack: Stack) -> None:
    with pytest.raises(ConfigError, match="FOLLOWUPS_GLOBAL_CAP"):
        stack.load("sweeper", FOLLOWUPS_GLOBAL_CAP="abc")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("create", 201), ("list", 200), ("list_agents", 200), ("healthz", 200), ("openapi", 200), ("tree", 404),
        ("stop_tree", 404), ("test_agent", 422), ("disable_agent", 404), ("enable_agent", 404), ("agent_secret", 404),
        ("pull_work", 404), ("complete", 401), ("heartbeat", 401), ("progress", 401),
    ],
)  # fmt: skip
def test_the_event_files_are_answered(stack: Stack, name: str, status: int) -> None:
    event = json.loads((EVENTS / f"api/{name}.json").read_text(encoding="utf-8"))
    answer = stack.load("api")(event, LocalContext())
    assert answer["statusCode"] == status, answer["body"]


def _taken(stack: Stack, api: Handler) -> dict[str, Any]:
    """Lets a worker take a run; gives what the worker is told."""
    assert _call(api, "PUT", "/v1/agents/@desk", {"kind": "worker"})["kind"] == "worker"
    assert _call(api, "POST", "/v1/agents/@desk/work", {"worker": "desk-1"}) == {"run": None}
    _call(api, "POST", "/v1/follow-ups", {"agent": "@desk", "task": "Look", "due": "in 1 second"})
    start = stack.batch(stack.start, EVENTS / "runner/start.json")
    assert stack.load("runner")(start, ShortContext()) == {"batchItemFailures": []}
    run: dict[str, Any] = _call(api, "POST", "/v1/agents/@desk/work", {"worker": "desk-1"})["run"]
    return run


@pytest.mark.slow
def test_a_run_says_itself_how_it_ended_and_its_long_report_is_kept_and_shown_whole(stack: Stack) -> None:
    api = stack.load("api")
    run = _taken(stack, api)
    assert all(it.startswith("https://followups.example.com/v1/runs/") for it in run["callback"].values()), run["callback"]
    report = "\n".join(f"{number}: all is well" for number in range(1_000)) + "\nthe end of it"
    said = {"outcome": "succeeded", "summary": "All is well.", "report_md": report}
    assert _speak(api, run, "heartbeat")["run_id"] == run["run_id"]
    assert _speak(api, run, "progress", {"message": "half of it"})["cancelled"] is False
    assert _speak(api, run, "complete", said)["outcome"] == "succeeded"
    [kept] = stack.s3.list_objects_v2(Bucket=stack.bucket)["Contents"]
    assert kept["Key"].startswith(f"runs/{run['run_id']}-")
    assert _call(api, "GET", f"/v1/runs/{run['run_id']}")["report_text"].endswith("the end of it")
    # The API queued the report, and whoever mails it has the whole as well.
    mail = stack.batch(stack.report, EVENTS / "reporter/report.json")
    assert len(mail["Records"]) == 1
    assert stack.load("reporter")(mail, LocalContext()) == {"batchItemFailures": []}
    assert any("the end of it" in text for text in stack.mailed())


@pytest.mark.slow
def test_the_limits_of_owners_and_trees_are_those_that_are_set(stack: Stack) -> None:
    later = {"agent": "@checklist", "task": "x", "message": "port 127.0.0.1:1 closed", "due": "7d"}
    run = _taken(stack, stack.load("api"))
    told = {"followups-run-token": run["run_token"]}
    for name, value, code in (
        ("MAX_OPEN", "1", "quota_active"), ("MAX_DEPTH", "0", "cascade_depth"), ("MAX_DESCENDANTS", "1", None),
        ("MAX_DESCENDANTS", "1", "cascade_budget"),
    ):  # fmt: skip
        answer = _call(stack.load("api", **{f"FOLLOWUPS_{name}": value}), "POST", "/v1/follow-ups", later, told)
        assert answer.get("code") == code, answer


@pytest.mark.slow
def test_the_auditor_finds_mends_and_tells_and_then_finds_nothing(stack: Stack) -> None:
    api, auditor = stack.load("api"), stack.load("auditor")
    made = _call(api, "POST", "/v1/follow-ups", {
        "agent": "@checklist", "task": "Later", "message": "port 127.0.0.1:1 closed", "due": "in 10 minutes",
    })  # fmt: skip
    event = json.loads((EVENTS / "auditor/audit.json").read_text(encoding="utf-8"))
    assert auditor(event, LocalContext())["follow_ups"] == 1
    [item] = [it for it in stack.dynamodb.scan(TableName=stack.table)["Items"] if it["sk"]["S"] == "META"]
    lost = {name: value for name, value in item.items() if not name.startswith("wake_")}
    stack.dynamodb.put_item(TableName=stack.table, Item=lost)

    answer = auditor(event, LocalContext())
    assert (answer["found"], answer["repaired"], answer["told"]) == ({"no_look": 1}, 1, True)
    mended = stack.dynamodb.get_item(TableName=stack.table, Key={name: item[name] for name in ("pk", "sk")})["Item"]
    assert {name: mended[name] for name in item if name not in ("version", "write_id")} == {
        name: item[name] for name in item if name not in ("version", "write_id")
    }
    answer = auditor(event, LocalContext())
    assert (answer["found"], answer["told"]) == ({}, False)
    assert _call(api, "GET", f"/v1/follow-ups/{made['id']}")["status"] == "scheduled"


def test_a_junk_batch_is_acknowledged(stack: Stack) -> None:
    runner = stack.load("runner")
    for event in ({}, {"Records": []}, {"Records": [{"messageId": "1", "body": "{"}, {"messageId": "2"}]}):
        assert runner(event, ShortContext()) == {"batchItemFailures": []}


class ShortContext(LocalContext):
    """A context of a function with five minutes."""

    def get_remaining_time_in_millis(self) -> int:
        return int(timedelta(minutes=5).total_seconds() * 1000)


def _speak(api: Handler, run: dict[str, Any], word: str, body: Any = None) -> Any:
    """Says something of a run by its token alone, as its event comes: without an authorizer."""
    event = json.loads((EVENTS / f"api/{word}.json").read_text(encoding="utf-8"))
    path = f"/v1/runs/{run['run_id']}/{word}"
    event |= {"rawPath": path} | ({} if body is None else {"body": json.dumps(body)})
    event["requestContext"]["http"]["path"] = path
    event["headers"]["followups-run-token"] = run["run_token"]
    return json.loads(api(event, LocalContext())["body"])


def _call(api: Handler, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Any:
    event = json.loads((EVENTS / "api/get.json").read_text(encoding="utf-8"))
    event |= {"rawPath": path, "rawQueryString": "", "routeKey": f"{method} {path}"}
    event["requestContext"]["http"] |= {"method": method, "path": path}
    event["headers"] |= {"content-type": "application/json"} | (headers or {})
    if body is not None:
        event["body"] = json.dumps(body)
    return json.loads(api(event, LocalContext())["body"])
