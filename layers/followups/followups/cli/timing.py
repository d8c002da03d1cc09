"""What the commands say alike of a follow-up's times."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from followups.cli.shell import SHORT, local_time, until

Facts = list[tuple[str, str | None]]


def planned(it: dict[str, Any]) -> str:
    """Gives when its occurrence is to start, but for its stagger: what it was put off to, else its nominal time."""
    return str(it["snoozed_to"] or it["due_at"])


def is_past(instant: str) -> bool:
    """Says whether an instant (RFC 3339) has come."""
    return datetime.fromisoformat(instant) <= datetime.now(UTC)


def behind(it: dict[str, Any], live: Callable[[], Sequence[dict[str, Any]]]) -> str | None:
    """Takes a follow-up, and what gives those whose runs are in progress; gives what it waits for though its time has come:
    what it was told, or the runs before it."""
    if it["blocked"]:
        return str(it["blocked"]["reason"])
    if it["status"] != "scheduled" or not is_past(it["starts_at"]):
        return None
    runs = live()
    own = [each["id"][:SHORT] for each in runs if each["agent"] == it["agent"]]
    if own:
        return f"{it['agent']} is at work ({', '.join(own[:3])}{', …' if own[3:] else ''})"
    return f"{len(runs)} other{' run is' if len(runs) == 1 else ' runs are'} under way" if runs else None


def due(it: dict[str, Any]) -> str:
    """Gives that time for a person, with its zone and how far off it is."""
    return f"{local_time(planned(it), it['timezone'])} {it['timezone']} ({until(planned(it))})"


def policies(it: dict[str, Any]) -> Facts:
    """Gives what is to happen otherwise than usual with its starts."""
    late = None if it["late"] == "run_once" else it["late"].replace("_", " ")
    return [("staggered", f"{it['stagger_s']} s after its times" if it["stagger_s"] else None), ("when late", late)]


def until_met(it: dict[str, Any]) -> Facts:
    """Gives when it is a success, and how it is looked at until then."""
    end = local_time(it["give_up_at"], it["timezone"]) if it["give_up_at"] else None
    waits = it["retry_until_met"].split(",") if it["retry_until_met"] else []
    looks = f"{', '.join(waits)}, {f'then each {waits[-1]}' if end else 'then no more'}" if waits else None
    return [("done when", it["done_when"]), ("looks again after", looks), ("gives up", end)]


def understood(told: dict[str, Any]) -> Facts:
    """Gives what a time means: when it comes after the first time, and what is to be known of it."""
    times = [local_time(it["utc"], told["timezone"]) for it in told["next"][1:]]
    return [("then", ", ".join(times) or None), *notes(told)]


def notes(told: dict[str, Any]) -> Facts:
    return [("note", note) for note in told["warnings"]]


def pause_end(it: dict[str, Any]) -> str:
    """Gives ` until …` for a pause that has an end, else nothing."""
    return f" until {local_time(it['paused_until'], it['timezone'])}" if it["paused_until"] else ""
