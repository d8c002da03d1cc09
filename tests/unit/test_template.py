"""template.yaml holds what the code and FAILURES.md count on; cfn-lint and checkov are silent about most of it."""

import re
from datetime import timedelta
from typing import Any

import pytest

from followups import lambda_settings
from followups.config import LaptopConfig
from followups.domain import moves, retry
from followups.lambda_settings import CLOCK_SKEW_S, TICK_S, reserve
from followups.usecases.world import Limits
from tests.support import cfn

NAMES = ("Api", "Sweeper", "Runner", "Reporter", "Auditor")
SETTINGS = {f"{name}Function": getattr(lambda_settings, f"{name}Settings") for name in NAMES}
FUNCTIONS = cfn.resources("AWS::Serverless::Function")
PARAMETERS = cfn.template()["Parameters"]
#: Actions that set something off.
CALLS = ("lambda:", "events:", "scheduler:", "states:", "bedrock-agentcore:")


def longest(value: Any) -> int:
    """Gives the greatest value that a number may take, written out or by parameter."""
    if not isinstance(value, dict):
        return int(value)
    parameter = PARAMETERS[value["Ref"]]
    return int(max(parameter["AllowedValues"]) if "AllowedValues" in parameter else parameter["MaxValue"])


def source(function: str) -> dict[str, Any]:
    """Gives the function's one event source mapping."""
    (mapping,) = FUNCTIONS[function]["Events"].values()
    assert mapping["Type"] == "SQS"
    properties: dict[str, Any] = mapping["Properties"]
    return properties


def queue_of(function: str) -> dict[str, Any]:
    return cfn.resources("AWS::SQS::Queue")[source(function)["Queue"]["Fn::GetAtt"][0]]


def test_there_are_the_five_functions() -> None:
    assert set(FUNCTIONS) == set(SETTINGS)
    for name, function in FUNCTIONS.items():
        room = name.removesuffix("Function").lower()
        assert function["CodeUri"] == f"functions/{room}"
        assert (cfn.ROOT / function["CodeUri"] / "app.py").is_file()


# The inequalities of FAILURES.md §1


def test_message_stays_hidden_while_its_function_may_live() -> None:
    assert 6 * longest(FUNCTIONS["ReporterFunction"]["Timeout"]) <= queue_of("ReporterFunction")["VisibilityTimeout"]
    hidden = queue_of("RunnerFunction")["VisibilityTimeout"]
    assert hidden == {"Fn::FindInMap": ["Hidden", FUNCTIONS["RunnerFunction"]["Timeout"], "Seconds"]}
    seconds = {int(timeout): row["Seconds"] for timeout, row in cfn.template()["Mappings"]["Hidden"].items()}
    assert seconds == {timeout: 6 * timeout for timeout in PARAMETERS["RunnerTimeout"]["AllowedValues"]}


