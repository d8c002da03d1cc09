"""The file in which agents and harness say what they do: one line each, appended whole, so that many may write at once."""

import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.soak import agent


@dataclass(frozen=True, kw_only=True, slots=True)
class Mark:
    """`word` is start, end or failed, by an agent's run; mailing, by who is about to send its report; or killed, by the
    harness, just before it kills."""

    word: str
    #: "-" where a process was killed that is no agent.
    run_id: str
    #: The agent's name, or the kind of the process that was killed.
    agent: str
    #: The process in which it happens; 0 for an agent that lives in no process of ours.
    pid: int
    #: Seconds of the machine's one monotonic clock.
    at: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Interval:
    """A time for which an agent was surely alive."""

    run_id: str
    agent: str
    start: float
    end: float


def now() -> float:
    """Gives the time of a mark."""
    return agent.now()


def write(path: Path, word: str, run_id: str, name: str, pid: int, *, at: float | None = None) -> None:
    """Appends a mark of that moment, or of now."""
    agent.mark(str(path), word, run_id, name, pid, now() if at is None else at)


def read(path: Path) -> list[Mark]:
    """Gives all marks, in the order in which they were written; none if there is no file."""
    return parse(path.read_text(encoding="ascii").splitlines()) if path.exists() else []


def parse(lines: Iterable[str]) -> list[Mark]:
    """Gives the marks. Raises ValueError for a line that is none: a torn one would hide a run."""
    found = []
    for line in lines:
        word, run_id, name, pid, at = line.split(" ")
        found.append(Mark(word=word, run_id=run_id, agent=name, pid=int(pid), at=float(at)))
    return found


def intervals(marks: Sequence[Mark]) -> list[Interval]:
    """Gives for each start how long the agent was surely alive, soonest first.

    Its own end comes first. One that has none was killed: by the harness, whose mark then ends it (of the run, or of the
    process that the agent is part of). Where neither is known it counts for its start only: never longer than it lived.
    """
    ends: dict[object, list[float]] = defaultdict(list)
    for mark in marks:
        if mark.word in ("end", "failed"):
            ends["own", mark.run_id].append(mark.at)
        elif mark.word == "killed":
            ends["killed", mark.pid if mark.run_id == "-" else mark.run_id].append(mark.at)
    found = []
    for mark in marks:
        if mark.word == "start":
            kinds = ("own", mark.run_id), ("killed", mark.run_id), ("killed", mark.pid)
            after = [min((at for at in ends[kind] if at >= mark.at), default=None) for kind in kinds]
            end = next((at for at in after if at is not None), mark.at)
            found.append(Interval(run_id=mark.run_id, agent=mark.agent, start=mark.at, end=end))
    return sorted(found, key=lambda it: it.start)


class Tail:
    """Follows the file while it grows: who has started and not ended."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        #: The start marks of agents that may be alive, by run.
        self.alive: dict[str, Mark] = {}
        self.started = 0
        self.ended = 0

    def read(self) -> None:
        """Takes in what was written since."""
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            file.seek(self._offset)
            whole = file.read().rpartition(b"\n")[0]
        self._offset += len(whole) + 1 if whole else 0
        for mark in parse(whole.decode("ascii").splitlines()):
            if mark.word == "start":
                self.started += 1
                self.alive[mark.run_id] = mark
            elif mark.word != "mailing" and self.alive.pop(mark.run_id, None):
                self.ended += mark.word != "killed"


def is_alive(pid: int, path: Path) -> bool:
    """Says whether a process is an agent that writes into this file (Linux): numbers are used again."""
    try:
        return os.fsencode(path) in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False


def alive(path: Path) -> list[int]:
    """Gives the processes that are agents which write into this file, also those that have not begun yet (Linux)."""
    return [int(it.name) for it in Path("/proc").glob("[0-9]*") if is_alive(int(it.name), path)]
