"""What people may type for a time that comes again: text in; canonical rule, what is said back, and the first out."""

from datetime import UTC, datetime

import pytest

from followups.domain.rule import Rule
from followups.domain.schedule import next_after
from followups.domain.when import parse
from followups.domain.wording import said_rule, say
from followups.domain.zones import known_zone

#: A Thursday, half past nine in Berlin.
NOW = datetime(2026, 11, 26, 8, 30, 15, 999_000, tzinfo=UTC)


def check(text: str, rule: str, said: str, first: str) -> None:
    found = parse(text, at=NOW, timezone="Europe/Berlin")
    assert found.rule is not None and found.anchor is not None
    due = f"{found.due_at:%Y-%m-%dT%H:%M}".removeprefix("2026-")
    assert (str(found.rule), say(found.rule, found.anchor), due) == (rule, said, first)
    assert Rule.parse(rule) == found.rule
    assert said_rule(rule, found.anchor.isoformat()) == said
    assert found.words == f"{said}; first {found.words.rpartition('; first ')[2]}"
    before = found.due_at.replace(year=found.due_at.year - 1)
    at = next_after(found.rule, found.anchor, known_zone("Europe/Berlin"), before)
    assert at is not None and at.at == found.due_at, "nothing comes before the first"


@pytest.mark.parametrize(
    ("text", "rule", "said", "first"),
    [
        # Every so often, and times of a day.
        ("every day at midnight", "FREQ=DAILY;INTERVAL=1;BYHOUR=0;BYMINUTE=0", "every day at 00:00", "11-26T23:00"),
        ("hourly", "FREQ=HOURLY;INTERVAL=1", "every hour", "11-26T09:30"),
        ("daily", "FREQ=DAILY;INTERVAL=1;BYHOUR=9;BYMINUTE=30", "every day at 09:30:15", "11-27T08:30"),
        ("weekly", "FREQ=WEEKLY;INTERVAL=1;BYDAY=TH;BYHOUR=9;BYMINUTE=30", "every Thursday at 09:30:15", "12-03T08:30"),
        ("monthly", "FREQ=MONTHLY;INTERVAL=1;BYMONTHDAY=26;BYHOUR=9;BYMINUTE=30",
         "every month on the 26th at 09:30:15", "12-26T08:30"),
        ("yearly", "FREQ=YEARLY;INTERVAL=1;BYMONTH=11;BYMONTHDAY=26;BYHOUR=9;BYMINUTE=30",
         "every year on 26 November at 09:30:15", "2027-11-26T08:30"),
        ("every 2 weeks", "FREQ=WEEKLY;INTERVAL=2;BYDAY=TH;BYHOUR=9;BYMINUTE=30",
         "every other Thursday at 09:30:15", "12-10T08:30"),
        ("every other friday", "FREQ=WEEKLY;INTERVAL=2;BYDAY=FR;BYHOUR=9;BYMINUTE=0",
         "every other Friday at 09:00", "11-27T08:00"),
        ("every 90 minutes", "FREQ=MINUTELY;INTERVAL=90", "every 90 minutes", "11-26T10:00"),
        ("every 5 minutes", "FREQ=MINUTELY;INTERVAL=5", "every 5 minutes", "11-26T08:35"),
        ("every 30min", "FREQ=MINUTELY;INTERVAL=30", "every 30 minutes", "11-26T09:00"),
        ("every 2h", "FREQ=HOURLY;INTERVAL=2", "every 2 hours", "11-26T10:30"),
        ("every 2 h", "FREQ=HOURLY;INTERVAL=2", "every 2 hours", "11-26T10:30"),
        ("every 3 days", "FREQ=DAILY;INTERVAL=3;BYHOUR=9;BYMINUTE=30", "every 3 days at 09:30:15", "11-29T08:30"),
        ("every 3rd day", "FREQ=DAILY;INTERVAL=3;BYHOUR=9;BYMINUTE=30", "every 3 days at 09:30:15", "11-29T08:30"),
        ("every second week", "FREQ=WEEKLY;INTERVAL=2;BYDAY=TH;BYHOUR=9;BYMINUTE=30",
         "every other Thursday at 09:30:15", "12-10T08:30"),
        ("every two weeks on monday", "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO;BYHOUR=9;BYMINUTE=0",
         "every other Monday at 09:00", "11-30T08:00"),
        ("every fortnight", "FREQ=WEEKLY;INTERVAL=2;BYDAY=TH;BYHOUR=9;BYMINUTE=30",
         "every other Thursday at 09:30:15", "12-10T08:30"),
        ("every quarter", "FREQ=MONTHLY;INTERVAL=3;BYMONTHDAY=26;BYHOUR=9;BYMINUTE=30",
         "every 3 months on the 26th at 09:30:15", "2027-02-26T08:30"),
        ("quarterly", "FREQ=MONTHLY;INTERVAL=3;BYMONTHDAY=26;BYHOUR=9;BYMINUTE=30",
         "every 3 months on the 26th at 09:30:15", "2027-02-26T08:30"),
        ("fortnightly", "FREQ=WEEKLY;INTERVAL=2;BYDAY=TH;BYHOUR=9;BYMINUTE=30",
         "every other Thursday at 09:30:15", "12-10T08:30"),
        ("annually", "FREQ=YEARLY;INTERVAL=1;BYMONTH=11;BYMONTHDAY=26;BYHOUR=9;BYMINUTE=30",
         "every year on 26 November at 09:30:15", "2027-11-26T08:30"),
        ("daily at 9", "FREQ=DAILY;INTERVAL=1;BYHOUR=9;BYMINUTE=0", "every day at 09:00", "11-27T08:00"),
        ("every day at 9am", "FREQ=DAILY;INTERVAL=1;BYHOUR=9;BYMINUTE=0", "every day at 09:00", "11-27T08:00"),
        ("everyday at 9", "FREQ=DAILY;INTERVAL=1;BYHOUR=9;BYMINUTE=0", "every day at 09:00", "11-27T08:00"),
        ("each morning", "FREQ=DAILY;INTERVAL=1;BYHOUR=9;BYMINUTE=0", "every day at 09:00", "11-27T08:00"),
        ("every evening", "FREQ=DAILY;INTERVAL=1;BYHOUR=18;BYMINUTE=0", "every day at 18:00", "11-26T17:00"),
        ("9am every day", "FREQ=DAILY;INTERVAL=1;BYHOUR=9;BYMINUTE=0", "every day at 09:00", "11-27T08:00"),
        ("every day at 9 and 17", "FREQ=DAILY;INTERVAL=1;BYHOUR=9,17;BYMINUTE=0",
         "every day at 09:00 and 17:00", "11-26T16:00"),
        ("every monday at 9:30, 13:30 and 17:30", "FREQ=WEEKLY;INTERVAL=1;BYDAY=MO;BYHOUR=9,13,17;BYMINUTE=30",
         "every Monday at 09:30, 13:30 and 17:30", "11-30T08:30"),
    ],
)  # fmt: skip
def test_every_so_often(text: str, rule: str, said: str, first: str) -> None:
    check(text, rule, said, first)


