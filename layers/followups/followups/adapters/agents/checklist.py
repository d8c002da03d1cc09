"""The `checklist` target, built in: runs each line of the message as a real check. Offline and deterministic."""

import http.client
import shutil
import socket
import ssl
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from followups.adapters.agents.command import CommandAgent
from followups.adapters.agents.process import now
from followups.domain import checklist
from followups.domain.checklist import Check, CommandCheck, DiskCheck, FileCheck, HttpCheck, PortCheck
from followups.domain.contract import EVIDENCE_LIMIT, AgentCall, Done, Pending
from followups.domain.errors import AgentUncertain, Invalid
from followups.domain.status import Outcome, Verdict
from followups.domain.text import first_line, plain
from followups.ports import Clock

#: How long a check may take that is no command.
_PATIENCE_S = 10.0
#: What paths, host names and times of files can raise.
_UNCHECKABLE = (OSError, ValueError, RuntimeError, OverflowError)
#: What is the other side's answer that it does not answer. A name that nobody knows, or no network, may be our own trouble.
_NO_ANSWER = (ConnectionError, ssl.SSLError)
_AGES_S = 1e12
_COMPARE = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


class _Stopped(Exception):
    """Followups is being shut down."""


class _OutOfTime(Exception):
    """The deadline came before the check's answer."""


@dataclass(slots=True)
class _Found:
    """What the checks have come to."""

    #: The report.
    lines: list[str] = field(default_factory=list)
    #: Those that were seen not to hold; those of which that could not be told; and how many
    #: there was no time for.
    broken: list[str] = field(default_factory=list)
    unseen: list[str] = field(default_factory=list)
    missing: int = 0

    def take(self, check: Check, holds: bool | None, measured: str) -> None:
        said = f"{check.line}: {measured}"
        self.lines.append(f"{'ok' if holds else 'NO'}  {said}")
        if not holds:
            (self.unseen if holds is None else self.broken).append(said)

    def late(self, check: Check, what: str) -> None:
        self.missing += 1
        self.lines.append(f"--  {check.line}: {what}, out of time")

    def done(self, *, asked: bool) -> Done:
        """Gives the answer, with a verdict if it is asked for one."""
        count, wrong = len(self.lines), [*self.broken, *self.unseen]
        outcome, summary = Outcome.SUCCEEDED, f"{count - len(wrong)} of {count} checks hold"
        if self.missing:
            outcome, summary = Outcome.TIMED_OUT, f"Out of time: {self.missing} of {count} checks were not finished."
        elif wrong:
            outcome, summary = Outcome.ATTENTION, first_line(f"{summary}; {wrong[0]}")
        done = Done(outcome=outcome, summary=summary, report="\n".join(self.lines))
        if not asked:
            return done
        if self.missing:
            return replace(done, verdict=Verdict.CANNOT_TELL, evidence=summary)
        verdict = Verdict.NOT_MET if self.broken else Verdict.CANNOT_TELL if wrong else Verdict.MET
        evidence = "\n".join(self.broken or self.unseen) or f"{summary}."
        return replace(done, verdict=verdict, evidence=plain(evidence)[:EVIDENCE_LIMIT])


