"""The `worker` target: for agents that cannot be called from here. Their worker comes and asks for the run
(`usecases.work`), and completes it by its token."""

from datetime import timedelta

from followups.domain.contract import AgentCall, Pending
from followups.domain.errors import AgentBusy
from followups.domain.hearing import WAITING, WORKER, nobody_took

#: So long a run waits for a worker before it gives its slot up.
_PATIENCE = timedelta(minutes=2)
_NEXT_LOOK = timedelta(minutes=5)


class WorkerAgent:
    """Leaves the run where a worker finds it."""

    def start(self, call: AgentCall) -> Pending:  # noqa: ARG002 - whoever asks is given it
        """Lets it wait."""
        return Pending(handle=WAITING, poll_after=_PATIENCE, note="waits for a worker to take it")

    def poll(self, call: AgentCall, handle: str) -> Pending:
        """Gives a run that a worker has its time: its lease decides. Raises AgentBusy for one that nobody took."""
        if handle.startswith(WORKER):
            return Pending(handle=handle, poll_after=_NEXT_LOOK)
        raise AgentBusy(nobody_took(call.agent.name))

    def cancel(self, call: AgentCall, handle: str) -> None:
        """Is told to the worker when it is heard of next."""
