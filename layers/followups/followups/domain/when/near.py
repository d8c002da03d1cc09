"""What somebody may have meant by a text that is no time: guesses, of which those that are times are offered."""

import difflib
import re
from collections.abc import Iterator
from datetime import date, timedelta
from functools import lru_cache
from itertools import chain

from followups.domain.when.names import MONTH, MONTHS, NTH, NUMBER, WEEKDAY, WEEKDAYS, listed
from followups.domain.wording import MONTH_NAMES
from followups.domain.zones import zone_of_city

#: Longer texts are not guessed at.
LONGEST = 100
_WORDS = listed(
    "second sec minute min hour hr day week month year quarter fortnight weekday weekend workday noon midnight midday "
    "morning afternoon evening night today tomorrow tonight yesterday now ago later end beginning start of the a an and or "
    "at on in to by for from until till through thru except but starting every each other next last this coming half past "
    "hourly daily weekly fortnightly monthly quarterly yearly annually biweekly bimonthly once twice thrice time per am pm "
    "between within after before business working sharp one two three four five six seven eight nine ten eleven twelve few "
    "couple christmas easter everyday tmrw eod eow eom eoy @hourly @daily @weekly @monthly @yearly single o'clock up fifth"
)
_VOCABULARY = frozenset(chain(_WORDS, WEEKDAYS, MONTHS, NTH))
#: Other ways to say it, tried one by one: what a text has, and what is put there.
_WAYS = tuple(
    (re.compile(pattern, re.ASCII), puts)
    for pattern, *puts in (
        (r" (?:sharp|time|o'clock)$|,(?= at)", ""),
        (r"\b(?:tmrw|tmr|tomo)\b", "tomorrow"),
        (r"\bhalf past (\d{1,2})", r"\1:30"),
        (r"\bquarter past (\d{1,2})", r"\1:15"),
        (r"\b(\d{1,2})[.h](\d{2}) ?([ap]m)?$", r"\1:\2\3"),
        (r"\bat (\d{1,2})(\d{2})$", r"at \1:\2"),
        (r"(?<![:.\d-]) (\d{1,2})$", r" at \1"),
        (r"^(?:(every) |each )?(?:the )?(.*?) ?\b(?:in the )?morning(?: at|,)? (\d\S*?)(?:am)?$",
         r"\1 day at \3am", r"\2 at \3am"),
        (r"^(?:(every) |each )?(?:the )?(.*?) ?\b(?:in the )?(?:afternoon|evening|night)(?: at|,)? (\d\S*?)(?:pm)?$",
         r"\1 day at \3pm", r"\2 at \3pm", r"\1 day at \3"),
        (r"\b(?:every|each) night$", "every day at 21:00"),
        (r"\b(?:every|each) afternoon$", "every day at 15:00"),
        (r"^(?:this |at )?night$", "today at 21:00", "tomorrow at 21:00"),
        (r"^(?:this |in the )?afternoon$", "today at 15:00", "tomorrow at 15:00"),
        (r"\bin the (morning|evening)$", r"\1"),
        (r"^(\d{1,2})$", r"at \1", r"in \1 days"),
        (r"^(.+ at \S+) and (.+ at \S+)$", r"\1", r"\2"),
        (r"\bstarting at\b", "at"),
        (r"\bstarting next (?=[mtwfs])", "starting "),
        (r"\b(?:the )?week after next$", "in 2 weeks"),
        (r" night$", " at 21:00"),
        (r" afternoon$", " at 15:00"),
        (r" tonight$", "", " today"),
        (r"\ba few\b|\bseveral\b", "3"),
        (r"\ba couple(?: of)?\b", "2"),
        (r"\ban? hour and a half\b|\b1[.,]5 ?h(?:(?:ou)?rs?)?\b", "90 minutes"),
        (r"\b(\d+)[.,]5 ?h(?:(?:ou)?rs?)?\b", r"\1h30m"),
        (r"\b(\d+)[.,]5 ?d(?:ays?)?\b", r"\1d12h"),
        (r"\b(\d+) and a half hours\b", r"\1h30m"),
        (r"^(?:within|after|about|around|for) (?:the next )?", "in "),
        (r"^(.+?) (?:later|hence)$", r"in \1"),
        (r"^(hour|day|week|month|year)s? from", r"a \1 from"),
        (r"^(day|week|month|year)s?$", r"in 1 \1", r"every \1"),
        (r"\b(?:this )?coming\b|\bupcoming\b", "this"),
        (r"\b(?:beginning|start|first day|first|1st) of (?:the )?next month\b", "{next_month}"),
        (r"\b(?:end|last day) of (?:the )?next month\b", "{next_end}"),
        (r"\b(?:first|1st) (?:day )?of (?:the|every|each) month\b", "every month on the 1st", "{next_month}"),
        (r"\blast day of (?:the )?month\b", "last day of every month", "end of month"),
        (r"\beom\b", "end of month"),
        (r"\beoy\b", "end of year"),
        (r"\b(?:the )?end of (?:the |every )?(?:quarter|3 months)\b", "every 3 months on the last day", "end of month"),
        (r"(?<!first)(?<!1st) of (?:the |this )?month\b", " of every month", " of {month}", " of {month_after}"),
        (rf"^(?:every |each |on )?(?:the )?(\d{{1,2}}(?:st|nd|rd|th)(?:(?:,? and |, )(?:the )?{NUMBER})*)\b",
         r"every month on the \1"),
        (r"\bday (\d{1,2})\b", r"the \1"),
        (rf"\b(?:every|each) ({MONTH})$", r"every year on 1 \1"),
        (rf"^(?:in |next |this )?({MONTH})( \d{{4}})?$", r"1 \1\2"),
        (rf"\b(until|till|from|starting) ({MONTH})\b(?! \d)", r"\1 1 \2"),
        (r"\bfirst of\b", "1"),
        (r"\b(?:christmas|xmas)(?: day)?\b", "dec 25"),
        (r"\bnew year(?:'?s)?(?: day)?\b", "jan 1"),
        (r"\b(?:business|working|work) ?(days?)\b", r"week\1"),
        (r"\b(?:all days|each and every day|every single day)\b", "every day"),
        (r"^(?:hourly|every hour) (?:from|between) (\d{1,2}) (?:and|to|until) (\d{1,2})$", r"0 \1-\2 * * *"),
        (r"^(?:hourly|every hour) on weekdays$", "0 * * * 1-5"),
        (r"^every (\d+) min(?:ute)?s? on weekdays$", r"*/\1 * * * 1-5"),
        (r"^(?:hourly|every hour) (?:on the hour|at :00)$", "0 * * * *"),
        (r"^(?:hourly|every hour) at :(\d\d)$", r"\1 * * * *"),
        (r" (?:to|up to|before|by|thru|through|ending|-) ", " until "),
        (r" between (.+?) and ", r" from \1 until "),
        (r"\bexcept (?:for|on the)\b|\bbut (?:not )?(?:on )?", "except "),
        (r",? (?:x(\d+)|(\d+)x)$", r" \1\2 times"),
        (r"\bmonthly on (?=[mtwfs])|\b(?:every|each) month on (?=[mtwfs])", "first "),
        (rf"^(first|last|{NUMBER}) ({WEEKDAY})s?$", r"\1 \2 of every month"),
        (rf"^({WEEKDAY}) (?:week|in a week)$", r"a week from \1"),
        (r"^(?:monthly|weekly|daily),? (.+)$|^(.+) (?:weekly|daily)$", r"every \1\2"),
        (r"^(?:starting|from) (\S+)(?: on)? (.+)$", r"\2 starting \1"),
        (r"^(for|until) (\S+ ?\S*) (every .+|daily|weekly|monthly)$", r"\3 \1 \2"),
        (r"^[+-](?=\d)", ""),
        (r"(\d{4})[/.](\d{2})[/.](\d{2})|\b(\d{4})(\d{2})(\d{2})(?=t|\b)", r"\1\4-\2\5-\3\6"),
        (r"t(\d{2})(\d{2})(\d{2})(z?)$", r"t\1:\2:\3\4"),
        (rf"\b(\d{{1,2}})\. ?(?={MONTH})", r"\1 "),
        (r"^freq=", "rrule:freq="),
    )
)  # fmt: skip
_NEXT_WEEKS = re.compile(rf"\b({WEEKDAY}) (?:of )?next week|\bnext week (?:on )?({WEEKDAY})", re.ASCII)
_DAY = re.compile(r"^(?:on )?(?:the )?(\d{1,2})(?:st|nd|rd|th)(?: of the month)?\b", re.ASCII)
_SHORT = re.compile(r"\b(\d{1,2})[./](\d{1,2})\.?(?=$| )", re.ASCII)


