"""A time that comes once: `in 3 days at 9am`, `tomorrow`, `friday`, `dec 1`, `2026-12-01T09:00Z`."""

import re
from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import NamedTuple
from zoneinfo import ZoneInfo

from followups.domain.walltime import to_utc, wall
from followups.domain.when.clock import MORNING, split_time
from followups.domain.when.names import WEEKDAY, WEEKDAYS, coming, day_named
from followups.domain.when.refusals import Refusal
from followups.domain.when.spans import read_span
from followups.domain.wording import DAY_NAMES

_WEEKDAY = re.compile(rf"(?:(this|next) )?({WEEKDAY})", re.ASCII)
_INSTANT = re.compile(
    r"(\d{4}-\d{2}-\d{2})[t ](\d{2}):(\d{2})(?::(\d{2})(?:[.,]\d{1,9})?)? ?(?:(z)|([+-])(\d{2}):?(\d{2}))?", re.ASCII
)
_FAR_YEAR = re.compile(r"[+-]?\d{5,}-\d{2}-\d{2}(?:t| |$)", re.ASCII)
_FROM = re.compile(rf"(.+) from (today|tomorrow|{WEEKDAY})", re.ASCII)
_DAY = timedelta(days=1)
_TWO_DAYS = frozenset(["day after tomorrow", "the day after tomorrow"])


class Once(NamedTuple):
    """A moment: either what a clock on the wall will show, or an instant."""

    local: datetime | None
    at: datetime


def read_once(words: str, now: datetime, zone: ZoneInfo) -> Once | None:
    """Takes words and the present instant (UTC); gives the moment, which may be past, or None if they name none.

    Raises Refusal; OverflowError and ValueError for a day beyond the calendar.
    """
    if _FAR_YEAR.match(words):
        raise OverflowError(words)
    return _instant(words, zone) or _span(words, now, zone) or _day(words, now, zone)


def _instant(words: str, zone: ZoneInfo) -> Once | None:
    found = _INSTANT.fullmatch(words)
    if not found:
        return None
    day = day_named(found[1], date.min)
    hour, minute, second = (int(it or 0) for it in found.group(2, 3, 4))
    if day is None or hour > 23 or minute > 59 or second > 59:
        raise Refusal("there is no such time: hours go to 23, minutes and seconds to 59", "2026-12-01T09:00")
    local = datetime.combine(day, time(hour, minute, second))
    if not (found[5] or found[6]):
        return _at_wall(local, zone)
    offset = timedelta(hours=int(found[7] or 0), minutes=int(found[8] or 0))
    if offset >= _DAY:
        raise Refusal("there is no such offset: they go to 23:59", "2026-12-01T09:00+01:00")
    return Once(None, local.replace(tzinfo=timezone(-offset if found[6] == "-" else offset)).astimezone(UTC))


def _span(words: str, now: datetime, zone: ZoneInfo) -> Once | None:
    rest, moment = split_time(words)
    said = words if moment is None else rest
    span = read_span(said)
    if span is None:
        return None
    if said.startswith("a") and not said.endswith("from now"):
        raise Refusal("this could be once, or how often it comes", f"in {words}", f"every {said.split()[1]}", either=True)
    if moment is not None:
        if span.elapsed or not span.by_the_calendar:
            raise Refusal(
                "hours and minutes are counted, so they go with no time of day", f"in 3 days at {moment:%H:%M}", rest
            )
        return _at_wall(datetime.combine(span.from_wall(wall(now, zone)).date(), moment), zone)
    if span.elapsed:
        return Once(None, span.after(now, zone))
    return _at_wall(span.from_wall(wall(now, zone)), zone)


def _day(words: str, now: datetime, zone: ZoneInfo) -> Once | None:
    rest, moment = split_time(words)
    rest = rest.removeprefix("on ")
    if rest in ("", "this") and (moment is None or (rest and " at " in words)):
        return None
    # The next such day: today's, if its time is still to come.
    once = None
    today = wall(now, zone).date()
    for start in (today, today + _DAY):
        day = (_fixed(rest, today) or _weekday(rest, start, moment) or day_named(rest, start)) if rest else start
        if day is None:
            return None
        once = _at_wall(datetime.combine(day, moment or MORNING), zone)
        if once.at > now:
            break
    return once


def _fixed(words: str, today: date) -> date | None:
    """Gives a day that is so many days after today, or None."""
    if words in _TWO_DAYS:
        return today + 2 * _DAY
    if words in ("today", "tomorrow", "this"):  # this evening
        return today + (_DAY if words == "tomorrow" else timedelta())
    found = _FROM.fullmatch(words)
    span = read_span(found[1]) if found else None
    if not found or span is None or span.elapsed:
        return None
    day = _fixed(found[2], today) or coming(WEEKDAYS[found[2]], today)
    return span.from_wall(datetime.combine(day, MORNING)).date()


def _weekday(words: str, start: date, moment: time | None) -> date | None:
    found = _WEEKDAY.fullmatch(words)
    if not found:
        return None
    weekday = WEEKDAYS[found[2]]
    if found[1] != "next":
        return coming(weekday, start)
    soon = coming(weekday, start + _DAY)
    next_weeks = start + timedelta(days=7 - start.weekday() + weekday)
    if soon == next_weeks:
        return soon
    at = f"{moment or MORNING:%H:%M}"
    why = f"this could be {DAY_NAMES[weekday]} of this week or of the next"
    raise Refusal(why, f"{soon} {at}", f"{next_weeks} {at}", either=True)


def _at_wall(local: datetime, zone: ZoneInfo) -> Once:
    return Once(local, to_utc(local, zone))
