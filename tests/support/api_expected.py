"""One follow-up of the model of the API: how it must be answered."""

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
    #: It ended without its runner, and its agent was not registered any more: nobody knows of which kind it was.
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
