"""Where a recurrence begins, where it ends, and what it leaves out."""

from datetime import UTC, datetime
from itertools import islice

import pytest

from followups.domain.errors import Invalid
from followups.domain.schedule import occurrences
from followups.domain.when import When, parse
from followups.domain.wording import say
from followups.domain.zones import known_zone

#: A Thursday, half past nine in Berlin.
NOW = datetime(2026, 11, 26, 8, 30, tzinfo=UTC)
BERLIN = "Europe/Berlin"


def read(text: str, at: datetime = NOW) -> When:
    return parse(text, at=at, timezone=BERLIN)


def days(text: str, most: int = 8, at: datetime = NOW) -> str:
    """Gives the first days of a recurrence in Berlin, like `12-01 12-08`."""
    found = read(text, at)
    assert found.rule is not None and found.anchor is not None
    zone = known_zone(BERLIN)
    times = islice(occurrences(found.rule, found.anchor, zone, at), most)
    return " ".join(f"{it.at.astimezone(zone):%m-%d}" for it in times)


@pytest.mark.parametrize(
    ("text", "end", "said", "expected"),
    [
        ("weekly for 6 weeks", "UNTIL=20270107T093000", " until 7 January 2027 at 09:30",
         "12-03 12-10 12-17 12-24 12-31 01-07"),
        ("daily for 5 days", "UNTIL=20261201T093000", " until 1 December 2026 at 09:30", "11-27 11-28 11-29 11-30 12-01"),
        ("daily for five days", "UNTIL=20261201T093000", " until 1 December 2026 at 09:30",
         "11-27 11-28 11-29 11-30 12-01"),
        ("daily for the next 2 days", "UNTIL=20261128T093000", " until 28 November 2026 at 09:30", "11-27 11-28"),
        ("every day at 8 for 3 days", "UNTIL=20261129T093000", " until 29 November 2026 at 09:30", "11-27 11-28 11-29"),
        ("every day at 10 for 3 days", "UNTIL=20261129T093000", " until 29 November 2026 at 09:30", "11-26 11-27 11-28"),
        ("every 12 hours for a day", "UNTIL=20261127T093000", " until 27 November 2026 at 09:30", "11-26 11-27"),
        ("mondays until 2026-12-14", "UNTIL=20261214", " until 14 December 2026", "11-30 12-07 12-14"),
        ("mondays till dec 14", "UNTIL=20261214", " until 14 December 2026", "11-30 12-07 12-14"),
        ("mondays through 14 december", "UNTIL=20261214", " until 14 December 2026", "11-30 12-07 12-14"),
        ("mondays at 9 until 2026-12-14 at 8", "UNTIL=20261214T080000", " until 14 December 2026 at 08:00", "11-30 12-07"),
        ("mondays at 9 until 2026-12-14 at 9", "UNTIL=20261214T090000", " until 14 December 2026 at 09:00",
         "11-30 12-07 12-14"),
        ("daily until sunday", "UNTIL=20261129", " until 29 November 2026", "11-27 11-28 11-29"),
        ("daily until tomorrow", "UNTIL=20261127", " until 27 November 2026", "11-27"),
        ("daily until the end of the month", "UNTIL=20261130", " until 30 November 2026", "11-27 11-28 11-29 11-30"),
        ("daily 3 times", "COUNT=3", ", 3 times", "11-27 11-28 11-29"),
        ("daily, three times", "COUNT=3", ", 3 times", "11-27 11-28 11-29"),
        ("daily for 3 times", "COUNT=3", ", 3 times", "11-27 11-28 11-29"),
        ("daily 1 time", "COUNT=1", ", 1 time", "11-27"),
        ("every monday 2 times", "COUNT=2", ", 2 times", "11-30 12-07"),
        ("daily 3 times except 2026-11-28", "COUNT=3;EXDATE=20261128", ", 3 times, except 28 November 2026",
         "11-27 11-29 11-30"),
        ("mondays until 2026-12-14 except dec 7", "UNTIL=20261214;EXDATE=20261207",
         " until 14 December 2026, except 7 December 2026", "11-30 12-14"),
    ],
)  # fmt: skip
def test_where_it_ends(text: str, end: str, said: str, expected: str) -> None:
    found = read(text)
    assert found.rule is not None and found.anchor is not None
    assert str(found.rule).endswith(f";{end}")
    assert say(found.rule, found.anchor).endswith(said)
    assert days(text) == expected
    again = read(say(found.rule, found.anchor))
    assert (again.rule, again.due_at) == (found.rule, found.due_at), "what is said back is read as the same"


