"""The messages on the queues. They carry names only: what is true is read from the table."""

import json
from dataclasses import dataclass
from typing import Any, Literal

from followups.domain.ids import is_id, is_owner, run_id

VERSION = 1
_FENCES = 10**9


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
    if not isinstance(raw, dict) or type(raw.get("v")) is not int or raw["v"] != VERSION:
        return None
    kind, owner, follow_up_id, fence = (raw.get(name) for name in ("kind", "owner", "follow_up_id", "fence"))
    # They become keys, and a store's key takes neither all characters nor all lengths.
    named = isinstance(owner, str) and is_owner(owner) and isinstance(follow_up_id, str) and is_id(follow_up_id)
    if kind not in ("start", "report") or not named or type(fence) is not int or not 0 < fence < _FENCES:
        return None
    return Message(kind, str(owner), str(follow_up_id), fence)
