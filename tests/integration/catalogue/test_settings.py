"""Rows 72 to 86: settings and the template. Most are tested beside the models (ELSEWHERE); these are what was missing."""

from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from followups.adapters.ses import SesMailer
from followups.domain.entities import Run
from followups.domain.status import ReportStatus
from followups.usecases.report import send_report
from tests.integration.catalogue.rows import row
from tests.integration.catalogue.test_api_transport import refused
from tests.support import cfn
from tests.support.api import Api
from tests.support.laptop import Laptop
from tests.support.world import Bench


def file(home: Path, name: str, content: bytes | None) -> None:
    """Puts a file into a laptop's folder; None makes a folder of that name."""
    home.mkdir(exist_ok=True)
    if content is None:
        (home / name).mkdir()
    else:
        (home / name).write_bytes(content)


@pytest.mark.parametrize(
    ("name", "content", "code", "said"),
    [
        row(72, "config-no-json", "config.json", b"cap = 2", 2, "is not JSON"),
        row(72, "config-empty", "config.json", b"", 2, "is not JSON"),
        row(72, "config-no-utf-8", "config.json", b"\xff\xfe", 2, "cannot be read"),
        row(72, "config-unknown", "config.json", b'{"colour": "red"}', 2, "'colour' is no setting"),
        row(72, "config-is-a-folder", "config.json", None, 2, "cannot be read"),
        row(73, "cap-0", "config.json", b'{"cap": 0}', 2, "1 to 100"),
        row(73, "cap-abc", "config.json", b'{"cap": "abc"}', 2, "1 to 100"),
        row(73, "cap-minus-1", "config.json", b'{"cap": -1}', 2, "1 to 100"),
        row(73, "cap-million", "config.json", b'{"cap": 1000000}', 2, "1 to 100"),
        row(73, "cap-true", "config.json", b'{"cap": true}', 2, "1 to 100"),
        row(73, "cap-nan", "config.json", b'{"cap": NaN}', 2, "1 to 100"),
        row(74, "sender", "config.json", b'{"sender": "Joe <a@b.co>"}', 2, "you@example.com"),
        row(77, "key-empty", "secret", b"", 1, "is no signing key (0 bytes, not 32)"),
        row(77, "key-short", "secret", b"changeme", 1, "is no signing key (8 bytes, not 32)"),
        row(77, "key-long", "secret", b"x" * 33, 1, "is no signing key (33 bytes, not 32)"),
        row(77, "key-is-a-folder", "secret", None, 1, "cannot be read or made"),
        row(72, "store-is-a-folder", "followups.db", None, 1, "followups.db"),
        row(72, "store-is-text", "followups.db", b"x" * 500, 1, "damaged or no Followups store"),
    ],
)
def test_a_file_of_a_laptop_that_is_wrong(tmp_path: Path, name: str, content: bytes | None, code: int, said: str) -> None:
    laptop = Laptop(tmp_path / "home")
    file(laptop.home, name, content)
    before = sorted(it.name for it in laptop.home.iterdir())
    done = laptop.here("create", "@checklist", "Check", "disk / < 9%", "7d")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (code, "", 1), done.stderr
    assert said in done.stderr and name in done.stderr
    assert set(before) <= {it.name for it in laptop.home.iterdir()}
    assert content is None or (laptop.home / name).read_bytes() == content


@pytest.mark.parametrize(
    ("environ", "code", "said"),
    [
        row(72, "home-of-nobody", {"FOLLOWUPS_HOME": "~nobody-of-that-name/x"}, 2, "FOLLOWUPS_HOME"),
        row(72, "home-is-a-file", {"FOLLOWUPS_HOME": "/etc/hostname"}, 2, "/etc/hostname"),
        row(72, "home-below-a-file", {"FOLLOWUPS_HOME": "/etc/hostname/x"}, 2, "/etc/hostname"),
        row(72, "home-in-proc", {"FOLLOWUPS_HOME": "/proc/nothing"}, 1, "set FOLLOWUPS_HOME"),
        row(72, "smtp-url", {"FOLLOWUPS_SMTP_URL": "mail.example.com"}, 2, "FOLLOWUPS_SMTP_URL"),
        row(72, "smtp-url-port", {"FOLLOWUPS_SMTP_URL": "smtp://mail.example.com:0"}, 2, "FOLLOWUPS_SMTP_URL"),
    ],
)
def test_a_wrong_variable_of_a_laptop(tmp_path: Path, environ: dict[str, str], code: int, said: str) -> None:
    done = Laptop(tmp_path / "home").here("create", "@checklist", "Check", "disk / < 9%", "7d", **environ)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (code, "", 1), done.stderr
    assert said in done.stderr


