"""For each action of docs/iam.md: its code works with its role's policy, and fails with that policy less the action.

The policies are those of the deployed roles, put on roles of the test's own, so that the stack itself is left alone.
"""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from followups.adapters.agents.lambda_ import LambdaAgent
from followups.adapters.dynamodb import DynamoDBStore
from followups.adapters.local import SystemClock
from followups.adapters.s3 import S3Outputs
from followups.adapters.ses import SesMailer
from followups.adapters.signing_keys import SigningKeys
from followups.adapters.sqs import SqsQueue
from followups.domain import ids
from followups.domain.changes import Add, FreeSlot, Live, Remove, SetAside, Spend
from followups.domain.contract import AgentCall
from followups.domain.entities import FollowUp
from followups.domain.errors import Conflict, FollowupsError
from followups.domain.messages import Message
from followups.domain.status import Outcome, Status
from tests.e2e.running import HELLO
from tests.e2e.site import REGION, REPORT_TO, SENDER, Site, site
from tests.support.things import agent, follow_up, fresh, run
from tests.unit.test_iam import ROWS

pytestmark = pytest.mark.slow

FUNCTIONS = ("api", "sweeper", "runner", "reporter", "auditor")
NEEDS = list(dict.fromkeys((function, action) for function, actions, _ in ROWS for action in sorted(actions)))
#: What ministack does not ask for; tests/unit/test_iam.py holds these against the template.
NOT_ASKED = {
    "sqs:ReceiveMessage": "Lambda's event source, which ministack does not ask",
    "sqs:DeleteMessage": "Lambda's event source, which ministack does not ask",
    "sqs:GetQueueAttributes": "Lambda's event source, which ministack does not ask",
    "ses:SendRawEmail": "AWS asks for it where a mail is raw; ministack asks for ses:SendEmail always",
}
Statements = list[dict[str, Any]]


class Hands:
    """What a function has in hand: the product's adapters, with the credentials of a role."""

    def __init__(self, there: Site, client: Callable[[str], Any]) -> None:
        self.there, self.client = there, client
        outputs = there.outputs
        self.store = DynamoDBStore(client("dynamodb"), outputs["TableName"])
        self.root = DynamoDBStore(there.client("dynamodb"), outputs["TableName"])
        self.queue = SqsQueue(client("sqs"), outputs["StartQueueUrl"], outputs["ReportQueueUrl"])

    def mailer(self) -> SesMailer:
        return SesMailer(self.client("sesv2"), sender=SENDER, default_to=REPORT_TO)

    def call(self, function_arn: str) -> str:
        """Calls an agent as the runner does; gives what went wrong."""
        it = agent("@hello", kind="lambda", command=(), target=function_arn)
        one = AgentCall(
            agent=it, owner="ada", request={"v": 1, "task": "look"}, token="fr1.x", run_id="run-x", seconds=30,
            deadline=datetime.now(UTC) + timedelta(seconds=30),
        )  # fmt: skip
        done = LambdaAgent(lambda _: self.client("lambda"), SystemClock()).start(one)
        return "" if done.outcome is Outcome.SUCCEEDED else f"{done.summary} {done.report}"


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site(tmp_path_factory.mktemp("aws"), enforced=True) as it:
        it.deploy()
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


def trouble(call: Callable[[Hands], Any], it: Hands) -> str:
    """Does it, and gives what went wrong; nothing if nothing did."""
    try:
        return call(it) or ""
    except (ClientError, FollowupsError) as error:
        return f"{error} {error.__cause__}"


def _remove(it: Hands) -> None:
    old = agent(f"@{fresh()[:12]}")
    it.root.commit(Add(old))
    it.store.commit(Remove(old))


def _descend(it: Hands) -> None:
    parent = follow_up(status=Status.RUNNING, fence=1)
    it.root.commit(Add(parent))
    it.store.commit(Add(follow_up()), Live(parent.key, 1))


def _set_aside_too_late(it: Hands) -> None:
    old = follow_up()
    it.root.commit(Add(old))
    try:
        it.store.commit(SetAside(old.key, 99, None))
    except Conflict:
        return
    raise AssertionError("it was stale")


def _keep(it: Hands) -> str:
    kept = S3Outputs(it.client("s3"), it.there.resource("Outputs")).keep("run-x", "much")
    return "" if kept else "not authorized to perform: s3:PutObject (the adapter says no more than that)"


def _keys(it: Hands) -> None:
    secret = it.there.resource("TokenSecret")
    SigningKeys(it.client("secretsmanager"), secret, now=lambda: datetime.now(UTC), check=str.encode)


def _send(it: Hands) -> None:
    it.queue.send([(Message("start", "ada", fresh(), 1), 0)])


def _report(it: Hands) -> None:
    it.queue.send([(Message("report", "ada", fresh(), 1), 0)])


def _lists(it: Hands) -> None:
    it.store.list_follow_ups("ada", group="open", after=None, limit=3)
    it.store.runs("ada", fresh(), limit=3)


def _get(it: Hands) -> None:
    it.store.get(FollowUp, follow_up().key)


def _add(it: Hands) -> None:
    it.store.commit(Add(follow_up()))


def _free(it: Hands) -> None:
    it.store.commit(FreeSlot(ids.agent_slots_key("@probe"), "nobody"))


def _mail(it: Hands) -> None:
    it.mailer().send(run())


CALLS: dict[tuple[str, str], Callable[[Hands], Any]] = {
    **{(function, "dynamodb:GetItem"): _get for function in FUNCTIONS},
    **{(function, "dynamodb:PutItem"): _add for function in FUNCTIONS},
    **{(function, "dynamodb:UpdateItem"): _free for function in ("sweeper", "runner", "auditor")},
    ("api", "dynamodb:UpdateItem"): lambda it: it.store.commit(Spend(ids.quota_key(fresh()), 1, 9, None)),
    ("api", "dynamodb:DeleteItem"): _remove,
    ("api", "dynamodb:ConditionCheckItem"): _descend,
    ("sweeper", "dynamodb:ConditionCheckItem"): _set_aside_too_late,
    ("api", "dynamodb:Query"): _lists,
    ("sweeper", "dynamodb:Query"): lambda it: list(it.store.due(datetime.now(UTC))) and None,
    ("auditor", "dynamodb:Scan"): lambda it: list(it.store.everything()) and None,
    ("api", "sqs:SendMessage"): _send,
    ("sweeper", "sqs:SendMessage"): _send,
    ("runner", "sqs:SendMessage"): _report,
    ("api", "secretsmanager:GetSecretValue"): _keys,
    ("runner", "secretsmanager:GetSecretValue"): _keys,
    ("runner", "s3:PutObject"): _keep,
    ("runner", "lambda:InvokeFunction"): lambda it: it.call(it.there.function_arn("hello")),
    ("reporter", "ses:SendEmail"): _mail,
    ("auditor", "ses:SendEmail"): _mail,
}


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
    assert "not authorized" in trouble(_mail, hands(there, "runner-mails", allowed(there, "runner")))


def test_the_reporter_cannot_reach_an_agent(there: Site) -> None:
    it = hands(there, "reporter-calls", allowed(there, "reporter"))
    assert "not authorized" in it.call(there.function_arn("hello"))


def test_the_runner_calls_no_function_that_is_neither_tagged_nor_listed(there: Site) -> None:
    it = hands(there, "runner-strays", allowed(there, "runner"))
    assert "not authorized" in it.call(there.agent("stranger", HELLO, tagged=False))