def is_time_word(word: str) -> bool:
    """Says whether a word may be said of a time, whatever stands beside it."""
    word = word.strip(",.;:!?+-")
    return not word or word[0].isdigit() or word in _VOCABULARY or word.removesuffix("s") in _VOCABULARY or word == "&"


def spelled(words: str) -> str:
    """Gives the text with words that are nearly such of a time put right, like `tomorow` and `evry`."""
    return " ".join(_spelled(word) for word in words.split())


def near(words: str, today: date) -> Iterator[str]:
    """Takes a text in small letters, and today in the zone; gives what may have been meant, the likeliest first."""
    if len(words) > LONGEST:
        return
    right = spelled(words)
    bases = dict.fromkeys((right, words))
    yield from (base for base in bases if base != words)
    once = list(dict.fromkeys(chain.from_iterable(_otherwise(base, today) for base in bases)))
    yield from once
    # Two slips in one text.
    for way in once[:8]:
        yield from _otherwise(way, today)


def prefixed(words: str) -> Iterator[str]:
    """Gives the text with a word before it that may have been left out."""
    if not words.startswith(("every ", "each ", "in ")):
        yield from (f"{word} {words.removeprefix('on ')}" for word in ("every", "in"))


def _otherwise(words: str, today: date) -> Iterator[str]:
    for pattern, puts in _WAYS:
        if pattern.search(words):
            for put in puts:
                yield dated(" ".join(pattern.sub(put, words, count=1).split()), today)
    yield from _with_dates(words, today)
    for count in (1, 2):
        front, city = " ".join(words.split()[:-count]), "_".join(words.split()[-count:])
        if front and (zone := zone_of_city(city)):
            yield f"{front.removesuffix(' in')} {zone}"


