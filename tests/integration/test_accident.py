"""The first version's accident, replayed: five follow-ups are due at once, each agent makes five more that are due at once,
and fires the trigger again. Then 15 agents ran at once. Here it is the simulation's scene, with the guards at work."""

from collections import Counter

from followups.domain.entities import FollowUp
from followups.usecases.world import Limits
from tests.simulation.agents import Nature
from tests.simulation.engine import DAY, HOUR, MINUTE, Engine
from tests.simulation.faults import Plan
from tests.simulation.people import Act
from tests.simulation.simulate import START
from tests.simulation.stack import Stack

CAP, AGENT_CAP, CHILDREN = 5, 3, 5


def replay(**limits: int) -> Stack:
    """Lets five be due at once, and everything that comes of it happen."""
    engine = Engine(1, START)
    loops = Nature(
        max_concurrency=AGENT_CAP, works=(20, 60), fails=0, children=CHILDREN, least_children=CHILDREN,
        child_due=("in 1 second",), fires=1,
    )  # fmt: skip
    stack = Stack(engine, Plan(), limits=Limits(global_cap=CAP, **limits), natures={"@maker": loops})
    stack.people.register()

    def make(act: Act) -> None:
        body = {"agent": "@maker", "task": "Check", "due": "in 1 minute"}
        assert act.until_answered("POST", "/v1/follow-ups", body)

    for number in range(5):
        stack.people.act(f"one #{number}", 1000, "ada", make)
    while engine.now < 3 * DAY and not (engine.now and stack.checks.at_rest()):
        engine.run(engine.now + HOUR)
    stack.checks.finished()
    return stack


def test_the_accident_is_impossible() -> None:
    stack = replay(runs_per_hour=30)
    lives = sorted(stack.agents.lives.values(), key=lambda life: life.began)
    made = [it.entity for it in stack.tables.items.values() if isinstance(it.entity, FollowUp)]
    # The checks have counted the agents alive at each start: never more than the caps.
    at_once = max(sum(it.began <= life.began < (it.ended or 0) for it in lives) for life in lives)
    assert at_once == AGENT_CAP
    assert len(lives) == len(made) == 5 + 5 * 20, "a tree makes twenty and then no more"
    assert max(it.depth for it in made) == 2
    assert max(Counter(life.began // HOUR for life in lives).values()) == 30, "an hour has its runs and no more"
    assert sum(life.began < 5 * MINUTE for life in lives) == 5, "what an agent makes is due in five minutes at the soonest"
