"""A laptop's clock, luck, delay queue and signing key."""

import heapq
import itertools
import os
import random
import secrets
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from followups.domain import ids
from followups.domain.errors import QueueError, StoreError
from followups.domain.messages import Message


class SystemClock:
    """The machine's clock, in whole milliseconds; `shift` moves it, for trying out what happens later."""

    def __init__(self, shift: timedelta = timedelta(0)) -> None:
        self._shift = shift

    def now(self) -> datetime:
        moment = datetime.now(UTC) + self._shift
        return moment.replace(microsecond=moment.microsecond // 1000 * 1000)

    def sleep(self, time_: timedelta) -> None:
        time.sleep(max(0.0, time_.total_seconds()))


class SystemChance:
    """The machine's randomness: names from its secret source, luck from the ordinary one."""

    def new_id(self) -> str:
        return ids.encode_id(secrets.token_bytes(17))

    def luck(self) -> float:
        return random.random()  # noqa: S311 - jitter, not a secret


class MemoryQueue:
    """A delay queue in memory. What it loses in a crash the table brings back: a claim is sent again."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Message]] = []
        #: Those in the heap: what waits already need not wait twice, however often it is sent again.
        self._waiting: set[Message] = set()
        self._order = itertools.count()
        lock = threading.Lock()
        #: For those who take: one for each message, for ten that wake for one get in each other's way.
        self._changed = threading.Condition(lock)
        self._idle = threading.Condition(lock)
        self._taken = 0
        self._closed = False

    def send(self, messages: Sequence[tuple[Message, int]]) -> None:
        now = time.monotonic()
        with self._changed:
            for message, delay_s in messages:
                if message in self._waiting:
                    continue
                self._waiting.add(message)
                heapq.heappush(self._heap, (now + delay_s, next(self._order), message))
                self._changed.notify()

    def take(self) -> Message | None:
        """Gives the next message whose time has come, waiting for it, or None when the queue is closed. Each message
        that was taken must be reported `done`."""
        with self._changed:
            while not self._closed:
                wait = self._heap[0][0] - time.monotonic() if self._heap else None
                if wait is not None and wait <= 0:
                    self._taken += 1
                    message = heapq.heappop(self._heap)[2]
                    self._waiting.discard(message)
                    return message
                self._changed.wait(wait)
            return None

    def done(self) -> None:
        """Says that a taken message was handled."""
        with self._changed:
            self._taken -= 1
            if not (self._heap or self._taken):
                self._idle.notify_all()

    def idle(self, timeout_s: float | None = None) -> bool:
        """Waits until nothing waits and nothing is in hand, or for the timeout; says whether it is so."""
        with self._idle:
            return self._idle.wait_for(lambda: not (self._heap or self._taken), timeout_s)

    def in_hand(self) -> int:
        """Gives how many messages are being handled."""
        with self._changed:
            return self._taken

    def close(self) -> list[Message]:
        """Ends all `take`s; gives the messages that nobody took."""
        with self._changed:
            self._closed = True
            left = [message for _, _, message in sorted(self._heap)]
            self._heap.clear()
            self._waiting.clear()
            self._changed.notify_all()
            if not self._taken:
                self._idle.notify_all()
            return left


class NoLeases:
    """Leases that end by their time only: on AWS, and where no agent is started."""

    holder = None

    def surely_over(self, _holder: str, _run_id: str) -> bool:
        return False

    def put_down(self, _holder: str) -> None:
        """Has nobody to end."""


class NoQueue:
    """A queue for a process that claims nothing: what is due waits in the store for the next sweep."""

    def send(self, messages: Sequence[tuple[Message, int]]) -> None:
        raise QueueError(f"{len(messages)} messages for a process that runs nothing")


def secret_keys(path: Path) -> tuple[bytes, ...]:
    """Gives the laptop's signing keys, 32 bytes each: the present one, made at its first use and readable by its user only,
    and the one before it, if it was rotated.

    Raises StoreError if a file is there and is no key.
    """
    before = _previous(path)
    try:
        keys = {path: _key(path)} | ({before: before.read_bytes()} if before.exists() else {})
    except OSError as error:
        raise StoreError(f"{error.filename or path} cannot be read or made: {error.strerror}") from error
    for file, key in keys.items():
        if len(key) != 32:
            raise StoreError(f"{file} is no signing key ({len(key)} bytes, not 32); move it away and a new one is made")
    return tuple(keys.values())


def rotate_secret(path: Path) -> None:
    """Lets a new key sign from now on. What the present one has signed is good until the next time. Raises StoreError."""
    secret_keys(path)
    try:
        path.replace(_previous(path))
    except OSError as error:
        raise StoreError(f"{path} cannot be moved: {error.strerror}") from error
    secret_keys(path)


def _previous(path: Path) -> Path:
    return path.with_name(f"{path.name}.previous")


def _key(path: Path) -> bytes:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not path.exists():
        fresh = path.with_name(f"{path.name}.{secrets.token_hex(4)}.new")
        fd = os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(fd, "wb") as file:
            file.write(secrets.token_bytes(32))
            file.flush()
            os.fsync(file.fileno())
        try:
            # A link, unlike a rename, leaves a key alone that another process has put there meanwhile.
            os.link(fresh, path)
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
    return path.read_bytes()
