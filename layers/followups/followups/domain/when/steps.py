"""What a clock that is put forward or back does to a time of the wall."""

from datetime import datetime
from zoneinfo import ZoneInfo

from followups.domain.walltime import second_time, to_utc, wall


def step_notes(local: datetime, zone: ZoneInfo) -> tuple[str, ...]:
    """Takes a naive time; says whether it does not exist in the zone, or exists twice (WHEN.md, rules 2 and 3)."""
    shown = wall(to_utc(local, zone), zone)
    if shown != local:
        return (
            f"{local:%H:%M} does not exist on {local:%Y-%m-%d} in {zone.key}, where the clock is put forward: "
            f"it is {shown:%H:%M} then",
        )
    if second_time(local, zone) is not None:
        return (
            f"{local:%H:%M} comes twice on {local:%Y-%m-%d} in {zone.key}, where the clock is put back: the first is meant",
        )
    return ()
