"""What a check-up finds, one line each."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    name: str
    #: True: as it must be. False: broken. None: worth a look.
    ok: bool | None
    says: str
    #: The command that mends it.
    mend: str | None = None