class _Ses:
    """SES, as it answers for a sender that is not verified."""

    def send_email(self, **_: object) -> dict[str, str]:
        code = "MailFromDomainNotVerifiedException"
        answer: Any = {"Error": {"Code": code, "Message": "m"}, "ResponseMetadata": {"HTTPStatusCode": 400}}
        raise ClientError(answer, "SendEmail")


def test_config_74_a_sender_that_is_not_verified_fails_the_report_at_its_first_send(bench: Bench) -> None:
    it = bench.create()
    bench.sweep()
    bench.clock.advance(seconds=10)
    bench.run_all()
    [message] = bench.queue.take("report")
    mailer = SesMailer(_Ses(), sender="f@example.com", default_to="x@example.com")
    assert send_report(bench.world, mailer, message) == "refused"
    [run] = bench.runs(it)
    assert isinstance(run, Run)
    assert (run.report_status, run.report_tries, run.wake_at) == (ReportStatus.FAILED, 1, None)
    assert "MailFromDomainNotVerified" in str(run.report_note)


AGENT = {"kind": "command", "command": ["true"]}
ARN = "arn:aws:lambda:eu-central-1:123456789012:function:check-backup"
FUNCTION = {"kind": "lambda", "target": ARN}


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        row(76, "command-of-a-webhook", {"kind": "https"}, ["/command", "/target"]),
        row(76, "command-of-a-worker", {"kind": "worker"}, ["/command"]),
        row(76, "command-of-a-person", {"kind": "person"}, ["/command"]),
        row(76, "target-of-a-worker", {"kind": "worker", "command": ..., "target": "desk"}, ["/target"]),
        row(76, "no-target", {"kind": "states", "command": ...}, ["/target"]),
        row(76, "target-of-two-words", {"kind": "https", "command": ..., "target": "https://a.co/ b"}, ["/target"]),
        row(76, "mode-odd", {"mode": "later"}, ["/mode"]),
        row(76, "mode-of-a-command", {"mode": "sync"}, ["/mode"]),
        row(76, "a-week-and-a-second", {"kind": "worker", "command": ..., "timeout_s": 604_801}, ["/timeout_s"]),
        row(76, "kind-url", {"kind": "url", "url": "http://10.0.0.1/"}, ["/kind", "/url"]),
        row(76, "arn-of-a-command", {"target": ARN}, ["/target"]),
        row(76, "command-of-a-function", {"kind": "lambda"}, ["/command", "/target"]),
        row(76, "no-arn", {"kind": "lambda", "command": ...}, ["/target"]),
        row(76, "arn-and-a-line", {"kind": "lambda", "command": ..., "target": f"{ARN}\n"}, ["/target"]),
        row(76, "kind-missing", {"kind": ...}, ["/kind"]),
        row(76, "kind-in-capitals", {"kind": "Command"}, ["/kind"]),
        row(76, "kind-checklist", {"kind": "checklist"}, ["/kind"]),
        row(76, "no-command", {"command": ...}, ["/command"]),
        row(76, "empty-command", {"command": []}, ["/command"]),
        row(76, "command-text", {"command": "df -h /"}, ["/command"]),
        row(76, "command-number", {"command": ["df", 7]}, ["/command/1"]),
        row(76, "command-nul", {"command": ["df", "a\x00"]}, ["/command/1"]),
        row(76, "101-words", {"command": ["x"] * 101}, ["/command"]),
        row(76, "a-word-of-5-kb", {"command": ["x" * 5_000]}, ["/command/0"]),
        row(76, "timeout-0", {"timeout_s": 0}, ["/timeout_s"]),
        row(76, "timeout-3601", {"timeout_s": 3_601}, ["/timeout_s"]),
        row(76, "timeout-text", {"timeout_s": "60"}, ["/timeout_s"]),
        row(76, "concurrency-0", {"max_concurrency": 0}, ["/max_concurrency"]),
        row(76, "concurrency-101", {"max_concurrency": 101}, ["/max_concurrency"]),
        row(76, "rerun-maybe", {"rerun": "maybe"}, ["/rerun"]),
        row(76, "rerun-true", {"rerun": True}, ["/rerun"]),
        row(76, "attempts-11", {"max_attempts": 11}, ["/max_attempts"]),
        row(76, "builtin", {"builtin": True}, ["/builtin"]),
        row(76, "all-at-once", {"kind": "x", "command": [], "timeout_s": 0, "rerun": 1},
            ["/kind", "/timeout_s", "/rerun"]),
    ],
)  # fmt: skip
def test_an_agent_that_cannot_be(api: Api, change: dict[str, Any], fields: list[str]) -> None:
    sent = {name: value for name, value in (AGENT | change).items() if value is not ...}
    answer = refused(api, api.event("PUT", "/v1/agents/@x", sent), 422, "validation_error")
    assert [it["pointer"] for it in answer["errors"]] == fields


