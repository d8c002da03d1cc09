"""Wall time and instants: the one place where a naive local time becomes UTC."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from followups.domain.zones import known_zone


def to_utc(local: datetime, zone: ZoneInfo) -> datetime:
    """Gives the instant of a naive local time.

    A time that exists twice is its first occurrence; one that does not exist is the first instant that does
    (WHEN.md, rules 2 and 3).
    """
    first = local.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if wall(first, zone) == local:
        return first
    # In a gap the two folds read the wall time with the offset before and after the step, so the step lies between.
    low, high = local.replace(tzinfo=zone, fold=1).astimezone(UTC), first
    before = low.astimezone(zone).utcoffset()
    while high - low > timedelta(seconds=1):
        middle = low + (high - low) / 2
        if middle.astimezone(zone).utcoffset() == before:
            low = middle
        else:
            high = middle
    return high.replace(microsecond=0)


def second_time(local: datetime, zone: ZoneInfo) -> datetime | None:
    """Gives the second instant of a naive local time that exists twice, else None."""
    first, second = (local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    return second if second > first and wall(second, zone) == local else None


def wall(moment: datetime, zone: ZoneInfo) -> datetime:
    """Gives what a clock in the zone shows, as a naive time."""
    return moment.astimezone(zone).replace(tzinfo=None)


def format_instant(moment: datetime, zone_name: str) -> str:
    """Gives an instant as a person in the zone reads it: `Tue 2026-12-01 09:00 Europe/Berlin`."""
    return f"{moment.astimezone(known_zone(zone_name)):%a %Y-%m-%d %H:%M} {zone_name}"


def duration(time: timedelta) -> str:
    """Gives a span in words: `0.4 s`, `12 s`, `3 min 5 s`, `2 h 10 min`, `3 days 4 h`."""
    seconds = max(0.0, time.total_seconds())
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes_left = divmod(minutes, 60)
    days, hours_left = divmod(hours, 24)
    parts = [(days, "day" if days == 1 else "days"), (hours_left, "h"), (minutes_left, "min"), (rest, "s")]
    while parts and not parts[0][0]:
        parts.pop(0)
    return " ".join(f"{count} {unit}" for count, unit in parts[:2] if count)


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
