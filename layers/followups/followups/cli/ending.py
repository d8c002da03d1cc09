"""How `dev`, `run-due` and `worker` end on Ctrl-C, a SIGTERM or a closed terminal: what is begun is ended first."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

from followups.cli.shell import Session

if TYPE_CHECKING:
    from followups.local.runtime import Runtime


class Ending:
    """Makes each signal that ends a program a KeyboardInterrupt, and can hold the first of them back."""

    def __init__(self) -> None:
        self._held = self._came = False
        # Ctrl-C too, for a script's `&` makes it ignored.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._end)
        if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:  # nohup ignores it, and means it
            signal.signal(signal.SIGHUP, self._end)

    @property
    def came(self) -> bool:
        """Whether a signal was held back, and waits for the end of the block."""
        return self._came

    @contextmanager
    def held(self) -> Iterator[None]:
        """Lets a signal wait for the end of the block; a second one breaks into it.

        For a worker's run, which has an end of its own; and for a tick, which notes each claim and report in the store, and
        only then has a message for the queue. What breaks off between the two costs the follow-up minutes.
        """
        self._held = True
        try:
            yield
        finally:
            self._held = False
            if self._came:
                self._came = False
                raise KeyboardInterrupt

    def _end(self, _number: int, _frame: FrameType | None) -> None:
        if self._held and not self._came:
            self._came = True
            return
        raise KeyboardInterrupt


def end_quietly(session: Session, runtime: "Runtime") -> None:
    """Ends after Ctrl-C: gives back what was not started, waits for what runs; a second Ctrl-C kills it."""
    alive = runtime.stop_claiming()
    try:
        if alive:
            session.say(f"Waiting for {alive} run{'s' if alive > 1 else ''} to end; Ctrl-C again stops them.")
        runtime.drain()
    except KeyboardInterrupt:
        session.say("Stopping them.")
        if not runtime.stop_agents():
            session.say("What runs elsewhere goes on; `followups dev` and `run-due` ask how it ended.")
