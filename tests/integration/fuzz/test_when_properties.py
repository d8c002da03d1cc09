"""What holds for all that the grammar takes, in all zones: texts are made of its own pieces."""

from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo, available_timezones

from hypothesis import assume, example, given
from hypothesis import strategies as st

from followups.domain.errors import Invalid
from followups.domain.rule import Rule
from followups.domain.schedule import fold_missed, next_after, occurrences
from followups.domain.walltime import to_utc, wall
from followups.domain.when import When, parse, read_any
from followups.domain.wording import say
from followups.domain.zones import ABBREVIATIONS
from tests.support.fuzz import search
from tests.support.hostile import any_text, in_time, nearly

NAMES = sorted(
    it for it in available_timezones() if it.lower() not in {*ABBREVIATIONS, "factory", "localtime", "posixrules"}
)
ZONES = st.sampled_from(NAMES)
MOMENTS = st.datetimes(datetime(2025, 1, 1), datetime(2045, 1, 1), timezones=st.just(UTC)).map(
    lambda it: it.replace(microsecond=0)
)
WEEKDAY = st.sampled_from(["monday", "Tue", "wednesday", "thurs", "fri", "saturday", "Sun"])
MONTH = st.sampled_from(["jan", "february", "Mar", "april", "may", "june", "july", "aug", "sept", "oct", "november", "dec"])
NTH = st.sampled_from(["first", "2nd", "third", "4th", "last", "first and third", "second, fourth and last"])
HOUR, MINUTE = st.integers(0, 23), st.integers(0, 59)
TIME = (
    st.sampled_from(["9am", "12:30 pm", "noon", "midnight", "morning", "evening", "at 9", "at 17", "at 0:00"])
    | st.builds(lambda hour, minute: f"at {hour}:{minute:02}", HOUR, MINUTE)
    | st.builds(lambda first, step, minute: f"at {first}:{minute:02} and {first + step}:{minute:02}", st.integers(0, 11),
                st.integers(1, 12), MINUTE)
)  # fmt: skip
UNIT = st.sampled_from(["day", "week", "month", "year"])
ORDINAL = st.integers(1, 31).map(
    lambda day: f"{day}{'th' if 10 < day < 14 else {1: 'st', 2: 'nd', 3: 'rd'}.get(day % 10, 'th')}"
)
DATE = st.builds(lambda month, day: f"{month} {day}", MONTH, st.integers(1, 28)) | st.just("29 feb")
DAYS = st.lists(WEEKDAY, min_size=1, max_size=4).map(", ".join) | st.sampled_from(
    ["weekday", "mon-fri", "sat/sun", "fri - mon"]
)
#: What comes by the day or more seldom; it may have a time of day.
BY_DAYS = (
    st.sampled_from(["daily", "weekly", "monthly", "yearly", "quarterly", "fortnightly", "everyday", "weekends", "mon-fri"])
    | st.builds(lambda unit: f"every {unit}", UNIT)
    | st.builds(lambda count, unit: f"every {count} {unit}s", st.integers(1, 5), UNIT)
    | st.builds(lambda nth, unit: f"every {nth} {unit}", st.sampled_from(["other", "second", "3rd"]), UNIT)
    | DAYS.map(lambda days: f"every {days}")
    | WEEKDAY.map(lambda day: f"every other {day}")
    | st.builds(lambda count, days: f"every {count} weeks on {' and '.join(days)}", st.integers(1, 9),
                st.lists(WEEKDAY, min_size=1, max_size=3))
    | st.builds(lambda every, day: f"{every} on the {day}", st.sampled_from(["monthly", "every 2 months"]), ORDINAL)
    | st.lists(st.integers(1, 28).map(str), min_size=2, max_size=4).map(", ".join).map("every month on the {}".format)
    | st.builds(lambda nth, what: f"{nth} {what} of every month", NTH, WEEKDAY | st.sampled_from(["day", "weekday"]))
    | st.builds(lambda nth, day: f"{nth} {day} of every other month", NTH, WEEKDAY)
    | DATE.map(lambda date: f"every year on {date}")
    | st.builds("every {} {} of {}".format, st.sampled_from(["first", "3rd", "last"]), WEEKDAY, MONTH)
    | st.sampled_from(["end of every month", "last day of every month", "every other year on jan 1"])
)  # fmt: skip
ELAPSED = st.builds(lambda n: f"every {n} minutes", st.integers(5, 2_000)) | st.builds(
    lambda n: f"every {n} hours", st.integers(1, 200)
)
BOUND = (
    st.just("")
    | st.builds(lambda n, unit: f" for {n} {unit}s", st.integers(1, 90), UNIT)
    | st.integers(1, 1_000).map(lambda n: f", {n} times")
    | DATE.map(lambda date: f" until {date}")
    | st.dates(datetime(2046, 1, 1).date(), datetime(2050, 1, 1).date()).map(lambda day: f" until {day}")
    | DATE.map(lambda date: f" starting {date}")
    | DATE.map(lambda date: f" except {date}")
    | st.builds(lambda date, more, n: f" {n} times except {date} and {more}", DATE, DATE, st.integers(1, 9))
)
TEXTS = st.builds("{}{}".format, BY_DAYS | st.builds("{} {}".format, BY_DAYS, TIME) | ELAPSED, BOUND)


def read(text: str, at: datetime, zone: str) -> When:
    """Gives what a text of the grammar means; one that would not come within its bounds is none."""
    try:
        return parse(text, at=at, timezone=zone)
    except Invalid as refused:
        assert refused.code in ("invalid_recurrence", "interval_too_short", "due_out_of_range"), (text, refused)
        assume(False)
        raise


