"""What a sweep counts, and the messages that it sends."""

from collections import Counter

from followups.domain.errors import QueueError
from followups.domain.messages import Message
from followups.usecases.world import World

#: What a sweep counted, by word: claimed, resent, polled, given_up, lease_over, reports, held, waiting, moved, resumed,
#: raced, poisoned …; and in late_s how many seconds the latest of those was late that nobody held up.
#: Of those who wait in line, or are held there, it has seen at least so many.
Swept = Counter[str]
_BATCH = 10


class Outgoing:
    """Messages of claims that are already written, sent ten at a time."""

    def __init__(self, world: World, facts: Swept) -> None:
        self._world = world
        self._facts = facts
        self._waiting: list[tuple[Message, int]] = []

    def add(self, message: Message, delay_s: int = 0) -> None:
        self._waiting.append((message, delay_s))
        if len(self._waiting) >= _BATCH:
            self.flush()

    def flush(self) -> None:
        """Sends what waits. What the queue did not take is sent again when its claim is looked at."""
        batch, self._waiting = self._waiting, []
        if not batch:
            return
        try:
            self._world.queue.send(batch)
        except QueueError:
            self._facts["unsent"] += len(batch)
