"""A recurrence as a person would write it, and as the grammar reads it again."""

from collections.abc import Iterable
from datetime import date, datetime, time

from cronsim import CronSim

from followups.domain.rule import ANY_DATE, DAYS_END, UNITS, WORK, Rule

MONTH_NAMES = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
               "November", "December")  # fmt: skip
DAY_NAMES = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_NTH = {1: "first", 2: "second", 3: "third", 4: "fourth", -1: "last"}


def say(rule: Rule, anchor: datetime) -> str:
    """Takes a rule and its anchor; gives it in words: `every other Friday at 09:00 until 1 March 2027`."""
    if rule.cron:
        said = _cron(rule)
    elif (days := _days(rule)) is None:
        return f"by the rule {rule}"
    else:
        said = days + _times(rule, anchor)
    if rule.count is not None:
        said += f", {rule.count} time{'s' * (rule.count > 1)}"
    if rule.until is not None:
        said += f" until {said_date(rule.until.date())}" + (
            "" if rule.until.time() == DAYS_END else f" at {_time(rule.until.time())}"
        )
    return said + (f", except {_and(map(said_date, rule.without))}" if rule.without else "")


def said_date(day: date) -> str:
    """Gives a day in words that `day_named` reads: `1 March 2027`."""
    return f"{day.day} {MONTH_NAMES[day.month - 1]} {day.year:04}"


def said_rule(rule: str | None, anchor: str | None) -> str | None:
    """Takes a rule and its anchor as they are stored; gives it in words, None for once."""
    return say(Rule.parse(rule), datetime.fromisoformat(anchor)) if rule and anchor else None


def _cron(rule: Rule) -> str:
    explained = CronSim(rule.cron, ANY_DATE).explain()
    return f"{explained[0].lower()}{explained[1:]} (cron {rule.cron})"


def _times(rule: Rule, anchor: datetime) -> str:
    return "" if rule.elapsed else f" at {_and(map(_time, rule.times(anchor)))}"


def _days(rule: Rule) -> str | None:
    """Gives on which days, or None for a rule that our words do not have."""
    if rule.freq == "WEEKLY" and rule.weekdays and not (rule.monthdays or rule.months or rule.positions):
        return _weekly(rule)
    if rule.freq == "MONTHLY" and not rule.months:
        return _monthly(rule)
    if rule.freq == "YEARLY" and len(rule.months) == 1:
        return _yearly(rule)
    return None if rule.weekdays or rule.monthdays or rule.months or rule.positions else _every(rule)


def _every(rule: Rule) -> str:
    unit = UNITS[rule.freq]
    if rule.interval == 1:
        return f"every {unit}"
    return f"every other {unit}" if rule.interval == 2 and not rule.elapsed else f"every {rule.interval} {unit}s"


def _weekly(rule: Rule) -> str:
    if rule.interval == 1 and rule.weekdays == WORK:
        return "every weekday"
    days = _and(DAY_NAMES[day] for _, day in rule.weekdays)
    if rule.interval == 1:
        return f"every {days}"
    return f"every other {days}" if rule.interval == 2 and len(rule.weekdays) == 1 else f"{_every(rule)} on {days}"


def _monthly(rule: Rule) -> str | None:
    days = rule.monthdays
    if rule.weekdays == WORK and rule.positions and not days and (nths := _nths(_days_picked(rule))):
        return f"on the {nths} weekday {_of_months(rule)}"
    if rule.weekdays and not (days or rule.positions) and len({day for _, day in rule.weekdays}) == 1:
        nths = _nths(nth for nth, _ in rule.weekdays)
        return f"on the {nths} {DAY_NAMES[rule.weekdays[0][1]]} {_of_months(rule)}" if nths else None
    if rule.weekdays or not days:
        return None
    if -1 in days and not rule.positions and (nths := _nths(days)):
        return f"on the {nths} day {_of_months(rule)}"
    if _is_clamped(rule):
        return f"{_every(rule)} on the {_ordinal(days[-1])}"
    if rule.positions or min(days) < 1:
        return None
    where = " (where there is one)" if max(days) > 28 else ""
    return f"{_every(rule)} on the {_and(map(_ordinal, days))}{where}"


def _yearly(rule: Rule) -> str | None:
    month = MONTH_NAMES[rule.months[0] - 1]
    if len(rule.weekdays) == 1 and not (rule.monthdays or rule.positions) and rule.weekdays[0][0] in _NTH:
        nth, day = rule.weekdays[0]
        return f"{_every(rule)} on the {_NTH[nth]} {DAY_NAMES[day]} of {month}"
    if rule.weekdays or not rule.monthdays or min(rule.monthdays) < 1:
        return None
    if rule.months == (2,) and rule.monthdays == (28, 29) and _days_picked(rule) == (-1,):
        return f"{_every(rule)} on 29 February"
    if rule.positions or len(rule.monthdays) > 1:
        return None
    where = " (where there is one)" if (rule.months, rule.monthdays) == ((2,), (29,)) else ""
    return f"{_every(rule)} on {rule.monthdays[0]} {month}{where}"


def _days_picked(rule: Rule) -> tuple[int, ...]:
    """Gives which days BYSETPOS picks with all their times, else what is none of _NTH."""
    times = max(1, len(rule.hours)) * max(1, len(rule.minutes))
    days = sorted({(place - 1) // times + 1 if place > 0 else place // times for place in rule.positions})
    return tuple(days) if len(days) * times == len(set(rule.positions)) else (0,)


def _nths(numbers: Iterable[int]) -> str | None:
    """Gives `first and last`, or None if one has no name."""
    said = sorted(numbers, key=lambda it: it % 100)
    return _and(_NTH[it] for it in said) if set(said) <= _NTH.keys() else None


def _is_clamped(rule: Rule) -> bool:
    return _days_picked(rule) == (-1,) and rule.monthdays == tuple(range(28, rule.monthdays[-1] + 1))


def _of_months(rule: Rule) -> str:
    return f"of {_every(rule)}"


def _ordinal(day: int) -> str:
    ending = "th" if 10 < day < 14 else {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")
    return f"{day}{ending}"


def _time(moment: time) -> str:
    return f"{moment:%H:%M:%S}" if moment.second else f"{moment:%H:%M}"


def _and(parts: Iterable[str]) -> str:
    *front, last = parts
    return f"{', '.join(front)} and {last}" if front else last
