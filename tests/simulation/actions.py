"""What people do. A new action is one function and one line of `ACTIONS`."""

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import Any

from followups.domain import ids
from followups.domain.changes import Swap
from followups.domain.entities import FollowUp
from followups.domain.errors import StoreBusy
from tests.simulation import operators
from tests.simulation.courses import OLD_DATA, OLD_ZONES
from tests.simulation.engine import DAY, HOUR, MINUTE, SECOND
from tests.simulation.people import NAMES, OWNERS, Act, Actions

ONCE = ("in 5 seconds", "in 90 seconds", "in 3 minutes", "in 10 minutes", "in 2 hours", "in 30 hours", "tomorrow 14:05")
#: Those that do not end are cancelled when the story does: few of them come often.
RULES = (
    "daily", "weekly", "every 12 hours", "every 2 days", "every day at 02:30", "mon, wed at 12:40 and 13:10",
    "daily except 2026-11-26", "every 5 minutes 4 times", "every 20 minutes for 2 hours", "hourly 3 times",
    "every 90 minutes for 6 hours", "daily 3 times", "every day at 12:30 and 18:00 for 2 days", "every 6 hours 5 times",
)  # fmt: skip
DUE = ONCE + RULES
DAILY = ("daily", "daily", "daily 3 times", "every 6 hours 5 times", "every 12 hours", "every day at 02:30")
LATE = ("skip", "skip", "run_within 10m", "run_within 6h", "run_once")
#: How long people wait from look to look.
LADDERS = ("10m", "10m,30m,2h", "1h,1d", "1d,2d", "5m,5m", "6h")
#: Far from Europe/Berlin, and with steps of the clock on other days.
ZONES = ("America/New_York", "Asia/Kolkata", "UTC")
#: What people say, and milliseconds.
SPANS = {"90 seconds": 90 * SECOND, "10 minutes": 10 * MINUTE, "2 hours": 2 * HOUR, "26 hours": 26 * HOUR}


def _create(act: Act) -> None:
    rng = act.rng
    due = rng.choice(DUE if rng.random() < 0.7 else ONCE)
    if act.people.lasts > 2 * DAY and rng.random() < 0.5:
        due = rng.choice(DAILY)
    body = {"agent": act.agent(), "task": f"Task of {act.process.name}", "due": due}
    if rng.random() < 0.2:
        body["max_attempts"] = rng.randint(1, 4)
    if rng.random() < 0.35:
        body["late"] = rng.choice(LATE)
    if rng.random() < 0.2:
        body["stagger"] = rng.choice(("30s", "4m", "1h"))
    if rng.random() < (0.5 if act.natures[str(body["agent"])].replaces else 0.25):
        body["replace_key"] = rng.choice(NAMES)
    if rng.random() < 0.2:
        body["timezone"] = rng.choice(ZONES)
    if rng.random() < 0.35:
        body |= _until_met(rng, due in ONCE)
    key = f"key of {act.process.name}".replace(" ", "-")
    if rng.random() < 0.3:
        act.also(lambda again: _make(again, body, key))
    _make(act, body, key)


def _until_met(rng: Random, once: bool) -> dict[str, str]:
    """Something is to be brought about: it is looked at until it is so, or for some time."""
    body = {"done_when": "It is so"}
    if once and rng.random() < 0.7:
        body["retry_until_met"] = rng.choice(LADDERS)
    if rng.random() < 0.4:
        body["give_up_at"] = rng.choice(("30 minutes", "7 hours", "2 days"))
    return body


def _replace(act: Act) -> None:
    """A new one takes the place of what goes by a name, often of one that is on its way; perhaps two do at once."""
    looked = [it for it in (act.stored() for _ in range(5)) if it and it.replace_key]
    name = looked[0].replace_key if looked else act.rng.choice(NAMES)
    for number in range(act.rng.choice((1, 1, 2))):
        body = {
            "agent": act.agent(), "task": f"In its place {number} of {act.process.name}",
            "due": act.rng.choice(DUE), "replace_key": name,
        }  # fmt: skip
        key = f"key {number} of {act.process.name}".replace(" ", "-")
        act.also(lambda again, body=body, key=key: _make(again, body, key))  # type: ignore[misc]


def _five(act: Act) -> None:
    """Five things for one agent at once, as in the first version's accident."""
    agent, due = act.agent(), act.rng.choice(DUE[:3])
    for number in range(5):
        body = {"agent": agent, "task": f"Task {number} of {act.process.name}", "due": due}
        key = f"key {number} of {act.process.name}".replace(" ", "-")
        _make(act, body, key)


def _make(act: Act, body: dict[str, Any], key: str) -> None:
    act.made(act.until_answered("POST", "/v1/follow-ups", body, idempotency_key=key), key)


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
        body["due"] = act.rng.choice(["in 30 seconds", "in 4 minutes", "in 1 hour", *RULES])
        if act.rng.random() < 0.2:
            body["timezone"] = act.rng.choice(ZONES)
    if act.rng.random() < 0.2:
        body["late"] = act.rng.choice(LATE)
    if act.rng.random() < 0.2:
        body["done_when"] = "It is so by now"
    answered = act.ask("PATCH", f"/v1/follow-ups/{it}", body, if_match=shown[2]["ETag"])
    if answered and answered[0] == 200:
        act.checks.that(answered[1]["version"] > shown[1]["version"], "I5 an edit is a new version", it)
        act.people.said(act.owner, answered)


