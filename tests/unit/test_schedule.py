"""From rule to occurrences: in their order, none twice, counted from the anchor through every change of the clock."""

from datetime import UTC, date, datetime, timedelta
from itertools import islice, pairwise

import pytest

from followups.domain.rule import Rule
from followups.domain.schedule import MOST_MISSED, fold_missed, next_after, occurrences
from followups.domain.walltime import to_utc, wall
from followups.domain.zones import known_zone

BERLIN, NEW_YORK = known_zone("Europe/Berlin"), known_zone("America/New_York")
ANCHOR = datetime(2026, 12, 1, 9, 30, 15)
START = datetime(2026, 1, 1, tzinfo=UTC)


def locals_of(text: str, count: int, anchor: datetime = ANCHOR, after: datetime = START) -> list[str]:
    times = islice(occurrences(Rule.parse(text), anchor, BERLIN, after), count)
    return [f"{wall(it.at, BERLIN):%Y-%m-%d %H:%M:%S}" for it in times]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # Stored by the first version, with an anchor alone: at the anchor's wall time, also in summer.
        ("FREQ=DAILY;INTERVAL=1", ["2026-12-01 09:30:15", "2026-12-02 09:30:15", "2026-12-03 09:30:15"]),
        ("FREQ=WEEKLY;INTERVAL=12", ["2026-12-01 09:30:15", "2027-02-23 09:30:15", "2027-05-18 09:30:15"]),
        ("FREQ=MONTHLY;INTERVAL=6", ["2026-12-01 09:30:15", "2027-06-01 09:30:15", "2027-12-01 09:30:15"]),
        ("FREQ=YEARLY;INTERVAL=1", ["2026-12-01 09:30:15", "2027-12-01 09:30:15", "2028-12-01 09:30:15"]),
        ("FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,TU", ["2026-12-01 09:30:15", "2026-12-14 09:30:15", "2026-12-15 09:30:15"]),
        ("FREQ=DAILY;INTERVAL=2;BYHOUR=8,20;BYMINUTE=0", ["2026-12-01 20:00:15", "2026-12-03 08:00:15",
         "2026-12-03 20:00:15"]),
        ("FREQ=MONTHLY;INTERVAL=1;BYDAY=1FR", ["2026-12-04 09:30:15", "2027-01-01 09:30:15", "2027-02-05 09:30:15"]),
        ("FREQ=MONTHLY;INTERVAL=1;BYDAY=5MO", ["2027-03-29 09:30:15", "2027-05-31 09:30:15", "2027-08-30 09:30:15"]),
        ("FREQ=MONTHLY;INTERVAL=1;BYMONTHDAY=-1", ["2026-12-31 09:30:15", "2027-01-31 09:30:15", "2027-02-28 09:30:15"]),
        ("FREQ=MONTHLY;INTERVAL=1;BYMONTHDAY=31", ["2026-12-31 09:30:15", "2027-01-31 09:30:15", "2027-03-31 09:30:15"]),
        ("FREQ=MONTHLY;INTERVAL=1;BYMONTHDAY=28,29,30,31;BYSETPOS=-1",
         ["2026-12-31 09:30:15", "2027-01-31 09:30:15", "2027-02-28 09:30:15"]),
        ("FREQ=MONTHLY;INTERVAL=1;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=1,-1",
         ["2026-12-01 09:30:15", "2026-12-31 09:30:15", "2027-01-01 09:30:15"]),
        ("FREQ=MONTHLY;INTERVAL=1;BYDAY=MO,TU,WE,TH,FR;BYHOUR=9,17;BYMINUTE=0;BYSETPOS=-2,-1",
         ["2026-12-31 09:00:15", "2026-12-31 17:00:15", "2027-01-29 09:00:15"]),
        ("FREQ=YEARLY;INTERVAL=1;BYMONTH=2;BYMONTHDAY=29", ["2028-02-29 09:30:15", "2032-02-29 09:30:15",
         "2036-02-29 09:30:15"]),
        ("FREQ=YEARLY;INTERVAL=2;BYMONTH=6,12;BYMONTHDAY=1", ["2026-12-01 09:30:15", "2028-06-01 09:30:15",
         "2028-12-01 09:30:15"]),
        ("FREQ=DAILY;INTERVAL=1;BYMONTH=12;BYDAY=FR;BYMONTHDAY=25", ["2026-12-25 09:30:15"]),
        ("CRON=0 9 * * 1", ["2026-12-07 09:00:00", "2026-12-14 09:00:00", "2026-12-21 09:00:00"]),
        # Ends.
        ("FREQ=DAILY;INTERVAL=1;COUNT=2", ["2026-12-01 09:30:15", "2026-12-02 09:30:15"]),
        ("FREQ=DAILY;INTERVAL=1;COUNT=2;EXDATE=20261201", ["2026-12-02 09:30:15", "2026-12-03 09:30:15"]),
        ("FREQ=DAILY;INTERVAL=1;UNTIL=20261202", ["2026-12-01 09:30:15", "2026-12-02 09:30:15"]),
        ("FREQ=DAILY;INTERVAL=1;UNTIL=20261202T093015", ["2026-12-01 09:30:15", "2026-12-02 09:30:15"]),
        ("FREQ=DAILY;INTERVAL=1;UNTIL=20261202T093014", ["2026-12-01 09:30:15"]),
        ("FREQ=DAILY;INTERVAL=1;UNTIL=20261203;EXDATE=20261201,20261203", ["2026-12-02 09:30:15"]),
        ("FREQ=DAILY;INTERVAL=1;UNTIL=20261130", []),
        ("CRON=0 9 * * 1;COUNT=1", ["2026-12-07 09:00:00"]),
        ("FREQ=MONTHLY;INTERVAL=1;BYMONTH=2;BYMONTHDAY=30", []),
    ],
)  # fmt: skip
def test_what_a_rule_means(text: str, expected: list[str]) -> None:
    assert locals_of(text, 3) == expected
    for before, after in pairwise(expected):
        start = to_utc(datetime.fromisoformat(before), BERLIN)
        assert locals_of(text, 1, after=start) == [after], "the next is strictly later"


