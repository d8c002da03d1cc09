"""From an event to a use case and back: what Lambda calls, and what the laptop's runtime calls with the same shapes.

Nothing in an event is trusted but the names in it: what is true is read from the store.
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

Event = Mapping[str, Any]
Log = Callable[[str, Mapping[str, Any]], None]


class Context(Protocol):
    """The part of Lambda's context object that the handlers use."""

    def get_remaining_time_in_millis(self) -> int:
        """Gives the milliseconds until this process is killed."""


Handler = Callable[[Event, Context], dict[str, Any]]


def silent(_word: str, _facts: Mapping[str, Any]) -> None:
    """A log that keeps nothing."""
