"""An AWS of its own for a test: ministack on the loopback, with the real template built and deployed on it by SAM."""

import io
import json
import os
import platform
import subprocess
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3

from tests.support.cfn import ROOT
from tests.support.laptop import Laptop
from tests.support.ministack import DIRECT, ministack

REGION = "eu-central-1"
SENDER, REPORT_TO = "followups@example.com", "ops@example.com"
#: This machine's processor, in SAM's words.
ARCH = "arm64" if platform.machine() in ("arm64", "aarch64") else "x86_64"
#: What is deployed otherwise than with the template's defaults: docs/decisions.md says why.
_HERE = {"Arch": ARCH, "SavedQueries": "no"}
#: State machines that tests make. They are tagged as on AWS, and listed as well: ministack's IAM does not know their tags.
_MACHINES = ("night", "flow")
#: Where ministack asks for other permissions than AWS: docs/decisions.md names these gaps. AWS has no sqs:SendMessageBatch,
#: and checks SES' actions on the identity, not on *.
_BATCH, _MAIL = ["sqs:SendMessageBatch"], ["ses:SendEmail", "ses:SendRawEmail"]
_GAPS = {"ApiRole": _BATCH, "SweeperRole": _BATCH, "RunnerRole": _BATCH, "ReporterRole": _MAIL, "AuditorRole": _MAIL}
#: What `make e2e` builds, for the processor of this machine.
BUILT = ROOT / ".aws-sam/e2e"
_SAM = ROOT / ".tools/sam/bin/sam"


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail as SES has it."""

    to: list[str]
    subject: str
    text: str
    html: str


@dataclass
class Site:
    """The server, and what is deployed on it."""

    url: str
    folder: Path
    stack: str = "followups"
    outputs: dict[str, str] = field(default_factory=dict)
    #: ARN of the AgentCore runtime that a test has made.
    runtime: str = ""

    @property
    def environ(self) -> dict[str, str]:
        """The environment of whoever works on this AWS."""
        none = {"AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null", "AWS_DEFAULT_REGION": REGION}
        return none | {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_ENDPOINT_URL": self.url}

    def client(self, service: str) -> Any:
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": REGION}
        return boto3.client(service, endpoint_url=self.url, **keys)

    def deploy(self, **parameters: str) -> None:
        """Deploys what was built."""
        done = self.try_to_deploy(**parameters)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        [described] = self.client("cloudformation").describe_stacks(StackName=self.stack)["Stacks"]
        self.outputs = {it["OutputKey"]: it["OutputValue"] for it in described["Outputs"]}
        for role, actions in _GAPS.items():
            self.allow(role, "test-only", {"Effect": "Allow", "Action": actions, "Resource": "*"})

    def try_to_deploy(self, **parameters: str) -> "subprocess.CompletedProcess[str]":
        """Says plain `sam deploy`, and gives how it ended."""
        given = {"Sender": SENDER, "ReportTo": REPORT_TO, "AllowedRecipients": f"{REPORT_TO},*@team.example.com"}
        given |= {"SenderIdentity": "create", "AgentStateMachines": ",".join(map(self.machine_arn, _MACHINES))}
        given |= _HERE | parameters
        command = [
            str(_SAM), "deploy", "--template", str(BUILT / "template.yaml"), "--stack-name", self.stack, "--resolve-s3",
            "--capabilities", "CAPABILITY_IAM", "--no-confirm-changeset", "--no-progressbar",
            "--parameter-overrides", *(f"{name}={value}" for name, value in given.items()),
        ]  # fmt: skip
        environ = dict(os.environ) | self.environ | {"SAM_CLI_TELEMETRY": "0", "HOME": str(self.folder)}
        return subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True)

    def allow(self, role: str, name: str, *statements: dict[str, Any]) -> None:
        """Gives a role of the stack a policy of these statements."""
        document = json.dumps({"Version": "2012-10-17", "Statement": statements})
        self.client("iam").put_role_policy(RoleName=self.resource(role), PolicyName=name, PolicyDocument=document)

    def resource(self, name: str) -> str:
        """Gives what a resource of the template is called on AWS."""
        it = self.client("cloudformation").describe_stack_resource(StackName=self.stack, LogicalResourceId=name)
        return str(it["StackResourceDetail"]["PhysicalResourceId"])

    def environment(self, function: str) -> dict[str, str]:
        """Gives the environment of a function of the template."""
        it = self.client("lambda").get_function_configuration(FunctionName=self.resource(function))
        return dict(it["Environment"]["Variables"])

    def set_environment(self, function: str, variables: dict[str, str]) -> None:
        self.client("lambda").update_function_configuration(
            FunctionName=self.resource(function), Environment={"Variables": variables}
        )

    def log_of(self, group: str) -> str:
        """Gives all that is written to a log group of the template."""
        pages = self.client("logs").get_paginator("filter_log_events").paginate(logGroupName=self.resource(group))
        return "\n".join(it["message"] for page in pages for it in page["events"])

    def laptop(self) -> Laptop:
        """Gives a laptop that has logged in to the stack."""
        laptop = Laptop(self.folder / f"home-{self.stack}")
        done = laptop.here("login", "--stack", self.stack, **self.environ)
        assert done.returncode == 0, done.stderr
        return laptop

    @property
    def api_root(self) -> str:
        """The root of the HTTP API here: AWS's own name for it leads to AWS."""
        return f"http://{self.resource('Api')}.execute-api.localhost:{urlsplit(self.url).port}"

    def machine_arn(self, name: str) -> str:
        """Gives the ARN of a state machine that `machine` makes."""
        return f"arn:aws:states:{REGION}:000000000000:stateMachine:{self.stack}-{name}"

    def make_runtime(self, name: str) -> str:
        """Makes an AgentCore runtime, which says back what it is told; gives its ARN."""
        image = f"000000000000.dkr.ecr.{REGION}.amazonaws.com/{name}:1"
        made = self.client("bedrock-agentcore-control").create_agent_runtime(
            agentRuntimeName=name, agentRuntimeArtifact={"containerConfiguration": {"containerUri": image}},
            roleArn="arn:aws:iam::000000000000:role/none", networkConfiguration={"networkMode": "PUBLIC"},
        )  # fmt: skip
        return str(made["agentRuntimeArn"])

    def machine(self, name: str, definition: dict[str, Any], *, tagged: bool = True) -> str:
        """Makes a state machine, which the stack may start if it is tagged; gives its ARN."""
        role = self.client("iam").create_role(
            RoleName=f"{self.stack}-{name}", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": []})
        )["Role"]["Arn"]
        made = self.client("stepfunctions").create_state_machine(
            name=f"{self.stack}-{name}", definition=json.dumps(definition), roleArn=role,
            tags=[{"key": "followups-agent", "value": self.stack}] if tagged else [],
        )  # fmt: skip
        return str(made["stateMachineArn"])

    def function_arn(self, name: str) -> str:
        """Gives the ARN of a function that `agent` made."""
        made = self.client("lambda").get_function_configuration(FunctionName=f"{self.stack}-{name}")
        return str(made["FunctionArn"])

    def agent(self, name: str, code: str, *, tagged: bool = True) -> str:
        """Makes a Lambda function, which the stack may call if it is tagged; gives its ARN."""
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("app.py", code)
        role = self.client("iam").create_role(
            RoleName=f"{self.stack}-{name}", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": []})
        )["Role"]["Arn"]
        made = self.client("lambda").create_function(
            FunctionName=f"{self.stack}-{name}", Runtime="python3.13", Handler="app.handler", Role=role, Timeout=120,
            Code={"ZipFile": packed.getvalue()}, Tags={"followups-agent": self.stack} if tagged else {},
        )  # fmt: skip
        return str(made["FunctionArn"])

    def mails(self) -> list[Mail]:
        """Gives the mails that SES has accepted."""
        with DIRECT.open(f"{self.url}/_ministack/ses/messages") as answer:
            sent = json.loads(answer.read())["messages"]
        return [
            Mail(it["To"], it["Subject"], it["BodyText"] or "", it["BodyHtml"] or "")
            for them in sent.values()
            for it in them
        ]


@contextmanager
def site(folder: Path, *, enforced: bool = False) -> Iterator[Site]:
    """Gives a site; `enforced` lets IAM refuse what no policy allows."""
    # Its functions inherit its log level: at WARNING they would not say what they did.
    with ministack(folder, AUTH="true" if enforced else "false", LOG_LEVEL="INFO") as url:
        yield Site(url=url, folder=folder)
