"""The `command` target: a program of the user's, told its task as JSON on stdin."""

import json
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path

from followups.adapters.agents.process import KEEP, KEEP_ON_DISK, Ended, Processes
from followups.domain.contract import REPORT_LIMIT, AgentCall, Done, Pending, read_answer
from followups.domain.errors import AgentUncertain
from followups.domain.status import Outcome
from followups.domain.text import first_line, plain

#: Ours, and no agent's business: it may hold a password.
_SECRET = ("FOLLOWUPS_SMTP_URL",)
_STDERR_TAIL = 8_000


class CommandAgent:
    """Runs an agent's argument vector as given, without a shell, and reads its answer from stdout.

    `runs_dir` takes the output that is longer than a report may be; `environ` is what the agent inherits; it also inherits
    the descriptors `inherit_fds`, so that a lease outlives us as long as the agent does.
    """

    def __init__(self, runs_dir: Path, *, environ: Mapping[str, str], inherit_fds: Sequence[int] = ()) -> None:
        self._runs_dir = runs_dir
        self._environ = {name: value for name, value in environ.items() if name not in _SECRET}
        self.processes = Processes(inherit_fds=inherit_fds)

    def start(self, call: AgentCall) -> Done:
        """Runs the agent to its end or its deadline."""
        spill = self._runs_dir / f"{call.run_id}.out"
        try:
            ended = self.processes.run(
                call.agent.command,
                stdin=json.dumps(call.request).encode(),
                environ=self.environ(call),
                seconds=call.seconds,
                spill=spill,
            )
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            return Done(outcome=Outcome.FAILED, summary=f"{call.agent.command[0]} could not be started: {reason}")
        return _done(call, ended, str(spill) if ended.out.spilled else None)

    def poll(self, call: AgentCall, handle: str) -> Done | Pending:
        """Is never needed: a command's run is over when `start` returns."""
        raise AgentUncertain(f"run {call.run_id} is no pending one ({handle})")

    def cancel(self, call: AgentCall, handle: str) -> None:
        """Has nothing to stop: a command's run is over when `start` returns."""

    def environ(self, call: AgentCall) -> dict[str, str]:
        """Gives the environment of the run: what its commands say, they say on its account."""
        return self._environ | {"FOLLOWUPS_RUN_ID": call.run_id, "FOLLOWUPS_RUN_TOKEN": call.token}

    def stop_all(self) -> None:
        """Kills the agents that are alive; their runs end as unknown."""
        self.processes.stop_all()


def _done(call: AgentCall, ended: Ended, output_ref: str | None) -> Done:
    if ended.why == "stopped":
        summary = "Followups was shut down and stopped the agent. It may or may not have done its work."
        return Done(outcome=Outcome.UNKNOWN, summary=summary, report=_both(ended), output_ref=output_ref)
    if ended.why == "deadline":
        summary = f"The agent was still at work at its deadline, {call.seconds:.0f} s after its start, and was stopped."
        return Done(outcome=Outcome.TIMED_OUT, summary=summary, report=_both(ended), output_ref=output_ref)
    if ended.code == 0:
        return read_answer(_out(ended), output_ref=output_ref)
    how = f"exited with {ended.code}" if ended.code > 0 else f"was killed by {_signal_name(-ended.code)}"
    said = first_line(plain(ended.err.text))
    done = read_answer(_out(ended), failed=f"The agent {how}{': ' + said if said else '.'}", output_ref=output_ref)
    return Done(outcome=done.outcome, summary=done.summary, report=_both(ended, done.report), output_ref=output_ref)


def _both(ended: Ended, report: str | None = None) -> str:
    """Gives the output, and what stands on stderr behind it."""
    report = plain(_out(ended)) if report is None else report
    said = plain(ended.err.text).strip()[-_STDERR_TAIL:]
    both = f"{report.rstrip()}\n\nstderr:\n{said}".lstrip() if said else report
    return both if len(both) <= REPORT_LIMIT else report[: REPORT_LIMIT - _STDERR_TAIL - 20] + f"\n\nstderr:\n{said}"


def _out(ended: Ended) -> str:
    if ended.out.size <= KEEP:
        return ended.out.text
    rest = f"the first {KEEP_ON_DISK // 1024 // 1024} MB are" if ended.out.size > KEEP_ON_DISK else "all of it is"
    note = f"\n[cut here: the output has {ended.out.size:,} bytes; {rest} kept beside the report]\n"
    return ended.out.text[: KEEP - len(note)] + note


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
