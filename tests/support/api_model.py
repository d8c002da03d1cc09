"""What a client of the API may rely on, as a model: for each request what is answered and what it does."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import tzdata

DAY = timedelta(days=1)
NEVER = datetime.max.replace(tzinfo=UTC)
#: History is kept this long.
KEPT = timedelta(days=90)
#: An agent's follow-up is due no sooner than this.
CHILD_FLOOR = timedelta(minutes=5)
OPEN = ("scheduled", "paused", "claimed", "running", "cancelling")
LIVE = ("running", "cancelling")
#: How late an occurrence with `late: skip` may start.
GRACE = timedelta(minutes=5)
#: Times as they are typed, and what each means: from now, and whether each day again.
WHEN = {
    "in 1 second": (timedelta(seconds=1), False), "in 1 minute": (timedelta(minutes=1), False),
    "in 5 minutes": (timedelta(minutes=5), False), "3h": (timedelta(hours=3), False), "7d": (7 * DAY, False),
    "20w": (140 * DAY, False), "daily": (DAY, True),
}  # fmt: skip
Answer = tuple[int, str | None]
#: Where something stands in a list.
Place = tuple[bool, datetime, str]


@dataclass(kw_only=True)
class Model:
    """All that must be there."""

    now: Callable[[], datetime]
    #: How long before its time a follow-up is claimed, and whether that is done at once when it is made or moved.
    look_ahead: timedelta
    at_birth: bool
    follow_ups: list["Expected"] = field(default_factory=list)
    #: By (owner, idempotency key): the body, and what was made.
    keys: dict[tuple[str, str], tuple[dict[str, Any], "Expected"]] = field(default_factory=dict)
    #: The registered ones, by name, as they are answered.
    agents: dict[str, dict[str, Any]] = field(default_factory=dict)
    #: What goes by a name of its owner's.
    names: dict[tuple[str, str], "Expected"] = field(default_factory=dict)
    #: How many follow-ups the agents of a tree have made, by its root.
    descendants: dict[str, int] = field(default_factory=dict)
    control: dict[str, Any] = field(default_factory=lambda: {"stopped": False, "reason": None, "changed_at": None})

    def is_there(self, it: "Expected") -> bool:
        return it.closed_at is None or self.now() < it.closed_at + KEPT

    def listed(self, owner: str, status: str) -> list["Expected"]:
        """Gives what a list shows: open ones first, the soonest first."""
        own = [it for it in self.follow_ups if it.owner == owner and self.is_there(it)]
        return sorted((it for it in own if _fits(it.status, status)), key=lambda it: it.place)

    def create(self, owner: str, key: str | None, body: dict[str, Any]) -> tuple[Answer, "Expected | None"]:
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

    def create_child(self, parent: "Expected", run: str, body: dict[str, Any]) -> tuple[Answer, "Expected | None"]:
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

    def take_place(self, made: "Expected") -> bool:
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

    def edit(self, it: "Expected", version: int, patch: dict[str, Any]) -> Answer:
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

    def cancel(self, it: "Expected") -> Answer:
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

    def pause(self, it: "Expected", reason: str | None, until: datetime | None) -> Answer:
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

    def snooze(self, it: "Expected", time: timedelta) -> Answer:
        if refusal := it.finished() or it.in_progress():
            return refusal
        it.snoozed_to = it.start_at = max(self.now(), it.planned_at, it.start_at) + time
        it.not_by_hand(self.now())
        it.change(status="paused" if it.status == "paused" else "scheduled", blocked=None)
        self.claim_at_birth(it)
        return 200, None

    def resume(self, it: "Expected") -> Answer:
        if it.status != "paused":
            return 409, "not_paused"
        it.change(status="scheduled", reason=None, failures_in_row=0)
        self.claim_at_birth(it)
        return 200, None

    def run_now(self, it: "Expected") -> Answer:
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

    def claim_at_birth(self, it: "Expected") -> None:
        if self.at_birth and it.status == "scheduled" and self.is_near(it) and not self.control["stopped"]:
            it.claim(self.now())

    def is_near(self, it: "Expected") -> bool:
        return it.start_at <= self.now() + self.look_ahead


@dataclass(kw_only=True)
class Expected:
    """One follow-up: how it must be answered, and what the engine keeps to itself."""

    owner: str
    #: As the API answers it, but for id and version, which the API chooses.
    view: dict[str, Any] = field(default_factory=dict)
    id: str = ""
    #: Of whose tree it is; empty: of its own.
    root: str = ""
    #: As it was last seen; `is_changed` says that it must be higher by now.
    version: int = 0
    is_changed: bool = False
    due_at: datetime = NEVER
    start_at: datetime = NEVER
    snoozed_to: datetime | None = None
    paused_until: datetime | None = None
    closed_at: datetime | None = None
    #: Of the present claim or run.
    fence: int = 0
    sends: int = 0
    look_at: datetime | None = None
    started_at: datetime | None = None
    claimed_at: datetime | None = None
    deadline_at: datetime | None = None
    lease_until: datetime | None = None
    #: Its agent is to be asked how far it is.
    is_pending: bool = False
    #: Its lease has ended, and nobody said how it went.
    is_lost: bool = False
    #: Children that its live run did not get, and why it did not get the last.
    refused: tuple[int, str | None] = (0, None)
    #: It was asked for by hand, beside its rule.
    extra: bool = False
    #: Newest first.
    runs: list[Any] = field(default_factory=list)

    @property
    def status(self) -> str:
        return str(self.view["status"])

    @property
    def planned_at(self) -> datetime:
        return self.snoozed_to or self.due_at

    @property
    def place(self) -> Place:
        return self.status not in OPEN, self.planned_at, self.id

    def is_between(self, began: datetime) -> bool:
        """Says whether a run that began then is one by hand beside the times of its rule."""
        return self.extra and self.view["rule"] is not None and self.due_at > began

    def not_by_hand(self, now: datetime) -> None:
        """What was asked for by hand is not any more, and its tries are forgotten with it."""
        if self.is_between(now):
            self.view["attempt"] = 0
        self.extra = False

    def born(self, body: dict[str, Any], attempts: int, now: datetime) -> None:
        self.closed_at, self.extra, self.root, self.snoozed_to = None, False, "", None
        self.view = {
            "agent": body["agent"], "task": body["task"], "message": body["message"], "timezone": "UTC",
            "occurrence": 1, "attempt": 0, "max_attempts": body.get("max_attempts", attempts), "blocked": None,
            "report_to": body.get("report_to"), "run": None, "last_outcome": None, "failures_in_row": 0, "reason": None,
            "parent": None, "depth": 0, "created_at": instant(now), "closed_at": None, "stagger_s": 0,
            "late": body.get("late", "run_once"), "replace_key": body.get("replace_key"), "replaced_by": None,
            "done_when": None, "retry_until_met": None, "give_up_at": None, "last_verdict": None, "test": False,
        }  # fmt: skip
        self.time(body["due"], now)
        self.change(status="scheduled")

    def time(self, due: str, now: datetime) -> None:
        """Gives it another time, as it is typed."""
        away, daily = WHEN[due]
        self.due_at = self.start_at = at = now + away
        rule = f"FREQ=DAILY;INTERVAL=1;BYHOUR={at.hour};BYMINUTE={at.minute}" if daily else None
        second = f":{at.second:02}" if at.second else ""
        repeats = f"every day at {at:%H:%M}{second}" if daily else None
        # Days are counted on the wall, by the zones' data.
        self.view |= {"due": due, "rule": rule, "repeats": repeats, "tzdata": tzdata.IANA_VERSION if away >= DAY else None}

    def change(self, **fields: Any) -> None:
        """Writes it anew."""
        self.view |= fields
        self.is_changed = True
        waits = self.status in ("scheduled", "claimed")
        self.view["starts_at"] = instant(self.start_at) if waits else None
        self.paused_until = self.paused_until if self.status == "paused" else None
        self.view |= {"snoozed_to": instant(self.snoozed_to), "paused_until": instant(self.paused_until)}
        self.view |= {"due_at": instant(self.due_at), "due_local": f"{self.due_at:%a %Y-%m-%d %H:%M} UTC"}
        if self.status not in LIVE:
            self.view["run"] = None

    def close(self, status: str, now: datetime, **fields: Any) -> None:
        self.closed_at = now
        self.change(status=status, closed_at=instant(now), blocked=None, **fields)

    def refuse(self, why: str) -> None:
        """Its live run is not given a child; the record tells that."""
        self.refused = (self.refused[0] + 1, why)
        self.change()

    def claim(self, now: datetime) -> None:
        self.fence += 1
        self.sends, self.claimed_at, self.refused = 1, now, (0, None)
        self.look_at = max(self.start_at, now) + timedelta(minutes=2)
        self.change(status="claimed")

    def seen(self, view: dict[str, Any]) -> None:
        """Fails unless the answer is as it must be: its version higher just if it was changed since it was last seen."""
        version = view["version"]
        assert version > self.version if self.is_changed else version == self.version, (version, self.version)
        self.version, self.is_changed = version, False
        self.id = self.id or view["id"]
        same(view, self.view | {"id": self.id, "root": self.root or self.id, "version": version})

    def finished(self) -> Answer | None:
        return (409, "already_finished") if self.status not in OPEN else None

    def in_progress(self) -> Answer | None:
        return (409, "in_progress") if self.status in LIVE else None


def same(found: dict[str, Any], expected: dict[str, Any]) -> None:
    """Fails unless they are equal, and names what is not."""
    names = {name for name in (*found, *expected) if found.get(name, ...) != expected.get(name, ...)}
    assert not names, {name: (found.get(name, ...), expected.get(name, ...)) for name in names}


def instant(moment: datetime | None) -> str | None:
    return None if moment is None else f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def _fits(status: str, wanted: str) -> bool:
    return wanted in ("all", status) or wanted == ("open" if status in OPEN else "closed")
