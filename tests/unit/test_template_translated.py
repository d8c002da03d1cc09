"""The template as AWS makes it: translated by SAM, at both ends of its parameters; and what parameters it refuses."""

import re
from datetime import timedelta
from typing import Any

import pytest

from followups.domain import retry
from followups.lambda_settings import CLOCK_SKEW_S, reserve
from tests.support import cfn
from tests.unit.test_template_api import OF_RUNS, PUBLIC

PARAMETERS = cfn.template()["Parameters"]
REQUIRED = {"Sender": "followups@example.com", "ReportTo": "ops@example.com", "AllowedRecipients": "ops@example.com"}
_ENDS = [
    {
        name: str(end(it["AllowedValues"]))
        for name, it in PARAMETERS.items()
        if it["Type"] == "Number" and "AllowedValues" in it
    }
    for end in (min, max)
]
JWT = {"JwtIssuer": "https://id.example.com", "JwtAudience": "one,two"}
BOTH_ENDS = pytest.mark.parametrize("parameters", [{}, *_ENDS], ids=["default", "least", "most"])


def of(type_: str, **parameters: str) -> dict[str, dict[str, Any]]:
    """Gives the properties of all resources of a type in a deployment."""
    return {name: it["Properties"] for name, it in cfn.deployed(**REQUIRED, **parameters).items() if it["Type"] == type_}


@BOTH_ENDS
def test_the_inequalities_hold(parameters: dict[str, str]) -> None:
    functions, queues = of("AWS::Lambda::Function", **parameters), of("AWS::SQS::Queue", **parameters)
    sources = of("AWS::Lambda::EventSourceMapping", **parameters)
    assert (len(functions), len(sources)) == (5, 2)
    for name, queue in (("Runner", "StartQueue"), ("Reporter", "ReportQueue")):
        (source,) = [it for it in sources.values() if it["FunctionName"] == {"Ref": f"{name}Function"}]
        assert source["EventSourceArn"] == {"Fn::GetAtt": [queue, "Arn"]}
        assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
        assert queues[queue]["VisibilityTimeout"] >= 6 * int(functions[f"{name}Function"]["Timeout"])
        assert queues[queue]["RedrivePolicy"]["maxReceiveCount"] == 5
        if name == "Runner":
            cap = int(functions["RunnerFunction"]["Environment"]["Variables"]["FOLLOWUPS_GLOBAL_CAP"])
            assert source["ScalingConfig"]["MaximumConcurrency"] == cap + 2
            assert source["BatchSize"] == 1
        else:
            assert 2 <= source["ScalingConfig"]["MaximumConcurrency"] <= 1000
    runner = functions["RunnerFunction"]["Environment"]["Variables"]
    timeout = int(functions["RunnerFunction"]["Timeout"])
    assert int(runner["FOLLOWUPS_LEASE_MARGIN_SECONDS"]) >= 2 * CLOCK_SKEW_S
    assert timeout - reserve(timeout) > 0
    assert functions["SweeperFunction"]["Timeout"] < 60
    assert functions["ApiFunction"]["Timeout"] == 29
    assert retry.resend_interval(1) >= timedelta(minutes=2)


@pytest.mark.parametrize("parameters", [{}, JWT], ids=["iam", "jwt"])
def test_an_authorizer_on_each_route(parameters: dict[str, str]) -> None:
    routes = of("AWS::ApiGatewayV2::Route", **parameters)
    public = {it["RouteKey"] for it in routes.values() if it["AuthorizationType"] == "NONE"}
    assert public == PUBLIC | OF_RUNS
    for it in routes.values():
        if it["RouteKey"] in public:
            continue
        if parameters:
            assert (it["AuthorizationType"], it["AuthorizerId"]) == ("JWT", {"Ref": "ApiAuthorizer"})
            assert len(it["AuthorizationScopes"]) == 1, "an ID token has no scope"
        else:
            assert it["AuthorizationType"] == "AWS_IAM"
            assert not {"AuthorizerId", "AuthorizationScopes"} & it.keys()
    authorizers = of("AWS::ApiGatewayV2::Authorizer", **parameters)
    assert [it["JwtConfiguration"] for it in authorizers.values()] == (
        [{"Issuer": JWT["JwtIssuer"], "Audience": ["one", "two"]}] if parameters else []
    )


def test_one_target_for_the_tick_and_nobody_else_may_invoke_the_sweeper() -> None:
    rules = of("AWS::Events::Rule")
    assert {name: it["ScheduleExpression"] for name, it in rules.items()} == {
        "Tick": "rate(1 minute)", "AuditTick": "rate(1 hour)"
    }  # fmt: skip
    assert [it["Arn"] for it in rules["Tick"]["Targets"]] == [{"Fn::GetAtt": ["SweeperFunction", "Arn"]}]
    (allowed,) = [it for it in of("AWS::Lambda::Permission").values() if it["FunctionName"] == {"Ref": "SweeperFunction"}]
    assert allowed["SourceArn"] == {"Fn::GetAtt": ["Tick", "Arn"]}


