"""Verdicts: which one counts, and when a thing is looked at again that was not met."""

from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from followups.domain import policies, verdicts
from followups.domain.contract import Done
from followups.domain.entities import FollowUp
from followups.domain.errors import Invalid
from followups.domain.status import Outcome, Verdict
from tests.support.clock import START
from tests.support.decide import running
from tests.support.things import later

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
GOOD = (Outcome.SUCCEEDED, Outcome.ATTENTION)


def said(outcome: Outcome, verdict: Verdict | None = None, evidence: str = "") -> Done:
    return Done(outcome=outcome, summary="s", verdict=verdict, evidence=evidence)


@pytest.mark.parametrize(("outcome", "verdict"), list(product(Outcome, (None, *Verdict))))
def test_only_met_is_a_success(outcome: Outcome, verdict: Verdict | None) -> None:
    judged = verdicts.judge(running(done_when="it is so"), said(outcome, verdict, "seen"))
    if outcome not in GOOD:
        assert (judged.verdict, judged.outcome) == (Verdict.CANNOT_TELL, outcome), "who failed cannot tell"
    elif verdict is Verdict.MET:
        assert (judged.verdict, judged.outcome) == (Verdict.MET, outcome)
    else:
        assert (judged.verdict, judged.outcome) == (verdict or Verdict.CANNOT_TELL, Outcome.ATTENTION)
    assert judged.evidence == "seen"


@pytest.mark.parametrize(("outcome", "verdict"), list(product(Outcome, (None, *Verdict))))
def test_a_verdict_that_nobody_asked_for_changes_nothing(outcome: Outcome, verdict: Verdict | None) -> None:
    assert verdicts.judge(running(), said(outcome, verdict, "seen")) == said(outcome)


def test_who_was_asked_and_gave_no_verdict_is_said_to_have_given_none() -> None:
    old = running(done_when="it is so")
    assert verdicts.judge(old, said(Outcome.SUCCEEDED)).evidence == verdicts.UNASKED
    assert verdicts.judge(old, said(Outcome.SUCCEEDED, None, "seen")).evidence == "seen"
    assert verdicts.judge(old, said(Outcome.SUCCEEDED, Verdict.NOT_MET)).evidence == ""


def looks(ladder: str, count: int, **fields: Any) -> list[tuple[datetime, datetime | None] | None]:
    """Gives the next looks after each of the first `count`, had each been at its time."""
    old, found = running(done_when="it is so", ladder=ladder, **fields), []
    for occurrence in range(1, count + 1):
        look = verdicts.next_look(old, old.due_at)
        found.append(look)
        if look is None:
            break
        wall = look[1].isoformat() if look[1] else None
        old = running(
            **(fields | {"done_when": "it is so", "ladder": ladder, "occurrence": occurrence + 1, "due_at": look[0],
                         "due_wall": wall})
        )  # fmt: skip
    return found


def at(*looked: tuple[datetime, datetime | None] | None) -> list[datetime | None]:
    return [it and it[0] for it in looked]


def test_without_a_ladder_nothing_is_looked_at_again() -> None:
    assert verdicts.next_look(running(done_when="it is so"), START) is None


def test_each_wait_counts_from_the_last_look_and_the_last_is_the_end() -> None:
    assert at(*looks("1d,2d,4d", 9)) == [later(days=1), later(days=3), later(days=7), None]


def test_with_a_time_to_give_up_at_the_last_wait_is_repeated() -> None:
    found = looks("1d,2d", 5, give_up_at=later(days=4))
    assert at(*found) == [later(days=day) for day in (1, 3, 5, 7, 9)], "whether that is too late is `given_up`'s to say"


def test_minutes_and_hours_are_elapsed_and_days_are_of_the_wall() -> None:
    # Berlin leaves summer time in the night to 25 October 2026: that day has 25 hours.
    due = datetime(2026, 10, 24, 7, 0, tzinfo=UTC)
    zoned: dict[str, Any] = {"timezone": "Europe/Berlin", "due_at": due}
    assert looks("1d", 1, **zoned) == [(due + 25 * HOUR, datetime(2026, 10, 25, 9))], "nine o'clock on either day"
    assert looks("24h", 1, **zoned) == [(due + 24 * HOUR, None)]
    assert looks("1440m", 1, **zoned) == [(due + 24 * HOUR, None)]


def test_a_day_that_lacks_the_hour_does_not_move_the_days_behind_it() -> None:
    # 02:30 does not exist in Berlin on 28 March 2027: the look is at 03:00 then, and at 02:30 again the day after.
    zoned: dict[str, Any] = {"timezone": "Europe/Berlin", "due_at": datetime(2027, 3, 27, 1, 30, tzinfo=UTC)}
    assert looks("1d,1d", 2, **zoned) == [
        (datetime(2027, 3, 28, 1, tzinfo=UTC), datetime(2027, 3, 28, 2, 30)),
        (datetime(2027, 3, 29, 0, 30, tzinfo=UTC), datetime(2027, 3, 29, 2, 30)),
    ]