@pytest.mark.parametrize(
    ("text", "rule", "said", "first"),
    [
        ("every monday 9am", "FREQ=WEEKLY;INTERVAL=1;BYDAY=MO;BYHOUR=9;BYMINUTE=0", "every Monday at 09:00", "11-30T08:00"),
        ("Every Monday, at 9 AM", "FREQ=WEEKLY;INTERVAL=1;BYDAY=MO;BYHOUR=9;BYMINUTE=0",
         "every Monday at 09:00", "11-30T08:00"),
        ("mondays", "FREQ=WEEKLY;INTERVAL=1;BYDAY=MO;BYHOUR=9;BYMINUTE=0", "every Monday at 09:00", "11-30T08:00"),
        ("on mondays at 9", "FREQ=WEEKLY;INTERVAL=1;BYDAY=MO;BYHOUR=9;BYMINUTE=0", "every Monday at 09:00", "11-30T08:00"),
        ("mon, wed at 9", "FREQ=WEEKLY;INTERVAL=1;BYDAY=MO,WE;BYHOUR=9;BYMINUTE=0",
         "every Monday and Wednesday at 09:00", "11-30T08:00"),
        ("mon & wed at 9", "FREQ=WEEKLY;INTERVAL=1;BYDAY=MO,WE;BYHOUR=9;BYMINUTE=0",
         "every Monday and Wednesday at 09:00", "11-30T08:00"),
        ("every mon/wed/fri at 9", "FREQ=WEEKLY;INTERVAL=1;BYDAY=MO,WE,FR;BYHOUR=9;BYMINUTE=0",
         "every Monday, Wednesday and Friday at 09:00", "11-27T08:00"),
        ("every monday and thursday at 9:30", "FREQ=WEEKLY;INTERVAL=1;BYDAY=MO,TH;BYHOUR=9;BYMINUTE=30",
         "every Monday and Thursday at 09:30", "11-30T08:30"),
        ("every monday to friday 9am", "FREQ=WEEKLY;INTERVAL=1;BYDAY=MO,TU,WE,TH,FR;BYHOUR=9;BYMINUTE=0",
         "every weekday at 09:00", "11-27T08:00"),
        ("mon-fri at 9", "FREQ=WEEKLY;INTERVAL=1;BYDAY=MO,TU,WE,TH,FR;BYHOUR=9;BYMINUTE=0",
         "every weekday at 09:00", "11-27T08:00"),
        ("weekdays at 9am", "FREQ=WEEKLY;INTERVAL=1;BYDAY=MO,TU,WE,TH,FR;BYHOUR=9;BYMINUTE=0",
         "every weekday at 09:00", "11-27T08:00"),
        ("every weekday 9am", "FREQ=WEEKLY;INTERVAL=1;BYDAY=MO,TU,WE,TH,FR;BYHOUR=9;BYMINUTE=0",
         "every weekday at 09:00", "11-27T08:00"),
        ("weekends at 10", "FREQ=WEEKLY;INTERVAL=1;BYDAY=SA,SU;BYHOUR=10;BYMINUTE=0",
         "every Saturday and Sunday at 10:00", "11-28T09:00"),
        ("every sat-mon at 10", "FREQ=WEEKLY;INTERVAL=1;BYDAY=MO,SA,SU;BYHOUR=10;BYMINUTE=0",
         "every Monday, Saturday and Sunday at 10:00", "11-28T09:00"),
        ("weekly on tuesdays", "FREQ=WEEKLY;INTERVAL=1;BYDAY=TU;BYHOUR=9;BYMINUTE=0",
         "every Tuesday at 09:00", "12-01T08:00"),
        ("every week on monday and wednesday at 9", "FREQ=WEEKLY;INTERVAL=1;BYDAY=MO,WE;BYHOUR=9;BYMINUTE=0",
         "every Monday and Wednesday at 09:00", "11-30T08:00"),
        ("every other week on monday and friday at 9", "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,FR;BYHOUR=9;BYMINUTE=0",
         "every other week on Monday and Friday at 09:00", "11-27T08:00"),
        ("every 2 weeks on monday", "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO;BYHOUR=9;BYMINUTE=0",
         "every other Monday at 09:00", "11-30T08:00"),
    ],
)  # fmt: skip
def test_days_of_the_week(text: str, rule: str, said: str, first: str) -> None:
    check(text, rule, said, first)


