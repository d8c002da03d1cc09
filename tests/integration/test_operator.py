"""What an operator does from a laptop with an installation on AWS: ministack has the stack, a server here is its API."""

import io
import json
import re
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest

from followups import bootstrap, installation
from followups.domain.messages import Message
from tests.support.installation import Installation as Api
from tests.support.installation import serving
from tests.support.laptop import Laptop
from tests.support.things import fresh

#: `make races` runs it: it waits for other processes.
pytestmark = pytest.mark.slow

REGION = "eu-central-1"
RUN = "run-" + "a" * 26 + "-000001"
SWEEPER = "def handler(event, context):\n    return {'claimed': 2, 'waiting': 1}\n"
CONTROL = {"stopped": False, "reason": None, "changed_at": None}


class Stack:
    """A stack with the outputs of the real one, as far as an operator asks for them."""

    def __init__(self, url: str, api_url: str) -> None:
        self.environ = {
            "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_ENDPOINT_URL": url,
            "AWS_CONFIG_FILE": "/nonexistent", "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent", "AWS_DEFAULT_REGION": REGION,
        }  # fmt: skip
        session = boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name=REGION)
        self.client = lambda service: session.client(service, endpoint_url=url)
        self.name = f"s-{fresh('stack')}"
        self.queues = {
            f"{it}Url": self.client("sqs").create_queue(QueueName=f"{self.name}-{it}")["QueueUrl"]
            for it in ("StartQueue", "ReportQueue", "StartDeadLetters", "ReportDeadLetters")
        }
        outputs = self.queues | {"ApiUrl": api_url, "TableName": self._table(), "SweeperFunctionName": self._sweeper()}
        for log in ("Api", "Sweeper", "Runner", "Reporter", "Auditor"):
            outputs[f"{log}Log"] = f"/{self.name}/{log}"
            self.client("logs").create_log_group(logGroupName=outputs[f"{log}Log"])
            self.client("logs").create_log_stream(logGroupName=outputs[f"{log}Log"], logStreamName="one")
        self.outputs = outputs
        self.client("cloudformation").create_stack(StackName=self.name, TemplateBody=self._template())

    def _template(self) -> str:
        return json.dumps({
            "Parameters": {
                "Sender": {"Type": "String", "Default": f"{self.name}@example.com"},
                "ReportTo": {"Type": "String", "Default": f"ops-{self.name}@example.com"},
                "AgentFunctions": {"Type": "CommaDelimitedList", "Default": f"{function(self.name, 'listed')}:*"},
            },
            "Resources": {"Topic": {"Type": "AWS::SNS::Topic"}},
            "Outputs": {name: {"Value": value} for name, value in self.outputs.items()},
        })  # fmt: skip

    def _table(self) -> str:
        self.client("dynamodb").create_table(
            TableName=self.name, BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        )  # fmt: skip
        return self.name

    def _sweeper(self) -> str:
        return self.function(f"{self.name}-sweeper", SWEEPER)

    def function(self, name: str, code: str = SWEEPER, **tags: str) -> str:
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("app.py", code)
        made = self.client("lambda").create_function(
            FunctionName=name, Runtime="python3.11", Handler="app.handler", Role="arn:aws:iam::000000000000:role/x",
            Code={"ZipFile": packed.getvalue()}, Tags=tags,
        )  # fmt: skip
        return str(made["FunctionName"])

    def log(self, function: str, at: datetime, **facts: Any) -> None:
        event = {"timestamp": int(at.timestamp() * 1000), "message": json.dumps(facts)}
        group = self.outputs[f"{function}Log"]
        self.client("logs").put_log_events(logGroupName=group, logStreamName="one", logEvents=[event])


def function(stack: str, name: str) -> str:
    return f"arn:aws:lambda:{REGION}:000000000000:function:{stack}-{name}"


@pytest.fixture(scope="module")
def api() -> Iterator[Api]:
    with serving() as it:
        yield it


