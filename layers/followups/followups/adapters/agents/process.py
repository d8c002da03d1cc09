"""Running a command to its end: bounded in time and memory, and gone as a whole when it is over."""

import contextlib
import os
import selectors
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

#: What is kept in memory of each stream: as much as a report may have, with room for a tail of stderr behind it.
KEEP = 240 * 1024
#: And of the end of a longer one.
KEEP_END = 8 * 1024
#: What is kept on disk of a longer one.
KEEP_ON_DISK = 100 * 1024 * 1024
#: Between the request to end and the kill.
GRACE_S = 2.0
#: How long to wait for the end of the output when a descendant that left the group still holds it open.
LINGER_S = 1.0
_CHUNK = 64 * 1024


@dataclass(slots=True)
class Stream:
    """One output stream: its beginning and its end in memory, all of it in a file if it is longer."""

    spill: Path | None
    kept: bytearray = field(default_factory=bytearray)
    size: int = 0
    #: How much of it, from its beginning, lies in the file.
    spilled: int = 0
    _end: bytes = b""
    _file: IO[bytes] | None = None

    def take(self, chunk: bytes) -> None:
        # A disk that is full costs the rest of the file, not the run.
        with contextlib.suppress(OSError):
            self._spill(chunk)
        self.kept += chunk[: max(0, KEEP - len(self.kept))]
        self._end = (self._end + chunk[-KEEP_END:])[-KEEP_END:]
        self.size += len(chunk)

    def _spill(self, chunk: bytes) -> None:
        if self.spill is None or self.size + len(chunk) <= KEEP:
            return
        if self._file is None and self.size <= KEEP:
            self.spill.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._file = os.fdopen(os.open(self.spill, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "wb", buffering=0)
            self.spilled += self._file.write(self.kept)
        # After a write that failed, or was short, there is a gap: what comes behind it is not kept.
        if self._file is not None and self.spilled == self.size < KEEP_ON_DISK:
            self.spilled += self._file.write(chunk)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    @property
    def text(self) -> str:
        return self.kept.decode("utf-8", "replace")

    @property
    def end(self) -> str:
        """The last of it, whatever its size."""
        return (bytes(self.kept) if self.size <= KEEP else self._end).decode("utf-8", "replace")


@dataclass(frozen=True, kw_only=True, slots=True)
class Ended:
    """How a command ended. `code` is negative for a signal; `why` is "deadline" or "stopped" if we ended it."""

    code: int
    out: Stream
    err: Stream
    why: str | None


class Processes:
    """Starts commands and knows those that are alive, so that all can be stopped at once. Thread-safe."""

    def __init__(
        self, *, inherit_fds: Sequence[int] = (), on_start: Callable[[int], None] = lambda _pid: None,
        on_end: Callable[[int], None] = lambda _pid: None,
    ) -> None:  # fmt: skip
        self._fds = tuple(inherit_fds)
        self._on_start, self._on_end = on_start, on_end
        self._lock = threading.Lock()
        self._alive: set[int] = set()
        self._stopped: set[int] = set()
        self._stopping = False

    def run(
        self, command: Sequence[str], *, stdin: bytes, environ: Mapping[str, str], seconds: float, spill: Path | None = None
    ) -> Ended:
        """Runs a command without a shell, in a session of its own in the user's home folder, for at most so many seconds.

        `spill` takes the output that is longer than `KEEP`. Raises OSError if it cannot be started.
        """
        if self._stopping:
            return Ended(code=-signal.SIGKILL, out=Stream(None), err=Stream(None), why="stopped")
        with tempfile.TemporaryFile() as told:
            # A file, not a pipe: an agent that reads nothing, or late, never blocks us.
            told.write(stdin)
            told.seek(0)
            process = subprocess.Popen(
                list(command), stdin=told, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=dict(environ),
                cwd=_home(), start_new_session=True, pass_fds=self._fds,
            )  # fmt: skip
        self._on_start(process.pid)
        with self._lock:
            self._alive.add(process.pid)
            if self._stopping:  # it was born while all were being stopped
                self._stopped.add(process.pid)
                _signal_all(process.pid, signal.SIGKILL)
        try:
            out, err, why = self._attend(process, now() + seconds, spill)
        finally:
            # What the leader left behind goes with it. Before the wait its number cannot be another's.
            _signal_all(process.pid, signal.SIGKILL)
            with self._lock:
                self._alive.discard(process.pid)
                stopped = process.pid in self._stopped
                self._stopped.discard(process.pid)
            # Before it is reaped: from then on its number may be another's.
            self._on_end(process.pid)
            process.wait()
            for pipe in (process.stdout, process.stderr):
                if pipe is not None:
                    pipe.close()
        return Ended(code=process.returncode, out=out, err=err, why="stopped" if stopped else why)

    @property
    def stopping(self) -> bool:
        return self._stopping

    def stop_all(self, *, for_good: bool = True) -> None:
        """Kills every command that is alive, with its group, and starts no more unless it is not for good."""
        with self._lock:
            self._stopping = self._stopping or for_good
            self._stopped |= self._alive
            for pid in self._alive:
                _signal_all(pid, signal.SIGKILL)

    def _attend(
        self, process: "subprocess.Popen[bytes]", deadline: float, spill: Path | None
    ) -> tuple[Stream, Stream, str | None]:
        """Gives what it printed, and "deadline" if it was still at work at its deadline."""
        out, err = Stream(spill), Stream(None)
        assert process.stdout is not None and process.stderr is not None
        why: str | None = None
        kill_at = float("inf")
        linger_until: float | None = None
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ, out)
            selector.register(process.stderr, selectors.EVENT_READ, err)
            while True:
                moment = now()
                if _has_ended(process):
                    if linger_until is None:
                        linger_until = moment + LINGER_S
                        _signal_all(process.pid, signal.SIGKILL)
                    if not selector.get_map() or moment >= linger_until:
                        break
                elif moment >= kill_at:
                    _signal_all(process.pid, signal.SIGKILL)
                elif why is None and moment >= deadline:
                    why, kill_at = "deadline", moment + GRACE_S
                    _signal_all(process.pid, signal.SIGTERM)
                _read_ready(selector)
        out.close()
        return out, err, why


def now() -> float:
    """Gives seconds that also pass while a laptop sleeps: a deadline is a time of the world, not of the processor."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def _read_ready(selector: selectors.BaseSelector) -> None:
    if not selector.get_map():
        time.sleep(0.01)
        return
    for key, _ in selector.select(timeout=0.05):
        chunk = os.read(key.fd, _CHUNK)
        if chunk:
            key.data.take(chunk)
        else:
            selector.unregister(key.fileobj)


def _has_ended(process: "subprocess.Popen[bytes]") -> bool:
    """Says whether the process ended, where that can be without reaping it: while it is a zombie, its group's number
    stays its own."""
    if not hasattr(os, "waitid"):  # macOS before Python 3.13
        return process.poll() is not None
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _signal_all(pid: int, number: signal.Signals) -> None:
    """Signals the group of a session's leader and, where there is a /proc, the session's other groups: `timeout` and shells
    with job control make such."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)
    with contextlib.suppress(FileNotFoundError):
        # Twice for each run: to make a path of each number would take longer than all else here.
        for number_ in map(int, filter(str.isdigit, os.listdir("/proc"))):  # noqa: PTH208
            with contextlib.suppress(ProcessLookupError, PermissionError):
                if os.getsid(number_) == pid != os.getpgid(number_):
                    os.kill(number_, number)


def _home() -> str | None:
    home = Path.home()
    return str(home) if home.is_dir() else None