@pytest.mark.parametrize(
    ("text", "rule", "said", "first"),
    [
        ("every month on the 31st", "FREQ=MONTHLY;INTERVAL=1;BYMONTHDAY=28,29,30,31;BYHOUR=9;BYMINUTE=0;BYSETPOS=-1",
         "every month on the 31st at 09:00", "11-30T08:00"),
        ("monthly on the 29th", "FREQ=MONTHLY;INTERVAL=1;BYMONTHDAY=28,29;BYHOUR=9;BYMINUTE=0;BYSETPOS=-1",
         "every month on the 29th at 09:00", "11-29T08:00"),
        ("monthly on the 15th at 8", "FREQ=MONTHLY;INTERVAL=1;BYMONTHDAY=15;BYHOUR=8;BYMINUTE=0",
         "every month on the 15th at 08:00", "12-15T07:00"),
        ("every month on the 1st and 15th", "FREQ=MONTHLY;INTERVAL=1;BYMONTHDAY=1,15;BYHOUR=9;BYMINUTE=0",
         "every month on the 1st and 15th at 09:00", "12-01T08:00"),
        ("on the 1st and 15th of each month", "FREQ=MONTHLY;INTERVAL=1;BYMONTHDAY=1,15;BYHOUR=9;BYMINUTE=0",
         "every month on the 1st and 15th at 09:00", "12-01T08:00"),
        ("every 2 months on the 1st", "FREQ=MONTHLY;INTERVAL=2;BYMONTHDAY=1;BYHOUR=9;BYMINUTE=0",
         "every other month on the 1st at 09:00", "12-01T08:00"),
        ("on the last day of every month", "FREQ=MONTHLY;INTERVAL=1;BYMONTHDAY=-1;BYHOUR=9;BYMINUTE=0",
         "on the last day of every month at 09:00", "11-30T08:00"),
        ("monthly on the last day", "FREQ=MONTHLY;INTERVAL=1;BYMONTHDAY=-1;BYHOUR=9;BYMINUTE=0",
         "on the last day of every month at 09:00", "11-30T08:00"),
        ("first monday of every month", "FREQ=MONTHLY;INTERVAL=1;BYDAY=1MO;BYHOUR=9;BYMINUTE=0",
         "on the first Monday of every month at 09:00", "12-07T08:00"),
        ("first and third monday of every month", "FREQ=MONTHLY;INTERVAL=1;BYDAY=1MO,3MO;BYHOUR=9;BYMINUTE=0",
         "on the first and third Monday of every month at 09:00", "12-07T08:00"),
        ("last friday of every month", "FREQ=MONTHLY;INTERVAL=1;BYDAY=-1FR;BYHOUR=9;BYMINUTE=0",
         "on the last Friday of every month at 09:00", "11-27T08:00"),
        ("every last friday of the month", "FREQ=MONTHLY;INTERVAL=1;BYDAY=-1FR;BYHOUR=9;BYMINUTE=0",
         "on the last Friday of every month at 09:00", "11-27T08:00"),
        ("first monday every month", "FREQ=MONTHLY;INTERVAL=1;BYDAY=1MO;BYHOUR=9;BYMINUTE=0",
         "on the first Monday of every month at 09:00", "12-07T08:00"),
        ("first weekday of every month", "FREQ=MONTHLY;INTERVAL=1;BYDAY=MO,TU,WE,TH,FR;BYHOUR=9;BYMINUTE=0;BYSETPOS=1",
         "on the first weekday of every month at 09:00", "12-01T08:00"),
        ("last weekday of every month at 9 and 17",
         "FREQ=MONTHLY;INTERVAL=1;BYDAY=MO,TU,WE,TH,FR;BYHOUR=9,17;BYMINUTE=0;BYSETPOS=-2,-1",
         "on the last weekday of every month at 09:00 and 17:00", "11-30T08:00"),
        ("last monday of every other month", "FREQ=MONTHLY;INTERVAL=2;BYDAY=-1MO;BYHOUR=9;BYMINUTE=0",
         "on the last Monday of every other month at 09:00", "11-30T08:00"),
        ("end of every month", "FREQ=MONTHLY;INTERVAL=1;BYMONTHDAY=-1;BYHOUR=9;BYMINUTE=0",
         "on the last day of every month at 09:00", "11-30T08:00"),
        ("every month on the 31st at 9 and 17",
         "FREQ=MONTHLY;INTERVAL=1;BYMONTHDAY=28,29,30,31;BYHOUR=9,17;BYMINUTE=0;BYSETPOS=-2,-1",
         "every month on the 31st at 09:00 and 17:00", "11-30T08:00"),
        ("every year on dec 1", "FREQ=YEARLY;INTERVAL=1;BYMONTH=12;BYMONTHDAY=1;BYHOUR=9;BYMINUTE=0",
         "every year on 1 December at 09:00", "12-01T08:00"),
        ("yearly on dec 25 at noon", "FREQ=YEARLY;INTERVAL=1;BYMONTH=12;BYMONTHDAY=25;BYHOUR=12;BYMINUTE=0",
         "every year on 25 December at 12:00", "12-25T11:00"),
        ("every 29 feb", "FREQ=YEARLY;INTERVAL=1;BYMONTH=2;BYMONTHDAY=28,29;BYHOUR=9;BYMINUTE=0;BYSETPOS=-1",
         "every year on 29 February at 09:00", "2027-02-28T08:00"),
        ("first monday of march every year", "FREQ=YEARLY;INTERVAL=1;BYMONTH=3;BYDAY=1MO;BYHOUR=9;BYMINUTE=0",
         "every year on the first Monday of March at 09:00", "2027-03-01T08:00"),
        ("every other year on jan 1", "FREQ=YEARLY;INTERVAL=2;BYMONTH=1;BYMONTHDAY=1;BYHOUR=9;BYMINUTE=0",
         "every other year on 1 January at 09:00", "2027-01-01T08:00"),
        ("every third monday of january", "FREQ=YEARLY;INTERVAL=1;BYMONTH=1;BYDAY=3MO;BYHOUR=9;BYMINUTE=0",
         "every year on the third Monday of January at 09:00", "2027-01-18T08:00"),
        ("daily except sundays", "FREQ=WEEKLY;INTERVAL=1;BYDAY=MO,TU,WE,TH,FR,SA;BYHOUR=9;BYMINUTE=0",
         "every Monday, Tuesday, Wednesday, Thursday, Friday and Saturday at 09:00", "11-27T08:00"),
        ("every day at 9 except weekends", "FREQ=WEEKLY;INTERVAL=1;BYDAY=MO,TU,WE,TH,FR;BYHOUR=9;BYMINUTE=0",
         "every weekday at 09:00", "11-27T08:00"),
        ("weekdays at 9 except friday", "FREQ=WEEKLY;INTERVAL=1;BYDAY=MO,TU,WE,TH;BYHOUR=9;BYMINUTE=0",
         "every Monday, Tuesday, Wednesday and Thursday at 09:00", "11-30T08:00"),
    ],
)  # fmt: skip
def test_days_of_the_month_and_the_year(text: str, rule: str, said: str, first: str) -> None:
    check(text, rule, said, first)


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("every month on the 31st", "in a month without a 31st, it comes on the last day"),
        ("every month on the 29th", "in a month without a 29th, it comes on the last day"),
        ("every year on feb 29", "in a year without 29 February, it comes on 28 February"),
    ],
)
def test_a_day_that_there_is_not_always_is_told(text: str, note: str) -> None:
    assert parse(text, at=NOW, timezone="Europe/Berlin").notes == (note,)


