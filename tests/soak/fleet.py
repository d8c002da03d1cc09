"""The processes of a soak: started, started again when they die, and killed at random moments."""

import ctypes
import os
import random
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, sleep
from typing import Protocol

from tests.soak import marks

_PR_SET_PDEATHSIG = 1
# Looked up here: between fork and exec of a program with threads nothing may be loaded.
_prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None


class Process(Protocol):
    @property
    def pid(self) -> int: ...

    def poll(self) -> int | None:
        """Gives the exit code, negative for a signal, or None while it lives."""


@dataclass(kw_only=True)
class Member:
    """A place that always has a process: when that ends, the next one is started."""

    kind: str
    start: Callable[[], Process]
    #: Exit codes with which it may end of its own accord. Any other, and any signal that we did not send, is an oddity.
    may_end: frozenset[int] = frozenset()
    #: Gives the seconds after such an end until the next start; after a kill it is started at once.
    pause: Callable[[], float] = lambda: 0.0
    process: Process | None = None
    start_at: float = 0.0
    killed: bool = False


@dataclass(kw_only=True)
class Fleet:
    """All processes that may be killed. Used by one thread, but for `guest`."""

    marks: Path
    members: Sequence[Member] = ()
    #: How many were killed, by kind.
    kills: Counter[str] = field(default_factory=Counter)
    #: What ended although nobody killed it, in words.
    oddities: list[str] = field(default_factory=list)
    #: Ends of their own accord, by kind.
    ends: Counter[str] = field(default_factory=Counter)
    _guests: dict[int, tuple[str, "subprocess.Popen[bytes]"]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def tend(self) -> None:
        """Notes who ended, and starts those whose time has come."""
        now = monotonic()
        for member in self.members:
            if member.process is not None and (code := member.process.poll()) is not None:
                self._note_end(member, code)
                member.start_at = now if member.killed else now + member.pause()
                member.process = None
            if member.process is None and now >= member.start_at:
                member.process, member.killed = member.start(), False

    def kill(self, member: Member, *, group: bool = False) -> None:
        """Kills a member's process, or its whole group, and says so in the marks first."""
        if member.process is None or member.process.poll() is not None:
            return
        marks.write(self.marks, "killed", "-", member.kind, member.process.pid)
        member.killed = True
        self.kills[member.kind] += 1
        kill(member.process.pid, group=group)

    @contextmanager
    def guest(self, kind: str, process: "subprocess.Popen[bytes]") -> Iterator[None]:
        """Lends a process that somebody else waits for, so that it may be killed too."""
        with self._lock:
            self._guests[process.pid] = (kind, process)
        try:
            yield
        finally:
            with self._lock:
                del self._guests[process.pid]

    def kill_guest(self, luck: random.Random) -> None:
        """Kills one of those that are lent, if there is one."""
        with self._lock:
            if self._guests:
                kind, process = luck.choice(list(self._guests.values()))
                if process.poll() is None:
                    process.kill()
                    self.kills[kind] += 1

    def stop(self) -> None:
        """Kills all members at once and waits until they are gone. They are not started again."""
        for member in self.members:
            self.kill(member)
        for member in self.members:
            until = monotonic() + 10
            while member.process is not None and member.process.poll() is None:
                if monotonic() > until:
                    raise TimeoutError(f"a killed {member.kind} (process {member.process.pid}) does not end")
                sleep(0.005)
            member.process = None

    def _note_end(self, member: Member, code: int) -> None:
        if member.killed and code == -signal.SIGKILL:
            return
        if code in member.may_end:
            self.ends[member.kind if code >= 0 else f"{member.kind}, out of time"] += 1
            if code < 0 and member.process is not None:
                marks.write(self.marks, "killed", "-", member.kind, member.process.pid)
        elif not member.killed:
            self.oddities.append(f"a {member.kind} ended by itself with {code}")


@dataclass(kw_only=True)
class Killer:
    """Decides from its luck when who dies."""

    fleet: Fleet
    tail: marks.Tail
    luck: random.Random
    #: How often each kind is chosen; "agent" are the agents' own processes, "create" the guests.
    weights: Mapping[str, int]
    #: Seconds between two kills on average.
    every_s: float
    _next: float = 0.0
    #: Set while an agent's death is due and none is alive: they are short.
    _agent: bool = False

    def act(self) -> None:
        """Kills somebody, if the time has come."""
        now = monotonic()
        if self._agent:
            self._agent = not self._kill_agent()
        if now < self._next:
            return
        first, self._next = self._next == 0.0, now + self.luck.expovariate(1 / self.every_s)
        if first:
            return
        kind = self.luck.choices(list(self.weights), list(self.weights.values()))[0]
        group = self.luck.random() < 0.3
        if kind == "agent":
            self._agent = True
        elif kind == "create":
            self.fleet.kill_guest(self.luck)
        elif alive := [it for it in self.fleet.members if it.kind == kind and it.process is not None]:
            self.fleet.kill(self.luck.choice(alive), group=group)

    def _kill_agent(self) -> bool:
        """Kills an agent, if one is alive; says whether it did."""
        self.tail.read()
        path = self.fleet.marks
        if alive := [mark for mark in self.tail.alive.values() if marks.is_alive(mark.pid, path)]:
            chosen = self.luck.choice(alive)
            marks.write(path, "killed", chosen.run_id, chosen.agent, chosen.pid)
            if marks.is_alive(chosen.pid, path):
                kill(chosen.pid)
                self.fleet.kills["agent"] += 1
        return bool(alive)


def popen(words: Sequence[str | Path], *, environ: Mapping[str, str], log: Path) -> "subprocess.Popen[bytes]":
    """Starts a program in a group of its own; it dies with the thread that started it (Linux), and writes into `log`."""
    with log.open("wb") as file:
        return subprocess.Popen(
            words, env=dict(environ), stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT,
            start_new_session=True, preexec_fn=die_with_parent,  # noqa: PLW1509 - one system call, looked up before
        )  # fmt: skip


def die_with_parent() -> None:
    """Asks the kernel to kill this process when its parent dies: a killed harness leaves nobody behind."""
    if _prctl is not None:
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def kill(pid: int, *, group: bool = False) -> None:
    """Kills a process, or its whole group; one that is gone already is no matter."""
    with suppress(ProcessLookupError):
        if group:
            # Who has not made its group yet is killed alone.
            with suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
                return
        os.kill(pid, signal.SIGKILL)
