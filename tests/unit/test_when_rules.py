"""The fifteen rules of WHEN.md (14 is in test_when_refusals, 15 is no matter of reading), each with its fixtures."""

from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest

from followups.domain.errors import Invalid
from followups.domain.preview import preview
from followups.domain.schedule import occurrences
from followups.domain.when import When, parse
from followups.domain.zones import known_zone

NEW_YORK, BERLIN = "America/New_York", "Europe/Berlin"


def read(text: str, zone: str, at: str) -> When:
    return parse(text, at=datetime.fromisoformat(at).astimezone(UTC), timezone=zone)


def shown(text: str, zone: str, at: str, count: int) -> list[str]:
    """Gives the first occurrences as the zone's clock shows them, with its offset."""
    found = read(text, zone, at)
    assert found.rule is not None and found.anchor is not None
    where = known_zone(zone)
    times = islice(occurrences(found.rule, found.anchor, where, found.due_at - timedelta(seconds=1)), count)
    return [it.at.astimezone(where).isoformat(timespec="minutes") for it in times]


def due(text: str, zone: str, at: str) -> str:
    return read(text, zone, at).due_at.astimezone(known_zone(zone)).isoformat(timespec="minutes")


def test_1_days_are_wall_clock_and_hours_are_elapsed() -> None:
    at = "2026-10-30T09:00-04:00"
    assert due("7d", NEW_YORK, at) == "2026-11-06T09:00-05:00"
    assert read("7d", NEW_YORK, at).due_at - datetime.fromisoformat(at) == timedelta(hours=169)
    assert due("168h", NEW_YORK, at) == "2026-11-06T08:00-05:00"
    assert due("1w", NEW_YORK, at) == due("P7D", NEW_YORK, at) == due("in 7 days", NEW_YORK, at)
    assert shown("daily", NEW_YORK, at, 3)[1:] == ["2026-11-01T09:00-05:00", "2026-11-02T09:00-05:00"]
    assert shown("every 24 hours", NEW_YORK, at, 3)[1:] == ["2026-11-01T08:00-05:00", "2026-11-02T08:00-05:00"]


def test_2_a_time_that_does_not_exist_runs_at_the_first_instant_that_does() -> None:
    said = "02:30 does not exist on 2027-03-14 in America/New_York, where the clock is put forward: it is 03:00 then"
    once = read("2027-03-14 02:30", NEW_YORK, "2026-11-24T12:00-05:00")
    assert once.due_at.isoformat() == "2027-03-14T07:00:00+00:00"
    assert once.notes == (said,)
    assert shown("every day at 2:30", NEW_YORK, "2027-03-13T03:00-05:00", 2) == [
        "2027-03-14T03:00-04:00", "2027-03-15T02:30-04:00",
    ]  # fmt: skip
    assert preview(read("every day at 2:30", NEW_YORK, "2027-03-12T12:00-05:00")).warnings == (said,)
    # Two times of one day that fall into the gap are one instant, and run once.
    assert shown("every day at 2:00 and 2:30", NEW_YORK, "2027-03-13T03:00-05:00", 2) == [
        "2027-03-14T03:00-04:00", "2027-03-15T02:00-04:00",
    ]  # fmt: skip


def test_3_a_time_that_exists_twice_runs_once_and_the_first() -> None:
    once = read("2026-11-01 01:30", NEW_YORK, "2026-10-24T12:00-04:00")
    assert once.due_at.isoformat() == "2026-11-01T05:30:00+00:00"
    assert "comes twice" in once.notes[0]
    assert shown("every day at 1:30", NEW_YORK, "2026-10-31T12:00-04:00", 2) == [
        "2026-11-01T01:30-04:00", "2026-11-02T01:30-05:00",
    ]  # fmt: skip
    both = ["2026-11-01T01:00-04:00", "2026-11-01T01:30-04:00", "2026-11-01T01:00-05:00", "2026-11-01T01:30-05:00"]
    assert shown("every 30 minutes", NEW_YORK, "2026-11-01T00:30-04:00", 5) == [*both, "2026-11-01T02:00-05:00"]
    assert shown("*/30 * * * *", NEW_YORK, "2026-11-01T00:30-04:00", 5) == [*both, "2026-11-01T02:00-05:00"]
    assert shown("30 1 * * *", NEW_YORK, "2026-10-31T12:00-04:00", 2)[1] == "2026-11-02T01:30-05:00"


# Of years that are over: what is to come in these zones changes with tzdata (2026f has neither Havana's step of March 2027
# nor Casablanca's of February 2027, which WHEN.md names).


@pytest.mark.parametrize(
    ("zone", "day", "midnight"),
    [
        ("America/Santiago", "2025-09-07", "01:00-03:00"), ("Africa/Cairo", "2025-04-25", "01:00+03:00"),
        ("Asia/Beirut", "2025-03-30", "01:00+03:00"), ("America/Havana", "2025-03-09", "01:00-04:00"),
    ],
)  # fmt: skip
def test_4_midnight_can_be_missing_and_a_bare_date_is_at_nine(zone: str, day: str, midnight: str) -> None:
    at = "2025-01-01T12:00+00:00"
    assert due(day, zone, at).startswith(f"{day}T09:00")
    assert due(f"{day} 00:00", zone, at) == f"{day}T{midnight}"
    before = f"{datetime.fromisoformat(day) - timedelta(days=1):%Y-%m-%d}T12:00+00:00"
    assert shown("every day at midnight", zone, before, 1) == [f"{day}T{midnight}"]