def test_sam_adds_no_role_and_no_policy_of_its_own() -> None:
    roles = of("AWS::IAM::Role")
    assert set(roles) == {f"{name}Role" for name in ("Api", "Sweeper", "Runner", "Reporter", "Auditor")}
    for name, role in roles.items():
        assert role["ManagedPolicyArns"] == [{"Ref": "TracePolicy"}]
        assert len(role["Policies"]) == 1, name


@pytest.mark.parametrize("said", ["", "https://followups.example.com"])
def test_agents_are_told_the_api_s_own_domain_or_else_aws_s(said: str) -> None:
    functions = of("AWS::Lambda::Function", ApiUrl=said)
    for name in ("ApiFunction", "RunnerFunction"):
        told = functions[name]["Environment"]["Variables"]["FOLLOWUPS_API_URL"]
        assert told == (said or {"Fn::GetAtt": ["Api", "ApiEndpoint"]})


# What parameters are refused


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({}, []), (JWT, []), ({"AllowedRecipients": "*", "AllowAnyRecipient": "i-know"}, []),
        ({"JwtIssuer": "https://id.example.com"}, ["JwtIssuer needs JwtAudience"]),
        ({"JwtAudience": "one"}, ["JwtAudience needs JwtIssuer"]),
        ({"AllowedRecipients": "ops@example.com,*"}, ["AllowedRecipients has *"]),
    ],
)  # fmt: skip
def test_parameters_that_go_together(parameters: dict[str, str], said: list[str]) -> None:
    told = cfn.broken_rules(**(REQUIRED | parameters))
    assert [it[: len(words)] for it, words in zip(told, said, strict=True)] == said


@pytest.mark.parametrize(
    ("parameter", "right", "wrong"),
    [
        ("Sender", ["a@example.com"], ["", "a", "a@b", "a b@example.com"]),
        ("ReportTo", ["a@example.com"], ["", "*@example.com.", "@example.com"]),
        ("AllowedRecipients", ["a@example.com", "*@example.com", "*"], ["", "example.com", "*@*.com", "a@example.*", "**"]),
        ("ConfigurationSet", ["", "mails_1"], ["a b", "x" * 65]),
        ("JwtIssuer", ["", "https://id.example.com/pool"], ["http://id.example.com", "id.example.com"]),
        ("JwtAudience", ["", "one"], ["one two"]),
        (
            "AgentFunctions",
            [
                "",
                "arn:aws:lambda:eu-central-1:111122223333:function:a",
                "arn:aws-cn:lambda:cn-north-1:111122223333:function:a:*",
            ],
            ["*", "a", "arn:aws:lambda:*:111122223333:function:a", "arn:aws:lambda:eu-central-1:111122223333:function:*"],
        ),
        (
            "AgentStateMachines",
            [
                "",
                "arn:aws:states:eu-central-1:111122223333:stateMachine:a.b",
                "arn:aws-cn:states:cn-north-1:111122223333:stateMachine:a",
            ],
            [
                "*",
                "a",
                "arn:aws:states:eu-central-1:111122223333:stateMachine:*",
                "arn:aws:states:*:111122223333:stateMachine:a",
                # An alias would come between a machine and its executions.
                "arn:aws:states:eu-central-1:111122223333:stateMachine:a:live",
            ],
        ),
        (
            "AgentRuntimes",
            [
                "",
                "arn:aws:bedrock-agentcore:eu-central-1:111122223333:runtime/a-a1b2c3d4e5",
                "arn:aws:bedrock-agentcore:eu-central-1:111122223333:harness/a-a1b2c3d4e5",
            ],
            [
                "*",
                "arn:aws:bedrock-agentcore:eu-central-1:111122223333:runtime/*",
                "arn:aws:bedrock-agentcore:eu-central-1:111122223333:memory/a-a1b2c3d4e5",
                "arn:aws:bedrock-agentcore:eu-central-1:111122223333:runtime/a-a1b2c3d4e5/runtime-endpoint/live",
            ],
        ),
        (
            "ApiUrl",
            ["", "https://followups.example.com", "https://example.com:8443/followups/"],
            [
                "http://followups.example.com",
                "followups.example.com",
                "https://a.example.com/?b",
                "https://a.example.com/#b",
            ],
        ),
        ("AlarmTo", ["", "a@example.com"], ["a"]),
        (
            "DefaultTimezone",
            ["UTC", "Europe/Berlin", "Etc/GMT+3", "America/Port-au-Prince"],
            ["", "+02:00", "Europe/", "a b"],
        ),
    ],
)
def test_what_a_parameter_may_be(parameter: str, right: list[str], wrong: list[str]) -> None:
    it = PARAMETERS[parameter]
    assert it["ConstraintDescription"], "CloudFormation says it in the words of the pattern otherwise"
    for value in right:
        assert re.fullmatch(it["AllowedPattern"], value), value
    for value in wrong:
        assert not re.fullmatch(it["AllowedPattern"], value), value


def test_every_parameter_is_bounded_or_described() -> None:
    for name, it in PARAMETERS.items():
        bounded = it.keys() & {"AllowedValues", "AllowedPattern", "MinValue"}
        assert bounded, f"{name} takes anything"
