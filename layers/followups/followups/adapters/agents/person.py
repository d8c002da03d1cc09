"""The `person` target: informs rather than acts. The task itself goes out as a reminder, and no agent runs."""

from followups.domain.contract import AgentCall, Done, Pending
from followups.domain.errors import AgentUncertain
from followups.domain.status import Outcome
from followups.domain.text import first_line


class PersonAgent:
    """Makes of the task a report to the person's address; without one, to whom the follow-up reports."""

    def start(self, call: AgentCall) -> Done:
        """Gives the reminder, which is as good as done: what becomes of its mail is told apart."""
        summary = first_line(str(call.request["task"]))
        report = str(call.request["prompt"])
        return Done(outcome=Outcome.SUCCEEDED, summary=summary, report=report, report_to=call.agent.target)

    def poll(self, call: AgentCall, handle: str) -> Done | Pending:
        """Is never needed: the reminder is made when `start` returns."""
        raise AgentUncertain(f"run {call.run_id} is no pending one ({handle})")

    def cancel(self, call: AgentCall, handle: str) -> None:
        """Has nothing to stop."""
