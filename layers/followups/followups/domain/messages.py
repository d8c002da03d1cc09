"""The messages on the queues. They carry names only: what is true is read from the table."""

import json
from dataclasses import dataclass
from typing import Any, Literal

from followups.domain.ids import run_id

VERSION = 1


@dataclass(frozen=True, slots=True)
class Message:
    """`kind` start: start (or poll) the follow-up's run of this fence; report: send the report of that run."""

    kind: Literal["start", "report"]
    owner: str
    follow_up_id: str
    fence: int

    @property
    def run_id(self) -> str:
        """The id of the run that it is about."""
        return run_id(self.follow_up_id, self.fence)

    def to_json(self) -> str:
        return json.dumps(
            {"v": VERSION, "kind": self.kind, "owner": self.owner, "follow_up_id": self.follow_up_id, "fence": self.fence}
        )


def read_message(body: str) -> Message | None:
    """Gives the message, or None for anything else: what cannot be read is dropped and counted, the sweeper owns
    liveness."""
    try:
        raw: Any = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(raw, dict) or raw.get("v") != VERSION or raw.get("kind") not in ("start", "report"):
        return None
    owner, follow_up_id, fence = raw.get("owner"), raw.get("follow_up_id"), raw.get("fence")
    if not (isinstance(owner, str) and isinstance(follow_up_id, str) and type(fence) is int and fence > 0):
        return None
    return Message(raw["kind"], owner, follow_up_id, fence)
