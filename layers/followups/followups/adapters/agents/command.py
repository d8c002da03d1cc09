"""The `command` target: a program of the user's, told its task as JSON on stdin."""

import contextlib
import json
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from followups.adapters.agents.process import KEEP, Ended, Processes
from followups.domain.contract import REPORT_LIMIT, AgentCall, Done, Pending, fit, goes_on, read_answer
from followups.domain.errors import AgentUncertain
from followups.domain.status import Outcome
from followups.domain.text import first_line, plain

#: Ours, and no agent's business: it may hold a password.
_SECRET = ("FOLLOWUPS_SMTP_URL",)
_STDERR_TAIL = 8_000
#: Up to this size an answer by the contract is read whole, however little of it the report keeps.
_ANSWER_LIMIT = 4 * 1024 * 1024


class CommandAgent:
    """Runs an agent's argument vector as given, without a shell, and reads its answer from stdout.

    `runs_dir` takes the output that is longer than a report may be; `environ` is what the agent inherits; it also inherits
    the descriptors `inherit_fds`, so that a lease outlives us as long as the agent does, and `on_start` and `on_end` are
    told the number of each process that leads an agent's group.
    """

    def __init__(
        self,
        runs_dir: Path,
        *,
        environ: Mapping[str, str],
        inherit_fds: Sequence[int] = (),
        on_start: Callable[[int], None] = lambda _pid: None,
        on_end: Callable[[int], None] = lambda _pid: None,
    ) -> None:
        self._runs_dir = runs_dir
        self._environ = {name: value for name, value in environ.items() if name not in _SECRET}
        self.processes = Processes(inherit_fds=inherit_fds, on_start=on_start, on_end=on_end)

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
        return _done(call, ended, spill if ended.out.spilled else None)

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


def _done(call: AgentCall, ended: Ended, spilled: Path | None) -> Done:
    # A folder's name may be no UTF-8, and what is stored must be.
    output_ref = os.fsencode(spilled).decode("utf-8", "replace") if spilled else None
    if ended.why == "stopped":
        summary = "Followups was shut down and stopped the agent. It may or may not have done its work."
        return Done(outcome=Outcome.UNKNOWN, summary=summary, report=_both(ended), output_ref=output_ref)
    if ended.why == "deadline":
        summary = f"The agent was still at work at its deadline, {call.seconds:.0f} s after its start, and was stopped."
        return Done(outcome=Outcome.TIMED_OUT, summary=summary, report=_both(ended), output_ref=output_ref)
    if ended.code == 0 and goes_on(ended.out.text):
        summary = "The command answered that it goes on, and has ended: a command is waited for, or is a worker's."
        return Done(outcome=Outcome.UNKNOWN, summary=summary, report=_both(ended))
    if ended.code == 0:
        return read_answer(_answer(ended, spilled), output_ref=output_ref)
    if ended.code < 0:
        # It did not say that it failed: what the out-of-memory killer ends may have acted already.
        summary = f"The agent was killed by {_signal_name(-ended.code)}. It may or may not have done its work."
        return Done(outcome=Outcome.UNKNOWN, summary=summary, report=_both(ended), output_ref=output_ref)
    said = first_line(plain(ended.err.text))
    failed = f"The agent exited with {ended.code}{': ' + said if said else '.'}"
    done = read_answer(_answer(ended, spilled), failed=failed, output_ref=output_ref)
    return Done(outcome=done.outcome, summary=done.summary, report=_both(ended, done.report), output_ref=output_ref)


def _both(ended: Ended, report: str | None = None) -> str:
    """Gives the output, and what stands on stderr behind it."""
    report = plain(_out(ended)) if report is None else report
    said = plain(ended.err.end).strip()[-_STDERR_TAIL:]
    if not said:
        return fit(report)
    tail = f"stderr:\n{said}"
    return f"{fit(report.rstrip(), REPORT_LIMIT - len(tail.encode('utf-8', 'replace')) - 2)}\n\n{tail}".lstrip()


def _answer(ended: Ended, spilled: Path | None) -> str:
    """Gives what is to be read as the answer: a JSON object whole, for a part of one says nothing."""
    out = ended.out
    if spilled and out.text.lstrip("\ufeff \t\r\n").startswith("{") and out.spilled == out.size <= _ANSWER_LIMIT:
        with contextlib.suppress(OSError):
            return spilled.read_text("utf-8", "replace")
    return _out(ended)


def _out(ended: Ended) -> str:
    if ended.out.size <= KEEP:
        return ended.out.text
    part = "all of it is" if ended.out.spilled == ended.out.size else f"the first {ended.out.spilled:,} are"
    kept = f"{part} kept beside the report" if ended.out.spilled else "the rest could not be kept"
    note = f"\n[cut here: the output has {ended.out.size:,} bytes; {kept}]\n"
    return ended.out.text[: KEEP - len(note)] + note


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
