"""Who may do what: no role more than it needs, and docs/iam.md says of each action which code needs it."""

import re

import pytest

from tests.e2e.hands import CALLS, NOT_ASKED
from tests.support import cfn

_ROW = re.compile(r"^\| (\w+) \| (.+?) \| (.+?) \| (.+?) \|$", re.M)
ROWS = [
    (function, set(re.findall(r"`([a-z0-9-]+:\w+)`", actions)), code)
    for function, actions, _, code in _ROW.findall((cfn.ROOT / "docs/iam.md").read_text(encoding="utf-8"))
    if function != "function"
]
#: What Lambda does in the name of every function.
RUNTIME = {"logs:CreateLogStream", "logs:PutLogEvents", "xray:PutTraceSegments", "xray:PutTelemetryRecords"}
POLL = {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"}
#: What the runner does with agents; tests/unit/test_template_agents.py says with which.
AGENTS = {
    "lambda:InvokeFunction", "lambda:ListDurableExecutionsByFunction", "lambda:GetDurableExecution",
    "lambda:StopDurableExecution", "states:StartExecution", "states:DescribeStateMachine", "states:DescribeExecution",
    "states:StopExecution", "bedrock-agentcore:InvokeAgentRuntime", "bedrock-agentcore:InvokeHarness",
    "bedrock-agentcore:StopRuntimeSession",
}  # fmt: skip
FUNCTIONS = cfn.resources("AWS::Serverless::Function")
PACKAGE = cfn.ROOT / "layers/followups/followups"


@pytest.mark.parametrize("function", ["api", "sweeper", "runner", "reporter", "auditor"])
def test_the_table_names_what_the_role_may_do(function: str) -> None:
    told = {action for name, actions, _ in ROWS if name == function for action in actions}
    assert cfn.actions(f"{function.title()}Function") == told | RUNTIME


@pytest.mark.parametrize("code", sorted({code for _, _, code in ROWS if code.startswith("`")}))
def test_the_code_that_needs_it_is_there(code: str) -> None:
    path, *names = re.findall(r"`([^`]+)`", code)
    text = (PACKAGE / path).read_text(encoding="utf-8")
    assert names
    for name in names:
        assert re.search(rf"def {name}\(|case {name}\(", text), f"{path} has no {name}"


def test_each_action_is_tried_on_a_deployed_stack_or_it_is_said_why_not() -> None:
    needed = {(function, action) for function, actions, _ in ROWS for action in actions}
    assert {it for it in needed if it[1] not in NOT_ASKED} == set(CALLS)
    assert set(NOT_ASKED) <= {action for _, action in needed}


@pytest.mark.parametrize(
    ("function", "own"),
    [
        (
            "ApiFunction",
            {"dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem", "dynamodb:Query"}
            | {"dynamodb:ConditionCheckItem", "sqs:SendMessage", "secretsmanager:GetSecretValue"}
            | {"s3:PutObject", "s3:GetObject"},
        ),
        (
            "SweeperFunction",
            {"dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:ConditionCheckItem"}
            | {"dynamodb:Query", "sqs:SendMessage"},
        ),
        (
            "RunnerFunction",
            {"dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:Query"}
            | POLL
            | {"sqs:SendMessage", "secretsmanager:GetSecretValue", "s3:PutObject"}
            | AGENTS,
        ),
        (
            "ReporterFunction",
            {"dynamodb:GetItem", "dynamodb:PutItem", "ses:SendEmail", "ses:SendRawEmail", "s3:GetObject"} | POLL,
        ),
    ],
)
def test_role_may_do_this_and_no_more(function: str, own: set[str]) -> None:
    assert FUNCTIONS[function]["Role"] == {"Fn::GetAtt": [f"{function.removesuffix('Function')}Role", "Arn"]}
    assert cfn.actions(function) == RUNTIME | own


@pytest.mark.parametrize("function", FUNCTIONS)
def test_whole_reports_and_nothing_else_of_the_bucket(function: str) -> None:
    for statement in cfn.statements(function):
        if any(action.startswith("s3:") for action in statement["Action"]):
            assert statement["Resource"] == {"Fn::Sub": "${Outputs.Arn}/runs/*"}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_it_sends_to_the_queues_that_it_is_told_of_and_to_no_other(function: str) -> None:
    told = {it["Ref"] for name, it in cfn.environment(function).items() if name.endswith("_QUEUE_URL")}
    sent = [it["Resource"] for it in cfn.statements(function) if "sqs:SendMessage" in it["Action"]]
    named = [it for resource in sent for it in (resource if isinstance(resource, list) else [resource])]
    assert {it["Fn::GetAtt"][0] for it in named} == told


def test_the_runner_reads_no_index() -> None:
    (query,) = [it for it in cfn.statements("RunnerFunction") if "dynamodb:Query" in it["Action"]]
    assert query["Resource"] == {"Fn::GetAtt": ["Table", "Arn"]}


def test_wildcards_are_explained() -> None:
    for function in FUNCTIONS:
        for statement in cfn.statements(function):
            assert all("*" not in action for action in statement["Action"]), statement
            assert statement["Resource"] != "*" or statement.get("Sid") == "Traces", statement


def test_mail_goes_from_the_sender_to_those_who_may_receive() -> None:
    (mail,) = [it for it in cfn.statements("ReporterFunction") if "ses:SendEmail" in it["Action"]]
    assert mail["Condition"] == {
        "StringEquals": {"ses:FromAddress": {"Ref": "Sender"}},
        "ForAllValues:StringLike": {"ses:Recipients": {"Ref": "AllowedRecipients"}},
        "Null": {"ses:Recipients": "false"},
    }
    for must_be_said in ("Sender", "ReportTo", "AllowedRecipients"):
        assert "Default" not in cfn.template()["Parameters"][must_be_said]


def test_secret_is_long_and_in_no_environment() -> None:
    (secret,) = cfn.resources("AWS::SecretsManager::Secret").values()
    assert secret["GenerateSecretString"]["PasswordLength"] >= 48
    for function in FUNCTIONS:
        assert "resolve:secretsmanager" not in str(cfn.environment(function))
