"""What machines write for a time that comes again: cron, and the subset of RFC 5545's RRULE."""

from datetime import UTC, datetime
from itertools import islice

import pytest

from followups.domain.errors import Invalid
from followups.domain.schedule import occurrences
from followups.domain.when import When, parse
from followups.domain.wording import say
from followups.domain.zones import known_zone

#: A Thursday, half past nine in Berlin.
NOW = datetime(2026, 11, 26, 8, 30, 15, tzinfo=UTC)
BERLIN = "Europe/Berlin"


def read(text: str) -> When:
    return parse(text, at=NOW, timezone=BERLIN)


def times(found: When, count: int = 3) -> str:
    """Gives the first times in Berlin, like `11-27 09:00`."""
    assert found.rule is not None and found.anchor is not None
    zone = known_zone(BERLIN)
    first = islice(occurrences(found.rule, found.anchor, zone, NOW), count)
    return ", ".join(f"{it.at.astimezone(zone):%m-%d %H:%M}" for it in first)


@pytest.mark.parametrize(
    ("text", "said", "expected"),
    [
        ("0 9 * * 1-5", "at 09:00 on Monday through Friday", "11-27 09:00, 11-30 09:00, 12-01 09:00"),
        ("0 9 * * mon-fri", "at 09:00 on Monday through Friday", "11-27 09:00, 11-30 09:00, 12-01 09:00"),
        ("cron: 0 9 * * MON", "at 09:00 on Monday", "11-30 09:00, 12-07 09:00, 12-14 09:00"),
        ("*/10 * * * *", "every 10th minute of every hour", "11-26 09:40, 11-26 09:50, 11-26 10:00"),
        ("0 9 l * *", "at 09:00 on the last day of every month", "11-30 09:00, 12-31 09:00, 01-31 09:00"),
        ("0 9 LW * *", "at 09:00 on the last weekday of every month", "11-30 09:00, 12-31 09:00, 01-29 09:00"),
        ("0 9 * * 1#1", "at 09:00 on the first Monday", "12-07 09:00, 01-04 09:00, 02-01 09:00"),
        ("0 9 * * 5L", "at 09:00 on the last Friday", "11-27 09:00, 12-25 09:00, 01-29 09:00"),
        ("30 8,20 1 jan,jul *", "", "01-01 08:30, 01-01 20:30, 07-01 08:30"),
        ("@hourly", "at the start of every hour", "11-26 10:00, 11-26 11:00, 11-26 12:00"),
        ("@daily", "at 00:00 every day", "11-27 00:00, 11-28 00:00, 11-29 00:00"),
        ("@midnight", "at 00:00 every day", "11-27 00:00, 11-28 00:00, 11-29 00:00"),
        ("@weekly", "at 00:00 on Sunday", "11-29 00:00, 12-06 00:00, 12-13 00:00"),
        ("@Monthly", "at 00:00 on the first day of every month", "12-01 00:00, 01-01 00:00, 02-01 00:00"),
        ("@yearly", "", "01-01 00:00, 01-01 00:00, 01-01 00:00"),
        ("@annually", "", "01-01 00:00, 01-01 00:00, 01-01 00:00"),
        ("0 9 * * 1 until 2026-12-07", "at 09:00 on Monday", "11-30 09:00, 12-07 09:00"),
        ("0 9 * * 1 2 times except 2026-11-30", "at 09:00 on Monday", "12-07 09:00, 12-14 09:00"),
    ],
)
def test_cron(text: str, said: str, expected: str) -> None:
    found = read(text)
    assert found.rule is not None and found.anchor is not None
    assert (found.rule.freq, times(found)) == ("CRON", expected)
    words = say(found.rule, found.anchor)
    assert words.startswith(said) and f"(cron {found.rule.cron})" in words
    assert say(found.rule, found.anchor)[0].islower()


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("* * * * *", "interval_too_short"), ("*/4 * * * *", "interval_too_short"), ("0,3 9 * * *", "interval_too_short"),
        ("58,2 * * * *", "interval_too_short"), ("59,0 * * * *", "interval_too_short"),
        ("61 * * * *", "invalid_recurrence"),
        ("0 24 * * *", "invalid_recurrence"), ("0 0 32 * *", "invalid_recurrence"), ("0 0 * 13 *", "invalid_recurrence"),
        ("0 0 * * 9", "invalid_recurrence"), ("0 9 1 * 1", "invalid_recurrence"), ("cron: 0 9 * *", "invalid_recurrence"),
        ("cron: 0 9 * * * *", "invalid_recurrence"), ("cron: \u0663 9 * * *", "invalid_recurrence"),
        ("cron:", "invalid_recurrence"),
        ("0 0 30 2 *", "invalid_recurrence"), ("@reboot", "invalid_due"), ("@", "invalid_due"), ("0 9 * *", "invalid_due"),
        ("0 9 * * * *", "invalid_due"), ("\u0663 9 * * *", "invalid_due"), ("@daily at 9", "invalid_due"),
        ("*/5,*/7 * * * *", "interval_too_short"), ("0/0 * * * *", "invalid_recurrence"),
        ("9-1 * * * *", "invalid_recurrence"),
    ],
)  # fmt: skip
def test_cron_that_is_refused(text: str, code: str) -> None:
    with pytest.raises(Invalid) as refused:
        read(text)
    assert refused.value.code == code
    assert refused.value.suggestions
    assert all(read(way).due_at > NOW for way in refused.value.suggestions)


