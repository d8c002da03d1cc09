"""Time zones by their IANA names. Their data is the `tzdata` package's, never the system's: so its version is known."""

import zoneinfo
from functools import cache
from zoneinfo import ZoneInfo

import tzdata

from followups.domain.errors import Invalid

#: Of the data in use, like "2026c".
TZDATA: str = tzdata.IANA_VERSION
#: Files of the data that are no zones.
_NO_ZONES = frozenset({"localtime", "posixrules", "Factory"})
#: What people abbreviate means one thing here and another there, and says nothing of summer time.
ABBREVIATIONS = {
    "acst": ["Australia/Adelaide"], "aedt": ["Australia/Sydney"], "aest": ["Australia/Sydney", "Australia/Brisbane"],
    "akst": ["America/Anchorage"], "ast": ["America/Halifax", "Asia/Riyadh"], "awst": ["Australia/Perth"],
    "bst": ["Europe/London", "Asia/Dhaka"], "cat": ["Africa/Maputo"], "cdt": ["America/Chicago", "America/Havana"],
    "cest": ["Europe/Berlin"], "cet": ["Europe/Berlin"], "cst": ["America/Chicago", "Asia/Shanghai", "America/Havana"],
    "eat": ["Africa/Nairobi"], "edt": ["America/New_York"], "eest": ["Europe/Athens"], "eet": ["Europe/Athens"],
    "est": ["America/New_York", "America/Panama"], "hkt": ["Asia/Hong_Kong"], "hst": ["Pacific/Honolulu"],
    "ist": ["Asia/Kolkata", "Europe/Dublin", "Asia/Jerusalem"], "jst": ["Asia/Tokyo"], "kst": ["Asia/Seoul"],
    "mdt": ["America/Denver"], "met": ["Europe/Berlin"], "msk": ["Europe/Moscow"],
    "mst": ["America/Denver", "America/Phoenix"],
    "nzdt": ["Pacific/Auckland"], "nzst": ["Pacific/Auckland"], "pdt": ["America/Los_Angeles"],
    "pst": ["America/Los_Angeles", "Asia/Manila"], "sast": ["Africa/Johannesburg"], "sgt": ["Asia/Singapore"],
    "west": ["Europe/Lisbon"], "wet": ["Europe/Lisbon"],
}  # fmt: skip

zoneinfo.reset_tzpath(to=())


def find_zone(name: str) -> ZoneInfo:
    """Takes a name as people write it. Raises Invalid `unknown_timezone`, also for an abbreviation like EST."""
    if zones := ABBREVIATIONS.get(name.lower()):
        raise Invalid(
            "unknown_timezone", f"{name[:60]!r} is an abbreviation, and says too little; write {' or '.join(zones)}",
            field="timezone", suggestions=tuple(zones), readings=tuple(zones),
        )  # fmt: skip
    try:
        return known_zone(name)
    except ValueError as error:
        near = near_zones(name)
        raise Invalid(
            "unknown_timezone", f"{name[:60]!r} is not an IANA time zone; write one like {' or '.join(near)}",
            field="timezone", suggestions=near,
        ) from error  # fmt: skip


def zone_of(name: str) -> ZoneInfo:
    """Takes a name as a machine or a store has it, which may be one of the old ones, like CET. Raises Invalid
    `unknown_timezone`."""
    try:
        return known_zone(name)
    except ValueError:
        return find_zone(name)


def known_zone(name: str) -> ZoneInfo:
    """Takes an IANA name, as it is stored. Raises ValueError."""
    if name not in _names():
        raise ValueError(f"not a zone: {name[:60]!r}")
    return ZoneInfo(name)


def zone_in_words(word: str) -> ZoneInfo | None:
    """Gives the zone that a word of a longer text names, whatever its case, or None."""
    name = _by_lower_case().get(word.lower())
    return None if name is None else ZoneInfo(name)


def zone_of_city(city: str) -> str | None:
    """Takes a word like `berlin` or `new_york`; gives the name of the zone that is called after it, or None."""
    return next(iter(_of_city(city)), None) if city.isascii() else None


def near_zones(name: str) -> tuple[str, ...]:
    """Gives up to two zones whose names are near to what was typed, else two that everybody knows."""
    from difflib import get_close_matches  # Only what is wrong needs it.

    names = _by_lower_case()
    typed = name.lower().replace(" ", "_")[:40]
    close = [names[typed]] if typed in names else _of_city(typed.rpartition("/")[2])
    near = close or [names[it] for it in get_close_matches(typed, names, 2, 0.7)]
    return tuple(near[:2]) or ("Europe/Berlin", "UTC")


def _of_city(city: str) -> list[str]:
    return _by_city().get(city, [])


@cache
def _by_city() -> dict[str, list[str]]:
    cities: dict[str, list[str]] = {}
    for lower, name in _by_lower_case().items():
        if "/" in name:
            cities.setdefault(lower.rpartition("/")[2], []).append(name)
    return cities


@cache
def _names() -> frozenset[str]:
    from importlib import resources  # zoneinfo needs it with the first zone; a command that needs none does not.

    names = resources.files(tzdata).joinpath("zones").read_text(encoding="ascii").split()
    return frozenset(names) - _NO_ZONES


@cache
def _by_lower_case() -> dict[str, str]:
    return {name.lower(): name for name in sorted(_names()) if name.lower() not in ABBREVIATIONS}