@pytest.fixture
def stack(ministack_url: str, api: Api) -> Stack:
    api.sent.clear()
    api.status, api.content = 200, json.dumps(CONTROL | {"agents": [], "follow_ups": [], "next": None}).encode()
    return Stack(ministack_url, api.url)


@pytest.fixture
def there(laptop: Laptop, stack: Stack) -> Laptop:
    """A laptop that is logged in."""
    done = laptop.here("login", "--stack", stack.name, "--region", REGION, **stack.environ)
    assert done.returncode == 0, done.stderr
    return laptop


def test_who_logs_in_speaks_to_the_installation_and_signs(there: Laptop, stack: Stack, api: Api) -> None:
    kept = json.loads((there.home / installation.FILE).read_text())
    assert kept == {"api_url": api.url, "stack": stack.name, "region": REGION, "profile": None}
    assert there.here("list", **stack.environ).returncode == 0
    [headers] = [headers for path, headers in api.sent if path.startswith("/v1/follow-ups?")]
    assert headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=test/")
    assert f"/{REGION}/execute-api/aws4_request" in headers["authorization"]


def test_this_laptop_is_still_there(there: Laptop, stack: Stack, api: Api) -> None:
    asked = len(api.sent)
    made = there.here("--json", "create", "@checklist", "Here", "disk / < 99%", "7d", FOLLOWUPS_API_URL="", **stack.environ)
    assert made.returncode == 0, made.stderr
    assert len(api.sent) == asked
    assert there.here("logout").stdout == "Logged out: this laptop's store is spoken to again.\n"
    assert "Here" in there.here("list").stdout
    assert "not logged in" in there.here("logout").stdout


def test_an_access_token_is_sent_instead_of_a_signature(there: Laptop, stack: Stack, api: Api) -> None:
    there.here("list", FOLLOWUPS_ACCESS_TOKEN="ey.x.y", **stack.environ)
    assert api.sent[-1][1]["authorization"] == "Bearer ey.x.y"


def test_an_installation_that_lets_nobody_in_yet_is_told(laptop: Laptop, stack: Stack, api: Api) -> None:
    api.status, api.content = 403, b'{"message": "Forbidden"}'
    done = laptop.here("login", "--stack", stack.name, "--region", REGION, **stack.environ)
    assert done.returncode == 0
    assert "gives no good answer yet (403: Forbidden)" in done.stderr


def test_an_installation_that_does_not_answer_yet_is_remembered_and_told(laptop: Laptop, stack: Stack, api: Api) -> None:
    api.status, api.content = 200, b"<html>Please log in</html>"
    done = laptop.here("login", "--stack", stack.name, "--region", REGION, **stack.environ)
    assert (done.returncode, "gives no good answer yet" in done.stderr) == (0, True), done.stderr
    assert (laptop.home / installation.FILE).exists()


