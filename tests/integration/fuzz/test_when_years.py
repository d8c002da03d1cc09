"""Forty years of occurrences in each zone of the tzdata package: none left out, none twice. `make fuzz` runs it."""

from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from importlib import resources
from itertools import takewhile
from zoneinfo import available_timezones

import pytest

from followups.domain.rule import Rule
from followups.domain.schedule import Occurrence, occurrences
from followups.domain.walltime import wall
from followups.domain.zones import known_zone

FIRST, LAST = date(2000, 1, 1), date(2039, 12, 31)
#: Parts that two processes can share.
SHARES = 8
pytestmark = [pytest.mark.hypothesis, pytest.mark.slow]


def alike() -> list[list[str]]:
    """Gives the zones' names; those with the same data are one group, and its first stands for all."""
    groups = defaultdict(list)
    for name in sorted(available_timezones() - {"Factory", "localtime", "posixrules"}):
        groups[resources.files("tzdata.zoneinfo").joinpath(name).read_bytes()].append(name)
    return list(groups.values())


def years(rule: Rule, zone_name: str) -> list[Occurrence]:
    zone = known_zone(zone_name)
    times = occurrences(rule, datetime(2000, 1, 1, 2, 30), zone, datetime(1999, 12, 30, tzinfo=UTC))
    return list(takewhile(lambda it: it.local is not None and it.local.date() <= LAST, times))


def check(times: list[Occurrence], days: list[date], zone_name: str) -> None:
    """Fails unless there is one for each day, at its time or at the first instant after a gap in which this lies."""
    zone = known_zone(zone_name)
    assert [it.local.date() for it in times if it.local] == days, zone_name
    before = datetime.min.replace(tzinfo=UTC)
    for at, local in times:
        assert before < at, (zone_name, at)
        before, shown = at, wall(at, zone)
        if shown != local:
            assert local is not None and wall(at - timedelta(seconds=1), zone) < local < shown, (zone_name, local)


@pytest.mark.parametrize("share", range(SHARES))
def test_each_day_has_one_and_each_month_has_one(share: int) -> None:
    days = [FIRST + timedelta(days=it) for it in range((LAST - FIRST).days + 1)]
    ends = [day for day in days if (day + timedelta(days=1)).day == 1]
    for name, *_ in alike()[share::SHARES]:
        check(years(Rule(freq="DAILY", hours=(2,), minutes=(30,)), name), days, name)
        check(years(Rule(freq="MONTHLY", monthdays=(28, 29, 30, 31), positions=(-1,), hours=(2,), minutes=(30,)), name),
              ends, name)  # fmt: skip
