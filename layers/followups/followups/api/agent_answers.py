"""What answers hold that are about agents, what they say of their runs, and the kill switch."""

from typing import Annotated, Any, Literal, TypedDict

from followups.api.answers import Instant, RunId, Shape
from followups.domain.status import Outcome, Verdict
from followups.domain.targets import LONGEST_S


class Agent(TypedDict):
    name: str
    kind: Annotated[str, "`command`, `checklist`, `lambda`, `agentcore`, `states`, `https`, `worker` or `person`."]
    command: Annotated[list[str], "Program and arguments, run without a shell; empty for other kinds."]
    target: Annotated[str | None, "An ARN, a web address, or a person's mail address; null for what runs here."]
    mode: Annotated[str | None, "How it is called, where its kind has several ways."]
    timeout_s: Annotated[int, Shape(minimum=1, maximum=LONGEST_S)]
    max_concurrency: Annotated[int, Shape(minimum=1, maximum=100)]
    rerun: Annotated[Literal["safe", "never"], "Whether a run that broke off may simply be run again."]
    max_attempts: Annotated[int, Shape(minimum=1, maximum=10)]
    disabled: Annotated[str | None, "Why nothing is started with it; null for one that is in use."]
    worker_seen_at: Annotated[Instant | None, "When a worker last asked for its work."]
    builtin: bool


class Agents(TypedDict):
    agents: list[Agent]


class RemovedAgent(TypedDict):
    name: str
    removed: Literal[True]


class AgentSecret(TypedDict):
    name: str
    secret: Annotated[str, "By Standard Webhooks; what a webhook checks our signatures with.", Shape(pattern="^whsec_")]


class Work(TypedDict):
    run: Annotated[dict[str, Any] | None, "A request of the agent contract with its `run_token`; null if there is none."]


class Completed(TypedDict):
    run_id: RunId
    outcome: Outcome
    verdict: Verdict | None
    final: Annotated[bool, "Whether it ended its occurrence."]
    next_at: Instant | None


class Heard(TypedDict):
    run_id: RunId
    deadline_at: Instant
    cancelled: Annotated[bool, "Whether it is to end: somebody has cancelled it."]


class Control(TypedDict):
    """The kill switch: while it is on, no run starts; reports still go out."""

    stopped: bool
    reason: str | None
    changed_at: Annotated[Instant | None, "Null if it was never touched."]
