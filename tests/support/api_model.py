"""What a client of the API may rely on, as a model: for each request what is answered and what it does."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from tests.support.api_expected import CHILD_FLOOR, KEPT, OPEN, Answer, Expected


@dataclass(kw_only=True)
class Model:
    """All that must be there."""

    now: Callable[[], datetime]
    #: How long before its time a follow-up is claimed, and whether that is done at once when it is made or moved.
    look_ahead: timedelta
    at_birth: bool
    follow_ups: list[Expected] = field(default_factory=list)
    #: By (owner, idempotency key): the body, and what was made.
    keys: dict[tuple[str, str], tuple[dict[str, Any], Expected]] = field(default_factory=dict)
    #: The registered ones, by name, as they are answered.
    agents: dict[str, dict[str, Any]] = field(default_factory=dict)
    #: What goes by a name of its owner's.
    names: dict[tuple[str, str], Expected] = field(default_factory=dict)
    #: How many follow-ups the agents of a tree have made, by its root.
    descendants: dict[str, int] = field(default_factory=dict)
    control: dict[str, Any] = field(default_factory=lambda: {"stopped": False, "reason": None, "changed_at": None})

    def is_there(self, it: Expected) -> bool:
        return it.closed_at is None or self.now() < it.closed_at + KEPT

    def listed(self, owner: str, status: str) -> list[Expected]:
        """Gives what a list shows: open ones first, the soonest first."""
        own = [it for it in self.follow_ups if it.owner == owner and self.is_there(it)]
        return sorted((it for it in own if _fits(it.status, status)), key=lambda it: it.place)

    def create(self, owner: str, key: str | None, body: dict[str, Any]) -> tuple[Answer, Expected | None]:
        """Gives the answer, and what was made now or before; its id is not known yet if it is new."""
        old, body = None, {"message": ""} | body
        if key is not None and (owner, key) in self.keys:
            first, old = self.keys[owner, key]
            if self.is_there(old):
                return ((200, None), old) if first == body else ((422, "idempotency_key_reused"), None)
        if body["agent"] not in self.agents:
            return (422, "unknown_agent"), None
        made = old or Expected(owner=owner)
        made.born(body, self.agents[body["agent"]]["max_attempts"], self.now())
        if old is None:
            self.follow_ups.append(made)
        if key is not None:
            self.keys[owner, key] = (body, made)
        self.claim_at_birth(made)
        return (201, None), made

    def create_child(self, parent: Expected, run: str, body: dict[str, Any]) -> tuple[Answer, Expected | None]:
        """The same, asked for by an agent on account of a run of the parent's."""
        if parent.status != "running" or parent.view["run"]["id"] != run:
            return (403, "run_not_live"), None
        if body["agent"] not in self.agents:
            return (422, "unknown_agent"), None
        if parent.view["depth"] == 2:
            parent.refuse("a follow-up made by an agent may be at most 2 generations below a person's")
            return (409, "cascade_depth"), None
        root = parent.root or parent.id
        old = self.names.get((parent.owner, body.get("replace_key", "")))
        if old and old.status in (*OPEN[:4],) and (old.root or old.id) != root:
            return (403, "not_with_run_token"), None
        if self.descendants.get(root, 0) == 20:
            parent.refuse("the tree that this run belongs to has made its 20 follow-ups")
            return (409, "cascade_budget"), None
        self.descendants[root] = self.descendants.get(root, 0) + 1
        made = Expected(owner=parent.owner)
        self.follow_ups.append(made)
        made.born({"message": ""} | body, self.agents[body["agent"]]["max_attempts"], self.now())
        made.root = root
        if made.due_at < self.now() + CHILD_FLOOR:
            made.due_at = made.start_at = self.now() + CHILD_FLOOR
            made.view["tzdata"] = None
        made.change(parent=run, depth=parent.view["depth"] + 1)
        self.claim_at_birth(made)
        return (201, None), made

    def take_place(self, made: Expected) -> bool:
        """The new one goes by its name. Says whether another had to make way."""
        if made.view["replace_key"] is None:
            return False
        name = (made.owner, made.view["replace_key"])
        old, self.names[name] = self.names.get(name), made
        if old in (None, made) or old.status not in OPEN[:4]:
            return False
        if old.status == "running":
            old.change(replaced_by=made.id)
        else:
            old.close("cancelled", self.now(), reason=f"replaced by {made.id}", replaced_by=made.id)
        return True

    def edit(self, it: Expected, version: int, patch: dict[str, Any]) -> Answer:
        if version != it.version:
            return 412, "stale"
        if refusal := it.finished() or it.in_progress():
            return refusal
        it.change(**{name: value for name, value in patch.items() if name != "due"})
        if "due" in patch:
            it.snoozed_to = None
            it.time(patch["due"], self.now())
            paused = it.status == "paused"
            it.change(attempt=0, blocked=None, status="paused" if paused else "scheduled")
            it.extra = False
        self.claim_at_birth(it)
        return 200, None

    def cancel(self, it: Expected) -> Answer:
        if it.status in ("cancelled", "cancelling"):
            return (202 if it.status == "cancelling" else 200), None
        if refusal := it.finished():
            return refusal
        if it.status == "running":
            it.change(status="cancelling")
            it.look_at = self.now() if it.is_pending else it.look_at
            return 202, None
        it.close("cancelled", self.now())
        return 200, None

    def pause(self, it: Expected, reason: str | None, until: datetime | None) -> Answer:
        if refusal := it.finished() or it.in_progress():
            return refusal
        was = it.view["reason"] if it.status == "paused" else None
        if it.status == "paused" and it.paused_until == until and reason in (None, was):
            return 200, None
        it.paused_until = until
        if it.extra:
            it.not_by_hand(self.now())
            it.start_at = max(it.start_at, it.planned_at)
        it.change(status="paused", reason=reason or was, blocked=None)
        return 200, None

    def snooze(self, it: Expected, time: timedelta) -> Answer:
        if refusal := it.finished() or it.in_progress():
            return refusal
        it.snoozed_to = it.start_at = max(self.now(), it.planned_at, it.start_at) + time
        it.not_by_hand(self.now())
        it.change(status="paused" if it.status == "paused" else "scheduled", blocked=None)
        self.claim_at_birth(it)
        return 200, None

    def resume(self, it: Expected) -> Answer:
        if it.status != "paused":
            return 409, "not_paused"
        it.change(status="scheduled", reason=None, failures_in_row=0)
        self.claim_at_birth(it)
        return 200, None

    def run_now(self, it: Expected) -> Answer:
        if refusal := it.finished() or it.in_progress():
            return refusal
        if it.status == "paused":
            return 409, "paused"
        if it.status == "claimed" and it.start_at <= self.now() and (it.extra or it.view["late"] == "run_once"):
            return 202, None
        it.extra = True
        it.start_at = min(it.start_at, self.now())
        it.change(status="scheduled", blocked=None)
        self.claim_at_birth(it)
        return 202, None

    def claim_at_birth(self, it: Expected) -> None:
        if self.at_birth and it.status == "scheduled" and self.is_near(it) and not self.control["stopped"]:
            it.claim(self.now())

    def is_near(self, it: Expected) -> bool:
        return it.start_at <= self.now() + self.look_ahead


def _fits(status: str, wanted: str) -> bool:
    return wanted in ("all", status) or wanted == ("open" if status in OPEN else "closed")
