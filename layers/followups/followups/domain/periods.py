"""The days and times of a calendar rule, one period (day, week, month, year) after another. Wall-clock time only."""

from calendar import monthrange
from collections.abc import Iterable, Iterator
from datetime import date, datetime, time, timedelta

from followups.domain.rule import Rule

#: Without an occurrence for so long, a rule has none any more (WHEN.md, rule 13).
BARREN = timedelta(days=5 * 366)


def walls(rule: Rule, anchor: datetime, start: datetime) -> Iterator[datetime]:
    """Gives the rule's naive times at or after `start`, which is not before `anchor`, in their order."""
    latest, times = start, sorted(rule.times(anchor))
    for first, days in _periods(rule, anchor, start.date()):
        if datetime.combine(first, start.time()) - latest > BARREN:
            return
        for local in _of_period(rule, times, days):
            if local >= start:
                latest = local
                yield local


def _of_period(rule: Rule, times: list[time], days: Iterable[date]) -> Iterable[datetime]:
    fitting = sorted(day for day in set(days) if _fits(rule, day))
    if not rule.positions:
        return (datetime.combine(day, moment) for day in fitting for moment in times)
    count = len(fitting) * len(times)
    places = sorted({place - 1 if place > 0 else count + place for place in rule.positions})
    found = (divmod(place, len(times)) for place in places if 0 <= place < count)
    return [datetime.combine(fitting[day], times[moment]) for day, moment in found]


def _periods(rule: Rule, anchor: datetime, start: date) -> Iterator[tuple[date, Iterable[date]]]:
    """Gives each period from that of `start` on: its first day, and the days in it that the rule may mean."""
    first = anchor.date()
    if rule.freq in ("DAILY", "WEEKLY"):
        if rule.freq == "WEEKLY":
            first -= timedelta(days=first.weekday())
        step = timedelta(days=rule.interval * (7 if rule.freq == "WEEKLY" else 1))
        period = first + max(0, (start - first) // step) * step
        wanted = sorted({day for _, day in rule.weekdays}) or [anchor.weekday()]
        while True:
            yield period, [period + timedelta(days=day) for day in wanted] if rule.freq == "WEEKLY" else [period]
            period += step
    months = rule.interval * (12 if rule.freq == "YEARLY" else 1)
    base = first.year * 12 + (first.month - 1 if rule.freq == "MONTHLY" else 0)
    index = base + max(0, (start.year * 12 + start.month - 1 - base) // months) * months
    named = rule.months if rule.freq == "YEARLY" and rule.months else (first.month,)
    while True:
        year, month = divmod(index, 12)
        of = [month + 1] if rule.freq == "MONTHLY" else named
        yield date(year, month + 1, 1), [day for one in of for day in _of_month(rule, anchor.date(), year, one)]
        index += months


def _of_month(rule: Rule, first: date, year: int, month: int) -> list[date]:
    length = monthrange(year, month)[1]
    every = [date(year, month, day) for day in range(1, length + 1)]
    if rule.monthdays:
        numbers = {day if day > 0 else length + 1 + day for day in rule.monthdays}
        every = [day for day in every if day.day in numbers]
    elif not rule.weekdays:
        return [day for day in every if day.day == first.day]
    return every


def _fits(rule: Rule, day: date) -> bool:
    if rule.months and day.month not in rule.months:
        return False
    if rule.weekdays and not any(_is_that_weekday(day, nth, weekday) for nth, weekday in rule.weekdays):
        return False
    if rule.freq == "DAILY" and rule.monthdays:
        length = monthrange(day.year, day.month)[1]
        return day.day in rule.monthdays or day.day - length - 1 in rule.monthdays
    return True


def _is_that_weekday(day: date, nth: int, weekday: int) -> bool:
    if day.weekday() != weekday:
        return False
    if nth > 0:
        return (day.day - 1) // 7 + 1 == nth
    return nth == 0 or (monthrange(day.year, day.month)[1] - day.day) // 7 + 1 == -nth
