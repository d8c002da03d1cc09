"""One seed from beginning to end."""

import random
from dataclasses import dataclass
from datetime import UTC, datetime

from followups.usecases.world import Limits
from tests.simulation.actions import ACTIONS
from tests.simulation.engine import DAY, HOUR, Engine, Violation
from tests.simulation.faults import Plan, draw_plan
from tests.simulation.laptop import LaptopStack
from tests.simulation.stack import Stack

START = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
#: Some stories begin a day before the clocks are put back or forward, in Berlin or New York.
STEPS = tuple(
    datetime.fromisoformat(f"{day}T12:00:00+00:00") for day in ("2026-10-24", "2026-10-31", "2027-03-13", "2027-03-27")
)
#: Recurrences go on this long after all is healed; then people cancel them.
GOES_ON = 2 * DAY
#: By then everything must have come to rest: the last resend of a claim is 8.5 hours after its time, and what was asked
#: for at the end may be put off for days.
DRAINS = GOES_ON + 5 * DAY
#: Each so many'th seed runs over the DynamoDB adapter.
DYNAMODB_EVERY = 8
#: Each so many'th is a laptop.
LAPTOP_EVERY = 4


@dataclass(frozen=True, slots=True)
class Result:
    """How a seed went."""

    seed: int
    violation: str | None
    faults: dict[str, int]
    noted: dict[str, int]
    checksum: int
    struck: tuple[tuple[str, str], ...]
    script: tuple[str, ...]
    trace: tuple[str, ...] = ()


def simulate(
    seed: int, *, trace: bool = False, only: frozenset[tuple[str, str]] | None = None,
    skip: frozenset[int] = frozenset(),
) -> Result:  # fmt: skip
    """Runs a seed. `only` leaves out all faults but these, `skip` the actions of these numbers: for making it short."""
    beginning = random.Random(f"{seed}/beginning")
    engine = Engine(seed, beginning.choice(STEPS) if beginning.random() < 0.3 else START)
    if trace:
        engine.trace = []
    rng = engine.rng("story")
    heals_at = rng.choice((2 * HOUR, 6 * HOUR, 3 * DAY))
    plan: Plan = draw_plan(rng, heals_at)
    limits = Limits(
        global_cap=rng.randint(2, 4), claim_at_birth=rng.random() < 0.7, runs_per_hour=rng.choice((0, 0, 5, 20)),
        claims_at_once=rng.choice((200, 3)), reports_at_once=rng.choice((500, 2)), max_open=rng.choice((0, 0, 6, 20)),
        max_depth=rng.choice((2, 2, 1, 0)), max_descendants=rng.choice((20, 4)), callback="https://api.example.com",
    )  # fmt: skip
    # The fake is quick; the real adapter, over a DynamoDB that is one, has its share.
    kind = LaptopStack if seed % LAPTOP_EVERY == 1 else Stack
    stack = kind(engine, plan, limits=limits, only=only, skip=skip, dynamodb=seed % DYNAMODB_EVERY == 0)
    violation = None
    try:
        for moment in range(0, heals_at, 3 * HOUR):
            engine.at(moment, stack.audit)
        stack.people.begin(ACTIONS, rng.randint(12, 36), heals_at)
        engine.run(heals_at + GOES_ON)
        stack.people.end()
        while engine.now < heals_at + DRAINS and not stack.checks.at_rest():
            engine.run(engine.now + HOUR)
        stack.checks.finished()
        stack.audits.finished()
    except Violation as broken:
        violation = str(broken)
    return Result(
        seed=seed, violation=violation, faults=dict(engine.faults), noted=dict(stack.checks.noted),
        checksum=engine.checksum, struck=tuple(stack.struck), script=tuple(stack.people.script),
        trace=tuple(engine.trace or ()),
    )  # fmt: skip
