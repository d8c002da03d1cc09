"""The event sources: what arrives at a function, and how it comes again."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from followups.domain.messages import Message
from tests.simulation.engine import Process

if TYPE_CHECKING:
    from tests.simulation.stack import Stack

_RECEIVES = 5


@dataclass(eq=False)
class Consumer:
    """An event source: at most so many invocations at once; what its invocation does not survive comes again."""

    stack: "Stack"
    kind: str
    at_once: int
    lives: int
    waiting: deque[tuple[Message, int, str]]
    busy: int = 0

    def arrive(self, message: Message, receive: int, name: str) -> None:
        self.waiting.append((message, receive, name))
        self.pump()

    def pump(self) -> None:
        while self.waiting and self.busy < self.at_once:
            message, receive, name = self.waiting.popleft()
            self.busy += 1
            self.stack.invoke(name, self.stack.work(message), lives=self.lives, ended=self._ended(message, receive, name))

    def _ended(self, message: Message, receive: int, name: str) -> Callable[[Process], None]:
        def ended(process: Process) -> None:
            self.busy -= 1
            if process.error is not None:
                self.stack.checks.fail(f"{name} let an error out: {process.error!r}")
            if process.dead and receive < _RECEIVES:
                back = self.stack.engine.now + 6 * self.lives
                self.stack.engine.at(back, lambda: self.arrive(message, receive + 1, f"{name}'"))
            self.pump()

        return ended