@pytest.mark.parametrize(
    ("text", "rule", "said", "expected"),
    [
        ("FREQ=WEEKLY;BYDAY=MO", "FREQ=WEEKLY;INTERVAL=1;BYDAY=MO;BYHOUR=9;BYMINUTE=0", "every Monday at 09:00",
         "11-30 09:00"),
        ("FREQ=DAILY;COUNT=3", "FREQ=DAILY;INTERVAL=1;BYHOUR=9;BYMINUTE=30;COUNT=3", "every day at 09:30:15, 3 times",
         "11-27 09:30"),
        ("FREQ=DAILY;BYHOUR=9", "FREQ=DAILY;INTERVAL=1;BYHOUR=9", "every day at 09:00", "11-27 09:00"),
        ("FREQ=DAILY;BYHOUR=8,20;BYMINUTE=15", "FREQ=DAILY;INTERVAL=1;BYHOUR=8,20;BYMINUTE=15",
         "every day at 08:15 and 20:15",
         "11-26 20:15"),
        ("FREQ=WEEKLY;INTERVAL=2;WKST=MO;BYDAY=TU,TH;BYHOUR=9", "FREQ=WEEKLY;INTERVAL=2;BYDAY=TU,TH;BYHOUR=9",
         "every other week on Tuesday and Thursday at 09:00", "12-01 09:00"),
        ("FREQ=MONTHLY;BYMONTHDAY=31", "FREQ=MONTHLY;INTERVAL=1;BYMONTHDAY=31;BYHOUR=9;BYMINUTE=0",
         "every month on the 31st (where there is one) at 09:00", "12-31 09:00"),
        ("FREQ=MONTHLY;BYDAY=-1FR;BYHOUR=17", "FREQ=MONTHLY;INTERVAL=1;BYDAY=-1FR;BYHOUR=17",
         "on the last Friday of every month at 17:00", "11-27 17:00"),
        ("FREQ=MONTHLY;BYDAY=5MO;BYHOUR=9", "FREQ=MONTHLY;INTERVAL=1;BYDAY=5MO;BYHOUR=9",
         "by the rule FREQ=MONTHLY;INTERVAL=1;BYDAY=5MO;BYHOUR=9", "11-30 09:00"),
        ("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1;BYHOUR=9",
         "FREQ=MONTHLY;INTERVAL=1;BYDAY=MO,TU,WE,TH,FR;BYHOUR=9;BYSETPOS=-1", "on the last weekday of every month at 09:00",
         "11-30 09:00"),
        ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29;BYHOUR=9", "FREQ=YEARLY;INTERVAL=1;BYMONTH=2;BYMONTHDAY=29;BYHOUR=9",
         "every year on 29 February (where there is one) at 09:00", "02-29 09:00"),
        ("FREQ=DAILY;UNTIL=20261128;BYHOUR=9", "FREQ=DAILY;INTERVAL=1;BYHOUR=9;UNTIL=20261128",
         "every day at 09:00 until 28 November 2026", "11-27 09:00"),
        ("FREQ=DAILY;UNTIL=20261128T090000;BYHOUR=9", "FREQ=DAILY;INTERVAL=1;BYHOUR=9;UNTIL=20261128T090000",
         "every day at 09:00 until 28 November 2026 at 09:00", "11-27 09:00"),
        ("FREQ=DAILY;EXDATE=20261127;BYHOUR=9", "FREQ=DAILY;INTERVAL=1;BYHOUR=9;EXDATE=20261127",
         "every day at 09:00, except 27 November 2026", "11-28 09:00"),
        ("FREQ=WEEKLY", "FREQ=WEEKLY;INTERVAL=1;BYDAY=TH;BYHOUR=9;BYMINUTE=30", "every Thursday at 09:30:15",
         "12-03 09:30"),
        ("FREQ=MONTHLY", "FREQ=MONTHLY;INTERVAL=1;BYMONTHDAY=26;BYHOUR=9;BYMINUTE=30",
         "every month on the 26th at 09:30:15",
         "12-26 09:30"),
    ],
)  # fmt: skip
def test_rrule(text: str, rule: str, said: str, expected: str) -> None:
    for typed in (f"RRULE:{text}", f"rrule: {text.lower()}"):
        found = read(typed)
        assert found.rule is not None and found.anchor is not None
        assert (str(found.rule), say(found.rule, found.anchor), times(found, 1)) == (rule, said, expected)
    again = read(f"RRULE:{rule};")
    assert (again.rule, again.due_at) == (found.rule, found.due_at.replace(second=0)), "the canonical rule is an RRULE"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("FREQ=SECONDLY", "none of MINUTELY"), ("FREQ=MINUTELY", "is too often"),
        ("FREQ=MINUTELY;INTERVAL=30", "is not read"),
        ("FREQ=HOURLY", "is not read"), ("BYDAY=MO", "not a rule"), ("", "none of the parts"),
        ("FREQ=DAILY;FREQ=DAILY", "not a rule"),
        ("FREQ=DAILY;INTERVAL=0", "not between 1 and 366 days"), ("FREQ=DAILY;INTERVAL=10000", "not a whole number"),
        ("FREQ=DAILY;INTERVAL=-1", "not between"), ("FREQ=DAILY;COUNT=0", "not between"),
        ("FREQ=DAILY;COUNT=1001", "not between"),
        ("FREQ=DAILY;COUNT=3;UNTIL=20270101", "two ends"), ("FREQ=DAILY;UNTIL=20270101T000000Z", "UNTIL is local time"),
        ("FREQ=DAILY;UNTIL=20271301", "must be in"), ("FREQ=DAILY;BYHOUR=24", "not between 0 and 23"),
        ("FREQ=DAILY;BYHOUR=9;BYMINUTE=0,2", "too often"), ("FREQ=DAILY;BYHOUR=9;BYMINUTE=60", "not between 0 and 59"),
        ("FREQ=DAILY;BYMINUTE=30", "BYMINUTE needs BYHOUR"), ("FREQ=WEEKLY;BYDAY=1MO", "needs FREQ=MONTHLY"),
        ("FREQ=WEEKLY;BYDAY=XX", "is not a list"), ("FREQ=MONTHLY;BYMONTHDAY=32", "between 1 and 31"),
        ("FREQ=MONTHLY;BYMONTHDAY=0", "between 1 and 31"), ("FREQ=MONTHLY;BYSETPOS=-1", "needs one of them"),
        ("FREQ=YEARLY;BYWEEKNO=1", "none of the parts"), ("FREQ=YEARLY;BYDAY=MO", "needs its month"),
        ("FREQ=DAILY;BYSECOND=1", "none of the parts"), ("FREQ=DAILY;DTSTART=20260101", "none of the parts"),
        ("FREQ=DAILY;INTERVAL=1\u0663", "not a whole number"), ("FREQ=MONTHLY;INTERVAL=999", "between 1 and 60 months"),
        ("FREQ=DAILY;;BYHOUR=9", "'' is none of"),
        ("FREQ=DAILY;CRON=0 9 * * *", "none of the parts"),
    ],
)  # fmt: skip
def test_rrule_that_is_refused(text: str, why: str) -> None:
    with pytest.raises(Invalid, match=why) as refused:
        read(f"RRULE:{text}")
    assert refused.value.code in ("invalid_recurrence", "interval_too_short")
    assert all(read(way).due_at > NOW for way in refused.value.suggestions)


def test_a_rule_without_its_prefix_is_told_of_it() -> None:
    with pytest.raises(Invalid) as refused:
        read("FREQ=WEEKLY;BYDAY=MO")
    assert refused.value.suggestions == ("rrule:freq=weekly;byday=mo",)
