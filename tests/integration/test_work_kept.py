"""What becomes of work in a worker's hand: kept by signs of life, lost without them, stopped from outside."""

from collections.abc import Iterator

import pytest

from followups.domain.status import Outcome, Status
from tests.support.api_play import PATH, Play
from tests.support.work import pull, say, staffed, wait

DESK = "/v1/agents/@desk"


@pytest.fixture
def play() -> Iterator[Play]:
    with staffed() as made:
        yield made


# Kept, and lost


def test_signs_of_life_keep_a_run_until_its_deadline(play: Play) -> None:
    it = wait(play)
    run = pull(play)
    for minute in range(59):
        play.tick(minutes=1)
        body = {"message": f"minute {minute}"} if minute % 2 else None
        assert say(play, run, "progress" if body else "heartbeat", body)[0] == 200
    assert play.now(it).status is Status.RUNNING
    play.tick(minutes=2)
    [record] = play.records(it)
    assert (record.outcome, record.final) == (Outcome.TIMED_OUT, True)
    assert say(play, run, "heartbeat")[0] == 410
    assert say(play, run, "complete", {"outcome": "succeeded", "summary": "at last"})[0] == 410
    assert play.records(it)[0].late_summary == "at last"


@pytest.mark.parametrize("rerun", ["never", "safe"])
def test_who_is_not_heard_of_is_gone(play: Play, rerun: str) -> None:
    play.register("@desk", {"kind": "worker", "timeout_s": 3_600, "rerun": rerun})
    it = wait(play)
    run = pull(play)
    play.tick(minutes=4)
    assert say(play, run, "heartbeat")[0] == 200
    play.tick(minutes=4)
    assert play.now(it).status is Status.RUNNING, "it was heard of four minutes ago"
    play.tick(minutes=1)
    [record] = play.records(it)
    assert (record.outcome, record.final) == (Outcome.UNKNOWN, rerun == "never")
    assert say(play, run, "heartbeat")[1]["code"] == "run_over"
    assert say(play, run, "complete", {"outcome": "succeeded"})[1]["code"] == "run_over"
    for _ in range(4):
        pull(play, "w2")
        play.tick(minutes=1)
    again = pull(play, "w2")
    if rerun == "never":
        assert (again, play.now(it).status) == (None, Status.FAILED)
    else:
        assert (again["run_id"], again["attempt"]) == (f"run-{it['id']}-000002", 2)
        assert say(play, again, "complete", {"outcome": "succeeded"})[0] == 200
        assert [each.late_at is not None for each in play.records(it)] == [False, True]


# Stopped


def test_a_worker_is_told_that_its_run_is_cancelled(play: Play) -> None:
    it = wait(play)
    run = pull(play)
    assert play.call("DELETE", f"{PATH}/{it['id']}")[0] == 202
    assert say(play, run, "heartbeat")[1]["cancelled"] is True
    assert pull(play) is None, "what is to end is not given again"
    play.tick(minutes=1)
    assert say(play, run, "complete", {"outcome": "failed"})[1]["outcome"] == "cancelled"
    assert (play.now(it).status, play.mailer.sent) == (Status.CANCELLED, [])


def test_a_cancelled_run_of_which_nothing_is_heard_ends(play: Play) -> None:
    it = wait(play)
    pull(play)
    play.call("DELETE", f"{PATH}/{it['id']}")
    for _ in range(8):
        play.tick(minutes=1)
    assert (play.now(it).status, play.records(it)[0].outcome) == (Status.CANCELLED, Outcome.CANCELLED)


def test_what_waits_and_is_cancelled_is_handed_to_nobody(play: Play) -> None:
    it = wait(play)
    play.call("DELETE", f"{PATH}/{it['id']}")
    assert pull(play) is None
    play.tick(seconds=1)
    assert play.now(it).status is Status.CANCELLED


@pytest.mark.parametrize("how", ["switch", "disabled"])
def test_while_all_is_stopped_nothing_is_handed_out_and_what_runs_runs_on(play: Play, how: str) -> None:
    one, other = wait(play), wait(play)
    run = pull(play)
    stop, go = {
        "switch": (("PUT", "/v1/control", {"stopped": True}), ("PUT", "/v1/control", {"stopped": False})),
        "disabled": (("POST", f"{DESK}/disable", None), ("POST", f"{DESK}/enable", None)),
    }[how]
    play.call(*stop)
    assert pull(play, "w2") is None
    assert pull(play, in_hand=(run["run_id"],)) is None
    assert pull(play) is None, "nor what the worker may not have heard of: it would begin it now"
    play.tick(minutes=2)
    assert say(play, run, "complete", {"outcome": "succeeded"})[0] == 200
    assert (play.now(one).status, play.now(other).status) == (Status.DONE, Status.SCHEDULED)
    play.call(*go)
    pull(play)
    play.tick(minutes=1)
    assert pull(play)["follow_up_id"] == other["id"]


def test_a_test_is_handed_out_also_while_its_agent_is_out_of_use(play: Play) -> None:
    play.call("POST", f"{DESK}/disable")
    pull(play)
    it = play.call("POST", f"{DESK}/test", {"task": "Say hello"})[1]
    assert play.tick(seconds=1) == ["pending"]
    run = pull(play)
    assert (run["follow_up_id"], run["test"]) == (it["id"], True)
    say(play, run, "complete", {"outcome": "succeeded"})
    assert (play.now(it).status, play.mailer.sent) == (Status.DONE, [])
