"""A schedule.json of the first version, with a task of each kind, and what became of its tasks."""

import json
from collections.abc import Callable
from typing import Any

from tests.support.laptop import Laptop

TASK: dict[str, Any] = {
    "id": "a", "created": "2020-01-01", "due_date": "2060-12-20", "task": "Check backup health", "recipient": "@backup",
    "message": "Is it new?", "status": "pending",
}  # fmt: skip
STARTED = {"status": "dispatching", "dispatch_started": "2020-02-03T08:00:01.123456"}
FILE = [
    TASK,
    TASK | {"id": "b", "task": "Verify bridge", "due_date": "2020-02-03", "recipient": "backup"},
    TASK | {"id": "c", "task": "Send the digest", "due_date": "2020-02-03"} | STARTED,
    TASK | {"id": "d", "task": "Read the log", "due_date": "2020-02-03", "recipient": "@reader"} | STARTED,
    TASK | {"id": "e", "task": "Old\nthing", "recipient": "@gone", "status": "completed", "completed_date": "2020-02-04"},
]


def writer(laptop: Laptop) -> Callable[..., str]:
    """Registers the agents of `FILE`; gives what writes a file of tasks, and gives its path."""
    laptop.add_agent("@backup", "true")
    laptop.add_agent("@reader", "true", rerun="safe")

    def write(*tasks: object) -> str:
        path = laptop.home.parent / "schedule.json"
        path.write_text(json.dumps({"tasks": tasks}))
        return str(path)

    return write


def stored(laptop: Laptop) -> dict[str, dict[str, Any]]:
    """Gives all follow-ups by their task. No task may be there twice."""
    found = laptop.client.pages("all")
    assert len({it["task"] for it in found}) == len(found)
    return {it["task"]: it for it in found}
