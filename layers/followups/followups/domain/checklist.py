"""The checklist: lines that a person writes, each a real check. Strict: a line that is not known is refused at create."""

import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlsplit

from followups.domain.errors import Invalid

MAX_LINES = 50
FORMS = (
    "disk / < 80%",
    "file PATH newer than 1d",
    "file PATH exists",
    "port 127.0.0.1:22 open",
    "http URL is 200",
    "command PROGRAM ARGUMENT ...",
)
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_HOST_PORT = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*\.?)):(\d{1,5})", re.ASCII)


@dataclass(frozen=True, slots=True)
class DiskCheck:
    """How full the disk that holds `path` may be, in percent of its size."""

    line: str
    path: str
    comparison: str
    percent: float


@dataclass(frozen=True, slots=True)
class FileCheck:
    """`wanted` is exists, missing, newer or older; the last two have an age."""

    line: str
    path: str
    wanted: str
    age: timedelta | None = None


@dataclass(frozen=True, slots=True)
class PortCheck:
    """Whether something listens."""

    line: str
    host: str
    port: int
    is_open: bool


@dataclass(frozen=True, slots=True)
class HttpCheck:
    """Whether a GET answers with the status; redirects are not followed."""

    line: str
    url: str
    status: int


@dataclass(frozen=True, slots=True)
class CommandCheck:
    """Whether a command ends with exit code 0."""

    line: str
    command: tuple[str, ...]


Check = DiskCheck | FileCheck | PortCheck | HttpCheck | CommandCheck


def parse(message: str, *, allow_commands: bool) -> tuple[Check, ...]:
    """Takes a checklist, a check on each line that is neither blank nor a `#` comment; gives the checks.

    Raises Invalid `invalid_checklist`, naming the line and forms that would work.
    """
    numbered = [(n, line.strip()) for n, line in enumerate(message.splitlines(), 1)]
    lines = [(n, line) for n, line in numbered if line and not line.startswith("#")]
    if not lines:
        raise _invalid("the message is the checklist, and it is empty; write one check on each line", FORMS[:3])
    if len(lines) > MAX_LINES:
        raise _invalid(f"a checklist has at most {MAX_LINES} checks, this one has {len(lines)}", ())
    return tuple(_parse_line(number, line, allow_commands) for number, line in lines)


def _parse_line(number: int, line: str, allow_commands: bool) -> Check:
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise _invalid(f"line {number}, {_short(line)}, has a quote that is not closed", ()) from error
    verb = words[0].lower() if words else ""
    if verb.startswith(("http://", "https://")):
        verb, words = "http", ["http", *words]
    if verb == "command" and not allow_commands:
        raise _invalid(f"line {number}: commands run on a laptop only", FORMS[:5])
    reader = _READERS.get(verb)
    check = reader(line, words[1:]) if reader else None
    if check is None:
        near = [form for form in FORMS if form.startswith(verb + " ")] or list(FORMS[:3])
        raise _invalid(f"line {number}, {_short(line)}, is not a check I know", near[:3])
    return check


def _disk(line: str, words: list[str]) -> Check | None:
    if not words or not words[0]:
        return None
    found = re.fullmatch(r"(<=|>=|<|>)\s*(\d{1,3}(?:\.\d{1,2})?)\s*%", " ".join(words[1:]), re.ASCII)
    if not found or not 0 <= float(found[2]) <= 100:
        return None
    return DiskCheck(line, words[0], found[1], float(found[2]))


def _file(line: str, words: list[str]) -> Check | None:
    if not words or not words[0]:
        return None
    path, wanted = words[0], " ".join(words[1:]).lower()
    if wanted in ("exists", "is missing"):
        return FileCheck(line, path, wanted.removeprefix("is "))
    found = re.fullmatch(r"(newer|older) than (\d{1,5})([smhdw])", wanted, re.ASCII)
    if not found or int(found[2]) == 0:
        return None
    return FileCheck(line, path, found[1], timedelta(seconds=int(found[2]) * _UNITS[found[3]]))


def _port(line: str, words: list[str]) -> Check | None:
    found = _HOST_PORT.fullmatch(words[0]) if len(words) == 2 else None
    if not found or words[1].lower() not in ("open", "closed") or not 1 <= int(found[3]) <= 65_535:
        return None
    return PortCheck(line, found[1] or found[2], int(found[3]), words[1].lower() == "open")


def _http(line: str, words: list[str]) -> Check | None:
    # The `is` may be left out, as may the verb: an address and a number say it all.
    wanted = words[2:] if len(words) == 3 and words[1].lower() == "is" else words[1:]
    if len(wanted) != 1 or not re.fullmatch(r"[1-5]\d\d", wanted[0], re.ASCII):
        return None
    try:
        url = urlsplit(words[0])
        fits = url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
    except ValueError:
        return None
    safe = words[0].isascii() and words[0].isprintable() and " " not in words[0]
    return HttpCheck(line, words[0], int(wanted[0])) if fits and safe else None


def _command(line: str, words: list[str]) -> Check | None:
    return CommandCheck(line, tuple(words)) if words and words[0] else None


_READERS: dict[str, Callable[[str, list[str]], Check | None]] = {
    "disk": _disk,
    "file": _file,
    "port": _port,
    "http": _http,
    "command": _command,
}


def _short(line: str) -> str:
    return repr(line if len(line) <= 60 else line[:57] + "...")


def _invalid(what: str, forms: tuple[str, ...] | list[str]) -> Invalid:
    hint = f"; write it like {', or '.join(forms)}" if forms else ""
    return Invalid("invalid_checklist", f"{what}{hint}", field="message")
