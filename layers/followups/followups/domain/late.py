"""How far from its nominal time an occurrence starts: because it cannot (late: a laptop slept, an agent is busy), or as was
asked, so that not all start at once (stagger). What is typed for either is read in `policies`."""

import re
from datetime import timedelta
from itertools import islice, pairwise

from followups.domain.errors import Invalid
from followups.domain.meaning import When
from followups.domain.schedule import occurrences
from followups.domain.walltime import duration
from followups.domain.zones import known_zone

#: It runs once, however late, and is told what else was missed.
RUN_ONCE = "run_once"
#: It does not run if it is later than GRACE.
SKIP = "skip"
#: A lost tick, or a message that has to be sent again, makes nothing late.
GRACE = timedelta(minutes=5)
LONGEST = timedelta(days=366)
#: Starts are spread over an hour at most.
WIDEST = timedelta(hours=1)
#: Occurrences between which the shortest pause is looked for.
_LOOKED_AT = 50
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


def check_stagger(found: When, stagger_s: int) -> None:
    """Takes a time and over how many seconds its starts are spread. Raises Invalid `invalid_stagger` if that is not less
    than there is between its first occurrences."""
    if found.rule is None or found.anchor is None:
        return
    first = occurrences(found.rule, found.anchor, known_zone(found.timezone), found.due_at - timedelta(seconds=1))
    least = min((after.at - before.at for before, after in pairwise(islice(first, _LOOKED_AT))), default=None)
    if least is not None and least <= timedelta(seconds=stagger_s):
        detail = f"starts may be spread over less than the {duration(least)} that are between two of its occurrences"
        raise Invalid("invalid_stagger", detail, field="stagger")