@search(60)
@given(TEXTS, MOMENTS, ZONES)
@example("every 29 feb 3 times except 29 feb and mar 1", datetime(2028, 2, 29, 12, tzinfo=UTC), "Europe/Berlin")
def test_what_is_said_back_is_read_as_the_same_rule(text: str, at: datetime, zone: str) -> None:
    found = read(text, at, zone)
    assert found.rule is not None and found.anchor is not None
    said = say(found.rule, found.anchor)
    again = read(said, at, zone)
    assert again.rule == found.rule, said
    assert again.anchor is not None and say(again.rule, again.anchor) == said
    assert Rule.parse(str(found.rule)) == found.rule
    assert found.due_at > at
    task, in_sentence = read_any(f"Check the disk {text}", at=at, timezone=zone)
    assert (task, in_sentence.rule, in_sentence.due_at) == ("Check the disk", found.rule, found.due_at)


@search(50)
@given(TEXTS, MOMENTS, ZONES, st.integers(0, 60), st.integers(0, 4_000_000))
def test_occurrences_ascend_and_a_chain_of_them_never_drifts(
    text: str, at: datetime, zone_name: str, hop: int, late: int
) -> None:
    found, zone = read(text, at, zone_name), ZoneInfo(zone_name)
    rule, anchor = found.rule, found.anchor
    assert rule is not None and anchor is not None
    walk = list(islice(occurrences(rule, anchor, zone, at), 40))
    assert walk[0].at == found.due_at
    assert all(before.at < after.at for before, after in pairwise(walk))
    # Whatever is stored is one of them, and the next is the one after it, however late it is asked for.
    here = walk[hop % len(walk)]
    following = next_after(rule, anchor, zone, here.at)
    assert following == next((it for it in walk if it.at > here.at), following)
    assert following is None or following.at > here.at
    moment = here.at + timedelta(seconds=late)
    upto = [it.at for it in walk if here.at < it.at <= moment]
    if walk[-1].at > moment:
        assert fold_missed(rule, anchor, zone, here.at, moment) == (len(upto), (upto or [here.at])[-1])


@search(50)
@given(st.builds("{} {}".format, BY_DAYS, TIME), MOMENTS, ZONES, st.integers(0, 20 * 366))
def test_wall_time_is_kept_through_the_years(text: str, at: datetime, zone_name: str, days: int) -> None:
    found, zone = read(text, at, zone_name), ZoneInfo(zone_name)
    rule, anchor = found.rule, found.anchor
    assert rule is not None and anchor is not None
    times = rule.times(anchor)
    for it in islice(occurrences(rule, anchor, zone, at + timedelta(days=days)), 4):
        assert it.local is not None and it.local.time() in times
        shown = wall(it.at, zone)
        # Only a time that the clock leaves out is shown as another: the first instant that there is.
        assert shown == it.local or (shown > it.local and to_utc(it.local, zone) == it.at)
        assert rule.interval > 1 or it.local >= anchor


@search(30)
@given(ELAPSED, MOMENTS, ZONES, st.integers(0, 1_000))
def test_hours_and_minutes_are_elapsed(text: str, at: datetime, zone: str, steps: int) -> None:
    found = read(text, at, zone)
    assert found.rule is not None and found.anchor is not None and found.local is None
    step = found.due_at - at
    following = next_after(found.rule, found.anchor, ZoneInfo(zone), at + step * steps)
    assert following == (at + step * (steps + 1), None)


@search(50)
@given(st.datetimes(datetime(1990, 1, 1), datetime(2050, 1, 1)).map(lambda it: it.replace(microsecond=0)), ZONES)
def test_a_wall_time_becomes_its_first_instant_or_the_first_after_the_gap(local: datetime, zone_name: str) -> None:
    zone = ZoneInfo(zone_name)
    moment = to_utc(local, zone)
    back = moment.astimezone(zone).replace(tzinfo=None)
    assert moment.tzinfo is UTC
    if back == local:
        assert moment == local.replace(tzinfo=zone, fold=0).astimezone(UTC)
    else:
        before = (moment - timedelta(seconds=1)).astimezone(zone).replace(tzinfo=None)
        assert before < local < back, "the wall time lies in the gap that this instant ends"


RULES = st.sampled_from(
    [
        "FREQ=DAILY;INTERVAL=1", "FREQ=WEEKLY;INTERVAL=12",
        "FREQ=WEEKLY;INTERVAL=1;BYDAY=MO,TH;BYHOUR=9;BYMINUTE=0;COUNT=5",
        "FREQ=MONTHLY;INTERVAL=2;BYMONTHDAY=28,29,30,31;BYSETPOS=-1;UNTIL=20270301",
        "CRON=*/10 8-18 * * MON-FRI;EXDATE=20261225", "FREQ=YEARLY;INTERVAL=1;BYMONTH=2;BYMONTHDAY=29",
        "FREQ=MONTHLY;INTERVAL=1;BYDAY=-1FR", "FREQ=MINUTELY;INTERVAL=5",
    ]
)  # fmt: skip


@search(40)
@given(any_text | RULES | nearly(RULES))
@example("FREQ=DAILY;INTERVAL=1٣")
def test_a_rule_reads_back_from_its_canonical_text(text: str) -> None:
    with in_time():
        try:
            rule = Rule.parse(text)
        except ValueError as error:
            str(error).encode()
            return
        assert Rule.parse(str(rule)) == rule
        assert str(Rule.parse(str(rule))) == str(rule), "it is one spelling"
