"""The `checklist` target, built in: runs each line of the message as a real check. Offline and deterministic."""

import http.client
import shutil
import socket
import time
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from followups.adapters.agents.command import CommandAgent
from followups.domain import checklist
from followups.domain.checklist import Check, CommandCheck, DiskCheck, FileCheck, HttpCheck, PortCheck
from followups.domain.contract import AgentCall, Done, Pending
from followups.domain.errors import AgentUncertain, Invalid
from followups.domain.status import Outcome
from followups.domain.text import first_line, plain
from followups.ports import Clock

_NETWORK_S = 10.0
_COMPARE = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


class ChecklistAgent:
    """Checks the lines of the prompt one after the other. `command` runs command lines; None where there are none."""

    def __init__(self, clock: Clock, command: CommandAgent | None) -> None:
        self._clock = clock
        self._command = command

    def start(self, call: AgentCall) -> Done:
        """Gives `succeeded` if all checks hold, `attention` if one does not, `timed_out` if there was no time for all."""
        try:
            checks = checklist.parse(str(call.request["prompt"]), allow_commands=self._command is not None)
        except Invalid as error:
            return Done(outcome=Outcome.FAILED, summary=error.detail)
        end = time.monotonic() + call.seconds
        lines, broken, late = [], [], 0
        for check in checks:
            left = end - time.monotonic()
            if left <= 0:
                late += 1
                lines.append(f"--  {check.line}: not checked, out of time")
                continue
            holds, measured = self._check(check, left, call)
            lines.append(f"{'ok' if holds else 'NO'}  {check.line}: {measured}")
            if not holds:
                broken.append(f"{check.line}: {measured}")
        return _done(len(checks), lines, broken, late)

    def poll(self, call: AgentCall, handle: str) -> Done | Pending:
        """Is never needed: the checks are over when `start` returns."""
        raise AgentUncertain(f"run {call.run_id} is no pending one ({handle})")

    def cancel(self, call: AgentCall, handle: str) -> None:
        """Has nothing to stop."""

    def _check(self, check: Check, left: float, call: AgentCall) -> tuple[bool, str]:
        try:
            match check:
                case DiskCheck():
                    return _disk(check)
                case FileCheck():
                    return _file(check, self._clock.now())
                case PortCheck():
                    return _port(check, min(left, _NETWORK_S))
                case HttpCheck():
                    return _http(check, min(left, _NETWORK_S))
                case CommandCheck():
                    return self._run(check, left, call)
        except OSError as error:
            return False, f"cannot be checked: {error.strerror or error}"

    def _run(self, check: CommandCheck, left: float, call: AgentCall) -> tuple[bool, str]:
        if self._command is None:
            return False, "commands run on a laptop only"
        ended = self._command.processes.run(
            check.command, stdin=b"", environ=self._command.environ(call), seconds=left
        )  # fmt: skip
        if ended.why is not None:
            return False, "stopped, out of time" if ended.why == "deadline" else "stopped"
        said = first_line(plain(ended.out.text)) or first_line(plain(ended.err.text))
        how = f"exit code {ended.code}" if ended.code >= 0 else f"killed by signal {-ended.code}"
        return ended.code == 0, f"{how}, {said}" if said else how


def _done(count: int, lines: list[str], broken: list[str], late: int) -> Done:
    report = "\n".join(lines)
    if late:
        summary = f"Out of time: {late} of {count} checks were not made."
        return Done(outcome=Outcome.TIMED_OUT, summary=summary, report=report)
    holding = f"{count - len(broken)} of {count} checks hold"
    if broken:
        return Done(outcome=Outcome.ATTENTION, summary=first_line(f"{holding}; {broken[0]}"), report=report)
    return Done(outcome=Outcome.SUCCEEDED, summary=holding, report=report)


def _disk(check: DiskCheck) -> tuple[bool, str]:
    usage = shutil.disk_usage(check.path)
    # As df has it: of the space that this user could have, not of what is reserved for root.
    percent = 100 * usage.used / max(1, usage.used + usage.free)
    holds = _COMPARE[check.comparison](percent, check.percent)
    return holds, f"{percent:.1f}% used, {_size(usage.free)} free"


def _file(check: FileCheck, now: datetime) -> tuple[bool, str]:
    try:
        status = Path(check.path).expanduser().stat()
    except FileNotFoundError:
        return check.wanted == "missing", "there is no such file"
    age = timedelta(seconds=now.timestamp() - status.st_mtime)
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
