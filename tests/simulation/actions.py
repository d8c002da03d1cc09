"""What people do. A new action is one function and one line of `ACTIONS`."""

from collections.abc import Callable
from typing import Any

from followups.domain import ids
from tests.simulation.engine import DAY, MINUTE, SECOND, Process
from tests.simulation.people import OWNERS, Act, Actions, Answer

DUE = ("in 5 seconds", "in 90 seconds", "in 3 minutes", "in 10 minutes", "in 2 hours", "in 30 hours", "daily", "weekly")


def _create(act: Act) -> None:
    rng = act.rng
    due = rng.choice(DUE)
    if act.people.lasts > 2 * DAY and rng.random() < 0.5:
        due = "daily"
    body = {"agent": rng.choice(list(act.natures)), "task": f"Task of {act.process.name}", "due": due}
    if rng.random() < 0.2:
        body["max_attempts"] = rng.randint(1, 4)
    key = f"key of {act.process.name}".replace(" ", "-")
    if rng.random() < 0.3:
        _create_twice(act, body, key)
        return
    _made(act, act.until_answered("POST", "/v1/follow-ups", body, idempotency_key=key), key)


def _five(act: Act) -> None:
    """Five things for one agent at once, as in the first version's accident."""
    agent, due = act.rng.choice(list(act.natures)), act.rng.choice(DUE[:3])
    for number in range(5):
        body = {"agent": agent, "task": f"Task {number} of {act.process.name}", "due": due}
        key = f"key {number} of {act.process.name}".replace(" ", "-")
        _made(act, act.until_answered("POST", "/v1/follow-ups", body, idempotency_key=key), key)


def _create_twice(act: Act, body: dict[str, Any], key: str) -> None:
    """The same request from two places at once."""
    engine = act.people.stack.engine

    def other(process: Process) -> None:
        again = Act(act.people, process, act.owner)
        _made(again, again.until_answered("POST", "/v1/follow-ups", body, idempotency_key=key), key)

    Process(engine, f"{act.process.name} (twin)", other)
    _made(act, act.until_answered("POST", "/v1/follow-ups", body, idempotency_key=key), key)


def _made(act: Act, answered: Answer | None, key: str) -> None:
    if answered is None or answered[0] not in (200, 201):
        # An agent may have been removed meanwhile.
        return
    made = answered[1]["id"]
    known = act.people.keys.setdefault((act.owner, key), made)
    act.checks.that(known == made, "I13 one id a key", key, known, made)
    act.people.accepted(act.owner, made)


def _cancel(act: Act) -> None:
    if (it := act.one()) and (answered := act.ask("DELETE", f"/v1/follow-ups/{it}")):
        status, body, _ = answered
        if status in (200, 202):
            act.checks.that(body["status"] == {200: "cancelled", 202: "cancelling"}[status], "I15", body["status"])
        if status == 200:
            act.checks.cancelled.add(ids.follow_up_key(act.owner, it))


def _edit(act: Act) -> None:
    it = act.one()
    shown = act.ask("GET", f"/v1/follow-ups/{it}") if it else None
    if not it or not shown or shown[0] != 200:
        return
    act.process.wait(act.rng.randrange(20 * SECOND))
    body: dict[str, Any] = {"task": f"Edited by {act.process.name}"}
    if act.rng.random() < 0.5:
        body["due"] = act.rng.choice(["in 30 seconds", "in 4 minutes", "in 1 hour", "daily"])
    answered = act.ask("PATCH", f"/v1/follow-ups/{it}", body, if_match=shown[2]["ETag"])
    if answered and answered[0] == 200:
        act.checks.that(answered[1]["version"] > shown[1]["version"], "I5 an edit is a new version", it)


def _verb(verb: str) -> Callable[[Act], None]:
    def act_(act: Act) -> None:
        if it := act.one():
            if verb == "run":
                act.checks.hurried.add(ids.follow_up_key(act.owner, it))
            act.ask("POST", f"/v1/follow-ups/{it}/{verb}")

    return act_


def _show(act: Act) -> None:
    if (it := act.one()) and (shown := act.ask("GET", f"/v1/follow-ups/{it}")) and shown[0] == 200:
        act.true(shown[1])
    if it:
        act.ask("GET", f"/v1/follow-ups/{it}/runs")


def _list(act: Act) -> None:
    listed = act.ask("GET", f"/v1/follow-ups?status={act.rng.choice(['open', 'closed', 'all'])}&limit=100")
    if listed and listed[0] == 200:
        for view in listed[1]["follow_ups"]:
            act.true(view)


def _pry(act: Act) -> None:
    """Somebody asks for what is another's."""
    [other] = [owner for owner in OWNERS if owner != act.owner]
    for it in act.people.known[other][:1]:
        answered = act.ask(act.rng.choice(["GET", "DELETE"]), f"/v1/follow-ups/{it}")
        act.checks.that(answered is None or answered[0] in (404, 503), "I18 another owner's", it, answered)


def _stop(act: Act) -> None:
    """The kill switch is turned on, and off again after a while."""
    stack = act.people.stack
    if act.until_answered("PUT", "/v1/control", {"stopped": True, "reason": "too much"}):
        stack.checks.stopped_since = stack.engine.now
    act.process.wait(act.rng.randrange(MINUTE, 60 * MINUTE))
    stack.checks.stopped_since = None
    while not act.until_answered("PUT", "/v1/control", {"stopped": False}):
        pass


def _new_cap(act: Act) -> None:
    name, cap = act.rng.choice(list(act.natures)), act.rng.randint(1, 3)
    act.people.caps[name] = max(cap, act.people.caps.get(name, 0))
    act.put(name, cap)


def _remove_agent(act: Act) -> None:
    name = act.rng.choice(list(act.natures))
    act.ask("DELETE", f"/v1/agents/{name}")
    act.process.wait(act.rng.randrange(10 * MINUTE))
    act.put(name)


#: How often, and how.
ACTIONS: Actions = {
    "create": (30, _create),
    "five at once": (4, _five),
    "cancel": (8, _cancel),
    "edit": (10, _edit),
    "pause": (6, _verb("pause")),
    "resume": (10, _verb("resume")),
    "run now": (10, _verb("run")),
    "show": (6, _show),
    "list": (4, _list),
    "pry": (3, _pry),
    "stop": (2, _stop),
    "new cap": (3, _new_cap),
    "remove agent": (2, _remove_agent),
}
