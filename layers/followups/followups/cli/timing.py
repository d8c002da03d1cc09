"""What the commands say alike of a follow-up's times."""

from typing import Any

from followups.cli.shell import local_time, until

Facts = list[tuple[str, str | None]]


def planned(it: dict[str, Any]) -> str:
    """Gives when its occurrence is to start, but for its stagger: what it was put off to, else its nominal time."""
    return str(it["snoozed_to"] or it["due_at"])


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
    waits = it["retry_until_met"].replace(",", ", ") if it["retry_until_met"] else None
    return [("done when", it["done_when"]), ("looks again after", waits), ("gives up", end)]


def understood(told: dict[str, Any]) -> Facts:
    """Gives what a time means: when it comes after the first time, and what is to be known of it."""
    times = [local_time(it["utc"], told["timezone"]) for it in told["next"][1:]]
    return [("then", ", ".join(times) or None), *notes(told)]


def notes(told: dict[str, Any]) -> Facts:
    return [("note", note) for note in told["warnings"]]


def pause_end(it: dict[str, Any]) -> str:
    """Gives ` until …` for a pause that has an end, else nothing."""
    return f" until {local_time(it['paused_until'], it['timezone'])}" if it["paused_until"] else ""
