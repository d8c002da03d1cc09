"""From rule to occurrences: counted from the wall time of the first, through every change of the clock."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from followups.domain.schedule import Rule, fold_missed, next_after, to_utc
from tests.support.fuzz import search

ZONES = sorted(available_timezones() - {"Factory", "localtime", "posixrules"})
RULES = st.builds(Rule, st.sampled_from(["DAILY", "WEEKLY"]), st.integers(1, 30))
ANCHORS = st.datetimes(datetime(2026, 1, 1), datetime(2030, 1, 1)).map(lambda it: it.replace(microsecond=0))


@pytest.mark.parametrize("text", ["FREQ=DAILY;INTERVAL=1", "FREQ=WEEKLY;INTERVAL=12"])
def test_a_rule_reads_back(text: str) -> None:
    assert str(Rule.parse(text)) == text


@pytest.mark.parametrize("text", ["", "FREQ=SECONDLY;INTERVAL=1", "FREQ=DAILY;INTERVAL=0", "FREQ=DAILY"])
def test_what_is_no_rule(text: str) -> None:
    with pytest.raises(ValueError, match="not a rule"):
        Rule.parse(text)


@search(150)
@given(RULES, ANCHORS, st.sampled_from(ZONES), st.integers(0, 400))
def test_a_chain_keeps_its_wall_time_and_never_drifts(rule: Rule, anchor: datetime, zone_name: str, steps: int) -> None:
    zone = ZoneInfo(zone_name)
    expected = to_utc(anchor + timedelta(days=rule.days * steps), zone)
    following = next_after(rule, anchor, zone, expected)
    assert following == to_utc(anchor + timedelta(days=rule.days * (steps + 1)), zone)
    assert following > expected
    wall = following.astimezone(zone).replace(tzinfo=None)
    if (wall - anchor) % timedelta(days=1):
        # Only where the wall time did not exist on that day: then it is the first instant that did.
        assert to_utc(anchor + timedelta(days=rule.days * (steps + 1)), zone) == following


@search(150)
@given(RULES, ANCHORS, st.sampled_from(ZONES), st.integers(0, 60), st.integers(-100, 5_000_000))
def test_folding_counts_as_a_walk_does(rule: Rule, anchor: datetime, zone_name: str, first: int, seconds: int) -> None:
    zone = ZoneInfo(zone_name)
    due = to_utc(anchor + timedelta(days=rule.days * first), zone)
    at = due + timedelta(seconds=seconds)
    missed, last = 0, due
    while (following := next_after(rule, anchor, zone, last)) <= at:
        missed, last = missed + 1, following
    assert fold_missed(rule, anchor, zone, due, at) == (missed, last)


@search(150)
@given(ANCHORS, st.sampled_from(ZONES))
def test_a_wall_time_becomes_its_first_instant_or_the_first_after_the_gap(wall: datetime, zone_name: str) -> None:
    zone = ZoneInfo(zone_name)
    moment = to_utc(wall, zone)
    back = moment.astimezone(zone).replace(tzinfo=None)
    assert moment.tzinfo is UTC
    if back == wall:
        assert moment == wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    else:
        before = (moment - timedelta(seconds=1)).astimezone(zone).replace(tzinfo=None)
        assert before < wall < back, "the wall time lies in the gap that this instant ends"
