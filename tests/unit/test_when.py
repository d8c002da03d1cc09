"""What people may type for a time, and what is refused (WHEN.md, the forms of the first step)."""

from datetime import UTC, datetime

import pytest

from followups.domain.errors import Invalid
from followups.domain.when import find_zone, parse

NOW = datetime(2026, 11, 24, 12, 0, 30, 999_000, tzinfo=UTC)


def due(text: str, *, zone: str = "Europe/Berlin", at: datetime = NOW) -> str:
    return f"{parse(text, at=at, timezone=zone).due_at:%Y-%m-%dT%H:%M:%SZ}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("7d", "2026-12-01T12:00:30Z"),
        ("1w", "2026-12-01T12:00:30Z"),
        ("2w", "2026-12-08T12:00:30Z"),
        ("90m", "2026-11-24T13:30:30Z"),
        ("12h", "2026-11-25T00:00:30Z"),
        ("30s", "2026-11-24T12:01:00Z"),
        ("in 10 seconds", "2026-11-24T12:00:40Z"),
        ("in 1 minute", "2026-11-24T12:01:30Z"),
        ("in an hour", "2026-11-24T13:00:30Z"),
        ("  IN  3   Days ", "2026-11-27T12:00:30Z"),
        ("in a week", "2026-12-01T12:00:30Z"),
        ("2026-12-01", "2026-12-01T08:00:00Z"),
        ("2026-12-01T09:00", "2026-12-01T08:00:00Z"),
        ("2026-12-01 09:00:15", "2026-12-01T08:00:15Z"),
        ("2026-12-01T09:00Z", "2026-12-01T09:00:00Z"),
        ("2026-12-01t09:00z", "2026-12-01T09:00:00Z"),
        ("2026-12-01T09:00-05:00", "2026-12-01T14:00:00Z"),
        ("daily", "2026-11-25T12:00:30Z"),
        ("weekly", "2026-12-01T12:00:30Z"),
    ],
)
def test_what_is_understood(text: str, expected: str) -> None:
    assert due(text) == expected


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "due_required"), ("   ", "due_required"), ("0d", "invalid_due"), ("in 0 days", "invalid_due"),
        ("1m", "invalid_due"), ("7dd", "invalid_due"), ("-7d", "invalid_due"), ("7.5d", "invalid_due"),
        ("1e3d", "invalid_due"), ("\u0667d", "invalid_due"), ("yesterday", "invalid_due"), ("soon", "invalid_due"),
        ("1764000000", "invalid_due"), ("02/03/2026", "invalid_due"), ("2026-02-30", "invalid_due"),
        ("2026-13-01", "invalid_due"), ("2026-12-01T25:00", "invalid_due"), ("2026-12-01T09:00:60", "invalid_due"),
        ("2026-12-01T09:00+99:00", "invalid_due"), ("0000-01-01", "invalid_due"), ("2026-11-24T12:00Z", "due_in_past"),
        ("2020-01-01", "due_in_past"), ("0001-01-01", "due_in_past"), ("2099-01-01", "due_out_of_range"),
        ("9999-12-31T23:59-12:00", "due_out_of_range"), ("999999w", "due_out_of_range"),
        ("in 999999999 weeks", "due_out_of_range"), ("daily\x00", "invalid_due"), ("d" * 100_000, "invalid_due"),
    ],
)  # fmt: skip
def test_what_is_refused_says_what_would_be_right(text: str, code: str) -> None:
    with pytest.raises(Invalid) as refused:
        due(text)
    assert refused.value.code in (code, "due_out_of_range" if code == "due_in_past" else code)
    assert refused.value.field == "due"
    assert len(refused.value.detail) < 250


def test_a_past_time_comes_with_the_next_sensible_one() -> None:
    with pytest.raises(Invalid, match="2026-11-25T09:00"):
        due("2026-11-24T09:00")


@pytest.mark.parametrize(
    ("text", "zone", "at", "expected"),
    [
        # Rule 1: days are wall clock, hours are elapsed; New York leaves summer time on 1 November.
        ("7d", "America/New_York", "2026-10-30T13:00:00+00:00", "2026-11-06T14:00:00Z"),
        ("168h", "America/New_York", "2026-10-30T13:00:00+00:00", "2026-11-06T13:00:00Z"),
        # Rule 2: 02:30 does not exist: the first instant that does.
        ("2027-03-14T02:30", "America/New_York", "2026-11-24T12:00:00+00:00", "2027-03-14T07:00:00Z"),
        # Rule 3: 01:30 exists twice: the first.
        ("2026-11-01T01:30", "America/New_York", "2026-10-24T12:00:00+00:00", "2026-11-01T05:30:00Z"),
        # Rule 4: midnight is missing; a bare date is at nine.
        ("2026-09-06", "America/Santiago", "2026-09-01T12:00:00+00:00", "2026-09-06T12:00:00Z"),
        ("2026-09-06T00:00", "America/Santiago", "2026-09-01T12:00:00+00:00", "2026-09-06T04:00:00Z"),
        # Rule 5: a step of half an hour.
        ("2026-10-04T02:15", "Australia/Lord_Howe", "2026-09-01T12:00:00+00:00", "2026-10-03T15:30:00Z"),
    ],
)
def test_the_clock_changes(text: str, zone: str, at: str, expected: str) -> None:
    assert due(text, zone=zone, at=datetime.fromisoformat(at)) == expected


@pytest.mark.parametrize(
    "name",
    ["", "Mars/Phobos", "europe/berlin/", "GMT+25", "../etc/passwd", "/etc/localtime", "a\x00b", "x" * 500, "Europe"],
)
def test_a_zone_that_is_none(name: str) -> None:
    with pytest.raises(Invalid) as refused:
        find_zone(name)
    assert (refused.value.code, refused.value.field) == ("unknown_timezone", "timezone")