def _resume(act: Act) -> None:
    if it := act.one():
        act.ask("POST", f"/v1/follow-ups/{it}/resume")


def _run_now(act: Act) -> None:
    if (it := act.one()) and (answered := act.ask("POST", f"/v1/follow-ups/{it}/run")) and answered[0] == 202:
        act.checks.courses.asked[ids.follow_up_key(act.owner, it)] = answered[1]["version"]


def _try_again(act: Act) -> None:
    """A new one like one that failed."""
    key = f"key of {act.process.name}".replace(" ", "-")
    if it := act.one():
        act.made(act.until_answered("POST", f"/v1/follow-ups/{it}/retry", idempotency_key=key), key)


def _pause(act: Act) -> None:
    """Until it is resumed, or for some time; that is what the answer says."""
    it, body, began = act.one(), {}, act.now()
    if act.rng.random() < 0.5:
        body = {"until": act.rng.choice(list(SPANS))}
    answered = act.ask("POST", f"/v1/follow-ups/{it}/pause", body) if it else None
    if answered and answered[0] == 200:
        act.true(answered[1])
        if body:
            act.long_enough(answered[1]["paused_until"], began, SPANS[body["until"]])
        else:
            act.checks.that(answered[1]["paused_until"] is None, "a pause without an end", it, answered[1])


def _snooze(act: Act) -> None:
    it, began = act.stored(), act.now()
    # Each is put off only a few times: all must end with the story.
    if it is None or (it.snoozed_to is not None and act.rng.random() < 0.8):
        return
    span = act.rng.choice(list(SPANS))
    answered = act.ask("POST", f"/v1/follow-ups/{it.id}/snooze", {"until": span})
    if answered and answered[0] == 200:
        act.true(answered[1])
        act.long_enough(answered[1]["snoozed_to"], began, SPANS[span])


def _old_zones(act: Act) -> None:
    """The product has new data of the zones: what waits was made by that of another year, by which it was an hour off."""
    shift, store = timedelta(hours=act.rng.choice((-1, 1))), act.people.stack.store
    for item in list(act.people.stack.tables.items.values()):
        it = item.entity
        if not isinstance(it, FollowUp) or it.due_wall is None or str(it.status) not in ("scheduled", "paused"):
            continue
        moved = {"due_at": it.due_at + shift, "tzdata": OLD_DATA}
        if it.start_at == it.planned_at and it.snoozed_to is None:
            moved["start_at"] = it.start_at + shift
            if str(it.status) == "scheduled" and it.wake_at == it.start_at:
                moved["wake_at"] = it.start_at + shift
        new = replace(it, version=it.version + 1, write_id=act.process.rng.randbytes(8).hex(), **moved)  # type: ignore[arg-type]
        act.people.stack.acting = OLD_ZONES
        with suppress(StoreBusy):
            store.commit(Swap(it, new))


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


def _in_tree(act: Act) -> FollowUp | None:
    """Gives one of the owner's, rather one whose agents have made something."""
    named = (act.checks.now_of(ids.follow_up_key(act.owner, it)) for it in act.people.known[act.owner])
    below = [it for it in named if it and it.depth and not it.is_closed]
    return act.rng.choice(below) if below else act.stored()


def _stop_tree(act: Act) -> None:
    it = _in_tree(act)
    answered = act.ask("POST", f"/v1/follow-ups/{it.id}/stop-tree") if it else None
    if it and answered and answered[0] == 200:
        act.checks.budgets.was_stopped(act.owner, it.root)


def _tree(act: Act) -> None:
    it = _in_tree(act)
    answered = act.ask("GET", f"/v1/follow-ups/{it.id}/tree") if it else None
    if it and answered and answered[0] == 200:
        for view in answered[1]["follow_ups"]:
            act.true(view)


#: How often, and how.
ACTIONS: Actions = {
    "create": (30, _create),
    "five at once": (4, _five),
    "cancel": (8, _cancel),
    "edit": (10, _edit),
    "pause": (9, _pause),
    "resume": (8, _resume),
    "snooze": (8, _snooze),
    "run now": (10, _run_now),
    "try again": (3, _try_again),
    "replace": (6, _replace),
    "old zones": (2, _old_zones),
    "show": (6, _show),
    "list": (4, _list),
    "pry": (3, _pry),
    "stop": (2, operators.stop),
    "new cap": (3, operators.new_cap),
    "remove agent": (2, operators.remove_agent),
    "disable agent": (2, operators.disable),
    "try agent": (3, operators.try_agent),
    "stop tree": (3, _stop_tree),
    "tree": (2, _tree),
}