class ChecklistAgent:
    """Checks the lines of the prompt one after the other. `command` runs command lines; None where there are none."""

    def __init__(self, clock: Clock, command: CommandAgent | None) -> None:
        self._clock = clock
        self._command = command

    def start(self, call: AgentCall) -> Done:
        """Gives `succeeded` if all checks hold, `attention` if one does not, `timed_out` if there was no time for all.

        Asked for a verdict it goes by the checks, whatever the words of `done_when` are.
        """
        try:
            checks = checklist.parse(str(call.request["prompt"]), allow_commands=self._command is not None)
        except Invalid as error:
            return Done(outcome=Outcome.FAILED, summary=error.detail)
        end = now() + call.seconds
        found = _Found()
        for check in checks:
            left = end - now()
            if left <= 0:
                found.late(check, "not checked")
                continue
            try:
                holds, measured = self._check(check, left, call)
            except _OutOfTime:
                found.late(check, "stopped")
                continue
            except _Stopped:
                summary = "Followups was shut down and stopped the checks."
                return Done(outcome=Outcome.UNKNOWN, summary=summary, report="\n".join(found.lines))
            found.take(check, holds, measured)
        return found.done(asked=bool(call.request.get("done_when")))

    def poll(self, call: AgentCall, handle: str) -> Done | Pending:
        """Is never needed: the checks are over when `start` returns."""
        raise AgentUncertain(f"run {call.run_id} is no pending one ({handle})")

    def cancel(self, call: AgentCall, handle: str) -> None:
        """Has nothing to stop."""

    def _check(self, check: Check, left: float, call: AgentCall) -> tuple[bool | None, str]:
        """Gives whether it holds, None if that could not be seen, and what was measured."""
        if self._command is not None and self._command.processes.stopping:
            raise _Stopped
        seconds, clock = min(left, _PATIENCE_S), self._clock
        try:
            match check:
                case DiskCheck():
                    return _within(seconds, lambda: _disk(check))
                case FileCheck():
                    return _within(seconds, lambda: _file(check, clock.now()))
                case PortCheck():
                    return _within(min(left, seconds + 1), lambda: _port(check, seconds))
                case HttpCheck():
                    return _within(seconds, lambda: _http(check, seconds))
                case CommandCheck():
                    return self._run(check, left, call)
        except TimeoutError as error:
            if seconds < _PATIENCE_S:
                raise _OutOfTime from error
            # A disk that does not answer says nothing of what is on it.
            holds = None if isinstance(check, DiskCheck | FileCheck) else False
            return holds, f"no answer within {seconds:.0f} s"
        except _NO_ANSWER as error:
            return False, f"no answer: {getattr(error, 'reason', None) or error.strerror or error}"
        except _UNCHECKABLE as error:
            return None, f"cannot be checked: {getattr(error, 'strerror', None) or error}"

    def _run(self, check: CommandCheck, left: float, call: AgentCall) -> tuple[bool, str]:
        if self._command is None:
            return False, "commands run on a laptop only"
        ended = self._command.processes.run(
            check.command, stdin=b"", environ=self._command.environ(call), seconds=left
        )  # fmt: skip
        if ended.why == "stopped":
            raise _Stopped
        if ended.why is not None:
            raise _OutOfTime
        said = first_line(plain(ended.out.text)) or first_line(plain(ended.err.text))
        how = f"exit code {ended.code}" if ended.code >= 0 else f"killed by signal {-ended.code}"
        return ended.code == 0, f"{how}, {said}" if said else how


def _within(seconds: float, work: Callable[[], tuple[bool, str]]) -> tuple[bool, str]:
    """Works in a thread that is left behind if it takes longer: a name server, a dead disk and a server that drips heed no
    timeout. Raises TimeoutError, and what the work raises."""
    answer: Future[tuple[bool, str]] = Future()

    def look() -> None:
        try:
            answer.set_result(work())
        except _UNCHECKABLE as error:
            answer.set_exception(error)

    threading.Thread(target=look, daemon=True, name="followups-check").start()
    return answer.result(timeout=seconds)


def _disk(check: DiskCheck) -> tuple[bool, str]:
    usage = shutil.disk_usage(Path(check.path).expanduser())
    # As df has it: of the space that this user could have, not of what is reserved for root.
    percent = 100 * usage.used / max(1, usage.used + usage.free)
    holds = _COMPARE[check.comparison](percent, check.percent)
    return holds, f"{percent:.1f}% used, {_size(usage.free)} free"


def _file(check: FileCheck, now: datetime) -> tuple[bool, str]:
    try:
        status = Path(check.path).expanduser().stat()
    except (FileNotFoundError, NotADirectoryError):
        return check.wanted == "missing", "there is no such file"
    # Some file systems keep times that no timedelta holds.
    age = timedelta(seconds=max(-_AGES_S, min(_AGES_S, now.timestamp() - status.st_mtime)))
    holds = {
        "exists": True,
        "missing": False,
        "newer": check.age is not None and age < check.age,
        "older": check.age is not None and age > check.age,
    }[check.wanted]
    return holds, f"changed {_age(age)} ago, {_size(status.st_size)}"


def _port(check: PortCheck, seconds: float) -> tuple[bool, str]:
    try:
        socket.create_connection((check.host, check.port), timeout=seconds).close()
    except ConnectionRefusedError:
        return not check.is_open, "closed"
    except TimeoutError:
        if seconds < _PATIENCE_S:
            raise
        return not check.is_open, f"no answer within {seconds:.0f} s"
    return check.is_open, "open"


def _http(check: HttpCheck, seconds: float) -> tuple[bool, str]:
    url = urlsplit(check.url)
    kind = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
    connection = kind(url.hostname or "", url.port, timeout=seconds)
    target = (url.path or "/") + (f"?{url.query}" if url.query else "")
    try:
        connection.request("GET", target, headers={"User-Agent": "followups-checklist", "Accept": "*/*"})
        status = connection.getresponse().status
    except http.client.HTTPException as error:
        return False, f"answered no HTTP ({type(error).__name__})"
    finally:
        connection.close()
    return status == check.status, f"status {status}"


def _size(count: float) -> str:
    for unit in ("bytes", "KB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def _age(age: timedelta) -> str:
    seconds = max(0, int(age.total_seconds()))
    for size, name in ((86_400, "days"), (3_600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds // size} {name}"
    return f"{seconds} seconds"
