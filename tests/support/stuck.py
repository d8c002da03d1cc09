"""The engine of `followups dev` in a process that stops at writes that a test names, to be killed there.

`python -m tests.support.stuck HOME` runs what is due. A follow-up whose task is `before running`, `after done` and so on
stops for ever before or after the write that gives it, or its report, that status; the process prints the task then.
"""

import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

from followups import bootstrap, config
from followups.adapters.local import SystemClock
from followups.domain.changes import Change, Swap
from followups.domain.entities import FollowUp, Run
from followups.domain.status import ReportStatus
from followups.local.runtime import Runtime


class _StuckStore:
    """The laptop's store, but for the writes at which it stops."""

    def __init__(self, store: Any) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def commit(self, *changes: Change) -> None:
        new = changes[0].new if isinstance(changes[0], Swap) else None
        status = new.status if isinstance(new, FollowUp) else new.report_status if isinstance(new, Run) else None
        task = new.task if isinstance(new, FollowUp | Run) else ""
        if task == f"before {status}":
            _stop(task)
        if status == ReportStatus.SENDING and task != f"before {ReportStatus.SENT}":
            threading.Event().wait()  # of the reports, that one goes out and no other
        self._store.commit(*changes)
        if task == f"after {status}":
            _stop(task)


def _stop(task: str) -> None:
    os.write(1, f"{task}\n".encode())  # in one piece, whoever else stops at this moment
    threading.Event().wait()


def main(home: Path) -> None:
    """Ticks until it is killed, or for 30 seconds: a test must not wait for ever."""
    environ = {"FOLLOWUPS_HOME": str(home)}
    store, clock = _StuckStore(bootstrap.laptop_store(home)), SystemClock()
    settings = config.read_laptop_config(home, environ)
    parts = bootstrap.laptop_parts(config.read_environment(environ), settings, store=store, clock=clock)
    with Runtime(parts, on_run=lambda _run: None) as runtime:
        end = time.monotonic() + 30
        while time.monotonic() < end:
            runtime.tick()
            time.sleep(0.05)
        os._exit(1)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
