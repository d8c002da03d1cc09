"""Work that workers ask for: handed out once, oldest first, kept by signs of life, and never started for nobody."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from followups.domain import ids
from followups.domain.contract import AgentCall, Done, Pending
from followups.domain.hearing import PRESENT, WORKER_LEASE
from followups.domain.messages import Message
from followups.domain.status import Outcome, Status
from tests.support.api_play import PATH, Play
from tests.support.work import blocked, pull, say, staffed, wait

DESK = "/v1/agents/@desk"


@pytest.fixture
def play() -> Iterator[Play]:
    with staffed() as made:
        yield made


# Handed out


def test_there_may_be_nothing_to_do(play: Play) -> None:
    assert pull(play) is None
    assert play.call("GET", DESK)[1]["worker_seen_at"] == f"{play.clock.now():%Y-%m-%dT%H:%M:%SZ}"
    play.make(agent="@desk", due="1d")
    play.make(agent="@a")
    play.tick(seconds=10)
    assert pull(play) is None


def test_a_run_is_handed_out_with_all_that_an_agent_is_told(play: Play) -> None:
    it = wait(play, message="All of them?", done_when="It is so")
    play.clock.advance(minutes=1)
    run = pull(play)
    assert (run["run_id"], run["follow_up_id"], run["task"]) == (f"run-{it['id']}-000001", it["id"], "Check it")
    assert (run["prompt"], run["done_when"], run["attempt"]) == ("All of them?", "It is so", 1)
    assert run["deadline"] == f"{play.clock.now() + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}", "its time counts from now"
    assert run["callback"]["progress"].endswith(f"/v1/runs/{run['run_id']}/progress")
    assert "complete" not in run["callback"], "the worker says that, when its command has ended"
    live = play.call("GET", f"{PATH}/{it['id']}")[1]["run"]
    assert (live["target_id"], live["started_at"]) == ("worker w1", f"{play.clock.now():%Y-%m-%dT%H:%M:%SZ}")
    assert say(play, run, "complete", {"outcome": "succeeded", "verdict": "met"})[0] == 200
    [record] = play.records(it)
    assert (record.outcome, record.kind, record.target_id) == (Outcome.SUCCEEDED, "worker", "worker w1")
    assert (play.now(it).status, pull(play)) == (Status.DONE, None)


def test_the_oldest_comes_first_and_each_once(play: Play) -> None:
    pull(play)
    due = ["in 8 seconds", "in 2 seconds", "in 5 seconds", "in 9 seconds"]
    made = [play.make(agent="@desk", due=it)["id"] for it in due]
    play.tick(seconds=10)
    got = []
    while run := pull(play, in_hand=tuple(got)):
        got.append(run["run_id"])
    waits = [it for it in made if play.now(it).status is Status.SCHEDULED]
    assert len(waits) == 1, "three at once is its limit"
    assert got == [ids.run_id(it, 1) for it in sorted(set(made) - set(waits), key=lambda it: play.now(it).start_at)]


def test_an_answer_that_was_lost_is_given_again(play: Play) -> None:
    it, _ = wait(play), wait(play)
    first = pull(play)
    play.clock.advance(seconds=5)
    again = pull(play)
    assert again == first | {"now": again["now"], "lateness": 15}, "the same run, its deadline and its token"
    assert first["follow_up_id"] == it["id"]
    second = pull(play, in_hand=(first["run_id"],))
    assert second["run_id"] != first["run_id"]
    assert pull(play, in_hand=(first["run_id"], second["run_id"])) is None
    assert pull(play, "w2") is None, "what one worker has is no other's"
    assert play.now(it).attempt == 1


def test_what_is_given_again_has_a_lease_again(play: Play) -> None:
    it = wait(play)
    pull(play)
    play.clock.advance(minutes=4)
    pull(play)
    assert play.now(it).lease_until == play.clock.now() + WORKER_LEASE


def test_what_is_over_is_not_given_again(play: Play) -> None:
    play.register("@desk", {"kind": "worker", "timeout_s": 60})
    wait(play)
    pull(play)
    play.clock.advance(seconds=60)
    assert pull(play) is None


def test_two_workers_share_the_work(play: Play) -> None:
    made = [wait(play)["id"] for _ in range(3)]
    runs = [pull(play, worker) for worker in ("w1", "w2", "w3", "w4")]
    assert [run and run["follow_up_id"] for run in runs] == [*made, None]
    assert [play.now(it).handle for it in made] == ["worker w1", "worker w2", "worker w3"]
    for run in runs[:3]:
        assert say(play, run, "complete", {"outcome": "succeeded"})[0] == 200


# Nobody there


def test_without_a_worker_nothing_is_started(play: Play) -> None:
    it = play.make(agent="@desk")
    assert play.tick(seconds=10) == ["blocked"]
    now = play.now(it)
    assert (now.status, now.attempt, play.records(it)) == (Status.SCHEDULED, 0, [])
    assert "no worker of @desk is there" in str(now.blocked_reason) and "followups worker" in str(now.blocked_reason)
    assert play.store.slots(ids.ALL_SLOTS_KEY) == frozenset(), "it holds no slot"
    pull(play)
    assert play.tick(minutes=1) == ["pending"]
    assert (blocked(play, it), pull(play)["attempt"]) == (None, 1)


def test_a_worker_that_asked_long_ago_is_not_there(play: Play) -> None:
    pull(play)
    play.clock.advance(seconds=PRESENT.total_seconds() - 10)
    it = play.make(agent="@desk")
    assert play.tick(seconds=11) == ["blocked"]
    assert "no worker" in str(blocked(play, it))


def test_a_run_that_nobody_takes_goes_back_into_its_line(play: Play) -> None:
    it = wait(play, max_attempts=1)
    assert play.tick(minutes=1) == []
    assert play.tick(minutes=1) == ["blocked"]
    now = play.now(it)
    assert (now.status, now.attempt, play.records(it)) == (Status.SCHEDULED, 0, [])
    assert "no worker of @desk took it" in str(now.blocked_reason)
    assert play.store.slots(play.world.agent("@desk").slots_key) == frozenset()  # type: ignore[union-attr]
    # The whole game again, however often: it is never failed for that.
    for _ in range(5):
        pull(play)
        assert play.tick(minutes=1) == ["pending"]
        assert play.tick(minutes=2) == ["blocked"]
    pull(play)
    play.tick(minutes=1)
    run = pull(play)
    assert run["attempt"] == 1 and say(play, run, "complete", {"outcome": "succeeded"})[0] == 200


class Slow:
    """The worker target, at whose poll something else happens first: a worker comes and takes the run."""

    def __init__(self, play: Play, happens: Any) -> None:
        self.target, self.happens = play.targets["worker"], happens

    def start(self, call: AgentCall) -> Done | Pending:
        return self.target.start(call)

    def poll(self, call: AgentCall, handle: str) -> Done | Pending:
        self.happens()
        return self.target.poll(call, handle)

    def cancel(self, call: AgentCall, handle: str) -> None:
        self.target.cancel(call, handle)


def test_a_run_that_is_taken_at_the_last_moment_is_the_workers(play: Play) -> None:
    """Its runner has just read that it waits, and gives it back."""
    it = wait(play)
    taken: list[Any] = []
    play.targets["worker"] = Slow(play, lambda: taken.append(pull(play)))
    play.tick(minutes=2)
    assert len(taken) == 1 and taken[0]["run_id"] == f"run-{it['id']}-000001"
    assert (play.now(it).status, play.now(it).handle) == (Status.RUNNING, "worker w1"), "it has not gone back into its line"
    for _ in range(5):
        assert say(play, taken[0], "heartbeat")[0] == 200
        play.tick(minutes=1)
    assert pull(play, "w2") is None, "and nobody else is given it"
    assert say(play, taken[0], "complete", {"outcome": "succeeded"})[0] == 200


# Who may ask


@pytest.mark.parametrize("worker", ["", "a b", "ä", "a" * 65, None, 7])
def test_a_worker_has_a_name(play: Play, worker: Any) -> None:
    status, refused, _ = play.call("POST", f"{DESK}/work", {"worker": worker})
    assert (status, refused["errors"][0]["pointer"]) == (422, "/worker")


@pytest.mark.parametrize("in_hand", ["run", ["x"], ["run-" + "a" * 26 + "-1"], [7], None])
def test_what_it_has_in_hand_are_runs(play: Play, in_hand: Any) -> None:
    assert play.call("POST", f"{DESK}/work", {"worker": "w", "in_hand": in_hand})[0] == 422


@pytest.mark.parametrize("name", ["@a", "@hook", "@ada", "@checklist"])
def test_only_a_worker_agents_work_is_asked_for(play: Play, name: str) -> None:
    status, refused, _ = play.call("POST", f"/v1/agents/{name}/work", {"worker": "w"})
    assert (status, refused["code"]) == (422, "not_a_worker_agent")


def test_no_run_asks_for_work(play: Play) -> None:
    wait(play)
    run = pull(play)
    status, refused, _ = play.call("POST", f"{DESK}/work", {"worker": "w"}, followups_run_token=run["run_token"])
    assert (status, refused["code"]) == (403, "not_with_run_token")


def test_a_message_that_comes_twice_takes_nothing_from_a_worker(play: Play) -> None:
    it = wait(play)
    message = Message("start", "me", it["id"], 1)
    run = pull(play)
    for _ in range(2):
        assert play.run(message, play.agent.does) == "pending"
    assert play.now(it).handle == "worker w1"
    assert say(play, run, "complete", {"outcome": "succeeded"})[0] == 200
    assert play.run(message, play.agent.does) == "stale"
