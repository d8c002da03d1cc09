"""What people may type for a time that comes once (WHEN.md): text, zone and moment in, the due instant out."""

from datetime import UTC, datetime, timedelta

import pytest

from followups.domain.errors import Invalid
from followups.domain.when import parse, put_off

#: A Thursday, half past nine in Berlin.
NOW = datetime(2026, 11, 26, 8, 30, 15, 999_000, tzinfo=UTC)


def due(text: str, *, zone: str = "Europe/Berlin", at: datetime = NOW) -> str:
    found = parse(text, at=at, timezone=zone)
    assert found.rule is None and found.anchor is None and found.text == text
    return f"{found.due_at:%Y-%m-%dT%H:%M:%SZ}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # Compact, and with spaces.
        ("7d", "12-03T08:30:15"), ("1w", "12-03T08:30:15"), ("2w", "12-10T08:30:15"), ("90m", "11-26T10:00:15"),
        ("12h", "11-26T20:30:15"), ("1h30m", "11-26T10:00:15"), ("1w2d", "12-05T08:30:15"), ("1mo", "12-26T08:30:15"),
        ("30s", "11-26T08:30:45"), ("1m30s", "11-26T08:31:45"), ("1d2h", "11-27T10:30:15"), ("1h 30m", "11-26T10:00:15"),
        ("7 d", "12-03T08:30:15"), ("in 7d", "12-03T08:30:15"), ("in 1h30m", "11-26T10:00:15"), ("30min", "11-26T09:00:15"),
        # Worded.
        ("in 3 days", "11-29T08:30:15"), ("in 2 weeks", "12-10T08:30:15"), ("in an hour", "11-26T09:30:15"),
        ("in 10 seconds", "11-26T08:30:25"), ("3 days from now", "11-29T08:30:15"), ("7 days", "12-03T08:30:15"),
        ("in a week", "12-03T08:30:15"), ("a week from now", "12-03T08:30:15"), ("  IN  3   Days ", "11-29T08:30:15"),
        ("in two weeks", "12-10T08:30:15"), ("in one hour", "11-26T09:30:15"), ("in half an hour", "11-26T09:00:15"),
        ("in 1 hour and 30 minutes", "11-26T10:00:15"), ("in 1 hour 30 minutes", "11-26T10:00:15"),
        ("3 hrs", "11-26T11:30:15"), ("in a fortnight", "12-10T08:30:15"), ("in 1 month", "12-26T08:30:15"),
        # With a time of day.
        ("in 3 days at 9am", "11-29T08:00:00"), ("tomorrow 14:00", "11-27T13:00:00"), ("tomorrow at 9", "11-27T08:00:00"),
        ("tomorrow", "11-27T08:00:00"), ("Tomorrow, 2pm", "11-27T13:00:00"), ("noon tomorrow", "11-27T11:00:00"),
        ("at noon tomorrow", "11-27T11:00:00"), ("5 pm tomorrow", "11-27T16:00:00"), ("today 6pm", "11-26T17:00:00"),
        ("day after tomorrow at 9", "11-28T08:00:00"), ("the day after tomorrow", "11-28T08:00:00"),
        ("a week from monday", "12-07T08:00:00"), ("2 weeks from tomorrow at 10", "12-11T09:00:00"),
        ("one week from today", "12-03T08:00:00"), ("tomorrow at 9 o'clock", "11-27T08:00:00"),
        ("tomorrow at 9:30 a.m.", "11-27T08:30:00"), ("tomorrow at 9.", "11-27T08:00:00"),
        ("tomorrow at nine", "11-27T08:00:00"), ("at ten am", "11-26T09:00:00"),
        # Absolute.
        ("2026-12-01", "12-01T08:00:00"), ("2026-12-01T09:00", "12-01T08:00:00"), ("2026-12-01 09:00:15", "12-01T08:00:15"),
        ("2026-12-01T09:00Z", "12-01T09:00:00"), ("2026-12-01t09:00z", "12-01T09:00:00"),
        ("2026-12-01T09:00-05:00", "12-01T14:00:00"), ("2026-12-01 09:00 +0530", "12-01T03:30:00"),
        ("2026-12-01T09:00:00.123Z", "12-01T09:00:00"), ("2026-12-01 09:00 Europe/London", "12-01T09:00:00"),
        ("2026-12-01 9am", "12-01T08:00:00"), ("2026-12-01 at 14:00", "12-01T13:00:00"),
        ("2026-12-01T09:00[America/New_York]", "12-01T14:00:00"), ("Tue 2026-12-01 09:00 Europe/Berlin", "12-01T08:00:00"),
        # Weekdays.
        ("friday", "11-27T08:00:00"), ("fri 9:30am", "11-27T08:30:00"), ("this friday", "11-27T08:00:00"),
        ("thursday", "12-03T08:00:00"), ("thursday at 10", "11-26T09:00:00"), ("on friday at 5pm", "11-27T16:00:00"),
        ("5pm friday", "11-27T16:00:00"), ("5pm on friday", "11-27T16:00:00"), ("next monday", "11-30T08:00:00"),
        ("next tuesday 14:00", "12-01T13:00:00"), ("friday at midnight", "11-26T23:00:00"),
        # Named.
        ("dec 1", "12-01T08:00:00"), ("1 dec 2026", "12-01T08:00:00"), ("1st of december at 2pm", "12-01T13:00:00"),
        ("december the 1st", "12-01T08:00:00"), ("dec 1, 2026, 2pm", "12-01T13:00:00"), ("end of month", "11-30T08:00:00"),
        ("the end of the month", "11-30T08:00:00"), ("end of year", "12-31T08:00:00"), ("tue dec 1", "12-01T08:00:00"),
        ("Tuesday, 1 December 2026", "12-01T08:00:00"), ("last friday of december", "12-25T08:00:00"),
        ("first monday in december", "12-07T08:00:00"),
        # Times of day.
        ("9am", "11-27T08:00:00"), ("10am", "11-26T09:00:00"), ("9:30pm", "11-26T20:30:00"), ("14:00", "11-26T13:00:00"),
        ("at 17", "11-26T16:00:00"), ("noon", "11-26T11:00:00"), ("midday", "11-26T11:00:00"), ("12pm", "11-26T11:00:00"),
        ("midnight", "11-26T23:00:00"), ("12am", "11-26T23:00:00"), ("morning", "11-27T08:00:00"),
        ("evening", "11-26T17:00:00"), ("this evening", "11-26T17:00:00"), ("tomorrow morning", "11-27T08:00:00"),
        ("9am UTC", "11-26T09:00:00"), ("9am america/new_york", "11-26T14:00:00"),
        # ISO 8601 durations.
        ("P7D", "12-03T08:30:15"), ("PT36H", "11-27T20:30:15"), ("p1w", "12-03T08:30:15"), ("PT1M", "11-26T08:31:15"),
        ("P1M", "12-26T08:30:15"), ("P1DT2H", "11-27T10:30:15"),
    ],
)  # fmt: skip
def test_what_is_understood(text: str, expected: str) -> None:
    assert due(text) == f"2026-{expected}Z"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1y", "2027-11-26T08:30:15Z"), ("1y6mo", "2028-05-26T07:30:15Z"),
        ("first monday of march", "2027-03-01T08:00:00Z"), ("3rd wednesday of january 2028", "2028-01-19T08:00:00Z"),
        ("nov 26", "2027-11-26T08:00:00Z"),
        ("29 feb", "2028-02-29T08:00:00Z"), ("nov 26 at 10", "2026-11-26T09:00:00Z"),
    ],
)  # fmt: skip
def test_what_is_further_away(text: str, expected: str) -> None:
    assert due(text) == expected


