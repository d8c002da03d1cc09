"""What each function does with the permissions of its role: for each action of docs/iam.md the code that needs it."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

from followups.adapters.agents.agentcore import AgentCoreAgent
from followups.adapters.agents.lambda_ import LambdaAgent
from followups.adapters.agents.states import StatesAgent
from followups.adapters.dynamodb import DynamoDBStore
from followups.adapters.local import SystemClock
from followups.adapters.s3 import S3Outputs
from followups.adapters.ses import SesMailer
from followups.adapters.signing_keys import SigningKeys
from followups.adapters.sqs import SqsQueue
from followups.domain import ids
from followups.domain.changes import Add, FreeSlot, Live, Remove, SetAside, Spend
from followups.domain.contract import AgentCall, Pending
from followups.domain.entities import FollowUp
from followups.domain.errors import AgentBusy, Conflict, FollowupsError
from followups.domain.messages import Message
from followups.domain.status import Outcome, Status
from tests.e2e.site import REPORT_TO, SENDER, Site
from tests.support.things import agent, follow_up, fresh, run

FUNCTIONS = ("api", "sweeper", "runner", "reporter", "auditor")
#: What ministack does not ask for; tests/unit/test_iam.py holds these against the template.
NOT_ASKED = {
    "sqs:ReceiveMessage": "Lambda's event source, which ministack does not ask",
    "sqs:DeleteMessage": "Lambda's event source, which ministack does not ask",
    "sqs:GetQueueAttributes": "Lambda's event source, which ministack does not ask",
    "ses:SendRawEmail": "AWS asks for it where a mail is raw; ministack asks for ses:SendEmail always",
    "lambda:ListDurableExecutionsByFunction": "ministack takes it for lambda:GetFunction",
    "lambda:GetDurableExecution": "ministack lets everybody",
    "lambda:StopDurableExecution": "ministack lets everybody",
    "bedrock-agentcore:InvokeHarness": "ministack has no harnesses",
    "bedrock-agentcore:StopRuntimeSession": "ministack has no such call",
}


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

    def outputs(self) -> S3Outputs:
        return S3Outputs(self.client("s3"), self.there.resource("Outputs"))

    def states(self) -> StatesAgent:
        return StatesAgent(self.client("stepfunctions"), SystemClock())

    def call(self, function_arn: str) -> str:
        """Calls an agent as the runner does; gives what went wrong."""
        done = LambdaAgent(lambda _: self.client("lambda"), SystemClock()).start(call_of("lambda", function_arn))
        return "" if done.outcome is Outcome.SUCCEEDED else f"{done.summary} {done.report}"


def call_of(kind: str, target: str) -> AgentCall:
    """Gives a call of an agent, for a run of its own."""
    return AgentCall(
        agent=agent("@probe", kind=kind, command=(), target=target), owner="ada", request={"v": 1, "task": "look"},
        token="fr2.x", run_id=ids.run_id(fresh(), 1), seconds=30, deadline=datetime.now(UTC) + timedelta(seconds=30),
    )  # fmt: skip


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


def _silent(done: bool, action: str) -> str:
    """Gives what went wrong where the adapter itself does not say."""
    return "" if done else f"not authorized to perform: {action} (the adapter says no more than that)"


def _keep(it: Hands) -> str:
    return _silent(it.outputs().keep("run-x", "much") is not None, "s3:PutObject")


def _show(it: Hands) -> str:
    bucket = it.there.resource("Outputs")
    it.there.client("s3").put_object(Bucket=bucket, Key="runs/run-y.txt", Body=b"much")
    return _silent(it.outputs().read(f"s3://{bucket}/runs/run-y.txt") == "much", "s3:GetObject")


def _keys(it: Hands) -> None:
    secret = it.there.resource("TokenSecret")
    SigningKeys(it.client("secretsmanager"), secret, now=lambda: datetime.now(UTC), check=str.encode)


def _send(it: Hands) -> None:
    it.queue.send([(Message("start", "ada", fresh(), 1), 0)])


def _report(it: Hands) -> None:
    it.queue.send([(Message("report", "ada", fresh(), 1), 0)])


def _both(it: Hands) -> None:
    _send(it)
    _report(it)


def _lists(it: Hands) -> None:
    it.store.list_follow_ups("ada", group="open", after=None, limit=3)
    it.store.runs("ada", fresh(), limit=3)


def _earlier(it: Hands) -> None:
    it.store.runs("ada", fresh(), limit=3)


def _get(it: Hands) -> None:
    it.store.get(FollowUp, follow_up().key)


def _add(it: Hands) -> None:
    it.store.commit(Add(follow_up()))


def _free(it: Hands) -> None:
    it.store.commit(FreeSlot(ids.agent_slots_key("@probe"), "nobody"))


def mail(it: Hands) -> None:
    it.mailer().send(run())


def _begun(it: Hands) -> AgentCall:
    """Gives the call of a run whose execution somebody else has started."""
    call = call_of("states", it.there.machine_arn("flow"))
    it.there.client("stepfunctions").start_execution(stateMachineArn=call.agent.target, name=call.run_id)
    return call


def _start_machine(it: Hands) -> str:
    done = it.states().start(call_of("states", it.there.machine_arn("flow")))
    return "" if isinstance(done, Pending) else f"{done.summary} {done.report}"


def _ask_machine(it: Hands) -> str:
    call = _begun(it)
    done = it.states().poll(call, call.run_id)
    return "" if isinstance(done, Pending) else f"{done.summary} {done.report}"


def _miss_execution(it: Hands) -> str:
    call = call_of("states", it.there.machine_arn("flow"))
    try:
        return str(it.states().poll(call, call.run_id))
    except AgentBusy as busy:
        assert "never started" in busy.reason
        return ""


def _stop_machine(it: Hands) -> str:
    call = _begun(it)
    it.states().cancel(call, call.run_id)
    execution = f"{it.there.machine_arn('flow').replace(':stateMachine:', ':execution:')}:{call.run_id}"
    about = it.there.client("stepfunctions").describe_execution(executionArn=execution)
    return _silent(about["status"] == "ABORTED", "states:StopExecution")


def _call_runtime(it: Hands) -> str:
    done = AgentCoreAgent(lambda _: it.client("bedrock-agentcore")).start(call_of("agentcore", it.there.runtime))
    assert not isinstance(done, Pending)
    # ministack's runtime says back what it was told.
    return f"{done.summary} {done.report}" if done.outcome is Outcome.FAILED else ""


CALLS: dict[tuple[str, str], Callable[[Hands], Any]] = {
    **{(function, "dynamodb:GetItem"): _get for function in FUNCTIONS},
    **{(function, "dynamodb:PutItem"): _add for function in FUNCTIONS},
    **{(function, "dynamodb:UpdateItem"): _free for function in ("sweeper", "runner", "auditor")},
    ("api", "dynamodb:UpdateItem"): lambda it: it.store.commit(Spend(ids.quota_key(fresh()), 1, 9, None)),
    ("api", "dynamodb:DeleteItem"): _remove,
    ("api", "dynamodb:ConditionCheckItem"): _descend,
    ("sweeper", "dynamodb:ConditionCheckItem"): _set_aside_too_late,
    ("api", "dynamodb:Query"): _lists,
    ("runner", "dynamodb:Query"): _earlier,
    ("sweeper", "dynamodb:Query"): lambda it: list(it.store.due(datetime.now(UTC))) and None,
    ("auditor", "dynamodb:Scan"): lambda it: list(it.store.everything()) and None,
    ("api", "sqs:SendMessage"): _both,
    ("sweeper", "sqs:SendMessage"): _both,
    ("runner", "sqs:SendMessage"): _report,
    ("api", "secretsmanager:GetSecretValue"): _keys,
    ("runner", "secretsmanager:GetSecretValue"): _keys,
    ("api", "s3:PutObject"): _keep,
    ("runner", "s3:PutObject"): _keep,
    ("api", "s3:GetObject"): _show,
    ("reporter", "s3:GetObject"): _show,
    ("runner", "lambda:InvokeFunction"): lambda it: it.call(it.there.function_arn("hello")),
    ("runner", "states:StartExecution"): _start_machine,
    ("runner", "states:DescribeExecution"): _ask_machine,
    ("runner", "states:DescribeStateMachine"): _miss_execution,
    ("runner", "states:StopExecution"): _stop_machine,
    ("runner", "bedrock-agentcore:InvokeAgentRuntime"): _call_runtime,
    ("reporter", "ses:SendEmail"): mail,
    ("auditor", "ses:SendEmail"): mail,
}