@pytest.mark.parametrize(
    ("text", "zone", "expected"),
    [
        ("2025-10-05 02:15", "Australia/Lord_Howe", "2025-10-05T02:30+11:00"),
        ("2025-03-30 01:30", "Antarctica/Troll", "2025-03-30T03:00+02:00"),
        ("2025-03-30 02:59", "Antarctica/Troll", "2025-03-30T03:00+02:00"),
        ("2025-10-26 01:30", "Antarctica/Troll", "2025-10-26T01:30+02:00"),
        ("2025-02-23 02:30", "Africa/Casablanca", "2025-02-23T02:30+01:00"),
        ("2025-04-06 02:30", "Africa/Casablanca", "2025-04-06T03:00+01:00"),
    ],
)
def test_5_a_step_is_not_always_an_hour(text: str, zone: str, expected: str) -> None:
    assert due(text, zone, "2025-01-01T12:00+00:00") == expected


def test_6_months_are_added_to_the_anchor() -> None:
    assert [it[:10] for it in shown("monthly", BERLIN, "2027-01-31T10:00+01:00", 4)] == [
        "2027-02-28", "2027-03-31", "2027-04-30", "2027-05-31",
    ]  # fmt: skip
    yearly = shown("yearly", BERLIN, "2028-02-29T10:00+01:00", 4)
    assert [it[:10] for it in yearly] == ["2029-02-28", "2030-02-28", "2031-02-28", "2032-02-29"]
    assert "28 February" in read("yearly", BERLIN, "2028-02-29T10:00+01:00").notes[0]


def test_7_our_words_clamp_and_an_rrule_skips() -> None:
    at = "2027-01-15T10:00+01:00"
    assert [it[:10] for it in shown("every month on the 31st", BERLIN, at, 4)] == [
        "2027-01-31", "2027-02-28", "2027-03-31", "2027-04-30",
    ]  # fmt: skip
    assert [it[:10] for it in shown("RRULE:FREQ=MONTHLY;BYMONTHDAY=31", BERLIN, at, 4)] == [
        "2027-01-31", "2027-03-31", "2027-05-31", "2027-07-31",
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["every other monday", "every 2 weeks on monday", "RRULE:FREQ=WEEKLY;INTERVAL=2;BYDAY=MO"])
def test_8_every_other_monday_starts_with_the_first_real_one(text: str) -> None:
    mondays = ["2027-01-04", "2027-01-18", "2027-02-01"]
    assert [it[:10] for it in shown(text, BERLIN, "2027-01-01T08:00+01:00", 3)] == mondays
    assert [it[:10] for it in shown(f"{text} starting 2027-01-01", BERLIN, "2026-11-01T08:00+01:00", 3)] == mondays


@pytest.mark.parametrize("text", ["0 9 1 * mon", "0 9 13 * 5", "0 9 1-7 * 1#1"])
def test_9_cron_with_both_days_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match="two readings") as refused:
        read(text, BERLIN, "2026-11-24T12:00+01:00")
    assert refused.value.code == "invalid_recurrence"


def test_10_weekdays_are_judged_in_the_zone() -> None:
    # Monday at 9 in Auckland is Sunday in UTC.
    assert read("every monday at 9", "Pacific/Auckland", "2026-11-24T12:00+00:00").due_at.isoformat() == (
        "2026-11-29T20:00:00+00:00"
    )
    assert due("weekdays at 23:30", "America/Los_Angeles", "2026-11-27T23:45-08:00") == "2026-11-30T23:30-08:00"


def test_11_a_span_alone_is_once() -> None:
    assert read("30m", BERLIN, "2026-11-24T12:00+01:00").rule is None
    assert str(read("every 30m", BERLIN, "2026-11-24T12:00+01:00").rule) == "FREQ=MINUTELY;INTERVAL=30"


def test_12_zones_are_said_back_and_offsets_are_for_once() -> None:
    at = "2026-11-24T12:00+01:00"
    assert read("tomorrow at 9", BERLIN, at).words.endswith("Europe/Berlin")
    assert read("every day at 9 Asia/Kolkata", BERLIN, at).words.endswith("Asia/Kolkata")
    assert due("2026-12-01T09:00+05:30", BERLIN, at) == "2026-12-01T04:30+01:00"
    for text in ("every day at 9:00+01:00", "daily at 9:00Z", "every monday at 9:00 -0500"):
        with pytest.raises(Invalid, match="needs a zone and no offset"):
            read(text, BERLIN, at)
    for text, zone in (("9am EST", NEW_YORK), ("every day at 9 CST", "America/Chicago"), ("9am ist", "Asia/Kolkata")):
        with pytest.raises(Invalid, match="abbreviation") as refused:
            read(text, BERLIN, at)
        assert zone in refused.value.suggestions[0]


@pytest.mark.parametrize(
    "text", ["every feb 30", "0 0 30 2 *", "0 9 31 4,6 *", "RRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"]
)
def test_13_what_never_comes_is_refused(text: str) -> None:
    with pytest.raises(Invalid) as refused:
        read(text, BERLIN, "2026-11-24T12:00+01:00")
    assert refused.value.code == "invalid_recurrence"