@pytest.mark.parametrize(
    ("words", "environ", "code", "said"),
    [
        (("--stack", "no-such-stack"), {}, 1, "stack no-such-stack"),
        (("--stack", "x", "--profile", "nobody"), {}, 4, "no AWS credentials to use"),
        (("--stack", "x"), {"AWS_ACCESS_KEY_ID": "", "AWS_EC2_METADATA_DISABLED": "true"}, 4, "no AWS credentials to use"),
        (("--stack", "x"), {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, 1, "Could not connect"),
        (("--stack", "x"), {"FOLLOWUPS_RUN_TOKEN": "fr1.x.y"}, 4, "not_inside_a_run"),
    ],
)
def test_a_login_that_fails_remembers_nothing(
    laptop: Laptop, stack: Stack, words: tuple[str, ...], environ: dict[str, str], code: int, said: str
) -> None:
    done = laptop.here("login", "--region", REGION, *words, **(stack.environ | environ))
    assert (done.returncode, done.stderr.count("\n")) == (code, 1), done.stderr
    assert said in done.stderr
    assert not (laptop.home / installation.FILE).exists()


@pytest.mark.parametrize(
    ("text", "code"),
    [("{", 2), ("[]", 2), ('{"api_url": 7}', 4), ('{"api_url": "http://example.com"}', 4), ('{"x": 1}', 2)],
)
def test_a_file_that_is_none_of_ours_is_refused(laptop: Laptop, text: str, code: int) -> None:
    laptop.home.mkdir()
    (laptop.home / installation.FILE).write_text(text)
    done = laptop.here("list")
    assert (done.returncode, installation.FILE in done.stderr) == (code, True), done.stderr


def test_run_due_lets_the_sweeper_look(there: Laptop, stack: Stack) -> None:
    assert there.here("run-due", **stack.environ).stdout == "The sweeper looked: claimed 2, waiting 1.\n"
    assert "--at" in there.here("run-due", "--at", "2026-12-01T09:00Z", **stack.environ).stderr


def test_dead_letters_are_sent_again_and_what_is_none_of_ours_stays(there: Laptop, stack: Stack) -> None:
    sqs, message = stack.client("sqs"), Message(kind="start", owner="ada", follow_up_id="a" * 26, fence=1)
    for body in (message.to_json(), "no message of ours"):
        sqs.send_message(QueueUrl=stack.queues["StartDeadLettersUrl"], MessageBody=body)
    looked = there.here("redrive", "--dry-run", **stack.environ)
    assert looked.stdout == "2 dead letters\n", "and both are there for the next look"
    done = there.here("redrive", **stack.environ)
    assert done.stdout == "1 of 2 dead letters sent again\n", done.stderr
    assert f"sent again: start of {RUN}" in done.stderr
    [moved] = sqs.receive_message(QueueUrl=stack.queues["StartQueueUrl"])["Messages"]
    assert moved["Body"] == message.to_json()
    left = sqs.get_queue_attributes(
        QueueUrl=stack.queues["StartDeadLettersUrl"],
        AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
    )["Attributes"]
    assert sum(map(int, left.values())) == 1
    assert there.here("redrive", **stack.environ).stdout == "0 of 1 dead letters sent again\n"


def test_a_runs_story_is_read_from_all_logs(there: Laptop, stack: Stack) -> None:
    now = datetime.now(UTC)
    stack.log("Runner", now - timedelta(seconds=5), message="handled", run_id=RUN, result="finished", level="INFO")
    stack.log("Reporter", now, message="handled", run_id=RUN, result="sent")
    stack.log("Reporter", now, message="handled", run_id=RUN.replace("1", "2"), result="sent")
    lines = there.here("logs", RUN, **stack.environ).stdout.splitlines()
    assert [re.split(" {2,}", line)[1:] for line in lines] == [
        ["runner", "handled", "result=finished"], ["reporter", "handled", "result=sent"],
    ]  # fmt: skip
    assert "Nothing is logged" in there.here("logs", RUN.replace("1", "3"), **stack.environ).stdout


def test_doctor_names_what_is_wrong_and_what_mends_it(there: Laptop, stack: Stack, api: Api) -> None:
    listed, tagged = (
        stack.function(f"{stack.name}-listed"),
        stack.function(f"{stack.name}-tagged", **{"followups-agent": stack.name}),
    )
    other = stack.function(f"{stack.name}-other")
    names = {"@listed": listed, "@tagged": tagged, "@other": other, "@gone": f"{stack.name}-gone"}
    agents = [
        {"name": name, "kind": "lambda", "target": function(stack.name, it.removeprefix(f"{stack.name}-"))}
        for name, it in names.items()
    ]
    agents[0]["target"] += ":live"
    api.content = json.dumps(CONTROL | {"stopped": True, "agents": agents}).encode()
    stack.client("sqs").send_message(QueueUrl=stack.queues["ReportDeadLettersUrl"], MessageBody="x")
    done = there.here("--json", "doctor", **stack.environ)
    assert done.returncode == 1
    told = json.loads(done.stdout)
    found = {it["name"]: (it["ok"], it["mend"]) for it in told["checks"]}
    assert {name for name, (ok, _) in found.items() if ok} >= {"stack", "api", "table", "StartQueue", "@listed", "@tagged"}
    assert found["kill switch"] == (None, "followups resume --all")
    assert found["tick"] == (None, "wait for the next minute; then `followups doctor` again"), "the stack is new"
    assert found["dead letters"] == (False, "followups redrive --dry-run, then without")
    assert found["Sender"][0] is False and f"--email-identity {stack.name}@example.com" in found["Sender"][1]
    assert found["@gone"][0] is False
    assert found["@other"][0] is False and f"followups-agent={stack.name}" in found["@other"][1]


def test_doctor_looks_at_state_machines_and_runtimes_too(there: Laptop, stack: Stack, api: Api) -> None:
    machines = stack.client("stepfunctions")

    def machine(name: str, **tags: str) -> str:
        made = machines.create_state_machine(
            name=f"{stack.name}-{name}", roleArn="arn:aws:iam::000000000000:role/x",
            definition=json.dumps({"StartAt": "A", "States": {"A": {"Type": "Pass", "End": True}}}),
            tags=[{"key": key, "value": value} for key, value in tags.items()],
        )  # fmt: skip
        return str(made["stateMachineArn"])

    tagged, other = machine("tagged", **{"followups-agent": stack.name}), machine("other")
    runtime = f"arn:aws:bedrock-agentcore:{REGION}:000000000000:runtime/gone-abc"
    targets = {"@tagged": f"{tagged}:live", "@other": other}
    agents = [{"name": name, "kind": "states", "target": it} for name, it in targets.items()]
    agents.append({"name": "@runtime", "kind": "agentcore", "target": f"{runtime}/runtime-endpoint/live"})
    api.content = json.dumps(CONTROL | {"agents": agents}).encode()
    done = there.here("--json", "doctor", **stack.environ)
    found = {it["name"]: it for it in json.loads(done.stdout)["checks"]}
    assert found["@tagged"]["ok"] is True
    assert found["@runtime"]["ok"] is None and "cannot be looked at" in found["@runtime"]["says"], "not by this stand-in"
    assert found["@other"]["says"].endswith("is neither tagged for this stack nor listed in AgentStateMachines")
    assert found["@other"]["mend"].endswith(f"--resource-arn {other} --tags key=followups-agent,value={stack.name}")


def test_doctor_finds_nothing_where_all_is_well(there: Laptop, stack: Stack) -> None:
    for address in (f"{stack.name}@example.com", f"ops-{stack.name}@example.com"):
        stack.client("sesv2").create_email_identity(EmailIdentity=address)
    stack.log("Sweeper", datetime.now(UTC) - timedelta(seconds=40), message="swept", level="INFO")
    done = there.here("doctor", **stack.environ)
    assert done.returncode == 0, done.stdout
    assert re.search(r"last came to its end 4\d s ago", done.stdout)
    assert "0 failed" in done.stdout.splitlines()[-1]


def test_doctor_on_a_laptop(laptop: Laptop, tmp_path: Path) -> None:
    assert "nothing is stored" in laptop.here("doctor").stdout
    program = tmp_path / "agent.sh"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o700)
    laptop.add_agent("@a", str(program))
    assert laptop.here("doctor").returncode == 0
    program.unlink()
    told = laptop.here("doctor", FOLLOWUPS_SMTP_URL="smtp://127.0.0.1:9")
    assert told.returncode == 1
    assert f"there is no program {program}" in told.stdout
    assert "127.0.0.1:9 cannot be reached" in told.stdout
    assert told.stdout.splitlines()[-1] == "5 checks, 2 failed, 0 warnings."


def test_bootstrap_signs_only_where_a_region_is_known() -> None:
    assert bootstrap.request_signer(installation.Installation(api_url="https://x")) is None
