"""A failed one that is tried again is the same task: with what makes it a success, and still only a test if it was one."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from followups.domain.status import ReportStatus, Status, Verdict
from tests.support.api_play import PATH, Play, done

GOAL = {"done_when": "The backups are there", "retry_until_met": "1d", "give_up_at": "2d"}


@pytest.fixture
def play() -> Iterator[Play]:
    made = Play()
    yield made
    made.close()


def again(play: Play, it: dict[str, Any]) -> dict[str, Any]:
    status, body, _ = play.call("POST", f"{PATH}/{it['id']}/retry")
    assert status == 201, body
    return dict(body)


def test_what_was_not_met_is_asked_for_again(play: Play) -> None:
    play.agent.does = lambda _: done(verdict=Verdict.NOT_MET)
    it = play.make(**GOAL)
    for _ in range(4):
        play.tick(days=1)
    assert play.now(it).status is Status.FAILED
    new = again(play, it)
    assert (new["done_when"], new["retry_until_met"]) == (GOAL["done_when"], "1d")
    assert new["give_up_at"] is None, "the time to give up at has passed"
    assert play.tick(seconds=1) == ["finished"]
    assert play.now(new).status is Status.SCHEDULED, "it was not met: there is another look"
    assert play.agent.calls[-1].request["done_when"] == GOAL["done_when"]
    play.agent.does = lambda _: done(verdict=Verdict.MET)
    play.tick(days=1)
    assert play.now(new).status is Status.DONE


def test_a_time_to_give_up_at_that_is_to_come_still_holds(play: Play) -> None:
    play.agent.does = lambda _: done("failed")
    it = play.make(**GOAL | {"retry_until_met": None}, max_attempts=1)
    play.tick(hours=1)
    new = again(play, it)
    assert play.now(new).give_up_at == play.now(it).give_up_at == play.now(it).due_at + timedelta(days=2)


def test_a_test_stays_one(play: Play) -> None:
    play.agent.does = lambda _: done("failed")
    it = play.call("POST", "/v1/agents/@a/test", {"task": "Try"})[1]
    assert play.tick(seconds=1) == ["finished"]
    new = again(play, it)
    assert play.tick(seconds=1) == ["finished"]
    [record] = play.records(new)
    assert (new["test"], record.test, record.report_status) == (True, True, ReportStatus.NONE)
    assert play.mailer.sent == []
