"""A laptop's leases: they end with the processes that hold them, and not before."""

import contextlib
import fcntl
import os
import secrets
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PROC = Path("/proc")


class FileLeases:
    """Each holder keeps a locked file, and the agents that it starts inherit the lock.

    The kernel drops an flock(2) when the last descriptor of its open file is closed, however the processes died. So a
    lock that can be taken says that the holder and its agents are gone, but for agents that closed what they inherited
    (ssh does). For those the file lists the process group of each agent, after a first line for the holder itself.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._holder = f"{socket.gethostname()[:40]}-{os.getpid()}-{secrets.token_hex(4)}"
        self._working: set[str] = set()
        self._lock = threading.Lock()
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._path = self._path_of(self._holder)
        # Locked before it has its name: nobody must find it unlocked and take its holder for dead.
        unborn = self._path.with_suffix(".new")
        self._fd = os.open(unborn, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_APPEND, 0o600)
        fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self.register(os.getpid())
        unborn.rename(self._path)

    @property
    def holder(self) -> str:
        return self._holder

    @property
    def fd(self) -> int:
        """The descriptor that agents must inherit."""
        return self._fd

    def register(self, pid: int) -> None:
        """Notes a process that leads a group of its own; `pid` is its number."""
        os.write(self._fd, f"{pid} {_started(pid) or 0}\n".encode())

    @contextmanager
    def working(self, run_id: str) -> Iterator[None]:
        """Says that this process works at a run for as long as the context lasts."""
        with self._lock:
            self._working.add(run_id)
        try:
            yield
        finally:
            with self._lock:
                self._working.discard(run_id)

    def surely_over(self, holder: str, run_id: str) -> bool:
        """Says whether the holder and all its agents are gone; of this very process, whether it does not work at the run.

        A file that is gone was removed by a holder that ended cleanly.
        """
        if holder == self._holder:
            with self._lock:
                return run_id not in self._working
        try:
            fd = os.open(self._path_of(holder), os.O_RDWR)
        except FileNotFoundError:
            return True
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        finally:
            os.close(fd)
        return not any(_is_group_alive(pid, started) for pid, started in self._listed(holder)[1:])

    def put_down(self, holder: str) -> None:
        """Kills the agents of a holder that is gone itself: nobody else holds them to their deadline."""
        listed = self._listed(holder)
        if holder == self._holder or not listed or _started(listed[0][0]) == listed[0][1]:
            return
        for pid, started in listed[1:]:
            if _is_group_alive(pid, started):
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(pid, signal.SIGKILL)

    def sweep_files(self) -> None:
        """Removes the lock files of holders that are gone; call it when their leases were ended."""
        for path in self._folder.glob("*.lock"):
            if path != self._path and self.surely_over(path.name.removesuffix(".lock"), ""):
                path.unlink(missing_ok=True)

    def close(self) -> None:
        """Gives the lock up; call it when no agent of this process is left."""
        os.close(self._fd)
        self._path.unlink(missing_ok=True)

    def _listed(self, holder: str) -> list[tuple[int, int]]:
        try:
            lines = self._path_of(holder).read_text(encoding="ascii").splitlines()
        except OSError:
            return []
        pairs = [line.split() for line in lines]
        return [(int(pair[0]), int(pair[1])) for pair in pairs if len(pair) == 2]

    def _path_of(self, holder: str) -> Path:
        return self._folder / f"{Path(holder).name}.lock"


def _is_group_alive(pgid: int, started: int) -> bool:
    """Says whether a group that was led by the process `pgid`, started then, has a member that is no zombie."""
    try:
        os.killpg(pgid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return False  # the number is another user's by now
    if not _PROC.is_dir():
        return True
    if (leader := _started(pgid)) is not None and leader != started:
        return False  # the number is another process's by now
    stats = (_stat(path.name) for path in _PROC.iterdir() if path.name.isdigit())
    return any(int(stat[2]) == pgid and stat[0] not in "ZX" for stat in stats if stat)


def _started(pid: int) -> int | None:
    """Gives when a process started, in the kernel's ticks; None if there is no such process, or no /proc."""
    stat = _stat(str(pid))
    return int(stat[19]) if stat else None


def _stat(pid: str) -> list[str] | None:
    """Gives the fields of /proc/PID/stat from the third on: state, parent, group … (proc(5))."""
    try:
        return (_PROC / pid / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