@pytest.mark.parametrize(
    ("text", "at", "expected"),
    [
        ("every day at 9", "2026-11-26T07:59:59+00:00", "2026-11-26T08:00"),
        ("every day at 9", "2026-11-26T08:00:00+00:00", "2026-11-27T08:00"),
        ("every monday at 9", "2026-11-30T07:00:00+00:00", "2026-11-30T08:00"),
        ("every 3 days at 9", "2026-11-26T07:00:00+00:00", "2026-11-29T08:00"),
        ("weekly at 17", "2026-11-26T07:00:00+00:00", "2026-12-03T16:00"),
        ("monthly", "2027-01-31T09:00:00+00:00", "2027-02-28T09:00"),
        ("every 2 months", "2026-12-31T09:00:00+00:00", "2027-02-28T09:00"),
        ("yearly", "2028-02-29T09:00:00+00:00", "2029-02-28T09:00"),
        ("last day of every month", "2027-02-28T09:00:00+00:00", "2027-03-31T07:00"),
    ],
)
def test_when_it_begins(text: str, at: str, expected: str) -> None:
    """An interval's first is one interval from now; what names a time of day, or days, begins with the next that fits."""
    found = parse(text, at=datetime.fromisoformat(at), timezone="Europe/Berlin")
    assert f"{found.due_at:%Y-%m-%dT%H:%M}" == expected
