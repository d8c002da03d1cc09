"""Recurrences in the two notations that machines write: cron, and RFC 5545's RRULE."""

import re
from datetime import time

from followups.domain.rule import ELAPSED, UNITS, Rule
from followups.domain.when.names import listed
from followups.domain.when.refusals import Refusal, no_rule
from followups.domain.when.repeats import Repeat

_NICKNAMES = {
    "@hourly": "0 * * * *", "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *", "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *",
}  # fmt: skip
_CRON = re.compile(
    r"[\d*/,-]+ [\d*/,-]+ [\d*/,lw-]+ (?:[\d*/,-]|jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)+"
    r" (?:[\d*/,#l-]|mon|tue|wed|thu|fri|sat|sun)+",
    re.ASCII,
)
_RRULE_FIELDS = listed("FREQ INTERVAL BYDAY BYMONTH BYMONTHDAY BYSETPOS COUNT UNTIL BYHOUR BYMINUTE EXDATE WKST")
_RIGHT = ("RRULE:FREQ=WEEKLY;BYDAY=MO;BYHOUR=9", "every monday at 9")


def read_cron(words: str) -> Repeat | None:
    """Takes five fields, or a nickname like `@daily`; gives the recurrence, or None if it is no cron. Raises Refusal."""
    cron = _NICKNAMES.get(words) or words.removeprefix("cron:").strip()
    if not _CRON.fullmatch(cron):
        if words.startswith("@"):
            raise Refusal("there is no such nickname", *list(_NICKNAMES)[:3])
        if words.startswith("cron:"):
            raise _refusal("cron has five fields: minute, hour, day, month, weekday", "0 9 * * mon-fri", "@daily")
        return None
    return Repeat(fields={"freq": "CRON", "cron": cron.upper()})


def read_rrule(words: str) -> Repeat | None:
    """Takes `RRULE:` and what follows; gives the recurrence, or None if it is no RRULE. Raises Refusal."""
    if not words.startswith("rrule:"):
        return None
    text = words.removeprefix("rrule:").strip(" ;").upper()
    names = [part.partition("=")[0] for part in text.split(";")]
    if strange := [name for name in names if name not in _RRULE_FIELDS]:
        known = " ".join(sorted(_RRULE_FIELDS - {"WKST", "EXDATE"}))
        raise _refusal(f"{strange[0][:20]!r} is none of the parts that are read: {known}")
    if re.search(r"UNTIL=\d{8}T\d{6}Z", text):
        raise _refusal("UNTIL is local time here; write it as a date, which is that whole day")
    try:
        rule = Rule.parse(text.replace("WKST=MO", "").replace(";;", ";").strip(";"))
    except ValueError as error:
        raise no_rule(error, *_RIGHT) from error
    if rule.positions and not (rule.weekdays or rule.monthdays):
        raise _refusal("BYSETPOS picks some of the days that BYDAY or BYMONTHDAY name, and needs one of them")
    if rule.freq in ELAPSED:
        raise _refusal(f"FREQ={rule.freq} is not read", f"every {rule.interval} {UNITS[rule.freq]}s")
    fields = {name: getattr(rule, name) for name in Rule.__slots__}
    at = None
    if len(rule.hours) == 1 and len(rule.minutes) <= 1:
        at = time(rule.hours[0], sum(rule.minutes))
    return Repeat(fields=fields, at=at)


def _refusal(why: str, *ways: str) -> Refusal:
    return Refusal(why, *(ways or _RIGHT), code="invalid_recurrence")
