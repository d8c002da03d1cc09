"""An AWS of its own for a test: ministack on the loopback, with the real template built and deployed on it by SAM."""

import io
import json
import os
import subprocess
import time
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import boto3

from tests.support.cfn import ROOT
from tests.support.laptop import Laptop
from tests.support.ministack import ministack

REGION = "eu-central-1"
SENDER, REPORT_TO = "followups@example.com", "ops@example.com"
#: What is deployed otherwise than with the template's defaults: docs/decisions.md says why.
_HERE = {"Arch": "x86_64", "SavedQueries": "no"}
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
T = TypeVar("T")


@cache
def build() -> None:
    """Builds functions and layer, as `make build` does, for the processor of this machine."""
    environ = dict(os.environ) | {"SAM": _sam(), "SAM_CLI_TELEMETRY": "0", "AWS_DEFAULT_REGION": REGION}
    done = subprocess.run(
        ["sh", "tools/build.sh", "--parameter-overrides", f"Arch={_HERE['Arch']}"], cwd=ROOT, env=environ,
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def _sam() -> str:
    return str(ROOT / ".tools/sam/bin/sam")


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

    @property
    def environ(self) -> dict[str, str]:
        """The environment of whoever works on this AWS."""
        none = {"AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null", "AWS_DEFAULT_REGION": REGION}
        return none | {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_ENDPOINT_URL": self.url}

    def client(self, service: str) -> Any:
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": REGION}
        return boto3.client(service, endpoint_url=self.url, **keys)

    def deploy(self, **parameters: str) -> None:
        """Deploys what was built, with plain `sam deploy`."""
        given = {"Sender": SENDER, "ReportTo": REPORT_TO, "AllowedRecipients": f"{REPORT_TO},*@team.example.com"}
        given |= {"SenderIdentity": "create"} | _HERE | parameters
        command = [
            _sam(), "deploy", "--template", ".aws-sam/build/template.yaml", "--stack-name", self.stack, "--resolve-s3",
            "--capabilities", "CAPABILITY_IAM", "--no-confirm-changeset", "--no-progressbar",
            "--parameter-overrides", *(f"{name}={value}" for name, value in given.items()),
        ]  # fmt: skip
        environ = dict(os.environ) | self.environ | {"SAM_CLI_TELEMETRY": "0", "HOME": str(self.folder)}
        done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        [described] = self.client("cloudformation").describe_stacks(StackName=self.stack)["Stacks"]
        self.outputs = {it["OutputKey"]: it["OutputValue"] for it in described["Outputs"]}

    def laptop(self) -> Laptop:
        """Gives a laptop that has logged in to the stack."""
        laptop = Laptop(self.folder / f"home-{self.stack}")
        done = laptop.here("login", "--stack", self.stack, **self.environ)
        assert done.returncode == 0, done.stderr
        return laptop

    def call(self, laptop: Laptop, *words: str) -> Any:
        """Says a command there, and gives its JSON document."""
        done = laptop.here("--json", *words, **self.environ)
        assert done.returncode == 0, f"followups {words}: {done.stderr}"
        return json.loads(done.stdout)

    def agent(self, name: str, code: str) -> str:
        """Makes a Lambda function that the stack may call; gives its ARN."""
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("app.py", code)
        role = self.client("iam").create_role(
            RoleName=f"{self.stack}-{name}", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": []})
        )["Role"]["Arn"]
        made = self.client("lambda").create_function(
            FunctionName=f"{self.stack}-{name}", Runtime="python3.13", Handler="app.handler", Role=role, Timeout=120,
            Code={"ZipFile": packed.getvalue()}, Tags={"followups-agent": self.stack},
        )  # fmt: skip
        return str(made["FunctionArn"])

    def mails(self) -> list[Mail]:
        """Gives the mails that SES has accepted."""
        with _DIRECT.open(f"{self.url}/_ministack/ses/messages") as answer:
            sent = json.loads(answer.read())["messages"]
        return [
            Mail(it["To"], it["Subject"], it["BodyText"] or "", it["BodyHtml"] or "")
            for them in sent.values()
            for it in them
        ]


@contextmanager
def site(folder: Path, *, enforced: bool = False) -> Iterator[Site]:
    """Gives a site; `enforced` lets IAM refuse what no policy allows."""
    with ministack(folder, AUTH="true" if enforced else "false") as url:
        yield Site(url=url, folder=folder)


def wait_for(ask: Callable[[], T], *, seconds: float, pause: float = 1.0) -> T:
    """Asks until there is an answer that is something; fails after so many seconds."""
    end = time.monotonic() + seconds
    while not (answer := ask()):
        assert time.monotonic() < end, f"nothing came of {ask} within {seconds} s"
        time.sleep(pause)
    return answer
