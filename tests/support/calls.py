"""Calls of agents, as a runner makes them."""

from datetime import timedelta

from followups.domain import ids
from followups.domain.contract import AgentCall
from followups.domain.entities import Agent
from tests.support.clock import START

ID = "a" * ids.ID_LENGTH


def agent_call(command: list[str], *, seconds: float = 20, prompt: str = "", kind: str = "command") -> AgentCall:
    """Gives a call of an agent with this command or prompt and so many seconds."""
    agent = Agent(name="@a", kind=kind, command=tuple(command), created_at=START, write_id="w")
    run_id = ids.run_id(ID, 1)
    return AgentCall(
        run_id=run_id, agent=agent, owner="me", deadline=START + timedelta(seconds=seconds), seconds=seconds, token="token",
        request={"v": 1, "run_id": run_id, "task": "Check", "prompt": prompt},
    )  # fmt: skip
