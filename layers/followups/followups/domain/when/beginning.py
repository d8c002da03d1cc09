"""Where a recurrence begins: from what was read to a rule and its first occurrence."""

from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from followups.domain.periods import BARREN
from followups.domain.rule import ELAPSED, UNITS, WORK, Rule
from followups.domain.schedule import Occurrence, next_after
from followups.domain.walltime import to_utc, wall
from followups.domain.when.bounds import Bounds
from followups.domain.when.clock import MORNING
from followups.domain.when.refusals import Refusal, no_rule
from followups.domain.when.repeats import REST, Repeat, clamp, clamp_in_year, picking
from followups.domain.when.spans import Span

_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recurrence:
    """A rule with its beginning."""

    rule: Rule
    #: Naive time of the first occurrence: of a clock in the zone, and of one in UTC for elapsed rules.
    anchor: datetime
    first: Occurrence
    notes: tuple[str, ...]


def begin(repeat: Repeat, bounds: Bounds, now: datetime, zone: ZoneInfo) -> Recurrence:
    """Takes what was read and the present instant (UTC); gives the recurrence. An interval's first is one interval from
    now, or at its `starting`; what names days or a time of day begins with the next that fits.

    Raises Refusal for a rule that is impossible, too often, or has no time to come.
    """
    repeat = _without_weekdays(repeat, bounds.never_on)
    anchor, start = _origin(repeat, bounds, now, zone)
    fields, notes = _completed(repeat, bounds.starting or wall(now, zone).date(), anchor)
    rule = _rule(fields | _limits(bounds, now, zone))
    # All is counted from the first that fits, whatever lies before it and whether or not it is excepted: how often, and
    # every other (WHEN.md, rule 8).
    counted = next_after(_every_one(rule), anchor, zone, start)
    if counted is None or counted.at - max(now, start) > BARREN:
        raise Refusal("it would not come in the next five years", "every month on the 31st", code="invalid_recurrence")
    anchor = counted.at.replace(tzinfo=None) if rule.elapsed else counted.local or wall(counted.at, zone)
    first = next_after(rule, anchor, zone, max(now, start))
    if first is None:
        raise _over(rule, counted, zone)
    return Recurrence(rule=rule, anchor=anchor, first=first, notes=notes + _idle(rule, anchor, zone))


def _every_one(rule: Rule) -> Rule:
    """Gives the rule whose first occurrence is the one that another counts from."""
    return replace(
        rule, count=None, until=None, without=(), interval=rule.interval if rule.elapsed or rule.freq == "CRON" else 1
    )


def _without_weekdays(repeat: Repeat, never_on: tuple[tuple[int, int], ...]) -> Repeat:
    """Gives what comes each day, or on some days of the week, without others of them. Raises Refusal for all else."""
    if not never_on:
        return repeat
    fields = repeat.fields
    days = fields.get("weekdays") or (WORK + REST if (fields["freq"], fields.get("interval", 1)) == ("DAILY", 1) else ())
    left = tuple(day for day in days if day not in never_on)
    if fields["freq"] not in ("DAILY", "WEEKLY") or not days:
        raise Refusal(
            "days of the week are excepted from what comes each day only", "weekdays at 9", code="invalid_recurrence"
        )
    if not left:
        raise Refusal("all its days are excepted", "weekdays at 9", code="invalid_recurrence")
    return replace(repeat, fields=fields | {"freq": "WEEKLY", "weekdays": left})


def _origin(repeat: Repeat, bounds: Bounds, now: datetime, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Gives the naive time to count from until the first occurrence is known, and the instant that this lies after."""
    freq, interval = repeat.fields["freq"], repeat.fields.get("interval", 1)
    local, start = wall(now, zone), bounds.starting
    if repeat.names_times or (repeat.at is not None and (freq, interval) == ("DAILY", 1)):
        default = time(0) if repeat.names_hours else MORNING
        anchor = datetime.combine(start or local.date(), repeat.at or default)
        if start is None:
            return anchor, now
        return anchor, to_utc(datetime.combine(start, bounds.starting_at or time(0)), zone) - _SECOND
    if start is not None:
        anchor = datetime.combine(start, repeat.at or bounds.starting_at or MORNING)
        at = to_utc(anchor, zone)
        return at.replace(tzinfo=None) if freq in ELAPSED else anchor, at - _SECOND
    step = Span(**{f"{UNITS[freq]}s": interval})
    if freq in ELAPSED:
        return now.replace(tzinfo=None) + step.elapsed, now
    local = step.from_wall(local)
    return datetime.combine(local.date(), repeat.at or local.time()), now


def _completed(repeat: Repeat, day: date, anchor: datetime) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Gives the rule's fields with those that were not said, taken from the day of the beginning, and what to say."""
    fields, notes = dict(repeat.fields), repeat.notes
    freq = fields["freq"]
    if freq in ELAPSED or freq == "CRON":
        return fields, notes
    if not fields.get("hours"):
        fields |= {"hours": (anchor.hour,), "minutes": (anchor.minute,)}
    if freq == "WEEKLY" and not fields.get("weekdays"):
        fields["weekdays"] = ((0, anchor.weekday()),)
    more: tuple[dict[str, Any], tuple[str, ...]] = ({}, ())
    if freq == "MONTHLY" and not (fields.get("monthdays") or fields.get("weekdays")):
        more = clamp(day.day)
    elif freq == "YEARLY" and not fields.get("months"):
        more = clamp_in_year(day.month, day.day)
    return fields | picking(more[0], len(fields["hours"]) * max(1, len(fields["minutes"]))), notes + more[1]


def _limits(bounds: Bounds, now: datetime, zone: ZoneInfo) -> dict[str, Any]:
    limits = {"until": bounds.until, "count": bounds.count, "without": bounds.without}
    if bounds.lasting is not None:
        if bounds.starting is None:
            limits["until"] = wall(bounds.lasting.after(now, zone), zone)
        else:
            start = datetime.combine(bounds.starting, bounds.starting_at or time(0))
            limits["until"] = bounds.lasting.from_wall(start) + bounds.lasting.elapsed - _SECOND
    return {name: value for name, value in limits.items() if value}


def _rule(fields: dict[str, Any]) -> Rule:
    try:
        return Rule(**fields)
    except ValueError as error:
        raise no_rule(error, "every monday at 9", "every month on the 15th") from error


def _over(rule: Rule, counted: Occurrence, zone: ZoneInfo) -> Refusal:
    """Says why a recurrence with an occurrence has none to come."""
    day = wall(counted.at, zone)
    why = "all its days are excepted, or past"
    if rule.until is not None and day > rule.until:
        why = f"it ends on {rule.until:%Y-%m-%d} at {rule.until:%H:%M}, before it would first come, {day:%Y-%m-%d at %H:%M}"
    return Refusal(why, code="invalid_recurrence")


def _idle(rule: Rule, anchor: datetime, zone: ZoneInfo) -> tuple[str, ...]:
    """Says which exceptions except nothing."""
    whole = replace(rule, count=None, without=())
    notes = []
    for day in rule.without:
        before = to_utc(datetime.combine(day, time(0)), zone) - _SECOND
        found = next_after(whole, anchor, zone, before)
        if found is None or (found.local or wall(found.at, zone)).date() != day:
            notes.append(f"except {day:%Y-%m-%d} changes nothing: it would not come on that day")
    return tuple(notes)
