"""Spellings that mean the same, made one before anything is read: `two weeks`, `everyday`, `9 a.m.`, `mon-fri`."""

import re

from followups.domain.when.names import WEEKDAY, WEEKDAYS
from followups.domain.wording import DAY_NAMES

_NUMBERS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_COUNTED = "|".join(_NUMBERS)
_UNIT = "(?:second|sec|minute|min|hour|hr|day|week|month|year|time)"
_RANGE = re.compile(
    rf"\b({WEEKDAY}) ?[-–] ?({WEEKDAY})\b|(?<=every )({WEEKDAY}) (?:to|through|thru) ({WEEKDAY})\b", re.ASCII
)
_SLASHED = re.compile(rf"\b{WEEKDAY}s?(?: ?/ ?{WEEKDAY}s?)+\b", re.ASCII)
_NUMBER = re.compile(rf"(?<=\bat )(?:{_COUNTED})\b|\b(?:{_COUNTED})(?= {_UNIT}s?\b)", re.ASCII)
_SAME = tuple(
    (re.compile(pattern, re.ASCII), put)
    for pattern, put in (
        (r"(?<=\d) ?([ap])\.m\.?", r"\1m"),
        (r"\b(\d{1,2}) ?o['’]?clock\b", r"\1:00"),
        (r"\beveryday\b", "every day"),
        (r"\bmidday\b", "noon"),
        (r"\bhalf an hour\b|(?<=every )half hour\b", "30 minutes"),
        (r"\b(?:a )?fortnight\b", "2 weeks"),
        (r"(?<=every )quarter\b", "3 months"),
        (r"(?<=\d)\[([a-z_+\-/]+)\]$", r" \1"),
    )
)


def plain(text: str) -> str:
    """Takes a text as typed; gives it in small letters, with one space between words, in the spelling that is read."""
    words = " ".join(text.split()).lower().rstrip(" .!?")
    for pattern, put in _SAME:
        words = pattern.sub(put, words)
    if "*" in words:  # cron
        return words
    words = _NUMBER.sub(lambda found: str(_NUMBERS.index(found[0]) + 1), words)
    words = _SLASHED.sub(lambda found: re.sub(" ?/ ?", ", ", found[0]), words)
    return _RANGE.sub(_days_of, words)


def _days_of(found: re.Match[str]) -> str:
    first, last = (WEEKDAYS[name] for name in (found.group(1, 2) if found[1] else found.group(3, 4)))
    return ", ".join(DAY_NAMES[(first + day) % 7].lower() for day in range((last - first) % 7 + 1))