def _with_dates(words: str, today: date) -> Iterator[str]:
    """Gives the text with a date for words that name none yet: `15th`, `25.12.`, `monday next week`."""
    if found := _DAY.search(words):
        days = (today + timedelta(days=after) for after in range(1, 60))
        if day := next((it for it in days if it.day == int(found[1])), None):
            yield f"{day.day} {MONTH_NAMES[day.month - 1].lower()}{words[found.end() :]}"
    if found := _NEXT_WEEKS.search(words):
        day = today + timedelta(days=7 - today.weekday() + WEEKDAYS[found[1] or found[2]])
        yield f"{words[: found.start()]}{day}{words[found.end() :]}"
    if found := _SHORT.search(words):
        for number, month in (found.groups(), found.groups()[::-1]):
            if 1 <= int(month) <= 12:
                yield f"{words[: found.start()]}{number} {MONTH_NAMES[int(month) - 1].lower()}{words[found.end() :]}"


def dated(text: str, today: date) -> str:
    """Takes a text with names in braces; gives it with what they mean today, like the first of the next month."""
    if "{" not in text:
        return text
    first = (today.replace(day=1) + timedelta(days=32)).replace(day=1)
    after = (first + timedelta(days=32)).replace(day=1)
    for name, value in (
        ("next_month", f"{first}"), ("next_end", f"{after - timedelta(days=1)}"),
        ("month", MONTH_NAMES[today.month - 1].lower()), ("month_after", MONTH_NAMES[first.month - 1].lower()),
    ):  # fmt: skip
        text = text.replace(f"{{{name}}}", value)
    return text


@lru_cache(maxsize=1_000)
def _spelled(word: str) -> str:
    if len(word) < 4 or len(word) > 14 or is_time_word(word) or not word.isalpha():
        return word
    plural = word.endswith("s") and word[:-1] not in _VOCABULARY
    found = difflib.get_close_matches(word.removesuffix("s") if plural else word, _VOCABULARY, n=1, cutoff=0.8)
    return found[0] + "s" * (plural and not found[0].endswith("s")) if found and len(found[0]) > 2 else word