@pytest.mark.parametrize(
    ("ladder", "seen", "again"),
    [
        ("4h", START + 3 * HOUR, START + 4 * HOUR),
        ("4h", START + 4 * HOUR, START + 8 * HOUR),
        ("4h", START + 9 * HOUR, START + 13 * HOUR),
        ("1d", START + 23 * HOUR, START + DAY),
        ("1d", START + 40 * DAY + HOUR, START + 41 * DAY + HOUR),
    ],
)
def test_a_look_that_would_be_past_counts_from_now(ladder: str, seen: datetime, again: datetime) -> None:
    found = verdicts.next_look(running(done_when="it is so", ladder=ladder), seen)
    assert found is not None and found[0] == again
    assert found[1] == (again.replace(tzinfo=None) if ladder == "1d" else None)


ZONES = st.sampled_from(["UTC", "Europe/Berlin", "Australia/Lord_Howe", "America/Santiago", "Pacific/Apia"])
DUES = st.datetimes(datetime(2011, 12, 1), datetime(2030, 1, 1), timezones=st.just(UTC))


@given(ZONES, DUES, st.integers(0, 40 * 86_400), st.sampled_from(["5m", "1h", "1d", "366d", "36h", "1d,5m"]))
def test_the_next_look_is_always_ahead(zone: str, due: datetime, late: int, ladder: str) -> None:
    now = due + timedelta(seconds=late)
    found = verdicts.next_look(running(done_when="x", ladder=ladder, timezone=zone, due_at=due, start_at=due), now)
    assert found is not None and now < found[0] <= now + timedelta(days=367)


@pytest.mark.parametrize("ladder", ["5m", "1h", "366d", "1d,2d,4d", ",".join(["1d"] * 12), "527040m"])
def test_a_ladder_is_read_as_it_is_stored(ladder: str) -> None:
    verdicts.check_ladder(ladder)
    assert len(looks(ladder, 20)) == ladder.count(",") + 2


@pytest.mark.parametrize(
    "ladder",
    ["", "1d,", ",1d", "1d, 2d", "1w", "d", "1", "-1d", "+1d", "1.5d", "1D", "٣d", "0d", "0m", "4m", "367d", "999999d",
     ",".join(["1d"] * 13)],
)  # fmt: skip
def test_what_is_no_ladder_is_not_half_understood(ladder: str) -> None:
    with pytest.raises(ValueError, match="not a ladder"):
        verdicts.check_ladder(ladder)


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("1d,2d,4d", "1d,2d,4d"), (" 1 day, 2 Days ,4d ", "1d,2d,4d"), ("15m,1h,1d", "15m,1h,1d"), ("a week", "7d"),
        ("P1D,PT90M", "1d,90m"), ("in 2 hours", "2h"), ("1w2d", "9d"), ("1h30m", "90m"), ("300s", "5m"), ("366d", "366d"),
        # A day is of the wall, and may have 23 hours or 25.
        ("24h", "24h"), ("36h", "36h"), ("1440m", "24h"), (",".join(["5m"] * 12), ",".join(["5m"] * 12)),
    ],
)  # fmt: skip
def test_what_is_typed_is_stored_in_one_way(text: str, stored: str) -> None:
    assert policies.read_ladder(text) == stored
    assert policies.read_ladder(stored) == stored
    verdicts.check_ladder(stored)


@pytest.mark.parametrize(
    "text",
    ["", ",", "1d,", "1d,,2d", "1d;2d", "1d 2d", "1d and 2d", "daily", "soon", "1m", "4m", "0d", "301s", "-1d", "1mo", "1y",
     "367d", "1d12h", "999999999999w", "999999999999999h", "８d", ",".join(["1d"] * 13)],
)  # fmt: skip
def test_what_is_no_ladder_says_how_one_is_written(text: str) -> None:
    with pytest.raises(Invalid, match="up to 12 with commas between them, like 1d,2d,4d") as refused:
        policies.read_ladder(text)
    assert (refused.value.code, refused.value.field) == ("invalid_ladder", "retry_until_met")
    assert [policies.read_ladder(it) for it in refused.value.suggestions] == list(refused.value.suggestions)


def test_a_look_at_the_very_end_is_not_too_late() -> None:
    old: FollowUp = running(done_when="it is so", ladder="1d", give_up_at=later(days=1))
    assert not verdicts.given_up(old, later(days=1))
    assert verdicts.given_up(old, later(days=1, microseconds=1))
    assert not verdicts.given_up(running(done_when="it is so", ladder="1d"), later(days=99_999))
