"""`followups doctor` on AWS says that an agent may be called where the runner's permissions say so, and only there."""

from types import SimpleNamespace
from typing import Any

import pytest

from followups.cli.doctor_aws import may_be_called

FUNCTION = "arn:aws:lambda:eu-central-1:111122223333:function:check"
MACHINE = "arn:aws:states:eu-central-1:111122223333:stateMachine:check"
RUNTIME = "arn:aws:bedrock-agentcore:eu-central-1:111122223333:runtime/check-abc"
HARNESS = "arn:aws:bedrock-agentcore:eu-central-1:111122223333:harness/check-abc"
LIVE, USUAL = f"{RUNTIME}/runtime-endpoint/live", f"{RUNTIME}/runtime-endpoint/DEFAULT"
OURS, NOT_OURS = {"followups-agent": "ours"}, {"followups-agent": "another"}


def check(kind: str, arn: str, tags: dict[str, Any], **listed: str) -> Any:
    """Asks of an agent in an account in which there is only what has tags."""
    operator: Any = SimpleNamespace(stack="ours", parameters=listed, agent_tags=lambda _kind, it: tags.get(it))
    return may_be_called(operator, kind, "@x", arn)


@pytest.mark.parametrize(
    ("kind", "arn", "tags", "listed"),
    [
        ("lambda", f"{FUNCTION}:live", {FUNCTION: OURS}, {}),
        ("lambda", f"{FUNCTION}:live", {FUNCTION: {}}, {"AgentFunctions": f"{FUNCTION}x,{FUNCTION}:*"}),
        ("states", f"{MACHINE}:live", {MACHINE: OURS}, {}),
        ("states", f"{MACHINE}:live", {MACHINE: {}}, {"AgentStateMachines": MACHINE}),
        ("agentcore", LIVE, {RUNTIME: {}, LIVE: {}}, {"AgentRuntimes": RUNTIME}),
        ("agentcore", LIVE, {RUNTIME: OURS, LIVE: OURS}, {}),
        ("agentcore", RUNTIME, {RUNTIME: OURS, USUAL: OURS}, {}),
        ("agentcore", HARNESS, {HARNESS: OURS}, {}),
    ],
)
def test_one_that_may_be_called(kind: str, arn: str, tags: dict[str, Any], listed: dict[str, str]) -> None:
    assert check(kind, arn, tags, **listed).ok is True


@pytest.mark.parametrize(
    ("kind", "arn", "tags", "untagged"),
    [
        ("lambda", f"{FUNCTION}:live", {FUNCTION: NOT_OURS}, [FUNCTION]),
        ("states", MACHINE, {MACHINE: {}}, [MACHINE]),
        ("agentcore", LIVE, {RUNTIME: OURS, LIVE: NOT_OURS}, [LIVE]),
        ("agentcore", RUNTIME, {RUNTIME: {}, USUAL: {}}, [RUNTIME, USUAL]),
        ("agentcore", HARNESS, {HARNESS: {}}, [HARNESS]),
    ],
)
def test_one_that_may_not_be_called_says_what_has_to_be_tagged(
    kind: str, arn: str, tags: dict[str, Any], untagged: list[str]
) -> None:
    found = check(kind, arn, tags, AgentFunctions=FUNCTION, AgentStateMachines=f"{MACHINE}x", AgentRuntimes=f"{RUNTIME}x")
    assert found.ok is False
    assert found.says.startswith(" and ".join(untagged))
    assert [part.split(" ")[4] for part in found.mend.split(" && ")] == untagged


@pytest.mark.parametrize("tags", [{}, {RUNTIME: OURS}])
def test_one_that_is_gone(tags: dict[str, Any]) -> None:
    found = check("agentcore", LIVE, tags, AgentRuntimes=RUNTIME)
    assert (found.ok, found.says) == (False, f"there is no runtime or harness {LIVE}")
