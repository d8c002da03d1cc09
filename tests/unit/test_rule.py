"""A recurrence's canonical text: it reads back as the same rule, and what is no rule is refused with its fault."""

from datetime import date, datetime
from typing import Any

import pytest

from followups.domain.rule import Rule, TooOften


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        # As they were stored by the first version: all but the interval is the anchor's.
        ("FREQ=DAILY;INTERVAL=1", {"freq": "DAILY"}), ("FREQ=WEEKLY;INTERVAL=12", {"freq": "WEEKLY", "interval": 12}),
        ("FREQ=MINUTELY;INTERVAL=90", {"freq": "MINUTELY", "interval": 90}), ("FREQ=HOURLY;INTERVAL=1", {"freq": "HOURLY"}),
        ("FREQ=WEEKLY;INTERVAL=1;BYDAY=MO,TH;BYHOUR=9;BYMINUTE=30",
         {"freq": "WEEKLY", "weekdays": ((0, 0), (0, 3)), "hours": (9,), "minutes": (30,)}),
        ("FREQ=MONTHLY;INTERVAL=1;BYDAY=-1FR,1MO", {"freq": "MONTHLY", "weekdays": ((-1, 4), (1, 0))}),
        ("FREQ=MONTHLY;INTERVAL=2;BYMONTHDAY=28,29,30,31;BYHOUR=9;BYMINUTE=0;BYSETPOS=-1",
         {"freq": "MONTHLY", "interval": 2, "monthdays": (28, 29, 30, 31), "hours": (9,), "minutes": (0,),
          "positions": (-1,)}),
        ("FREQ=YEARLY;INTERVAL=1;BYMONTH=2,8;BYMONTHDAY=-1", {"freq": "YEARLY", "months": (2, 8), "monthdays": (-1,)}),
        ("FREQ=DAILY;INTERVAL=1;COUNT=1000", {"freq": "DAILY", "count": 1000}),
        ("FREQ=DAILY;INTERVAL=1;UNTIL=20270301", {"freq": "DAILY", "until": datetime(2027, 3, 1, 23, 59, 59)}),
        ("FREQ=DAILY;INTERVAL=1;UNTIL=20270301T090015;EXDATE=20261225,20261226",
         {"freq": "DAILY", "until": datetime(2027, 3, 1, 9, 0, 15), "without": (date(2026, 12, 25), date(2026, 12, 26))}),
        ("CRON=0 9 * * MON-FRI", {"freq": "CRON", "cron": "0 9 * * MON-FRI"}),
        ("CRON=*/5 * * * *;COUNT=3", {"freq": "CRON", "cron": "*/5 * * * *", "count": 3}),
        ("CRON=0 0 L * *", {"freq": "CRON", "cron": "0 0 L * *"}),
    ],
)  # fmt: skip
def test_a_rule_reads_back(text: str, fields: dict[str, Any]) -> None:
    assert Rule.parse(text) == Rule(**fields)
    assert str(Rule.parse(text)) == text


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("FREQ=DAILY", "FREQ=DAILY;INTERVAL=1"), ("BYDAY=TH,MO;FREQ=WEEKLY", "FREQ=WEEKLY;INTERVAL=1;BYDAY=MO,TH"),
        ("FREQ=DAILY;BYHOUR=17,9,9", "FREQ=DAILY;INTERVAL=1;BYHOUR=9,17"),
        ("FREQ=DAILY;COUNT=+03", "FREQ=DAILY;INTERVAL=1;COUNT=3"),
        ("FREQ=MONTHLY;BYDAY=+1MO", "FREQ=MONTHLY;INTERVAL=1;BYDAY=1MO"),
        ("FREQ=DAILY;UNTIL=20270301T235959", "FREQ=DAILY;INTERVAL=1;UNTIL=20270301"),
    ],
)  # fmt: skip
def test_other_spellings_become_the_one(text: str, canonical: str) -> None:
    assert str(Rule.parse(text)) == canonical


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "not a rule"), (";", "not a rule"), ("FREQ", "not a rule"), ("FREQ=", "not a rule"),
        ("INTERVAL=1", "not a rule"),
        ("FREQ=DAILY;", "not a rule"), ("FREQ=DAILY;FREQ=DAILY", "not a rule"), ("FREQ=DAILY;CRON=0 9 * * *", "not a rule"),
        ("FREQ=DAILY;X=1", "not a rule"), ("freq=daily", "not a rule"), ("FREQ=SECONDLY", "none of"),
        ("FREQ=CRON", "none of"),
        ("FREQ=DAILY;INTERVAL=0", "between"), ("FREQ=DAILY;INTERVAL=-1", "between"),
        ("FREQ=DAILY;INTERVAL=1.5", "whole number"),
        ("FREQ=DAILY;INTERVAL=\u0663", "whole number"), ("FREQ=DAILY;INTERVAL=99999", "whole number"),
        ("FREQ=DAILY;COUNT=0", "between"),
        ("FREQ=DAILY;COUNT=1001", "between"), ("FREQ=DAILY;UNTIL=2027-03-01", "not a date"),
        ("FREQ=DAILY;UNTIL=20270230", "day"),
        ("FREQ=DAILY;UNTIL=20270301T250000", "hour must be in"), ("FREQ=DAILY;UNTIL=20270301T090000Z", "not a date"),
        ("FREQ=DAILY;EXDATE=1", "not a date"), ("FREQ=DAILY;COUNT=2;UNTIL=20270301", "two ends"),
        ("FREQ=DAILY;BYHOUR=24", "between"),
        ("FREQ=DAILY;BYMINUTE=5", "needs BYHOUR"), ("FREQ=DAILY;BYHOUR=1;BYMINUTE=60", "between"),
        ("FREQ=MONTHLY;BYMONTHDAY=0", "between"),
        ("FREQ=MONTHLY;BYMONTHDAY=-32", "between"), ("FREQ=MONTHLY;BYDAY=6MO", "not a list"),
        ("FREQ=MONTHLY;BYDAY=0MO", "not a list"),
        ("FREQ=MONTHLY;BYDAY=MO,", "not a list"), ("FREQ=MONTHLY;BYSETPOS=0", "between"),
        ("FREQ=YEARLY;BYMONTH=13", "between"),
        ("FREQ=WEEKLY;BYDAY=1MO", "needs FREQ=MONTHLY"), ("FREQ=YEARLY;BYMONTHDAY=1", "needs its month"),
        ("FREQ=HOURLY;BYDAY=MO", "elapsed"), ("FREQ=MINUTELY;INTERVAL=30;BYHOUR=9", "elapsed"),
        ("CRON=0 9 * *", "five fields"),
        ("CRON=0 9 1 * 1", "two readings"), ("CRON=99 9 * * *", "no cron"), ("CRON=\u0660 9 * * *", "five fields"),
    ],
)  # fmt: skip
def test_what_is_no_rule(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Rule.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "FREQ=MINUTELY", "FREQ=MINUTELY;INTERVAL=4", "FREQ=DAILY;BYHOUR=9;BYMINUTE=0,4",
        "FREQ=DAILY;BYHOUR=0,23;BYMINUTE=1,57", "CRON=* * * * *", "CRON=*/3 9 * * *", "CRON=0,59 * * * *",
    ],
)  # fmt: skip
def test_what_comes_too_often(text: str) -> None:
    with pytest.raises(TooOften, match="once in 5 minutes is the most"):
        Rule.parse(text)


def test_what_is_empty_is_the_anchors() -> None:
    anchor = datetime(2026, 12, 1, 9, 30, 15)
    assert [f"{it}" for it in Rule(freq="DAILY").times(anchor)] == ["09:30:15"]
    assert [f"{it}" for it in Rule(freq="DAILY", hours=(8, 20)).times(anchor)] == ["08:00:15", "20:00:15"]


@pytest.mark.parametrize(
    ("cron", "is_interval"), [("0 9 * * *", False), ("*/5 * * * *", True), ("0 * * * *", True), ("0 9,17 * * *", False)]
)
def test_cron_by_the_minute_or_hour_is_an_interval(cron: str, is_interval: bool) -> None:
    assert Rule(freq="CRON", cron=cron).is_interval == is_interval
