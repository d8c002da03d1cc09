"""For each action of docs/iam.md: its code works with its role's policy, and fails with that policy less the action.

The policies are those of the deployed roles, put on roles of the test's own, so that the stack itself is left alone.
"""

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.e2e.hands import CALLS, FUNCTIONS, NOT_ASKED, Hands, call_of, mail, trouble
from tests.e2e.running import HELLO
from tests.e2e.site import REGION, Site, site
from tests.unit.test_iam import ROWS

pytestmark = pytest.mark.slow

NEEDS = list(dict.fromkeys((function, action) for function, actions, _ in ROWS for action in sorted(actions)))
Statements = list[dict[str, Any]]
#: A state machine that has not ended when a test has.
WAIT = {"StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "Seconds": 600, "End": True}}}


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site(tmp_path_factory.mktemp("aws"), enforced=True) as it:
        it.runtime = it.make_runtime("core")
        it.deploy(AgentRuntimes=it.runtime)
        it.machine("flow", WAIT)
        for rule in ("Tick", "AuditTick"):
            it.client("events").disable_rule(Name=it.resource(rule))
        it.agent("hello", HELLO)
        # Here is no TLS, which the bucket insists on.
        it.client("s3").delete_bucket_policy(Bucket=it.resource("Outputs"))
        yield it


def allowed(there: Site, function: str) -> Statements:
    """Gives the statements of a function's role as deployed, with what only ministack asks for."""
    role = there.resource(f"{function.title()}Role")
    document = there.client("iam").get_role_policy(RoleName=role, PolicyName=function)["PolicyDocument"]
    statements: Statements = document["Statement"]
    for it in statements:
        if "sqs:SendMessage" in it["Action"]:
            it["Action"] = [*it["Action"], "sqs:SendMessageBatch"]
        if "ses:SendEmail" in it["Action"]:
            # It asks for these on *, and does not know from whom and to whom a mail is; the template's tests do.
            it["Resource"] = "*"
            del it["Condition"]
    return statements


def less(statements: Statements, action: str) -> Statements:
    gone = {action, "sqs:SendMessageBatch"} if action == "sqs:SendMessage" else {action}
    kept = [it | {"Action": [one for one in it["Action"] if one not in gone]} for it in statements]
    return [it for it in kept if it["Action"]]


def hands(there: Site, name: str, statements: Statements) -> Hands:
    """Gives the hands of a role of its own with these statements."""
    iam, trust = there.client("iam"), {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]["Arn"]
    policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
    iam.put_role_policy(RoleName=name, PolicyName="probe", PolicyDocument=policy)
    got = there.client("sts").assume_role(RoleArn=arn, RoleSessionName="probe")["Credentials"]
    keys = {
        "aws_access_key_id": got["AccessKeyId"], "aws_secret_access_key": got["SecretAccessKey"],
        "aws_session_token": got["SessionToken"], "region_name": REGION, "endpoint_url": there.url,
    }  # fmt: skip
    return Hands(there, lambda service: boto3.client(service, **keys))


@pytest.mark.parametrize(("function", "action"), [pytest.param(*it, id="-".join(it)) for it in NEEDS])
def test_without_this_action_the_code_fails(there: Site, function: str, action: str) -> None:
    if action in NOT_ASKED:
        pytest.skip(NOT_ASKED[action])
    policy, name = allowed(there, function), f"{function}-{action.replace(':', '-')}"
    call = CALLS[function, action]
    assert trouble(call, hands(there, name, policy)) == ""
    said = trouble(call, hands(there, f"{name}-less", less(policy, action)))
    assert "not authorized to perform" in said
    assert action in said


@pytest.mark.parametrize("function", FUNCTIONS)
def test_no_role_may_invoke_the_sweeper(there: Site, function: str) -> None:
    sweeper = there.resource("SweeperFunction")
    arn = there.client("lambda").get_function_configuration(FunctionName=sweeper)["FunctionArn"]
    # Not even if somebody tags it as an agent.
    there.client("lambda").tag_resource(Resource=arn, Tags={"followups-agent": there.stack})
    assert "not authorized" in hands(there, f"{function}-sweeps", allowed(there, function)).call(arn)


def test_the_runner_cannot_send_mail(there: Site) -> None:
    assert "not authorized" in trouble(mail, hands(there, "runner-mails", allowed(there, "runner")))


def test_the_reporter_cannot_reach_an_agent(there: Site) -> None:
    it = hands(there, "reporter-calls", allowed(there, "reporter"))
    assert "not authorized" in it.call(there.function_arn("hello"))


def test_the_runner_calls_no_function_that_is_neither_tagged_nor_listed(there: Site) -> None:
    it = hands(there, "runner-strays", allowed(there, "runner"))
    assert "not authorized" in it.call(there.agent("stranger", HELLO, tagged=False))


@pytest.mark.parametrize("named", ["nightly", "another"])
def test_the_runner_stops_nothing_but_its_own_executions_of_machines_that_are_listed(there: Site, named: str) -> None:
    """Neither what somebody else has started on a listed machine, nor what has a run's name on another one."""
    client = there.client("stepfunctions")
    if named == "nightly":
        machine, name = there.machine_arn("flow"), named
    else:
        machine = there.machine("elsewhere", WAIT, tagged=False)
        name = call_of("states", machine).run_id
    execution = client.start_execution(stateMachineArn=machine, name=name)["executionArn"]
    it = hands(there, f"runner-stops-{named}", allowed(there, "runner"))
    with pytest.raises(ClientError, match="not authorized to perform: states:StopExecution"):
        it.client("stepfunctions").stop_execution(executionArn=execution)
    assert client.describe_execution(executionArn=execution)["status"] == "RUNNING"
