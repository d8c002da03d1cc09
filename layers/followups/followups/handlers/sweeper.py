"""The tick: whatever the event says, sweep as usual."""

from typing import Any

from followups.handlers import Context, Event, Handler, Log, silent
from followups.usecases.sweep import sweep
from followups.usecases.world import World


def sweeper(world: World, *, log: Log = silent) -> Handler:
    """Gives the handler of scheduled events; it answers with what the sweep did, counted."""

    def handle(_event: Event, _context: Context) -> dict[str, Any]:
        facts = dict(sweep(world))
        log("swept", facts)
        return facts

    return handle


__all__ = ["sweeper"]
