"""What a check-up finds, one line each."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    name: str
    #: True: as it must be. False: broken. None: worth a look.
    ok: bool | None
    says: str
    #: The command that mends it.
    mend: str | None = None


def kill_switch(control: Mapping[str, Any]) -> Check:
    """Takes the kill switch as the API answers it; one that is on is worth a look."""
    stopped = bool(control["stopped"])
    says = f"on since {control['changed_at']}: {control['reason'] or 'no reason given'}" if stopped else "off"
    return Check(name="kill switch", ok=None if stopped else True, says=says, mend="followups resume --all")