def test_config_76_no_function_is_called_from_a_laptop(api: Api) -> None:
    refused(api, api.event("PUT", "/v1/agents/@x", FUNCTION), 422, "unknown_kind")


@pytest.mark.parametrize(
    ("kind", "target"),
    [
        row(76, "arn-of-no-account", "lambda", ARN.replace("3456789012", "")),
        row(76, "arn-of-a-queue", "lambda", "arn:aws:sqs:eu-central-1:123456789012:q"),
        row(76, "only-a-name", "lambda", "check-backup"),
        row(76, "function-of-a-state-machine", "states", ARN),
        row(76, "runtime-of-nobody", "agentcore", "arn:aws:bedrock-agentcore:eu-central-1:123456789012:runtime/"),
        row(76, "function-elsewhere", "lambda", ARN.replace("central", "west")),
        row(76, "http", "https", "http://agent.example.com/run"),
        row(76, "metadata-service", "https", "https://169.254.169.254/latest/meta-data"),
        row(76, "private-address", "https", "https://10.0.0.1/"),
        row(76, "loopback", "https", "https://127.0.0.1/"),
        row(76, "loopback-as-ipv6", "https", "https://[::ffff:127.0.0.1]/"),
        row(76, "localhost", "https", "https://localhost/"),
        row(76, "local-name", "https", "https://intranet/"),
        row(76, "password", "https", "https://me:secret@agent.example.com/"),
        row(76, "no-url", "https", "agent.example.com"),
    ],
)
def test_what_cannot_be_called(aws: Api, kind: str, target: str) -> None:
    event = aws.event("PUT", "/v1/agents/@x", {"kind": kind, "target": target})
    assert [it["pointer"] for it in refused(aws, event, 422, "invalid_target")["errors"]] == ["/target"]


def test_config_76_no_command_runs_on_aws(aws: Api) -> None:
    refused(aws, aws.event("PUT", "/v1/agents/@x", AGENT), 422, "unknown_kind")
    late = refused(aws, aws.event("PUT", "/v1/agents/@x", FUNCTION | {"timeout_s": 900}), 422, "validation_error")
    assert "885 s" in late["detail"]
    task = {"agent": "@checklist", "task": "Check", "message": "command true", "due": "7d"}
    assert "laptop only" in refused(aws, aws.event("POST", "/v1/follow-ups", task), 422, "invalid_checklist")["detail"]


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        row(76, "switch-missing", {}, ["/stopped"]),
        row(76, "switch-text", {"stopped": "true"}, ["/stopped"]),
        row(76, "switch-number", {"stopped": 1}, ["/stopped"]),
        row(76, "switch-null", {"stopped": None}, ["/stopped"]),
        row(76, "reason-of-two-lines", {"stopped": True, "reason": "a\nb"}, ["/reason"]),
        row(76, "reason-201", {"stopped": True, "reason": "x" * 201}, ["/reason"]),
        row(76, "reason-empty", {"stopped": True, "reason": " "}, ["/reason"]),
    ],
)
def test_a_switch_that_is_turned_half(api: Api, body: dict[str, Any], fields: list[str]) -> None:
    answer = refused(api, api.event("PUT", "/v1/control", body), 422, "validation_error")
    assert [it["pointer"] for it in answer["errors"]] == fields


#: What SAM knows of an SQS event source; cfn-lint takes any other in silence.
SQS_EVENT = {"Queue", "BatchSize", "Enabled", "FunctionResponseTypes", "ScalingConfig", "MaximumBatchingWindowInSeconds"}


def test_template_80_no_function_outlives_what_lambda_allows_and_no_event_has_a_word_of_its_own() -> None:
    parameters = cfn.template()["Parameters"]
    for name, function in cfn.resources("AWS::Serverless::Function").items():
        timeout = function["Timeout"]
        longest = max(parameters[timeout["Ref"]]["AllowedValues"]) if isinstance(timeout, dict) else timeout
        assert longest <= 900, name
        for event in function.get("Events", {}).values():
            assert set(event) == {"Type", "Properties"} and event["Type"] == "SQS"
            assert set(event["Properties"]) <= SQS_EVENT, name
