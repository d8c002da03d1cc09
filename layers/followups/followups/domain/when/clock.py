"""Times of day, as people write them: `9am`, `9:30 pm`, `14:00`, `noon`, `at 9`."""

import re
from datetime import time

from followups.domain.when.refusals import Refusal

#: A day without a time means this.
MORNING = time(9)
_NAMED = {"noon": time(12), "midnight": time(0), "morning": MORNING, "evening": time(18)}
_TIME = r"(?:\d{1,2}(?::\d{2}){0,2} ?[ap]m|\d{1,2}(?::\d{2}){1,2}|noon|midnight|morning|evening)"
_HOUR = r"at \d{1,2}"
_END = re.compile(rf"(?:^| )({_HOUR}|(?:at )?{_TIME})$", re.ASCII)
_START = re.compile(rf"^({_HOUR}|(?:at )?{_TIME}),? (?:on )?(?=\S)", re.ASCII)
#: So many times of a day may be listed.
_MOST = 12
_LIST = re.compile(
    rf"(?:^| )((?:{_HOUR}|(?:at )?{_TIME})(?:(?:,? and |, ?)(?:at )?(?:{_TIME}|\d{{1,2}})){{1,{_MOST}}})$", re.ASCII
)
_IN_LIST = re.compile(rf"{_TIME}|\d{{1,2}}", re.ASCII)
_PARTS = re.compile(r"(?:at )?(\d{1,2})(?::(\d{2}))?(?::(\d{2}))? ?([ap]m)?", re.ASCII)


def split_time(words: str) -> tuple[str, time | None]:
    """Gives the words without their time of day, at the end or before a day, and the time. Raises Refusal for 25:00."""
    if found := _END.search(words):
        return words[: found.start()].rstrip(", "), _read(found[1])
    if found := _START.match(words):
        return words[found.end() :], _read(found[1])
    return words, None


def split_times(words: str) -> tuple[str, tuple[time, ...]]:
    """Gives the words without the times of day, and the times, in their order: none, one, or a list like `at 9 and 17`.

    Raises Refusal for what is no time, and for `at 9 and 10pm`: that could be nine in the morning or in the evening.
    """
    found = _LIST.search(words)
    if not found:
        rest, moment = split_time(words)
        return rest, () if moment is None else (moment,)
    rest, texts = words[: found.start()].rstrip(", "), _IN_LIST.findall(found[1])
    if any(text.isdigit() for text in texts) and any(text.endswith("m") and text[0].isdigit() for text in texts):
        raise Refusal("say am or pm with each of the times", f"{rest} at 9:00 and 17:00".strip())
    return rest, tuple(sorted({_read(text) for text in texts}))


def _read(text: str) -> time:
    if named := _NAMED.get(text.removeprefix("at ")):
        return named
    parts = _PARTS.fullmatch(text)
    assert parts is not None, text
    hour, minute, second = (int(it or 0) for it in parts.groups()[:3])
    if parts[4]:
        if not 1 <= hour <= 12:
            raise Refusal(f"{text} is no time of day: am and pm go from 1 to 12", "9am", "14:00")
        hour = hour % 12 + (12 if parts[4] == "pm" else 0)
    if hour > 23 or minute > 59 or second > 59:
        raise Refusal(f"{text} is no time of day: they go from 00:00 to 23:59", "9am", "14:00")
    return time(hour, minute, second)
