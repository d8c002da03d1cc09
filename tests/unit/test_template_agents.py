"""Which agents the runner may call by template.yaml: those that are tagged or listed, their own runs, and none of ours."""

import json
import re
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any

import pytest

from followups.adapters.agents.states import StatesAgent
from followups.adapters.local import SystemClock
from followups.domain import targets
from followups.domain.contract import AgentCall
from followups.domain.ids import run_id
from tests.support import cfn
from tests.support.things import agent, fresh

FUNCTIONS = set(cfn.resources("AWS::Serverless::Function"))
PARAMETERS = cfn.template()["Parameters"]
REQUIRED = {"Sender": "followups@example.com", "ReportTo": "ops@example.com", "AllowedRecipients": "ops@example.com"}
TAGGED = {"StringEquals": {"aws:ResourceTag/followups-agent": {"Ref": "AWS::StackName"}}}
HERE = "eu-central-1:111122223333"
CHECK, MEND = (f"arn:aws:lambda:{HERE}:function:{name}" for name in ("check", "mend"))
FLOW, TIDY = (f"arn:aws:states:{HERE}:stateMachine:{name}" for name in ("flow", "tidy.up"))
CORE, HARNESS = (
    f"arn:aws:bedrock-agentcore:{HERE}:runtime/core-a1b2c3d4e5",
    f"arn:aws:bedrock-agentcore:{HERE}:harness/own-a1b2c3d4e5",
)
RUN = run_id(fresh(), 1)
#: What is done with agents: the parameter that lists them, and all actions, those of one statement together.
DONE = {
    "AgentFunctions": [
        {"lambda:InvokeFunction", "lambda:ListDurableExecutionsByFunction"},
        {"lambda:GetDurableExecution", "lambda:StopDurableExecution"},
    ],
    "AgentStateMachines": [
        {"states:StartExecution", "states:DescribeStateMachine"}, {"states:DescribeExecution", "states:StopExecution"},
    ],
    "AgentRuntimes": [
        {f"bedrock-agentcore:{it}" for it in ("InvokeAgentRuntime", "InvokeHarness", "StopRuntimeSession")},
    ],
}  # fmt: skip
ALL = [actions for groups in DONE.values() for actions in groups]


def statements(**parameters: str) -> list[dict[str, Any]]:
    """Gives the statements of the deployed runner's role that let it call agents."""
    (policy,) = cfn.deployed(**REQUIRED, **parameters)["RunnerRole"]["Properties"]["Policies"]
    found: list[dict[str, Any]] = policy["PolicyDocument"]["Statement"]
    return [
        it for it in found if re.match(r"lambda:|states:|bedrock-agentcore:", it["Action"][0]) and it["Effect"] == "Allow"
    ]


def listed(action: str, **parameters: str) -> list[str]:
    """Gives on what an action is allowed without a tag."""
    return [
        arn for it in statements(**parameters) if action in it["Action"] and "Condition" not in it for arn in it["Resource"]
    ]


def tagged(action: str) -> list[str]:
    """Gives on what an action is allowed that is tagged, in account and region of `HERE`."""
    (own,) = [it for it in statements() if action in it["Action"]]
    resources = own["Resource"] if isinstance(own["Resource"], list) else [own["Resource"]]
    texts = [it["Fn::Sub"] for it in resources]
    names = {"Partition": "aws", "Region": HERE.split(":")[0], "AccountId": HERE.split(":")[1]}
    return [re.sub(r"\$\{AWS::(\w+)\}", lambda found: names[found[1]], text) for text in texts]


def test_without_lists_only_what_is_tagged_may_be_called() -> None:
    found = statements()
    assert [set(it["Action"]) for it in found] == ALL
    assert [it["Condition"] for it in found] == [TAGGED] * len(ALL)


@pytest.mark.parametrize("parameter", DONE)
def test_a_list_adds_its_own_and_nothing_else(parameter: str) -> None:
    own = {"AgentFunctions": CHECK, "AgentStateMachines": FLOW, "AgentRuntimes": CORE}[parameter]
    added = [it for it in statements(**{parameter: own}) if "Condition" not in it]
    assert [set(it["Action"]) for it in added] == DONE[parameter]


@pytest.mark.parametrize(
    ("parameter", "said", "action", "on"),
    [
        ("AgentFunctions", [CHECK], "lambda:InvokeFunction", [CHECK]),
        ("AgentFunctions", [CHECK, f"{MEND}:*"], "lambda:ListDurableExecutionsByFunction", [CHECK, f"{MEND}:*"]),
        (
            "AgentFunctions", [CHECK, f"{CHECK}:*"], "lambda:GetDurableExecution",
            [f"{CHECK}/durable-execution/run-*", f"{CHECK}:*/durable-execution/run-*"],
        ),
        ("AgentStateMachines", [FLOW, TIDY], "states:StartExecution", [FLOW, TIDY]),
        ("AgentStateMachines", [FLOW], "states:StopExecution", [f"arn:aws:states:{HERE}:execution:flow:run-*"]),
        (
            "AgentStateMachines", [FLOW, TIDY], "states:DescribeExecution",
            [f"arn:aws:states:{HERE}:execution:flow:run-*", f"arn:aws:states:{HERE}:execution:tidy.up:run-*"],
        ),
        ("AgentRuntimes", [CORE], "bedrock-agentcore:InvokeAgentRuntime", [CORE, f"{CORE}/*"]),
        (
            "AgentRuntimes", [CORE, HARNESS], "bedrock-agentcore:InvokeHarness",
            [CORE, HARNESS, f"{CORE}/*", f"{HARNESS}/*"],
        ),
    ],
)  # fmt: skip
def test_what_a_list_allows(parameter: str, said: list[str], action: str, on: list[str]) -> None:
    assert listed(action, **{parameter: ",".join(said)}) == on


