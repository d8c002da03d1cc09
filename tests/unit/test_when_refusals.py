"""What is no time, or has two readings: refused with a code, a reason, and ways to say it that are taken themselves."""

from datetime import UTC, datetime

import pytest

from followups.domain.errors import Invalid
from followups.domain.when import parse

#: A Thursday, half past nine in Berlin.
NOW = datetime(2026, 11, 26, 8, 30, 15, 999_000, tzinfo=UTC)


def refusal(text: str, *, at: datetime = NOW, zone: str = "Europe/Berlin") -> Invalid:
    """Gives the error, after a look at it and at what it offers."""
    with pytest.raises(Invalid) as refused:
        parse(text, at=at, timezone=zone)
    error = refused.value
    assert error.field == "due" and len(error.detail) < 450
    assert len(error.suggestions) <= 3 and len(set(error.suggestions)) == len(error.suggestions)
    for way in error.suggestions:
        assert f"'{way}'" in error.detail, "what is offered is said"
        assert parse(way, at=at, timezone=zone).due_at > at.replace(microsecond=0), way
    return error


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "due_required"), ("   ", "due_required"), ("\u2003", "due_required"), ("0d", "invalid_due"),
        ("000d", "invalid_due"),
        ("in 0 days", "invalid_due"), ("PT0S", "invalid_due"), ("1m", "invalid_due"), ("7dd", "invalid_due"),
        ("-7d", "invalid_due"),
        ("+7d", "invalid_due"), ("7.5d", "invalid_due"), ("7,5d", "invalid_due"), ("7_0d", "invalid_due"),
        ("1e3d", "invalid_due"),
        ("0x7d", "invalid_due"), ("\u0667d", "invalid_due"), ("\uff17d", "invalid_due"), ("7\u00b2d", "invalid_due"),
        ("1w1w", "invalid_due"), ("1y6m", "invalid_due"), ("6m2w", "invalid_due"), ("yesterday", "invalid_due"),
        ("soon", "invalid_due"),
        ("now", "invalid_due"), ("1764000000", "invalid_due"), ("1764000000000", "invalid_due"),
        ("02/03/2026", "invalid_due"),
        ("2026-02-30", "invalid_due"), ("2026-13-01", "invalid_due"), ("2026-12-01T25:00", "invalid_due"),
        ("25:00", "invalid_due"),
        ("2026-12-01T09:00:60", "invalid_due"), ("2026-12-01T09:00+99:00", "invalid_due"), ("0000-01-01", "invalid_due"),
        ("13pm", "invalid_due"), ("0am", "invalid_due"), ("9:60", "invalid_due"), ("feb 30", "invalid_due"),
        ("nov 31", "invalid_due"),
        ("daily\x00", "invalid_due"), ("a\x00b", "invalid_due"), ("d" * 100_000, "invalid_due"),
        ("7" * 60_000 + "d", "invalid_due"),
        ("2026-11-26T08:30:15Z", "due_in_past"), ("2020-01-01", "due_in_past"), ("0001-01-01", "due_in_past"),
        ("0001-01-01T00:00+14:00", "due_out_of_range"), ("2099-01-01", "due_out_of_range"), ("51y", "due_out_of_range"),
        ("9999-12-31T23:59-12:00", "due_out_of_range"), ("10000-01-01", "due_out_of_range"),
        ("999999w", "due_out_of_range"),
        ("in 999999999 weeks", "due_out_of_range"), ("9" * 90 + "d", "due_out_of_range"),
        ("in " + "9" * 90 + " days", "due_out_of_range"),
        ("every 4 minutes", "interval_too_short"), ("every minute", "interval_too_short"),
        ("every 10 seconds", "interval_too_short"),
        ("every 1m", "invalid_due"), ("every 0 days", "invalid_recurrence"), ("every 0m", "invalid_recurrence"),
        ("every 6 years", "invalid_recurrence"), ("every 9999 days", "invalid_recurrence"),
        ("every 99999 days", "invalid_due"),
        ("every -1h", "invalid_due"), ("every month on the 0th", "invalid_recurrence"),
        ("every 32nd of the month", "invalid_recurrence"),
        ("every feb 30", "invalid_recurrence"), ("every 31 april", "invalid_recurrence"),
        ("9am Mars/Phobos", "unknown_timezone"),
        ("9am europe/berlyn", "unknown_timezone"), ("9am ../etc/passwd", "invalid_due"),
        ("every 90 minutes at 9", "invalid_due"),
        ("in 3 hours at 9", "invalid_due"), ("every monday at 9 and 25", "invalid_due"),
        ("every day at 9 and 10pm", "invalid_due"),
        ("every day at 9:00 and 17:30", "invalid_due"), ("every day at 9:00 and 9:02", "interval_too_short"),
        ("every month on the 1st and 31st", "invalid_recurrence"), ("every other weekday", "invalid_due"),
        ("monday dec 1", "invalid_due"), ("a week", "invalid_due"), ("an hour", "invalid_due"), ("every", "invalid_due"),
    ],
)  # fmt: skip
def test_what_is_refused_has_a_code(text: str, code: str) -> None:
    assert refusal(text).code == code


