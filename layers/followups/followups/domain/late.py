"""How far from its nominal time an occurrence starts: because it cannot (late: a laptop slept, an agent is busy), or as was
asked, so that not all start at once (stagger). What is typed for either is read in `policies`."""

import re
from datetime import timedelta

#: It runs once, however late, and is told what else was missed.
RUN_ONCE = "run_once"
#: It does not run if it is later than GRACE.
SKIP = "skip"
#: A lost tick, or a message that has to be sent again, makes nothing late.
GRACE = timedelta(minutes=5)
LONGEST = timedelta(days=366)
#: Starts are spread over an hour at most.
WIDEST = timedelta(hours=1)
_STORED = re.compile(r"run_within (\d{1,6})([mhd])", re.ASCII)
UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}


def allowed(policy: str | None) -> timedelta | None:
    """Takes a policy as stored; gives how late an occurrence may start, None for however late. Raises ValueError."""
    if policy is None or policy == RUN_ONCE:
        return None
    if policy == SKIP:
        return GRACE
    if found := _STORED.fullmatch(policy):
        return int(found[1]) * UNITS[found[2]]
    raise ValueError(f"not a late policy: {policy[:40]!r}")
