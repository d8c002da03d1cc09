"""What goes wrong, how often, and where. Each seed takes some of it (swarm testing: Groce et al., ISSTA 2012): a run in
which everything fails at once finds less than many in which a few things do."""

import random
from dataclasses import dataclass, field

from tests.simulation.engine import DAY, HOUR, MINUTE, SECOND

#: Where each fault can strike, by the port's name.
KINDS: dict[str, tuple[str, ...]] = {
    "crash_before": ("store", "queue", "mail", "agent", "target"),
    "crash_after": ("store", "queue", "mail", "agent", "target"),
    "error": ("store", "queue", "mail", "agent", "target"),
    "lost_answer": ("store", "queue", "mail", "agent", "target"),
    "twice": ("store", "queue"),
    "twice_late": ("store",),
    "slow": ("store", "queue", "mail", "agent", "target"),
    "very_slow": ("store", "queue", "mail"),
    "partial": ("queue",),
    "refused": ("mail",),
    "broken_line": ("agent", "target"),
    "frozen": ("target",),
}
#: Those that strike a port in their own way, and are drawn apart.
SPECIAL = ("partial", "refused", "broken_line", "frozen")
#: Faults that are no port call's: of the world around.
AROUND = (
    "stale_index", "skew", "lost_tick", "more_ticks", "duplicate_delivery", "reordered_delivery", "tick_outage",
    "store_outage", "queue_outage", "late_delivery", "killed",
    "collision", "worker_dies", "worker_outage",
)  # fmt: skip
#: How likely a fault is in a seed that has it, as powers of ten: most of them rare, some frequent. Messages are few beside
#: the calls of ports, and what comes of a double is what the first version is known for.
_EXPONENTS = {"duplicate_delivery": (-1.5, -0.1), "worker_dies": (-1.0, -0.2)}
#: What is out, by kind.
_OUTAGES = {"tick_outage": "tick", "store_outage": "store", "queue_outage": "queue", "worker_outage": "workers"}
SKEW = 5 * SECOND
LONGEST_LAG = 120 * SECOND


@dataclass(frozen=True, slots=True)
class Outage:
    """`what` does not answer from `start` to `end`."""

    what: str
    start: int
    end: int


@dataclass
class Plan:
    """The faults of one seed."""

    rates: dict[str, float] = field(default_factory=dict)
    outages: tuple[Outage, ...] = ()
    #: Faults stop here, and everything must come right by itself.
    heals_at: int = 0

    def chance(self, kind: str, now: int) -> float:
        """Gives how likely that fault is now."""
        return 0.0 if now >= self.heals_at else self.rates.get(kind, 0.0)

    def out(self, what: str, now: int) -> bool:
        """Says whether that part of the world is out."""
        return any(it.what == what and it.start <= now < it.end for it in self.outages)


def draw_plan(rng: random.Random, heals_at: int) -> Plan:
    """Gives the faults of a seed. One in ten has none: there every report must be mailed exactly once."""
    if rng.random() < 0.1:
        return Plan(heals_at=heals_at)
    rates = {}
    for kind in (*KINDS, *AROUND):
        if rng.random() < 0.5:
            rates[kind] = 10 ** rng.uniform(*_EXPONENTS.get(kind, (-2.3, -0.7)))
    outages = [_outage(rng, what, kind, heals_at) for kind, what in _OUTAGES.items() if kind in rates]
    return Plan(rates=rates, outages=tuple(outages), heals_at=heals_at)


def _outage(rng: random.Random, what: str, kind: str, heals_at: int) -> Outage:
    longest = {"tick_outage": 3 * DAY, "store_outage": 30 * MINUTE, "queue_outage": HOUR, "worker_outage": 6 * HOUR}[kind]
    start = rng.randrange(max(1, heals_at))
    return Outage(what, start, min(heals_at, start + rng.randrange(MINUTE, longest)))
