"""What operators do: the kill switch, the registry of agents, and tries of them."""

from tests.simulation.engine import MINUTE
from tests.simulation.people import Act


def stop(act: Act) -> None:
    """The kill switch is turned on, and off again after a while."""
    stack = act.people.stack
    if act.until_answered("PUT", "/v1/control", {"stopped": True, "reason": "too much"}):
        stack.checks.stopped_since = stack.engine.now
    act.process.wait(act.rng.randrange(MINUTE, 60 * MINUTE))
    stack.checks.stopped_since = None
    while not act.until_answered("PUT", "/v1/control", {"stopped": False}):
        pass


def new_cap(act: Act) -> None:
    name, cap = act.rng.choice(list(act.natures)), act.rng.randint(1, 3)
    act.people.caps[name] = max(cap, act.people.caps.get(name, 0))
    act.put(name, cap)


def remove_agent(act: Act) -> None:
    name = act.rng.choice(list(act.natures))
    act.ask("DELETE", f"/v1/agents/{name}")
    act.process.wait(act.rng.randrange(10 * MINUTE))
    act.put(name)


def disable(act: Act) -> None:
    """An agent is taken out of use for a while."""
    name, checks = act.rng.choice(list(act.natures)), act.checks
    if act.until_answered("POST", f"/v1/agents/{name}/disable", {"reason": "it costs too much"}):
        checks.disabled_since.setdefault(name, act.people.stack.engine.now)
    act.process.wait(act.rng.randrange(MINUTE, 60 * MINUTE))
    # Before the answer: it may be in use again while that is on its way.
    checks.disabled_since.pop(name, None)
    while not act.until_answered("POST", f"/v1/agents/{name}/enable"):
        pass


def try_agent(act: Act) -> None:
    """An operator tries an agent: nobody is mailed."""
    key, name = f"key of {act.process.name}".replace(" ", "-"), act.rng.choice(list(act.natures))
    body = {"task": f"Try {name}"} | ({"done_when": "It answers"} if act.rng.random() < 0.3 else {})
    act.made(act.until_answered("POST", f"/v1/agents/{name}/test", body, idempotency_key=key), key)
