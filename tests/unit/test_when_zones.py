"""Zones by their IANA names, strictly; what is no such name is refused with one that is."""

import zoneinfo

import pytest

from followups.domain.errors import Invalid
from followups.domain.zones import ABBREVIATIONS, TZDATA, find_zone, known_zone, near_zones, zone_in_words, zone_of_city


@pytest.mark.parametrize(
    ("name", "suggestions"),
    [
        ("europe/berlin", ("Europe/Berlin",)), ("EUROPE/BERLIN", ("Europe/Berlin",)), ("Europe/Berlyn", ("Europe/Berlin",)),
        ("Berlin", ("Europe/Berlin",)), ("new york", ("America/New_York",)), ("America/NewYork", ("America/New_York",)),
        ("utc", ("UTC",)), ("", ()), ("Mars/Phobos", ()), ("GMT+25", ()), ("+01:00", ()), ("Europe", ()), ("Europe/", ()),
        ("Europe/Berlin/", ()), (" Europe/Berlin", ()), ("Europe/Berlin\n", ()), ("../etc/passwd", ()),
        ("/etc/localtime", ()),
        ("Europe/../Europe/Berlin", ()), ("a\x00b", ()), ("Europe/Berlin\x00", ()), ("\ud800", ()), ("x" * 10_000, ()),
        ("Europe/Ber\u0131in", ()), ("localtime", ()), ("posixrules", ()), ("Factory", ()), ("posix/Europe/Berlin", ()),
        ("right/UTC", ()), ("zone.tab", ()), ("tzdata.zi", ()), ("zone1970.tab", ()), ("__init__", ()), (".", ()),
        ("..", ()),
        # They mean one thing here and another there.
        ("EST", ("America/New_York", "America/Panama")), ("CST", ("America/Chicago", "Asia/Shanghai", "America/Havana")),
        ("IST", ("Asia/Kolkata", "Europe/Dublin", "Asia/Jerusalem")), ("cet", ("Europe/Berlin",)),
        ("PDT", ("America/Los_Angeles",)),
    ],
)  # fmt: skip
def test_what_is_no_zone_is_refused_with_one_that_is(name: str, suggestions: tuple[str, ...]) -> None:
    with pytest.raises(Invalid) as refused:
        find_zone(name)
    error = refused.value
    assert (error.code, error.field) == ("unknown_timezone", "timezone")
    assert error.suggestions[: len(suggestions)] == suggestions and error.suggestions and len(error.detail) < 250
    assert all(find_zone(near).key == near for near in error.suggestions)
    if name.lower() not in ABBREVIATIONS:
        with pytest.raises(ValueError, match="not a zone"):
            known_zone(name)


@pytest.mark.parametrize(
    "name", ["Europe/Berlin", "America/Argentina/Buenos_Aires", "UTC", "Etc/GMT+5", "GMT", "Asia/Calcutta"]
)
def test_a_name_is_taken_as_it_is(name: str) -> None:
    assert find_zone(name).key == known_zone(name).key == name


def test_all_zones_of_the_package_are_known_and_the_machines_are_not_asked() -> None:
    assert zoneinfo.TZPATH == ()
    names = zoneinfo.available_timezones() - {"localtime", "posixrules", "Factory"}
    assert len(names) > 500 and {known_zone(name).key for name in names} == names
    assert TZDATA >= "2025"


def test_what_is_offered_for_an_abbreviation_is_a_zone() -> None:
    assert {find_zone(name).key for names in ABBREVIATIONS.values() for name in names}
    assert all(name == name.lower() for name in ABBREVIATIONS)


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("europe/berlin", "Europe/Berlin"),
        ("America/NEW_YORK", "America/New_York"),
        ("utc", "UTC"),
        ("berlin", None),
        ("est", None),
    ],
)
def test_a_zone_within_a_text_may_have_any_case(word: str, name: str | None) -> None:
    zone = zone_in_words(word)
    assert (zone and zone.key) == name


def test_a_city_has_a_zone() -> None:
    assert (zone_of_city("berlin"), zone_of_city("new_york"), zone_of_city("gotham")) == (
        "Europe/Berlin",
        "America/New_York",
        None,
    )
    assert near_zones("gotham city") == ("Europe/Berlin", "UTC")
