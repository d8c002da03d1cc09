"""Any text for the grammar: understood or refused in its one way, and soon.

`make test` tries 1,000 texts, `make fuzz` 200 times FUZZ_EXAMPLES. They are made faster than by hypothesis: slips in texts
that are right, words of times in any order, and any characters.
"""

import random
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from followups.domain.errors import Invalid
from followups.domain.rule import Rule
from followups.domain.when import HORIZON, parse, put_off, read_any, read_sentence
from followups.domain.zones import ABBREVIATIONS, known_zone
from tests.support.fuzz import EXAMPLES
from tests.support.hostile import ODD

#: Parts that two processes can share.
SHARES = 4
COUNT = (200 * EXAMPLES if EXAMPLES else 1_000) // SHARES
NOW = datetime(2026, 11, 26, 8, 30, 15, tzinfo=UTC)
ZONES = ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "UTC", "Africa/Casablanca"]
CODES = {"due_required", "invalid_due", "due_in_past", "due_out_of_range", "invalid_recurrence", "interval_too_short",
         "unknown_timezone"}  # fmt: skip
RIGHT = [
    "7d", "1h30m", "in 3 days at 9am", "2 weeks from now", "tomorrow at 9", "2026-12-01T09:00+01:00", "P1Y2M3DT4H",
    "friday 5pm", "2026-12-01 09:00 Europe/Berlin", "first monday of march", "tue, 1 december 2026, 2pm",
    "day after tomorrow", "end of month", "every day at 9 and 17",
    "every other friday at 9:30 until 2027-03-01 except 2026-12-25", "mon-fri at 9", "every mon/wed at 9",
    "every month on the 1st and 15th", "last weekday of every month",
    "every 2 weeks on monday starting 2026-12-01 for 6 weeks", "every year on feb 29 at noon", "daily 5 times",
    "every 90 minutes", "daily except sundays", "0 9 * * 1-5", "*/10 8-18 * * MON", "@daily",
    "RRULE:FREQ=MONTHLY;BYDAY=MO,TU;BYSETPOS=-1;BYHOUR=9,17;COUNT=10", "RRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29",
    "Check backup health weekly", "Verify the bridge in 3 days", "Email Bob every monday at 9 for 6 weeks", "9am EST",
    "tonight", "twice a day", "next friday", "every 3rd friday", "25.12.", "9.30pm", "monday next week",
    "a week from monday",
]  # fmt: skip
WORDS = (
    "every each other on the of in at and , & monday tue fri weekdays weekends day days week weeks month year hour "
    "minutes first 2nd third last 1st 15th 31st 9 9am 17:00 noon midnight morning today tomorrow next this until "
    "till for starting from except 5 times twice once a an dec march 1 2026 2026-12-01 daily weekly monthly hourly "
    "yearly 7d 1m 3 10 Europe/Berlin EST UTC now -5 @daily rrule:freq=daily 0 * */5 end to through christmas "
    "tonight ago 1.5 check disk by than 12/25 2027 feb 29 30 x5 Z"
)
Read = Callable[[str, datetime, str], object]
READERS: list[Read] = [
    lambda text, at, zone: parse(text, at=at, timezone=zone),
    lambda text, at, zone: read_any(text, at=at, timezone=zone),
    lambda text, at, zone: read_sentence(text, at=at, timezone=zone),
    lambda text, at, zone: put_off(text, base=at + timedelta(days=3), at=at, timezone=zone),
]


def slip(dice: random.Random, text: str) -> str:
    """Gives a text with one to three places changed: cut out, doubled, swapped, or something put between."""
    for _ in range(dice.randint(1, 3)):
        start = dice.randint(0, len(text))
        end = min(len(text), start + dice.randint(0, 3))
        put = dice.choice(
            ["", text[start:end] * 2, text[start:end][::-1], dice.choice(ODD), f" {dice.choice(WORDS.split())} "]
        )
        text = text[:start] + put + text[end:]
    return text


def any_text(dice: random.Random) -> str:
    words = WORDS.split()
    match dice.randint(0, 9):
        case 0 | 1 | 2 | 3:
            return slip(dice, dice.choice(RIGHT))
        case 4 | 5 | 6:
            return " ".join(dice.choice(words) for _ in range(dice.randint(1, 9)))
        case 7:
            return f"{dice.choice(RIGHT)}{dice.choice(['', ' ', ' and ', ', '])}{dice.choice(RIGHT)}"
        case 8:
            return dice.choice([*words, *ODD]) * dice.randint(1, 400)
    return "".join(dice.choice([dice.choice(ODD), chr(dice.randint(0, 0x10FFFF))]) for _ in range(dice.randint(0, 40)))


def judge(read: Read, text: str, at: datetime, zone: str) -> tuple[str, ...]:
    """Reads a text; gives what is offered instead if it is refused. Fails if the answer is none that there may be."""
    try:
        found = read(text, at, zone)
    except Invalid as refused:
        assert refused.code in CODES, refused
        assert len(refused.suggestions) <= 3 and len(refused.detail) < 600
        refused.detail.encode("utf-8")
        return refused.suggestions
    if isinstance(found, datetime):
        assert timedelta(0) < found - at <= HORIZON
        return ()
    task, when = found if isinstance(found, tuple) else (None, found)
    assert timedelta(0) < when.due_at - at <= HORIZON and when.due_at.microsecond == 0
    assert task is None or (len(task.split()) >= 2 and task in " ".join(text.split()))
    assert when.words and known_zone(when.timezone)
    assert when.rule is None or Rule.parse(str(when.rule)) == when.rule
    return ()


@pytest.mark.hypothesis
@pytest.mark.parametrize("share", range(SHARES))
def test_any_text_is_understood_or_refused(share: int) -> None:
    seed = random.SystemRandom().randint(0, 2**32) if EXAMPLES else share
    dice = random.Random(seed)
    for turn in range(COUNT):
        text, zone = any_text(dice), dice.choice(ZONES)
        at = NOW + timedelta(hours=dice.randint(0, 400_000)) if turn % 2 else NOW
        read = READERS[(turn + share) % len(READERS)]
        start = time.thread_time()
        try:
            for way in judge(read, text, at, zone):
                assert turn % 5 or judge(read, way, at, zone) == (), f"what is offered is taken: {way}"
        except Exception as error:
            error.add_note(f"seed {seed}, turn {turn}: {text!r} at {at} in {zone}")
            raise
        assert time.thread_time() - start < 1, (text, at, zone)


def test_abbreviations_are_refused_whatever_their_case() -> None:
    for name in ABBREVIATIONS:
        with pytest.raises(Invalid, match="is an abbreviation"):
            parse(f"9am {name.upper()}", at=NOW, timezone="Europe/Berlin")
        judge(READERS[1], f"Check the disk daily {name}", NOW, "Europe/Berlin")