@pytest.mark.parametrize(
    ("text", "offered"),
    [
        # Rule 14: the next time at which a clock shows the same.
        ("2026-11-26T09:00", ["2026-11-27T09:00"]), ("2020-01-01T20:00", ["2026-11-26T20:00"]),
        ("0001-01-01", ["2026-11-27T09:00"]),
        ("today at 9", ["2026-11-27T09:00"]), ("this morning", ["2026-11-27T09:00"]),
        # Two readings.
        ("next friday", ["2026-11-27 09:00", "2026-12-04 09:00"]),
        ("next friday 2pm", ["2026-11-27 14:00", "2026-12-04 14:00"]),
        ("02/03/2027", ["2027-03-02", "2027-02-03"]), ("15.12.2026", ["2026-12-15"]), ("1m", ["in 1 minute", "1mo"]),
        ("next week", ["in 1 week", "monday"]), ("next month", ["in 1 month", "2026-12-01"]), ("1y6m", ["1y6mo"]),
        ("biweekly", ["every 2 weeks", "mon, thu"]), ("biweekly on monday", ["every 2 weeks on monday"]),
        ("a week", ["in a week", "every week"]),
        ("every 3rd friday", ["3rd friday of every month", "every 3rd week on friday"]),
        ("end of week", ["friday at 17:00", "sunday"]),
        ("every second tuesday", ["second tuesday of every month", "every second week on tuesday"]),
        ("last friday of the month", ["last friday of every month", "last friday of november", "last friday of december"]),
        ("the 15th", ["every month on the 15th", "15 december"]), ("monday dec 1", ["dec 1", "monday"]),
        ("every other weekday", ["mon, wed, fri at 9", "every 2 weeks on weekdays"]),
        # A slip.
        ("tomorow at 9", ["tomorrow at 9"]), ("evry monday", ["every monday"]),
        ("evry other wendesday", ["every other wednesday"]),
        ("febuary 3", ["february 3"]), ("tmrw", ["tomorrow"]), ("tomorrow 9", ["tomorrow at 9"]),
        ("every day 9", ["every day at 9"]),
        ("9.30pm", ["9:30pm"]), ("at 1700", ["at 17:00"]), ("tomorrow at 9am sharp", ["tomorrow at 9am"]),
        ("17", ["at 17", "in 17 days"]),
        ("2026/12/15", ["2026-12-15"]), ("20261215", ["2026-12-15"]), ("25.12.", ["25 december"]),
        ("12/25", ["25 december"]),
        ("15. december", ["15 december"]), ("december 2026", ["1 december 2026"]), ("-7d", ["7d"]),
        ("daily x5", ["daily 5 times"]),
        # Other words.
        ("tonight", ["today at 20:00", "tomorrow at 9"]), ("tomorrow night", ["tomorrow at 21:00"]),
        ("every night", ["every day at 21:00"]),
        ("every morning at 8", ["every day at 8am", "at 8am"]), ("this afternoon", ["today at 15:00", "tomorrow at 15:00"]),
        ("christmas", ["dec 25"]), ("every christmas", ["every dec 25"]), ("end of next month", ["2026-12-31"]),
        ("first of the month", ["every month on the 1st", "2026-12-01"]),
        ("every 1st and 15th", ["every month on the 1st and 15th"]),
        ("twice daily", ["every day at 9 and 17", "every 12 hours"]), ("once a week on monday", ["every week on monday"]),
        ("3 times a week", ["mon, wed, fri at 9", "weekdays at 9"]), ("semi-annually", ["every 6 months"]),
        ("7.5d", ["7d12h"]),
        ("in 1.5 hours", ["in 90 minutes", "in 1h30m"]), ("in a few days", ["in 3 days"]), ("within 3 days", ["in 3 days"]),
        ("coming friday", ["this friday"]), ("friday week", ["a week from friday"]), ("monday next week", ["2026-11-30"]),
        ("this weekend", ["saturday", "every weekend"]), ("weekday at 9", ["every weekday at 9"]),
        ("every business day", ["every weekday"]),
        ("monday to friday at 9", ["every monday to friday at 9"]), ("every last friday", ["last friday of every month"]),
        ("monthly on friday", ["first friday of every month"]), ("every january", ["every year on 1 january"]),
        ("every hour between 9 and 17", ["0 9-17 * * *"]), ("every hour on weekdays", ["0 * * * 1-5"]),
        ("daily between 2026-12-01 and 2026-12-31", ["daily from 2026-12-01 until 2026-12-31"]),
        ("daily before 2027-01-01", ["daily until 2027-01-01"]), ("every day but sunday", ["every day except sunday"]),
        ("9am Berlin", ["9am Europe/Berlin"]), ("9am new york time", ["9am America/New_York"]),
        ("9am EST", ["9am America/New_York", "9am America/Panama"]),
        ("every 30 feb", ["every year on 29 february"]), ("nov 31", ["november 1", "november 30"]),
        ("2026-02-30", ["2026-12-01", "dec 1"]),
        ("every day at 9:00 and 17:30", ["every day at 09:00", "every day at 17:30"]), ("every 90 minutes at 9",
         ["every 90 minutes starting tomorrow at 09:00", "every day at 09:00"]),
        ("every day at 9+01:00", ["every day at 9 Europe/Berlin"]), ("every 4 minutes", ["every 5 minutes", "hourly"]),
        # Nothing near.
        ("xyzzy", ["in 7 days", "tomorrow at 9", "every monday at 9am"]),
    ],
)  # fmt: skip
def test_what_is_offered_is_near(text: str, offered: list[str]) -> None:
    assert list(refusal(text).suggestions)[: len(offered)] == offered


