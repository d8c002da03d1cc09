"""From what people type to a time or a rule. Strict: what it does not know it refuses, and it never guesses.

This is the one place for the grammar. WHEN.md's full grammar comes with the issue on saying when; until then these
forms are read: `7d` `1w` `90m` `12h`, `in N seconds|minutes|hours|days|weeks`, `2026-12-01`, `2026-12-01T09:00` with or
without `Z` or offset, `daily`, `weekly`.
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from followups.domain.errors import Invalid
from followups.domain.schedule import Rule, format_instant, to_utc

EXAMPLES = "7d, 1w, in 3 hours, 2026-12-01, 2026-12-01T09:00, daily, weekly"
#: Nothing is scheduled further ahead than this.
HORIZON = timedelta(days=365 * 50)
_MORNING = time(9)
_COMPACT = re.compile(r"(\d+)([smhdw])", re.ASCII)
_WORDED = re.compile(r"in (\d+|an?) (second|minute|hour|day|week)s?", re.ASCII)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_DATETIME = re.compile(r"(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2}(?::\d{2})?)(Z|[+-]\d{2}:\d{2})?", re.ASCII | re.IGNORECASE)
_FAR_YEAR = re.compile(r"\d{5,}-\d{2}-\d{2}(?:T| |$)", re.ASCII)
_UNITS = {"s": "second", "m": "minute", "h": "hour", "d": "day", "w": "week"}
_SECONDS = {"second": 1, "minute": 60, "hour": 3600}
_DAYS = {"day": 1, "week": 7}
_RULES = {"daily": Rule("DAILY", 1), "weekly": Rule("WEEKLY", 1)}


@dataclass(frozen=True, slots=True)
class When:
    """What a text was understood as."""

    text: str
    due_at: datetime
    timezone: str
    #: None for once.
    rule: Rule | None
    #: Naive local time that the rule counts from.
    anchor: datetime | None

    @property
    def words(self) -> str:
        """What was understood, to be said back."""
        first = format_instant(self.due_at, self.timezone)
        return f"{self.rule.words}, first {first}" if self.rule else f"once, {first}"


def find_zone(name: str) -> ZoneInfo:
    """Gives the IANA zone. Raises Invalid `unknown_timezone`."""
    try:
        if not re.fullmatch(r"[A-Za-z0-9_+\-]+(/[A-Za-z0-9_+\-]+)*", name):
            raise ValueError(name)
        zone = ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise _unknown_zone(name) from error
    if zone.key in ("localtime", "posixrules", "Factory"):
        raise _unknown_zone(name)
    return zone


def _unknown_zone(name: str) -> Invalid:
    return Invalid(
        "unknown_timezone", f"{name[:60]!r} is not an IANA time zone; write one like Europe/Berlin or UTC", field="timezone"
    )


def parse(text: str, *, at: datetime, timezone: str) -> When:
    """Takes a text as typed, the present instant (UTC) and the IANA zone to read it in; gives what it means.

    Days and weeks keep the wall time, hours and smaller are elapsed time. Raises Invalid: `due_required`,
    `invalid_due`, `due_in_past`, `due_out_of_range`, `unknown_timezone`.
    """
    zone = find_zone(timezone)
    words = " ".join(text.split()).lower()
    if not words:
        raise Invalid("due_required", f"say when: {EXAMPLES}", field="due")
    now = at.replace(microsecond=0)
    try:
        return _read(text, words, now, zone)
    except (OverflowError, ValueError) as error:
        raise _out_of_range(text) from error


def _read(text: str, words: str, now: datetime, zone: ZoneInfo) -> When:
    local_now = now.astimezone(zone).replace(tzinfo=None)
    if rule := _RULES.get(words):
        anchor = local_now + timedelta(days=rule.days)
        return When(text, to_utc(anchor, zone), zone.key, rule, anchor)
    due = _relative(text, words, now, local_now, zone) or _absolute(text, words, zone)
    if due is None:
        raise Invalid("invalid_due", f"{_short(text)} is not a time I know; write one like {EXAMPLES}", field="due")
    if due <= now:
        raise Invalid("due_in_past", f"{_short(text)} is in the past ({format_instant(due, zone.key)}); "
                      f"say a later time, like {_suggestion(due, now, zone)}", field="due")  # fmt: skip
    if due - now > HORIZON:
        raise _out_of_range(text)
    return When(text, due, zone.key, None, None)


def _relative(text: str, words: str, now: datetime, local_now: datetime, zone: ZoneInfo) -> datetime | None:
    if found := _COMPACT.fullmatch(words):
        if found[2] == "m" and found[1] == "1":
            raise Invalid("invalid_due", "1m could be a minute or a month; write 'in 1 minute' or '30d'", field="due")
        count, unit = int(found[1]), _UNITS[found[2]]
    elif found := _WORDED.fullmatch(words):
        count, unit = (1 if found[1].startswith("a") else int(found[1])), found[2]
    else:
        return None
    if count == 0:
        raise Invalid("invalid_due", f"{_short(text)} is now; say a time that is still to come, like 1d", field="due")
    if unit in _SECONDS:
        return now + timedelta(seconds=count * _SECONDS[unit])
    return to_utc(local_now + timedelta(days=count * _DAYS[unit]), zone)


def _absolute(text: str, words: str, zone: ZoneInfo) -> datetime | None:
    stripped = words.upper()
    if _FAR_YEAR.match(stripped):
        raise _out_of_range(text)
    try:
        if _DATE.fullmatch(stripped):
            return to_utc(datetime.combine(date.fromisoformat(stripped), _MORNING), zone)
        if not (found := _DATETIME.fullmatch(stripped)):
            return None
        local = datetime.fromisoformat(f"{found[1]}T{found[2]}")
        if found[3] is None:
            return to_utc(local, zone)
        return datetime.fromisoformat(f"{found[1]}T{found[2]}{found[3].replace('Z', '+00:00')}").astimezone(UTC)
    except ValueError as error:
        raise Invalid("invalid_due", f"{_short(text)} is no date of the calendar; write one like 2026-12-01T09:00",
                      field="due") from error  # fmt: skip


def _suggestion(due: datetime, now: datetime, zone: ZoneInfo) -> str:
    wall = due.astimezone(zone).replace(tzinfo=None)
    local_now = now.astimezone(zone).replace(tzinfo=None)
    upcoming = datetime.combine(local_now.date(), wall.time())
    if upcoming <= local_now:
        upcoming += timedelta(days=1)
    return f"{upcoming:%Y-%m-%dT%H:%M}"


def _out_of_range(text: str) -> Invalid:
    return Invalid("due_out_of_range", f"{_short(text)} is too far off; the furthest is 50 years ahead", field="due")


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "...")