@pytest.mark.parametrize("text", ["FREQ=HOURLY;INTERVAL=1", "FREQ=MINUTELY;INTERVAL=60"])
def test_hours_are_elapsed_and_their_anchor_is_utc(text: str) -> None:
    anchor = datetime(2026, 11, 1, 4, 30)
    times = [it.at for it in islice(occurrences(Rule.parse(text), anchor, NEW_YORK, START), 4)]
    assert [f"{it:%H:%M}" for it in times] == ["04:30", "05:30", "06:30", "07:30"]
    assert [f"{wall(it, NEW_YORK):%H:%M}" for it in times] == ["00:30", "01:30", "01:30", "02:30"]
    assert next_after(Rule.parse(text), anchor, NEW_YORK, times[1]) == (times[2], None)


def test_an_exception_is_a_day_of_the_zone() -> None:
    rule = Rule(freq="HOURLY", interval=12, without=(date(2026, 12, 2),))
    times = islice(occurrences(rule, datetime(2026, 12, 1, 11, 30), BERLIN, START), 4)
    assert [f"{wall(it.at, BERLIN):%d %H:%M}" for it in times] == ["01 12:30", "03 00:30", "03 12:30", "04 00:30"]


@pytest.mark.parametrize(
    "text",
    [
        "FREQ=DAILY;INTERVAL=1", "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,FR", "FREQ=HOURLY;INTERVAL=7", "CRON=*/30 * * * *",
        "CRON=30 2 * * *", "FREQ=DAILY;INTERVAL=1;COUNT=5", "FREQ=DAILY;INTERVAL=1;UNTIL=20261210;EXDATE=20261203",
        "FREQ=MINUTELY;INTERVAL=30",
    ],
)  # fmt: skip
@pytest.mark.parametrize("hours", [-1, 0, 1, 24, 24 * 40, 24 * 150])
def test_folding_counts_as_a_walk_does(text: str, hours: int) -> None:
    rule = Rule.parse(text)
    due = next_after(rule, ANCHOR, BERLIN, START)
    assert due is not None
    at = due.at + timedelta(hours=hours)
    missed, last = 0, due.at
    while (following := next_after(rule, ANCHOR, BERLIN, last)) and following.at <= at and missed < 200:
        missed, last = missed + 1, following.at
    # A walk of 200 is long enough.
    at = min(at, last) if missed == 200 else at
    assert fold_missed(rule, ANCHOR, BERLIN, due.at, at) == (missed, last)


def test_after_years_the_missed_are_not_counted_but_the_last_is_found() -> None:
    rule, anchor = Rule(freq="MINUTELY", interval=5), datetime(2026, 12, 1, 9)
    due = anchor.replace(tzinfo=UTC)
    at = due + timedelta(days=365, minutes=3)
    assert fold_missed(rule, anchor, BERLIN, due, at) == (MOST_MISSED, at - timedelta(minutes=3))


@pytest.mark.parametrize(
    "zone_name",
    [
        "Europe/Berlin", "America/New_York", "America/Havana", "America/Santiago", "Africa/Cairo", "Asia/Beirut",
        "Africa/Casablanca", "Australia/Lord_Howe", "Antarctica/Troll", "Pacific/Apia", "Asia/Pyongyang",
        "America/Caracas", "Asia/Kathmandu",
    ],
)  # fmt: skip
def test_around_each_change_of_the_clock_there_is_one_a_day(zone_name: str) -> None:
    """Of 2010 to 2030. Apia left out 30 December 2011: what was for that day comes at the first instant after it."""
    zone = known_zone(zone_name)
    for change in changes(zone_name):
        for hour in (0, 2, 3):
            rule = Rule(freq="DAILY", hours=(hour,), minutes=(30,))
            anchor = datetime.combine((wall(change, zone) - timedelta(days=9)).date(), datetime.min.time())
            times = list(islice(occurrences(rule, anchor, zone, change - timedelta(days=3)), 6))
            assert [it.at for it in times] == sorted({it.at for it in times})
            days = [it.local.date() for it in times if it.local]
            assert [(after - before).days for before, after in pairwise(days)] == [1] * 5
            for it in times:
                assert it.local is not None and it.at == to_utc(it.local, zone)


def changes(zone_name: str) -> list[datetime]:
    """Gives the instants (to the hour) at which a zone's offset changes, of 2010 to 2030."""
    zone, at, found = known_zone(zone_name), datetime(2010, 1, 1, tzinfo=UTC), []
    while at.year < 2031:
        following = at + timedelta(days=14)
        if at.astimezone(zone).utcoffset() != following.astimezone(zone).utcoffset():
            hours = (at + timedelta(hours=it) for it in range(14 * 24 + 1))
            found.append(next(it for it in hours if it.astimezone(zone).utcoffset() != at.astimezone(zone).utcoffset()))
        at = following
    return found