@pytest.mark.parametrize(
    ("text", "at", "expected"),
    [
        # Nine is still to come on the day itself, and then it is not.
        ("monday", "2026-11-30T07:59:59+00:00", "2026-11-30T08:00:00Z"),
        ("monday", "2026-11-30T08:00:00+00:00", "2026-12-07T08:00:00Z"),
        ("dec 31", "2026-12-31T07:00:00+00:00", "2026-12-31T08:00:00Z"),
        ("dec 31", "2026-12-31T09:00:00+00:00", "2027-12-31T08:00:00Z"),
        ("end of month", "2026-11-30T09:00:00+00:00", "2026-12-31T08:00:00Z"),
        ("end of month", "2027-02-01T09:00:00+00:00", "2027-02-28T08:00:00Z"),
        ("next friday", "2026-11-27T09:00:00+00:00", "2026-12-04T08:00:00Z"),
        ("in 1 month", "2027-01-31T09:00:00+00:00", "2027-02-28T09:00:00Z"),
        ("P1Y", "2028-02-29T09:00:00+00:00", "2029-02-28T09:00:00Z"),
    ],
)
def test_which_of_them_is_the_next(text: str, at: str, expected: str) -> None:
    assert due(text, at=datetime.fromisoformat(at)) == expected


def test_a_weekday_is_judged_in_the_zone_that_is_said() -> None:
    """It is Friday in Auckland already, and still Thursday in Berlin."""
    at = datetime(2026, 11, 26, 21, 0, tzinfo=UTC)
    assert due("friday at 11", at=at, zone="Pacific/Auckland") == "2026-11-26T22:00:00Z"
    assert due("friday at 11 Pacific/Auckland", at=at) == "2026-11-26T22:00:00Z"
    assert due("friday at 11", at=at) == "2026-11-27T10:00:00Z"


