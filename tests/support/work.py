"""Work for workers: an installation with a worker agent, and what such a worker says."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from tests.support.api_engine import LAPTOP
from tests.support.api_play import Play


@contextmanager
def staffed() -> Iterator[Play]:
    """Gives an installation with a worker agent, @desk, of which three may run at once."""
    made = Play(replace(LAPTOP, global_cap=10))
    made.register("@desk", {"kind": "worker", "timeout_s": 3_600, "max_concurrency": 3})
    yield made
    made.close()


def pull(play: Play, worker: str = "w1", *, in_hand: tuple[str, ...] = (), name: str = "@desk") -> Any:
    status, answered, _ = play.call("POST", f"/v1/agents/{name}/work", {"worker": worker, "in_hand": list(in_hand)})
    assert status == 200, answered
    return answered["run"]


def say(play: Play, run: Any, verb: str, body: Any = None) -> tuple[int, Any]:
    status, answered, _ = play.call("POST", f"/v1/runs/{run['run_id']}/{verb}", body, followups_run_token=run["run_token"])
    return status, answered


def wait(play: Play, **more: Any) -> dict[str, Any]:
    """Makes a follow-up whose run waits for a worker that has just asked."""
    pull(play)
    it = play.make(agent="@desk", **more)
    assert play.tick(seconds=10) == ["pending"]
    return it


def blocked(play: Play, it: dict[str, Any]) -> str | None:
    return play.now(it).blocked_reason
