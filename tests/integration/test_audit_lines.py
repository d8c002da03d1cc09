"""What the audit finds in the line of an agent that is out of use: nothing that is somebody's will."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from followups.domain.changes import Add
from followups.domain.entities import Agent
from followups.domain.findings import Weight
from tests.support.audits import Books, blocked
from tests.support.things import agent, later

LATER = later(hours=3)


@pytest.fixture
def books(tmp_path: Path) -> Books:
    return Books(tmp_path / "followups.db")


def test_the_line_of_an_agent_that_is_disabled_waits_as_long_as_it_is(books: Books) -> None:
    books.store.commit(Add(agent(disabled="too dear")), Add(blocked(blocked_reason="@backup is disabled: too dear")))
    assert books.look(later(days=9)).findings == ()


def asked(moment: datetime) -> Agent:
    return agent(kind="worker", command=(), asked_at=moment)


def test_the_line_of_an_agent_whose_worker_is_away_is_a_doubt_after_a_day(books: Books) -> None:
    reason = "no worker of @backup is there; start one"
    books.store.commit(Add(asked(later(hours=1))), Add(blocked(blocked_reason=reason)))
    assert books.look(LATER).findings == ()
    finding = books.only("long_wait", later(days=1, minutes=2))
    assert (finding.weight, "no worker asks" in finding.says) == (Weight.DOUBT, True)


@pytest.mark.parametrize("reason", ["no worker of @backup is there; start one", "@backup is disabled: too dear"])
def test_an_agent_may_have_come_back_just_now(books: Books, reason: str) -> None:
    books.store.commit(Add(asked(LATER - timedelta(seconds=20))), Add(blocked(blocked_reason=reason)))
    finding = books.only("line_stands_still", LATER)
    assert (finding.weight, "came back just now" in finding.says) == (Weight.DOUBT, True)


def test_one_that_is_there_and_does_nothing_is_found(books: Books) -> None:
    books.store.commit(Add(asked(LATER)), Add(blocked()))
    assert books.only("line_stands_still", LATER).weight is Weight.BROKEN
