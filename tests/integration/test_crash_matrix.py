"""A crash before and after each port call of each handler, by index and not at random; then recovery. Each case holds the
row of FAILURES.md §1 that it belongs to.

The scene is the simulation's: the real handlers over ports that can be told to die. One follow-up is made, claimed, run and
reported; each case lets one of its processes die at one call. What counts is how many of its calls took effect by then.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from itertools import product

import pytest

from followups.domain.entities import FollowUp, Run
from followups.usecases.world import Limits
from tests.simulation.agents import Nature
from tests.simulation.engine import HOUR, SECOND, Engine, Process
from tests.simulation.faults import Plan
from tests.simulation.people import Act
from tests.simulation.simulate import START
from tests.simulation.stack import Stack

SEED = 7
AGENTS = {"@once": Nature(fails=0), "@safe": Nature(fails=0, rerun="safe")}
#: The processes of a life, by what their names begin with, and the calls that each makes.
CALLS = {
    "the one > POST": ("get the key's follow-up", "get the agent", "look for its runs", "add"),
    "tick": ("get the control", "read the index", "claim", "send"),
    "start": ("get", "get the control", "get the agent", "start", "call the agent", "get", "finish", "send the report"),
    "report": ("get", "begin", "mail", "note it"),
}


@dataclass
class Life:
    """One follow-up's life with at most one death, and what it came to."""

    stack: Stack
    calls: Counter[str] = field(default_factory=Counter)
    answers: list[int] = field(default_factory=list)

    def _of(self, kind: type) -> list:
        return [it.entity for it in self.stack.tables.items.values() if isinstance(it.entity, kind)]

    @property
    def follow_up(self) -> FollowUp:
        [found] = self._of(FollowUp)
        return found

    @property
    def outcomes(self) -> list[str]:
        return [str(run.outcome) for run in sorted(self._of(Run), key=lambda run: run.fence)]

    @property
    def sends(self) -> int:
        return max(it.sends for it in self.stack.checks.history.values())

    @property
    def late_s(self) -> float:
        started = min((run.started_at, run.due_at) for run in self._of(Run))
        return (started[0] - started[1]).total_seconds()


def live(agent: str, strikes: Callable[[Life, Process], str | None]) -> Life:
    """Lets a follow-up of that agent live, from its creation until everything has come to rest."""
    engine = Engine(SEED, START)
    # The plan names a fault, so that the checks know that there may be one.
    stack = Stack(engine, Plan(rates={"crash_before": 0.5}, heals_at=HOUR), limits=Limits(), natures=AGENTS)
    life = Life(stack)
    stack.strikes = lambda process: strikes(life, process)

    def make(act: Act) -> None:
        body = {"agent": agent, "task": "The one", "due": "in 4 minutes", "max_attempts": 2}
        answered = act.until_answered("POST", "/v1/follow-ups", body, idempotency_key="one")
        assert answered is not None
        life.answers.append(answered[0])

    stack.people.register()
    stack.people.act("the one", 5 * SECOND, "ada", make)
    while engine.now < 4 * HOUR and not (life.answers and stack.checks.at_rest()):
        engine.run(engine.now + 60 * SECOND)
    stack.checks.finished()
    return life


@cache
def victims() -> dict[str, str]:
    """Gives of each kind the process that does the work, by what a life without a death shows."""

    def count(life: Life, process: Process) -> None:
        life.calls[process.name] += 1

    calls = live("@once", count).calls
    return {kind: max((it for it in calls if it.startswith(kind)), key=calls.__getitem__) for kind in CALLS}


def dies(agent: str, kind: str, number: int, how: str) -> Life:
    """Lets that process die at its call of that number, `crash_before` it takes effect or `crash_after`."""
    name = victims()[kind]
    return live(agent, lambda _, process: how if (process.name, process.calls) == (name, number) else None)


def cases(kind: str) -> list[tuple[str, int, str]]:
    return list(product(AGENTS, range(1, len(CALLS[kind]) + 1), ("crash_before", "crash_after")))


def effects(number: int, how: str) -> int:
    return number if how == "crash_after" else number - 1


def test_the_matrix_has_each_call_of_a_life() -> None:
    seen: Counter[str] = Counter()

    def count(_life: Life, process: Process) -> None:
        seen[process.name] += 1

    live("@once", count)
    assert {kind: seen[name] for kind, name in victims().items()} == {kind: len(calls) for kind, calls in CALLS.items()}


@pytest.mark.parametrize(("agent", "number", "how"), cases("the one > POST"))
def test_a_create_that_dies_is_asked_again_with_its_key_and_makes_one(agent: str, number: int, how: str) -> None:
    life = dies(agent, "the one > POST", number, how)
    assert life.answers == [200 if effects(number, how) == 4 else 201], "one that was written is a replay"
    assert (life.outcomes, life.stack.checks.mails.total()) == (["succeeded"], 1)


@pytest.mark.parametrize(("agent", "number", "how"), cases("tick"))
def test_a_sweep_that_dies_starts_nothing_late_and_nothing_twice(agent: str, number: int, how: str) -> None:
    life = dies(agent, "tick", number, how)
    claimed_unsent = effects(number, how) == 3
    assert (life.follow_up.fence, life.sends) == (1, 2 if claimed_unsent else 1), "sent again with the same fence"
    assert life.late_s <= 180
    assert (life.outcomes, len(life.stack.agents.lives), life.stack.checks.mails.total()) == (["succeeded"], 1, 1)


@pytest.mark.parametrize(("agent", "number", "how"), cases("start"))
def test_a_runner_that_dies_runs_nothing_twice_that_may_not(agent: str, number: int, how: str) -> None:
    life = dies(agent, "start", number, how)
    done = effects(number, how)
    broke_off = 4 <= done < 7
    worked = done >= 5
    if not broke_off:
        expected = (["succeeded"], 1, "done")
    elif agent == "@safe":
        expected = (["unknown", "succeeded"], 1 + worked, "done")
    else:
        expected = (["unknown"], int(worked), "failed")
    assert (life.outcomes, len(life.stack.agents.lives), str(life.follow_up.status)) == expected
    assert life.stack.checks.mails.total() == 1, "one report, of the outcome that counts"
    if done < 4:
        assert (life.follow_up.attempt, life.sends) == (1, 2), "no attempt is spent on a message"


@pytest.mark.parametrize(("agent", "number", "how"), cases("report"))
def test_a_reporter_that_dies_mails_twice_in_one_window_only(agent: str, number: int, how: str) -> None:
    life = dies(agent, "report", number, how)
    assert life.outcomes == ["succeeded"]
    assert len(life.stack.agents.lives) == 1, "no agent runs again because of a mail"
    accepted_unnoted = effects(number, how) == 3
    assert life.stack.checks.mails.total() == (2 if accepted_unnoted else 1)
