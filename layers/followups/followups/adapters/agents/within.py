"""Work with a time limit that no slow or dripping peer can stretch."""

import threading
from collections.abc import Callable
from typing import TypeVar

from followups.domain.errors import AgentUncertain, FollowupsError

T = TypeVar("T")


def within(seconds: float, work: Callable[[Callable[[], bool]], T], *, name: str) -> T:
    """Gives what `work` gives, or raises what it raises of our own errors; AgentUncertain after so many seconds.

    A socket's timeout begins anew with each byte, so it is no limit for one that drips. The work is done in a thread, which
    is left to itself when its time is over: `work` is given a question to ask between two steps, whether it is.
    """
    ended: list[T] = []
    failed: list[FollowupsError] = []
    over = threading.Event()

    def run() -> None:
        try:
            ended.append(work(over.is_set))
        except FollowupsError as error:
            failed.append(error)

    # A daemon: a peer that never ends must not keep the process.
    thread = threading.Thread(target=run, name=name, daemon=True)
    thread.start()
    thread.join(seconds)
    over.set()
    if failed:
        raise failed[0]
    if not ended:
        why = f"no answer within {seconds:.0f} s" if thread.is_alive() else "the call broke off, see the log"
        raise AgentUncertain(f"{name}: {why}")
    return ended[0]
