"""The check-up of an installation on AWS, with the caller's own credentials."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase

from followups.adapters.operator import Operator
from followups.cli.client import Problem, Unreachable
from followups.cli.operate import stack_of
from followups.cli.shell import Session, until
from followups.domain.checkup import Check, kill_switch
from followups.domain.errors import AwsError, ConfigError, NoAccess

#: A tick each minute: after this many without one something is wrong.
_TICKS_MISSED = 3
_LOOK_BACK = timedelta(minutes=15)
#: The stack's states in which it works. One whose update was rolled back works as it did before.
_WORKING = {"CREATE_COMPLETE": True, "UPDATE_COMPLETE": True, "IMPORT_COMPLETE": True, "UPDATE_ROLLBACK_COMPLETE": None}
_ACCESS = "allow execute-api:Invoke on the API to whoever you are, or name another profile with `followups login --profile`"


def checks(session: Session) -> Iterator[Check]:
    """Gives each check as it is done."""
    operator = stack_of(session, "doctor")
    for name, check in _CHECKS.items():
        try:
            yield from check(session, operator)
        except (AwsError, ConfigError, NoAccess, Problem, Unreachable) as error:
            yield Check(name=name, ok=False, says=str(error), mend="see what it says; then `followups doctor` again")


def _stack(_session: Session, operator: Operator) -> Iterator[Check]:
    says = f"{operator.stack} is {operator.status}, and you are {operator.caller()}"
    mend = f"aws cloudformation describe-stack-events --stack-name {operator.stack}"
    yield Check(name="stack", ok=_WORKING.get(operator.status, False), says=says, mend=mend)


def _api(session: Session, _operator: Operator) -> Iterator[Check]:
    start = time.monotonic()
    session.client.call("GET", "/v1/healthz")
    ms = round(1000 * (time.monotonic() - start))
    try:
        control = session.client.call("GET", "/v1/control").body
    except Problem as refused:
        yield Check(name="api", ok=False, says=f"answers in {ms} ms, but not to you: {refused}", mend=_ACCESS)
        return
    yield Check(name="api", ok=True, says=f"answers in {ms} ms")
    yield kill_switch(control)


def _tick(_session: Session, operator: Operator) -> Iterator[Check]:
    now = datetime.now(UTC)
    last = operator.last_tick(now - _LOOK_BACK)
    fresh = last is not None and now - last < timedelta(minutes=_TICKS_MISSED)
    if last is None and now - operator.changed_at < timedelta(minutes=_TICKS_MISSED):
        says = f"none yet; the stack was deployed {until(operator.changed_at.isoformat(), now)}"
        yield Check(name="tick", ok=None, says=says, mend="wait for the next minute; then `followups doctor` again")
        return
    says = f"last came to its end {until(last.isoformat(), now)}" if last else "none came to its end in 15 minutes"
    rule = f"aws events list-rule-names-by-target --target-arn {operator.outputs.get('SweeperFunctionArn', '')}"
    yield Check(name="tick", ok=fresh, says=says, mend=f"{rule}; aws logs tail {operator.outputs.get('SweeperLog', '')}")


def _table(_session: Session, operator: Operator) -> Iterator[Check]:
    name = operator.output("TableName")
    status, mend = operator.table_status(name), f"aws dynamodb describe-table --table-name {name}"
    yield Check(name="table", ok=status == "ACTIVE", says=f"{name} is {status}", mend=mend)


def _queues(_session: Session, operator: Operator) -> Iterator[Check]:
    for name in ("StartQueueUrl", "ReportQueueUrl"):
        it = operator.waiting(name)
        says = f"{it.ready} ready, {it.taken} at work, {it.delayed} before their time"
        yield Check(name=name.removesuffix("Url"), ok=True, says=says)
    dead = {name: operator.waiting(name) for name in ("StartDeadLettersUrl", "ReportDeadLettersUrl")}
    count = sum(it.ready + it.taken for it in dead.values())
    yield Check(name="dead letters", ok=not count, says=f"{count}", mend="followups redrive --dry-run, then without")


def _mail(_session: Session, operator: Operator) -> Iterator[Check]:
    mail = operator.mail()
    if not mail.enabled:
        yield Check(name="mail", ok=False, says="SES has paused this account's sending", mend="aws sesv2 get-account")
    says = f"{mail.sent:.0f} of {mail.per_day:.0f} mails sent in 24 hours"
    if mail.sandbox:
        says += "; in the sandbox, so each recipient must be verified too"
        mend = "aws sesv2 put-account-details --production-access-enabled --mail-type TRANSACTIONAL --website-url URL"
        yield Check(name="mail", ok=None, says=says, mend=mend)
    elif mail.enabled:
        yield Check(name="mail", ok=True, says=says)
    addresses = ["Sender", "ReportTo"] if mail.sandbox else ["Sender"]
    for name in addresses:
        address = operator.parameters.get(name, "")
        verified = operator.is_verified(address)
        mend = f"aws sesv2 create-email-identity --email-identity {address}, and follow the link in its mail"
        yield Check(name=name, ok=verified, says=f"{address} is {'verified' if verified else 'not verified'}", mend=mend)


#: Of each kind that the runner needs a permission for: where else it is listed, what it is, and how it is tagged.
_TAGGED = {
    "lambda": ("AgentFunctions", "function", "aws lambda tag-resource --resource {} --tags followups-agent={}"),
    "states": (
        "AgentStateMachines", "state machine",
        "aws stepfunctions tag-resource --resource-arn {} --tags key=followups-agent,value={}",
    ),
    "agentcore": (
        "AgentRuntimes", "runtime or harness",
        "aws bedrock-agentcore-control tag-resource --resource-arn {} --tags followups-agent={}",
    ),
}  # fmt: skip


def _agents(session: Session, operator: Operator) -> Iterator[Check]:
    for agent in session.client.call("GET", "/v1/agents").body["agents"]:
        if agent["kind"] not in _TAGGED:
            continue
        try:
            yield may_be_called(operator, agent["kind"], agent["name"], agent["target"])
        except AwsError as error:
            yield Check(
                name=agent["name"], ok=None, says=f"cannot be looked at: {error}", mend="give yourself that permission"
            )


def may_be_called(operator: Operator, kind: str, name: str, arn: str) -> Check:
    """Says whether the runner has a permission for an agent, by the tags of what stands behind it or by the stack's lists.
    Raises AwsError."""
    parameter, what, tagging = _TAGGED[kind]
    parts = _parts(kind, arn)
    tags = {it: operator.agent_tags(kind, it) for it in parts}
    if None in tags.values():
        return Check(
            name=name, ok=False, says=f"there is no {what} {arn}", mend=f"followups agents add {name} --{kind} ARN"
        )
    listed = [it for it in operator.parameters.get(parameter, "").split(",") if it]
    # Of a function the list may name an alias; of the others it names what all their aliases and endpoints belong to.
    listable = arn if kind == "lambda" else parts[0]
    untagged = [it for it, has in tags.items() if (has or {}).get("followups-agent") != operator.stack]
    if not untagged or any(fnmatchcase(listable, it) for it in listed):
        return Check(name=name, ok=True, says="may be called by the runner")
    which = " and ".join(untagged)
    says = f"{which} {'is' if which in untagged else 'are'} neither tagged for this stack nor listed in {parameter}"
    return Check(name=name, ok=False, says=says, mend=" && ".join(tagging.format(it, operator.stack) for it in untagged))


def _parts(kind: str, arn: str) -> tuple[str, ...]:
    """Gives all that has to be tagged for an agent to be called: of a runtime of AgentCore, its endpoint as well."""
    if kind != "agentcore":
        return (":".join(arn.split(":")[:7]),)
    bare, _, endpoint = arn.partition("/runtime-endpoint/")
    return (bare, f"{bare}/runtime-endpoint/{endpoint or 'DEFAULT'}") if ":runtime/" in bare else (bare,)


_CHECKS: dict[str, Callable[[Session, Operator], Iterator[Check]]] = {
    "stack": _stack, "api": _api, "tick": _tick, "table": _table, "queues": _queues, "mail": _mail, "agents": _agents,
}  # fmt: skip