@pytest.mark.parametrize(
    ("action", "ours", "others"),
    [
        ("lambda:InvokeFunction", CHECK, FLOW),
        ("lambda:ListDurableExecutionsByFunction", CHECK, FLOW),
        ("lambda:GetDurableExecution", f"{CHECK}:3/durable-execution/{RUN}/id", f"{CHECK}:3/durable-execution/order/id"),
        (
            "lambda:StopDurableExecution", f"{CHECK}:$LATEST/durable-execution/{RUN}/id",
            f"{CHECK}:$LATEST/durable-execution/order/id",
        ),
        ("states:StartExecution", FLOW, FLOW.replace("stateMachine", "activity")),
        ("states:DescribeStateMachine", FLOW, FLOW.replace("stateMachine", "activity")),
        ("bedrock-agentcore:InvokeAgentRuntime", f"{CORE}/runtime-endpoint/DEFAULT", CORE.replace("runtime", "memory")),
        ("bedrock-agentcore:InvokeHarness", HARNESS, CORE.replace("runtime", "gateway")),
        ("bedrock-agentcore:StopRuntimeSession", CORE, CORE.replace("runtime", "browser")),
    ],
)  # fmt: skip
def test_what_a_tag_allows(action: str, ours: str, others: str) -> None:
    assert any(fnmatchcase(ours, it) for it in tagged(action))
    assert not any(fnmatchcase(others, it) for it in tagged(action))
    assert not any(fnmatchcase(ours.replace("111122223333", "999999999999"), it) for it in tagged(action))


class Asked:
    """A client that remembers which executions it was asked to stop."""

    def __init__(self) -> None:
        self.arns: list[str] = []

    def stop_execution(self, *, executionArn: str) -> None:  # noqa: N803 - as boto3 has it
        self.arns.append(executionArn)


@pytest.mark.parametrize("machine", [FLOW, f"{FLOW}:live", f"{FLOW}:3"])
def test_the_execution_that_is_stopped_is_one_that_may_be(machine: str) -> None:
    it = agent("@flow", kind="states", command=(), target=machine)
    call = AgentCall(
        agent=it, owner="ada", request={}, token="fr2.x", run_id=RUN, seconds=30, deadline=datetime.now(UTC)
    )  # fmt: skip
    client = Asked()
    StatesAgent(client, SystemClock()).cancel(call, RUN)
    (stopped,) = client.arns
    for allowed in (tagged("states:StopExecution"), listed("states:StopExecution", AgentStateMachines=FLOW)):
        assert any(fnmatchcase(stopped, it) for it in allowed)
        assert not any(fnmatchcase(stopped.replace(RUN, "nightly"), it) for it in allowed)


@pytest.mark.parametrize(
    ("parameter", "registered", "target"),
    [
        ("AgentFunctions", targets.FUNCTION, f"{CHECK}:live"), ("AgentFunctions", targets.FUNCTION, CHECK),
        ("AgentStateMachines", targets.STATE_MACHINE, TIDY), ("AgentRuntimes", targets.AGENTCORE, CORE),
        ("AgentRuntimes", targets.AGENTCORE, HARNESS),
    ],
)  # fmt: skip
def test_what_may_be_registered_may_be_listed(parameter: str, registered: "re.Pattern[str]", target: str) -> None:
    assert registered.fullmatch(target)
    assert re.fullmatch(PARAMETERS[parameter]["AllowedPattern"], target)


def test_none_of_ours_is_an_agent_whatever_is_tagged_or_listed() -> None:
    (never,) = [it for it in cfn.statements("RunnerFunction") if it["Effect"] == "Deny"]
    assert (never["Action"], "Condition" in never) == (["lambda:InvokeFunction"], False)
    # The runner's own role cannot name the runner; what is no start message it drops.
    for function in FUNCTIONS - {"RunnerFunction"}:
        assert {"Fn::GetAtt": [function, "Arn"]} in never["Resource"]
        assert {"Fn::Sub": f"${{{function}.Arn}}:*"} in never["Resource"]
    # Nor is there a state machine or a runtime of ours, nor a durable function.
    types = {it["Type"] for it in cfn.template()["Resources"].values()}
    assert not [it for it in types if re.match(r"AWS::(StepFunctions|BedrockAgentCore|Serverless::StateMachine)", it)]
    assert not [it for it in cfn.resources("AWS::Serverless::Function").values() if "DurableConfig" in it]


def test_a_role_has_room_for_a_dozen_of_each() -> None:
    """IAM takes 10,240 characters of a role's own policies."""
    lists = {
        "AgentFunctions": ",".join(f"{CHECK}-{number}" for number in range(12)),
        "AgentStateMachines": ",".join(f"{FLOW}-{number}" for number in range(12)),
        "AgentRuntimes": ",".join(f"{CORE}{number}" for number in range(12)),
    }
    (policy,) = cfn.deployed(**REQUIRED, **lists)["RunnerRole"]["Properties"]["Policies"]
    assert len(json.dumps(policy["PolicyDocument"], separators=(",", ":"))) < 10_240
