"""The tick: whatever the event says, sweep as usual."""

from collections import Counter
from datetime import timedelta
from typing import Any

from followups.handlers import Context, Event, Handler, Log, silent
from followups.usecases.outgoing import Swept
from followups.usecases.sweep import sweep
from followups.usecases.world import World

#: There is no use in a sweep that has less time.
_LEAST = timedelta(seconds=20)


def sweeper(world: World, *, log: Log = silent, again: timedelta | None = None) -> Handler:
    """Gives the handler of scheduled events; it answers with what the sweep did, counted.

    `again` is the pause after which it sweeps once more if somebody waits in line for a slot and there is time for it:
    where a tick comes each minute only, agents that are quick would leave their slots empty most of it.
    """

    def handle(_event: Event, context: Context) -> dict[str, Any]:
        facts: Swept = Counter()
        while True:
            found = sweep(world, remaining=_left(context))
            late_s = max(facts["late_s"], found["late_s"])
            facts.update(found)
            # These two are no counts of what was done: how many wait now, and how late the latest was.
            facts["waiting"], facts["late_s"] = found["waiting"], late_s
            if again is None or not found["waiting"] or world.control().stopped or _left(context) < again + _LEAST:
                break
            world.clock.sleep(again)
        log("swept", +facts)
        return dict(+facts)

    return handle


def _left(context: Context) -> timedelta:
    return timedelta(milliseconds=context.get_remaining_time_in_millis())


__all__ = ["sweeper"]