def test_midnight_is_said_to_be_the_beginning_of_the_day() -> None:
    (note,) = parse("friday at midnight", at=NOW, timezone="Europe/Berlin").notes
    assert note == "midnight is the beginning of a day: it is Fri 2026-11-27 00:00 Europe/Berlin"
    assert parse("midnight", at=NOW, timezone="Europe/Berlin").notes == ()


def test_what_was_understood_is_said_with_its_zone() -> None:
    found = parse("9am America/New_York", at=NOW, timezone="Europe/Berlin")
    assert (found.words, found.timezone) == ("once, Thu 2026-11-26 09:00 America/New_York", "America/New_York")
    assert found.local == datetime(2026, 11, 26, 9)
    assert parse("2026-12-01T09:00Z", at=NOW, timezone="Europe/Berlin").local is None, "an instant has no wall time"
    assert parse("90m", at=NOW, timezone="Europe/Berlin").local is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("3d", "2026-12-04T08:00:00Z"), ("in 2 hours", "2026-12-01T10:00:00Z"), ("a week", "2026-12-08T08:00:00Z"),
        ("PT1H", "2026-12-01T09:00:00Z"), ("dec 3", "2026-12-03T08:00:00Z"), ("2026-12-01T09:01", "2026-12-01T08:01:00Z"),
        ("wednesday 9am", "2026-12-02T08:00:00Z"),
    ],
)  # fmt: skip
def test_something_is_put_off_from_its_time_or_until_one(text: str, expected: str) -> None:
    base = datetime(2026, 12, 1, 8, tzinfo=UTC)
    until = put_off(text, base=base, at=NOW, timezone="Europe/Berlin")
    assert f"{until:%Y-%m-%dT%H:%M:%SZ}" == expected


@pytest.mark.parametrize(
    ("text", "code", "offered"),
    [
        ("tomorrow", "invalid_due", ("3d", "1w")), ("2026-12-01T09:00", "invalid_due", ("3d", "1w")),
        ("daily", "invalid_due", ("3d", "monday 9am", "1w")), ("0d", "invalid_due", ("1d", "in 1 hour", "3d")),
        ("60y", "due_out_of_range", ("3d", "1w")), ("9" * 90 + "d", "due_out_of_range", ("3d", "1w")),
        ("2020-01-01", "due_in_past", ("3d", "1w")), ("mondya at 9", "invalid_due", ("monday at 9",)),
        ("", "due_required", ()), ("x" * 501, "invalid_due", ()), ("x" * 300, "invalid_due", ("in 7 days",)),
    ],
)  # fmt: skip
def test_what_puts_nothing_off(text: str, code: str, offered: tuple[str, ...]) -> None:
    base = datetime(2026, 12, 1, 8, tzinfo=UTC) - timedelta(days=2 * (text[:3] in ("mon", "dai")))
    with pytest.raises(Invalid) as refused:
        put_off(text, base=base, at=NOW, timezone="Europe/Berlin")
    assert (refused.value.code, refused.value.field, refused.value.suggestions) == (code, "until", offered)
    for way in offered:
        assert put_off(way, base=base, at=NOW, timezone="Europe/Berlin") > base
