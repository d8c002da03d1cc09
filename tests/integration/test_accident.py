"""The first version's accident, replayed: five follow-ups are due at once, each agent makes five more that are due at once,
and fires the trigger again. Then 15 agents ran at once. Here it is the simulation's scene, with the guards at work: all of
them, those that hold an agent which asks with ordinary credentials, and only the caps."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest

from followups.domain.contract import AgentCall
from followups.domain.entities import FollowUp
from followups.usecases.world import Limits
from tests.simulation.agents import Nature
from tests.simulation.engine import DAY, HOUR, MINUTE, Engine, Process
from tests.simulation.faults import Plan
from tests.simulation.people import Act, People
from tests.simulation.simulate import START
from tests.simulation.stack import Stack

CAP, AGENT_CAP, CHILDREN, BUDGET = 5, 3, 5, 3
#: Two agents, for with three at once of one the cap of all is never met. What they make is for either.
AGENTS = ("@maker", "@safe")
WORKS = (20.0, 60.0)


class Bypassing(People):
    """Agents that leave their run token out, and ask with the credentials of the person whose machine they are on."""

    def __init__(self, stack: Stack, refused: Counter[str]) -> None:
        super().__init__(stack, frozenset())
        self.refused = refused

    def child(self, process: Process, call: AgentCall, number: int) -> None:
        agent = process.rng.choice(AGENTS)
        body = {"agent": agent, "task": f"Child {number} of {call.run_id}", "due": "in 1 second"}
        answered = self.ask(process, call.owner, "POST", "/v1/follow-ups", body)
        assert answered is not None
        if answered[0] != 201:
            self.refused[answered[1]["code"]] += 1


class Replay:
    """Five that are due at once, and what comes of it."""

    def __init__(self, *, works: tuple[float, float] = WORKS, bypassing: bool = False, **limits: int) -> None:
        loops = Nature(
            max_concurrency=AGENT_CAP, works=works, fails=0, children=CHILDREN, least_children=CHILDREN,
            child_due=("in 1 second",), fires=1,
        )  # fmt: skip
        natures: Mapping[str, Nature] = dict.fromkeys(AGENTS, loops)
        self.stack = Stack(Engine(1, START), Plan(), limits=Limits(global_cap=CAP, **limits), natures=natures)
        self.refused: Counter[str] = Counter()
        if bypassing:
            self.stack.people = Bypassing(self.stack, self.refused)
        self.stack.people.register()
        for number in range(5):
            body = {"agent": AGENTS[number % 2], "task": "Check", "due": "in 1 minute"}
            self.stack.people.act(f"one #{number}", 1000, "ada", lambda act, body=body: self._make(act, body))

    def _make(self, act: Act, body: dict[str, Any]) -> None:
        assert act.until_answered("POST", "/v1/follow-ups", body)

    def until_rest(self) -> "Replay":
        """Lets everything happen that comes of it; it has an end."""
        engine = self.stack.engine
        while engine.now < 3 * DAY and not (engine.now and self.stack.checks.at_rest()):
            engine.run(engine.now + HOUR)
        self.stack.checks.finished()
        return self

    def hours(self, count: int) -> "Replay":
        self.stack.engine.run(count * HOUR)
        return self

    @property
    def made(self) -> list[FollowUp]:
        return [it.entity for it in self.stack.tables.items.values() if isinstance(it.entity, FollowUp)]

    @property
    def by_hour(self) -> list[int]:
        """The runs of each hour. An agent's life is the simulation's own record of it."""
        began = Counter(life.began // HOUR for life in self.stack.agents.lives.values())
        return [began[hour] for hour in range(max(began) + 1)]

    @property
    def at_once(self) -> int:
        lives = self.stack.agents.lives.values()
        ends = {life: life.ended if life.ended is not None else 100 * DAY for life in lives}
        return max(sum(it.began <= life.began < ends[it] for it in lives) for life in lives)


def test_with_all_guards_the_accident_is_impossible() -> None:
    """Five and the three that each may make, five minutes later."""
    it = Replay(runs_per_hour=30, max_descendants=BUDGET).until_rest()
    assert (it.by_hour, len(it.made), it.at_once) == ([5 + 5 * BUDGET], 20, CAP)
    lives = it.stack.agents.lives.values()
    assert sum(life.began < 5 * MINUTE for life in lives) == 5, "what an agent makes is due in five minutes at the soonest"


@pytest.mark.slow
def test_with_the_defaults_a_tree_makes_twenty_and_then_no_more() -> None:
    it = Replay(runs_per_hour=30).until_rest()
    assert len(it.stack.agents.lives) == len(it.made) == 5 + 5 * 20
    assert max(made.depth for made in it.made) == 2
    assert it.by_hour == [30, 30, 30, 15], "an hour has its runs and no more"
    assert it.at_once == CAP


@pytest.mark.slow
def test_with_ordinary_credentials_an_hour_has_its_runs_and_no_more() -> None:
    """Which alone would let sixty runs make three hundred follow-ups."""
    it = Replay(bypassing=True, runs_per_hour=30).hours(2)
    assert (it.by_hour, len(it.made), it.at_once) == ([30, 30], 305, CAP)


@pytest.mark.slow
def test_with_ordinary_credentials_no_more_are_open_than_one_may_have() -> None:
    it = Replay(bypassing=True, runs_per_hour=30, max_open=50).hours(2)
    assert (it.by_hour, it.at_once) == ([30, 30], CAP)
    closed = sum(made.is_closed for made in it.made)
    assert 55 <= closed <= 60 and 45 < len(it.made) - closed <= 50, "another one for each that has ended"
    assert set(it.refused) == {"quota_active"} and it.refused["quota_active"] > 150


@pytest.mark.slow
def test_with_the_caps_alone_as_many_run_as_they_let_through() -> None:
    """Agents that take two minutes each: five at once are 145 in an hour that begins with a minute of none. How many wait
    behind them changes nothing of that, so there are not hundreds."""
    it = Replay(bypassing=True, works=(120, 120), max_open=40).hours(1)
    [runs] = it.by_hour
    assert 130 <= runs <= 145
    assert it.at_once == CAP