@pytest.mark.parametrize(
    ("text", "first", "said"),
    [
        ("weekly starting 2026-12-01", "2026-12-01T08:00", "every Tuesday at 09:00"),
        ("weekly starting dec 1 at 10", "2026-12-01T09:00", "every Tuesday at 10:00"),
        ("weekly at 8 starting dec 1 at 10", "2026-12-01T07:00", "every Tuesday at 08:00"),
        ("monthly starting 2027-01-31", "2027-01-31T08:00", "every month on the 31st at 09:00"),
        ("monthly starting 2027-02-28", "2027-02-28T08:00", "every month on the 28th at 09:00"),
        ("every 3 days starting 2026-12-01", "2026-12-01T08:00", "every 3 days at 09:00"),
        ("every 2 hours starting tomorrow at 6", "2026-11-27T05:00", "every 2 hours"),
        ("hourly starting tomorrow", "2026-11-27T08:00", "every hour"),
        ("every monday at 9 starting 2026-12-01", "2026-12-07T08:00", "every Monday at 09:00"),
        ("every monday starting dec 7 at 9", "2026-12-07T08:00", "every Monday at 09:00"),
        ("every monday at 9 starting dec 7 at 10", "2026-12-14T08:00", "every Monday at 09:00"),
        ("daily from tomorrow", "2026-11-27T08:00", "every day at 09:00"),
        ("daily starting on monday", "2026-11-30T08:00", "every day at 09:00"),
        ("daily beginning 2026-12-01", "2026-12-01T08:00", "every day at 09:00"),
        ("daily starting in 2 weeks", "2026-12-10T08:00", "every day at 09:00"),
        ("daily starting today", "2026-11-27T08:00", "every day at 09:00"),
        ("yearly starting 2028-02-29", "2028-02-29T08:00", "every year on 29 February at 09:00"),
        ("0 9 * * 1 starting 2026-12-02", "2026-12-07T08:00", "at 09:00 on Monday (cron 0 9 * * 1)"),
    ],
)  # fmt: skip
def test_where_it_begins(text: str, first: str, said: str) -> None:
    found = read(text)
    assert found.rule is not None and found.anchor is not None
    assert (f"{found.due_at:%Y-%m-%dT%H:%M}", say(found.rule, found.anchor)) == (first, said)


def test_what_lasts_is_counted_from_where_it_begins() -> None:
    assert days("weekly for 6 weeks starting 2026-12-01") == "12-01 12-08 12-15 12-22 12-29 01-05"
    assert days("weekly starting 2026-12-01 for 6 weeks") == "12-01 12-08 12-15 12-22 12-29 01-05"
    assert days("daily from 2026-12-01 until 2026-12-03") == "12-01 12-02 12-03"
    assert days("daily 3 times starting monday") == "11-30 12-01 12-02"


@pytest.mark.parametrize(
    ("text", "expected", "note"),
    [
        ("daily except 2026-11-28", "11-27 11-29 11-30", ""),
        ("daily except 2026-11-27", "11-28 11-29 11-30", ""),
        ("daily except on nov 28 and nov 30", "11-27 11-29 12-01", ""),
        ("daily except 2026-11-28, 2026-11-29", "11-27 11-30 12-01", ""),
        (
            "mondays except 2026-12-08",
            "11-30 12-07 12-14",
            "except 2026-12-08 changes nothing: it would not come on that day",
        ),
        (
            "daily except 2026-11-20",
            "11-27 11-28 11-29",
            "except 2026-11-20 changes nothing: it would not come on that day",
        ),
        ("daily except sundays", "11-27 11-28 11-30", ""),
        ("daily except mon, tue", "11-27 11-28 11-29", ""),
        ("weekdays except 2026-11-27", "11-30 12-01 12-02", ""),
    ],
)
def test_what_it_leaves_out(text: str, expected: str, note: str) -> None:
    assert days(text, 3) == expected
    assert read(text).notes == ((note,) if note else ())


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("daily until 2026-11-25", "it ends on 2026-11-25"), ("mondays until 2026-11-29", "before it would first come"),
        ("weekly starting 2026-12-10 until 2026-12-01", "before it would first come"),
        ("yearly for 3 days", "before it would first come"), ("daily 0 times", "0 times is not between 1 and 1000"),
        ("daily 1000000000 times", "is not between 1 and 1000"), ("daily 1001 times", "is not between 1 and 1000"),
        ("daily 3 times until 2026-12-01", "more than one end"), ("daily for 3 days until 2026-12-01", "more than one end"),
        ("daily until 2026-12-01 until 2026-12-02", "until twice"),
        ("daily starting 2026-12-01 starting 2026-12-02", "twice"),
        ("daily until 2026-11-28 except 2026-11-27, 2026-11-28", "all its days are excepted"),
        ("weekends except sat, sun", "all its days are excepted"),
        ("monthly except mondays", "days of the week are excepted"),
    ],
)  # fmt: skip
def test_bounds_that_leave_nothing_or_fight(text: str, why: str) -> None:
    with pytest.raises(Invalid, match=why) as refused:
        read(text)
    assert refused.value.code == "invalid_recurrence"


@pytest.mark.parametrize(
    ("text", "why", "offered"),
    [
        ("tomorrow until 2026-12-24", "it comes once", "tomorrow"), ("7d for 6 weeks", "it comes once", "7d"),
        ("daily until christmas", "'until christmas' is no", "daily until dec 25"),
        ("daily for ever", "'for ever' is no", "daily for 6 weeks"), ("daily for 0 days", "it is now", ""),
        ("daily except tuesday the 1st", "'except tuesday the 1st' is no", "daily except 2026-12-27"),
        ("daily until 2026-02-30", "no day of the calendar", ""), ("daily starting at 9", "is no", "daily at 9"),
        ("daily until next friday", "is no", "daily until 2026-12-27"),
    ],
)  # fmt: skip
def test_bounds_that_are_not_known(text: str, why: str, offered: str) -> None:
    with pytest.raises(Invalid, match=why) as refused:
        read(text)
    assert offered in ("", *refused.value.suggestions)
    assert all(read(way).due_at > NOW for way in refused.value.suggestions)


def test_a_beginning_in_the_past_begins_with_what_is_to_come() -> None:
    assert days("weekly starting 2026-11-03", 2) == "12-01 12-08"
    assert days("every other tuesday starting 2026-11-03", 2) == "12-01 12-15"
    assert days("every 2 weeks starting 2026-11-10", 2) == "12-08 12-22"