@pytest.mark.parametrize("at", ["2026-11-26T22:50:00+00:00", "2026-12-31T23:59:59+00:00", "2028-02-29T00:00:00+00:00"])
@pytest.mark.parametrize("zone", ["Europe/Berlin", "Pacific/Kiritimati", "Pacific/Pago_Pago"])
@pytest.mark.parametrize(
    "text", ["tonight", "eod", "this afternoon", "next month", "the 31st", "xyz", "2026-11-26", "soon"]
)
def test_what_is_offered_is_taken_at_any_time(text: str, at: str, zone: str) -> None:
    """`today at 20:00` is no help at ten in the evening."""
    now = datetime.fromisoformat(at)
    try:
        parse(text, at=now, timezone=zone)
    except Invalid:
        assert refusal(text, at=now, zone=zone).suggestions


def test_a_refusal_says_what_was_typed_why_and_what_would_be_right() -> None:
    assert refusal("next friday").detail == (
        "'next friday': this could be Friday of this week or of the next; write '2026-11-27 09:00' or '2026-12-04 09:00'"
    )
    assert refusal("tomorow").detail == "'tomorow' is not a time I know; write 'tomorrow'"
    assert refusal("x" * 400).detail.startswith(f"'{'x' * 57}...' is not a time I know; write 'in 7 days'")
