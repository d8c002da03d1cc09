"""A caller of every route, for what the OpenAPI document promises: it notes how each was answered."""

from datetime import timedelta
from pathlib import Path
from typing import Any

from followups.api.routes import find
from followups.domain import ids
from followups.domain.changes import Add
from followups.domain.lineage import RunToken, sign_run
from followups.domain.status import CLOSED, LIVE, WAKING, Status
from tests.support.api import SECRET, TASK, Api
from tests.support.clock import START
from tests.support.things import DEADLINE, follow_up, run

PATH = "/v1/follow-ups"
COMMAND = {"kind": "command", "command": ["true"]}
WORKER = {"kind": "worker"}
HOOK = {"kind": "https", "target": "https://agent.example.com/run"}
HALF = "a\ud800"
#: What each route takes, and the same with half of a surrogate pair.
BODIES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "create": (TASK, TASK | {"task": HALF}),
    "edit": ({"task": "New"}, {"task": HALF}),
    "pause": ({}, {"reason": HALF}),
    "snooze": ({"until": "3d"}, {"until": HALF}),
    "preview": ({"text": "7d"}, {"text": HALF}),
    "complete": ({"outcome": "succeeded"}, {"outcome": "succeeded", "summary": HALF}),
    "progress": ({"message": "half of it"}, {"message": HALF}),
    "put_agent": (COMMAND, COMMAND | {"command": [HALF]}),
    "put_control": ({"stopped": False}, {"stopped": False, "reason": HALF}),
    "test_agent": ({"task": "Try", "message": "disk / < 99%"}, {"task": HALF}),
    "disable_agent": ({"reason": "broken"}, {"reason": HALF}),
    "pull_work": ({"worker": "desk"}, {"worker": HALF}),
}
#: The agents that are there, and that of each route that is for one kind.
AGENTS = {"@disk": COMMAND, "@desk": WORKER, "@hook": HOOK}
_NAMED = {"pull_work": "@desk", "agent_secret": "@hook"}
_STATUS = {"resume": Status.PAUSED, "retry": Status.FAILED}


class Failing:
    """A store in front of another that does nothing but fail, once it is told to."""

    error: Exception | None = None

    def __init__(self, api: Api) -> None:
        self.api = api

    def __getattr__(self, name: str) -> Any:
        def fail(*_: Any, **__: Any) -> Any:
            raise self.error  # type: ignore[misc]

        return getattr(self.api.store, name) if self.error is None else fail


class Caller:
    """Calls routes, and notes how each was answered: its name, the status, and the code of a refusal."""

    def __init__(self, home: Path) -> None:
        self.behind = Api(home)
        self.store = Failing(self.behind)
        self.api = Api(home, store=self.store)  # type: ignore[arg-type]
        self.seen: set[tuple[str, int, str | None]] = set()

    def close(self) -> None:
        self.api.close()
        self.behind.close()

    def another(self, **more: Any) -> Api:
        """Gives an API over the same items, which differs in what is named."""
        return Api(self.behind.path.parent, **more)

    def send(self, event: dict[str, Any], api: Api | None = None) -> Any:
        status, body, _ = (api or self.api).send(event)
        route, _ = find(event["requestContext"]["http"]["method"], event["rawPath"])
        self.seen.add((route.__name__, status, body["code"] if status >= 400 else None))
        return body

    def call(self, method: str, target: str, body: Any = None, **headers: Any) -> Any:
        return self.send(self.api.event(method, target, body, **headers))

    def at(self, status: Status, **fields: Any) -> str:
        """Gives the path of a follow-up of mine that the store holds at that status, with a run that ended."""
        later = START + timedelta(hours=1)
        usual: dict[str, Any] = {"id": self.behind.world.chance.new_id(), "owner": "me", "agent": "@checklist"}
        usual |= {"wake_at": later if status in WAKING else None, "fence": 2, "started_at": START, "due_at": later}
        usual |= {"attempt": 1, "deadline_at": later, "lease_until": later} if status in LIVE else {}
        usual |= {"closed_at": START, "expires_at": START + timedelta(days=90)} if status in CLOSED else {}
        it = follow_up(**(usual | {"root": usual["id"], "status": status} | fields))
        self.behind.store.commit(Add(it), Add(run(owner="me", follow_up_id=it.id, fence=1)))
        return f"{PATH}/{it.id}"

    def token(self, path: str, fence: int = 2) -> str:
        return sign_run(RunToken("me", path.rpartition("/")[2], fence, DEADLINE), SECRET)

    def live_run(self, **fields: Any) -> tuple[str, str]:
        """Gives the id of a run that is in progress, and its token."""
        path = self.at(Status.RUNNING, **fields)
        return ids.run_id(path.rpartition("/")[2], 2), self.token(path)

    def target(self, pattern: str, name: str) -> str:
        """Gives the path of the route of that name, with names of what is there."""
        own = self.at(_STATUS.get(name, Status.SCHEDULED)).rpartition("/")[2]
        agent = _NAMED.get(name, "@disk")
        return pattern.replace("<name>", agent).replace("<id>", ids.run_id(own, 1) if "/runs/<" in pattern else own)
