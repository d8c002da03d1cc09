"""What agents say by their run's token: twice, both ways, too late, and with tokens that are none. The first word counts,
what comes late is kept and told, and nothing runs again."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from followups.domain.contract import AgentCall
from followups.domain.entities import FollowUp
from followups.domain.lineage import RunToken, sign_run
from followups.domain.status import Outcome, Status
from tests.support.stage import Answered, Stage
from tests.support.things import fresh
from tests.support.webhook import Send, Webhook, make_certificate, said, serving, target_for
from tests.support.world import SECRET


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def webhook(certificate: Path) -> Iterator[Webhook]:
    with serving(certificate) as it:
        yield it


@pytest.fixture
def stage(tmp_path: Path, certificate: Path) -> Stage:
    return Stage(tmp_path, {"https": target_for(certificate)})


def goes_on(stage: Stage, webhook: Webhook) -> tuple[FollowUp, AgentCall]:
    """Gives a follow-up whose agent has said that it goes on, and the call of that."""
    webhook.answer = said(202, b"")
    made = stage.begin("https", target=webhook.url(), timeout_s=3600)
    assert stage.tick() == ["pending"]
    return made, stage.calls[-1]


def test_the_first_word_counts(stage: Stage, webhook: Webhook) -> None:
    made, call = goes_on(stage, webhook)
    assert stage.complete(call) == Answered(200, None)
    assert stage.complete(call) == Answered(200, None, replayed=True)
    assert stage.complete(call, "failed") == Answered(409, "already_completed")
    stage.play()
    ended = stage.last(made)
    assert (ended.outcome, ended.summary, len(stage.calls)) == (Outcome.SUCCEEDED, "it says succeeded", 1)


def test_one_that_calls_back_and_answers_as_well_has_said_it_already(stage: Stage, webhook: Webhook) -> None:
    answers: list[Answered] = []

    def both(send: Send) -> None:
        answers.append(stage.complete(stage.calls[-1], "attention"))
        send(said(200, b"and in other words"))

    webhook.answer = both
    made = stage.begin("https", target=webhook.url())
    assert stage.tick() == ["stale"]
    stage.play()
    ended = stage.last(made)
    assert (answers, ended.outcome, len(stage.calls)) == ([Answered(200, None)], Outcome.ATTENTION, 1)
    assert "it says attention" in stage.text(ended) and "other words" not in stage.text(ended)


def test_what_comes_after_the_deadline_is_kept_and_told_as_late(stage: Stage, webhook: Webhook) -> None:
    made, call = goes_on(stage, webhook)
    stage.bench.clock.advance(seconds=3601)
    assert stage.complete(call) == Answered(410, "run_over")
    assert stage.complete(call, "failed") == Answered(410, "run_over")
    stage.play()
    ended = stage.last(made)
    assert (ended.outcome, ended.late_outcome, len(stage.calls)) == (Outcome.TIMED_OUT, Outcome.SUCCEEDED, 1)
    text = stage.text(ended)
    assert "The agent's answer came after its deadline, 13:00:10 UTC." in text
    assert "the agent said after all: succeeded; it says succeeded" in text


def test_what_comes_when_it_was_given_up_is_late_too(stage: Stage, webhook: Webhook) -> None:
    made, call = goes_on(stage, webhook)
    stage.play()
    assert stage.complete(call) == Answered(410, "run_over")
    ended = stage.last(made)
    assert (ended.outcome, ended.late_summary, len(stage.calls)) == (Outcome.UNKNOWN, "it says succeeded", 1)
    assert "Nothing was heard of the run, and nobody asked for it before its time was over." in stage.text(ended)


def test_a_token_that_is_none_ends_nothing(stage: Stage, webhook: Webhook) -> None:
    made, call = goes_on(stage, webhook)
    mine = RunToken("me", made.id, 1, call.deadline)
    other = sign_run(replace(mine, follow_up_id=fresh()), SECRET)
    head, payload, mac = call.token.split(".")
    longer = sign_run(replace(mine, deadline=call.deadline + timedelta(days=1)), SECRET).split(".")[1]
    forged = [
        sign_run(mine, b"another secret of thirty-two byte"), sign_run(replace(mine, fence=2), SECRET), other,
        f"{head}.{longer}.{mac}", f"fr1.{payload}.{mac}", f"{head}.{payload}.", f"{call.token}=", "garbage",
    ]  # fmt: skip
    for token in forged:
        assert stage.complete(call, token=token) == Answered(401, "invalid_run_token"), token
    assert stage.bench.now(made).status is Status.RUNNING
    assert stage.complete(call) == Answered(200, None), "the right one is as good as before"


def test_the_token_of_a_run_that_is_over_makes_nothing(stage: Stage, webhook: Webhook) -> None:
    made, call = goes_on(stage, webhook)
    assert stage.complete(call) == Answered(200, None)
    child = {"agent": "@bad", "task": "Child", "due": "in 1 hour"}
    assert stage.say(call.token, "/v1/follow-ups", **child) == Answered(403, "run_not_live")
    assert stage.say(call.token, f"/v1/runs/{call.run_id}/heartbeat") == Answered(410, "run_over")
    assert stage.bench.now(made).status is Status.DONE