@pytest.mark.parametrize("function", ["RunnerFunction", "ReporterFunction"])
def test_queue_has_a_dead_letter_queue_and_partial_failures(function: str) -> None:
    target = queue_of(function)["RedrivePolicy"]["deadLetterTargetArn"]["Fn::GetAtt"][0]
    assert cfn.resources("AWS::SQS::Queue")[target]["MessageRetentionPeriod"] == timedelta(days=14).total_seconds()
    assert source(function)["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


def test_queue_keeps_a_message_until_its_last_resend() -> None:
    last = sum((retry.resend_interval(n) for n in range(1, retry.MAX_SENDS + 1)), timedelta())
    assert last.total_seconds() < queue_of("RunnerFunction")["MessageRetentionPeriod"]


def test_two_more_runners_than_the_cap_whatever_the_cap() -> None:
    assert source("RunnerFunction")["BatchSize"] == 1
    concurrency = source("RunnerFunction")["ScalingConfig"]["MaximumConcurrency"]
    assert concurrency == {"Fn::FindInMap": ["Runners", {"Ref": "GlobalCap"}, "AtOnce"]}
    runners = {int(cap): row["AtOnce"] for cap, row in cfn.template()["Mappings"]["Runners"].items()}
    assert runners == {cap: cap + 2 for cap in PARAMETERS["GlobalCap"]["AllowedValues"]}
    reporters = {int(number): row["AtOnce"] for number, row in cfn.template()["Mappings"]["Reporters"].items()}
    assert reporters == {number: number for number in PARAMETERS["ReporterConcurrency"]["AllowedValues"]}
    assert min(reporters) >= 2  # what Lambda takes


def test_burst_is_twice_the_rate() -> None:
    bursts = {int(rate): row["Requests"] for rate, row in cfn.template()["Mappings"]["Bursts"].items()}
    assert bursts == {rate: 2 * rate for rate in PARAMETERS["RequestsPerSecond"]["AllowedValues"]}


def test_timeouts() -> None:
    assert FUNCTIONS["SweeperFunction"]["Timeout"] < TICK_S
    assert FUNCTIONS["ApiFunction"]["Timeout"] == 29
    (integration,) = cfn.resources("AWS::ApiGatewayV2::Integration").values()
    assert integration["TimeoutInMillis"] == 30_000
    assert FUNCTIONS["ReporterFunction"]["Timeout"] < retry.REPORT_LEASE.total_seconds()
    assert timedelta(seconds=2 * TICK_S) <= retry.RESEND_AFTER
    assert PARAMETERS["LookAheadSeconds"]["MinValue"] >= 2 * TICK_S
    assert timedelta(hours=24) <= moves.RETENTION


def test_runner_keeps_enough_back() -> None:
    environment = cfn.environment("RunnerFunction")
    assert int(environment["FOLLOWUPS_LEASE_MARGIN_SECONDS"]) >= 2 * CLOCK_SKEW_S
    assert Limits().lease_margin >= timedelta(seconds=2 * CLOCK_SKEW_S)
    assert all(2 * reserve(timeout) < timeout for timeout in PARAMETERS["RunnerTimeout"]["AllowedValues"])
    assert environment["FOLLOWUPS_RUNNER_TIMEOUT"] == FUNCTIONS["RunnerFunction"]["Timeout"]
    assert cfn.environment("ApiFunction")["FOLLOWUPS_RUNNER_TIMEOUT"] == environment["FOLLOWUPS_RUNNER_TIMEOUT"]


# One clock, and nobody else


def test_one_rule_with_one_target_that_retries_nothing() -> None:
    rules = cfn.resources("AWS::Events::Rule")
    assert set(rules) == {"Tick", "AuditTick"}
    rule = rules["Tick"]
    assert rule["ScheduleExpression"] == "rate(1 minute)"
    (target,) = rule["Targets"]
    assert target["Arn"] == {"Fn::GetAtt": ["SweeperFunction", "Arn"]}
    no_retry = {"MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 60}
    assert target["RetryPolicy"] == no_retry
    assert FUNCTIONS["SweeperFunction"]["EventInvokeConfig"] == no_retry
    assert not cfn.resources("AWS::Scheduler::Schedule")
    assert "Events" not in FUNCTIONS["SweeperFunction"]


def test_only_the_rule_may_invoke_the_sweeper() -> None:
    permissions = cfn.resources("AWS::Lambda::Permission").values()
    (own,) = [it for it in permissions if it["FunctionName"] == {"Ref": "SweeperFunction"}]
    assert (own["Principal"], own["SourceArn"]) == ("events.amazonaws.com", {"Fn::GetAtt": ["Tick", "Arn"]})
    for function in set(FUNCTIONS) - {"RunnerFunction"}:
        assert not {it for it in cfn.actions(function) if it.startswith(CALLS)}


# Settings, table, and the rest


@pytest.mark.parametrize("function", FUNCTIONS)
def test_function_gets_the_variables_that_its_settings_read(function: str) -> None:
    given = {name for name in cfn.environment(function) if name.startswith("FOLLOWUPS_")}
    assert given == {*SETTINGS[function].variables(), "FOLLOWUPS_STORE"}
    assert cfn.environment(function)["FOLLOWUPS_STORE"] == ""


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("end", ["MinValue", "MaxValue", "Default"])
def test_settings_take_all_that_a_parameter_may_be(function: str, end: str) -> None:
    given = {
        "Table": "followups-Table",
        "StartQueue": "https://sqs.eu-central-1.amazonaws.com/111122223333/start",
        "ReportQueue": "https://sqs.eu-central-1.amazonaws.com/111122223333/report",
        "TokenSecret": "arn:aws:secretsmanager:eu-central-1:111122223333:secret:TokenSecret-a1b2c3",
        "Sender": "followups@example.com",
        "ReportTo": "ops@example.com",
        "AllowedRecipients": "ops@example.com",
        "MailEvents": "MailEvents-a1b2c3",
        "Outputs": "followups-outputs-a1b2c3",
        "ApiUrl": "https://followups.example.com",
    }
    for name, parameter in PARAMETERS.items():
        if name not in given:
            ends = {"MinValue": min, "MaxValue": max}
            known = parameter.get("AllowedValues")
            value = ends[end](known) if known and end in ends else parameter.get(end, parameter.get("Default"))
            given[name] = str(parameter["Default"] if name == "AllowAnyRecipient" else value)
    environ = {}
    for name, value in cfn.environment(function).items():
        if not name.startswith("FOLLOWUPS_") or name == "FOLLOWUPS_STORE":
            continue
        value = value["Fn::If"][1] if isinstance(value, dict) and "Fn::If" in value else value
        reference = value["Fn::Join"][1] if isinstance(value, dict) and "Fn::Join" in value else value
        target = (reference.get("Ref") or reference["Fn::GetAtt"][0]) if isinstance(reference, dict) else None
        environ[name] = given[target] if target else reference
    assert SETTINGS[function].load(environ)


def test_table_is_safe_and_named_as_the_code_names_it() -> None:
    table = cfn.template()["Resources"]["Table"]
    assert (table["DeletionPolicy"], table["UpdateReplacePolicy"]) == ("Retain", "Retain")
    properties = table["Properties"]
    assert properties["DeletionProtectionEnabled"] is True
    assert properties["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert properties["SSESpecification"] == {"SSEEnabled": True}
    assert properties["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}
    keys = {it["AttributeName"] for it in properties["AttributeDefinitions"]}
    indexes = {it["IndexName"] for it in properties["GlobalSecondaryIndexes"]}
    assert indexes == {"due", "by_owner"}
    assert {it["Projection"]["ProjectionType"] for it in properties["GlobalSecondaryIndexes"]} == {"ALL"}
    adapters = cfn.ROOT / "layers/followups/followups/adapters"
    code = "".join(path.read_text(encoding="utf-8") for path in (*adapters.glob("dynamodb*.py"), adapters / "codec.py"))
    assert keys | indexes | {"expires_at"} <= set(re.findall(r"\w+", code))


def test_logs_are_kept_for_a_while_and_each_function_writes_its_own() -> None:
    groups = cfn.resources("AWS::Logs::LogGroup")
    assert len(groups) == 6
    assert all("RetentionInDays" in it for it in groups.values())
    for name, function in FUNCTIONS.items():
        group = f"{name.removesuffix('Function')}Log"
        assert function["LoggingConfig"] == {"LogGroup": {"Ref": group}}
        (own,) = [it for it in cfn.statements(name) if "logs:PutLogEvents" in it["Action"]]
        assert own["Resource"] == {"Fn::GetAtt": [group, "Arn"]}


def test_layer_is_built_for_the_processor_and_leaves_nothing_behind() -> None:
    layer = cfn.template()["Resources"]["Layer"]
    shared = cfn.template()["Globals"]["Function"]
    assert layer["Metadata"] == {"BuildMethod": shared["Runtime"], "BuildArchitecture": {"Ref": "Arch"}}
    assert layer["Properties"]["RetentionPolicy"] == "Delete"
    assert shared["Architectures"] == [{"Ref": "Arch"}]


def test_limits_are_a_laptop_s_by_default() -> None:
    laptop = LaptopConfig(timezone="UTC")
    assert {name: PARAMETERS[name]["Default"] for name in ("MaxOpen", "MaxDepth", "MaxDescendants")} == {
        "MaxOpen": laptop.max_open, "MaxDepth": laptop.max_depth, "MaxDescendants": laptop.max_descendants,
    }  # fmt: skip


def test_every_parameter_is_described_and_grouped() -> None:
    assert all(it.get("Description") for it in PARAMETERS.values())
    groups = cfn.template()["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    assert [name for group in groups for name in group["Parameters"]] == list(PARAMETERS)
