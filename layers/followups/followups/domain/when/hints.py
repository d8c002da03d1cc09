"""Phrases that people try and that are refused: why, and how to say what they could mean."""

import re

from followups.domain.when.names import WEEKDAY
from followups.domain.when.near import is_time_word
from followups.domain.when.refusals import Refusal

_PAST = ("in 1 hour", "tomorrow at 9")
_TO_COME = "say a time that is still to come"
_SOME_DAY = "say on which day"
_RARE = "it is too often; once in 5 minutes is the most"
_A = "(?:a |an |per |each |every )"
_NTH = rf"(?:every|each) (second|2nd|third|3rd|fourth|4th) ({WEEKDAY})s?(?! of| in| every| each)"
_FIRST = rf"(?:every|each) (first|1st|last) ({WEEKDAY})s?(?! of| in| every| each)"
_TWICE = "(?:twice|2 times)"
_OFTEN = r"(?:thrice|\d+ times)"
#: What is typed, why it is refused, and what could be meant: each of it, with what follows the phrase, is offered if it is
#: a time.
_KNOWN = (
    (r"next week", "this could be in a week, or any day of the week that comes", "in 1 week", "monday"),
    (r"next month", "this could be in a month, or the first of the month that comes", "in 1 month", "{next_month}"),
    (r"next year", "this could be in a year, or the first of the year that comes", "in 1 year", "jan 1"),
    (r"next quarter", "say when in it", "in 3 months", "{next_month}"),
    (r"(?:(?:on )?the |this |next )?weekend", _SOME_DAY, "saturday", "every weekend"),
    (r"(?:the )?end of (?:the |this )?week|eow", "this could be Friday or Sunday", "friday at 17:00", "sunday"),
    (r"(?:the )?end of (?:the |this )?day|eod", "say a time of day", "today at 18:00", "tomorrow at 9"),
    (r"yesterday|last \S+$|(?:\S+ ){1,4}ago", "this is past", *_PAST),
    (r"(?:right )?now$|asap|immediately|at once", _TO_COME, "in 1 minute", "in 1 hour"),
    (r"soon|later|some ?time|some ?day|eventually|never", "say when", *_PAST),
    (r"tonight(?: at)?", "say a time of day", "today at 20:00", "today at", "tomorrow at 9"),
    (r"bi-?weekly", "this could be every two weeks, or twice a week", "every 2 weeks", "mon, thu"),
    (r"bi-?monthly", "this could be every two months, or twice a month", "every 2 months",
     "every month on the 1st and 15th"),
    (r"bi-?annual(?:ly)?|biennial(?:ly)?", "this could be every two years, or twice a year", "every 6 months",
     "every 2 years"),
    (r"semi-?annual(?:ly)?|half-?yearly|every half year", "say it so", "every 6 months"),
    (rf"{_TWICE} (?:weekly|{_A}week)|semi-?weekly", "say on which days", "mon, thu", "mon, thu at 9"),
    (rf"{_TWICE} (?:monthly|{_A}month)|semi-?monthly", "say on which days", "every month on the 1st and 15th"),
    (rf"{_TWICE} (?:daily|{_A}day)", "say at which times", "every day at 9 and 17", "every 12 hours"),
    (rf"{_OFTEN} (?:daily|{_A}day)", "say at which times", "every day at 8, 12 and 16", "every 6 hours"),
    (rf"{_OFTEN} (?:weekly|{_A}week)", "say on which days", "mon, wed, fri at 9", "weekdays at 9"),
    (rf"once {_A}(day|week|month|year|hour)", "say it so", r"every \1"),
    (r"once (daily|weekly|monthly|yearly|hourly)", "say it so", r"\1"),
    (r"once (every .+)", "say it so", r"\1"),
    (_NTH, "this could be in a month, or in every so many weeks", r"\1 \2 of every month", r"every \1 week on \2"),
    (_FIRST, "say of which months", r"\1 \2 of every month"),
    (r"every (?:minute|(?:\d+ )?seconds?)$", _RARE, "every 5 minutes", "hourly"),
)  # fmt: skip
_HINTS = tuple((re.compile(rf"(?:{pattern})(?P<tail> .+)?", re.ASCII), why, ways) for pattern, why, *ways in _KNOWN)


def hint(words: str) -> Refusal | None:
    """Gives the refusal of a phrase that is known to mislead, or None."""
    for pattern, why, ways in _HINTS:
        if (found := pattern.fullmatch(words)) and all(map(is_time_word, (found["tail"] or "").split())):
            code = "interval_too_short" if why == _RARE else "invalid_due"
            return Refusal(why, *(found.expand(way) + (found["tail"] or "") for way in ways), code=code,
                           either=why.startswith("this could be"))  # fmt: skip
    return None
