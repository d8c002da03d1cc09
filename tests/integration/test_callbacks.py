"""What an agent says of its own run by the run's token: the first word counts, and what comes late is kept."""

from collections.abc import Iterator
from typing import Any

import pytest

from followups.domain.contract import AgentCall, Done, Pending
from followups.domain.errors import AgentUncertain
from followups.domain.status import Outcome, ReportStatus, Status, Verdict
from tests.support.api_play import PATH, POLL, Play, break_off, done

RESULT = {"outcome": "attention", "summary": "2 of 12 are old.", "report_md": "db7 and db9 are older than a day."}
OTHER = {"outcome": "failed", "summary": "no luck"}


def on(_call: object) -> Pending:
    return Pending(handle="h-1", poll_after=POLL)


@pytest.fixture
def play() -> Iterator[Play]:
    made = Play()
    yield made
    made.close()


def test_a_pending_run_ends_with_what_its_agent_says(play: Play) -> None:
    call = play.begin(on, agent="@hook")
    play.clock.advance(minutes=50)
    status, told, headers = play.say(call, "complete", RESULT)
    assert (status, told) == (
        200, {"run_id": call.run_id, "outcome": "attention", "verdict": None, "final": True, "next_at": None}
    )  # fmt: skip
    assert "idempotent-replayed" not in headers
    [record] = play.records(call)
    assert (record.outcome, record.summary, record.report) == (Outcome.ATTENTION, *list(RESULT.values())[1:])
    assert (record.finished_at, record.kind, record.target_id) == (play.clock.now(), "https", "h-1")
    assert (play.now(call).status, play.store.slots(play.world.agent("@hook").slots_key)) == (Status.DONE, frozenset())  # type: ignore[union-attr]
    play.mail()
    assert [it.id for it in play.mailer.sent] == [call.run_id], "its report is queued at once"
    assert play.tick(hours=3) == [], "nobody asks for it any more"


def test_a_run_whose_start_gave_no_answer_ends_so_too(play: Play) -> None:
    call = play.begin(break_off, agent="@hook")
    assert play.say(call, "complete", RESULT)[0] == 200
    assert play.tick(hours=1) == []
    assert [it.outcome for it in play.records(call)] == [Outcome.ATTENTION]


@pytest.mark.parametrize(
    "again",
    [
        RESULT,
        dict(reversed(RESULT.items())),
        RESULT | {"more": [1], "another": None},
        RESULT | {"verdict": None, "usage": None},
    ],
)
def test_the_same_again_is_answered_again(play: Play, again: dict[str, Any]) -> None:
    call = play.begin(on)
    first = play.say(call, "complete", RESULT)[1]
    play.clock.advance(hours=2)
    before = play.records(call)
    status, told, headers = play.say(call, "complete", again)
    assert (status, told, headers["idempotent-replayed"]) == (200, first, "true")
    assert play.records(call) == before


@pytest.mark.parametrize("change", [{"outcome": "failed"}, {"summary": "2 of 12 are old"}, {"report_md": None},
                                    {"findings": []}, {"usage": {"model": "m"}}])  # fmt: skip
def test_the_first_word_counts(play: Play, change: dict[str, Any]) -> None:
    call = play.begin(on)
    play.say(call, "complete", RESULT)
    status, refused, _ = play.say(call, "complete", RESULT | change)
    assert (status, refused["code"], refused["retryable"]) == (409, "already_completed", False)
    [record] = play.records(call)
    assert (record.summary, record.late_at) == (RESULT["summary"], None)
    assert play.say(call, "complete", RESULT)[0] == 200, "and is still answered"


def test_a_failed_attempt_is_followed_by_the_next_with_a_token_of_its_own(play: Play) -> None:
    call = play.begin(on)
    told = play.say(call, "complete", OTHER)[1]
    assert (told["outcome"], told["final"]) == ("failed", False)
    assert told["next_at"] == f"{play.now(call).start_at:%Y-%m-%dT%H:%M:%SZ}"
    play.tick(minutes=2)
    second = play.agent.calls[-1]
    assert (second.run_id, second.request["attempt"]) == (f"{call.run_id[:-1]}2", 2)
    assert play.say(call, "complete", OTHER)[2]["idempotent-replayed"] == "true"
    assert play.say(call, "heartbeat")[0] == 410
    assert play.say(second, "complete", RESULT)[1]["final"] is True


def test_a_verdict_and_a_cost_come_with_it(play: Play) -> None:
    call = play.begin(on, done_when="All 12 are fresh", due="daily")
    assert call.request["done_when"] == "All 12 are fresh"
    said = {"outcome": "succeeded", "verdict": "met", "evidence": "the oldest is 2 h old"}
    cost = {"model": "m-1", "input_tokens": 1_200, "output_tokens": 300.0, "cost_usd": 0.015}
    assert play.say(call, "complete", said | {"usage": cost})[1]["verdict"] == "met"
    [record] = play.records(call)
    assert (record.verdict, record.evidence, record.model) == (Verdict.MET, "the oldest is 2 h old", "m-1")
    assert (record.input_tokens, record.output_tokens, record.cost_usd) == (1_200, 300, "0.015")
    assert play.now(call).status is Status.DONE


# Late


@pytest.mark.parametrize("seconds", [0, 1])
def test_the_deadline_itself_is_in_time(play: Play, seconds: int) -> None:
    call = play.begin(on, agent="@hook")
    play.clock.advance(seconds=(call.deadline - play.clock.now()).total_seconds() + seconds)
    assert play.say(call, "complete", RESULT)[0] == (410 if seconds else 200)


def test_after_the_deadline_it_has_timed_out_and_what_was_said_is_kept(play: Play) -> None:
    call = play.begin(on, agent="@hook", max_attempts=3)
    play.clock.advance(hours=2)
    status, refused, _ = play.say(call, "complete", RESULT)
    assert (status, refused["code"], refused["retryable"]) == (410, "run_over", False)
    assert "kept" in refused["detail"]
    [record] = play.records(call)
    assert (record.outcome, record.final, record.report_status) == (Outcome.TIMED_OUT, True, ReportStatus.PENDING)
    assert (record.late_at, record.late_outcome, record.late_summary, record.late_report) == (
        play.clock.now(), Outcome.ATTENTION, RESULT["summary"], RESULT["report_md"]
    )  # fmt: skip
    view = play.call("GET", f"/v1/runs/{call.run_id}")[1]["late_result"]
    assert (view["outcome"], view["summary"]) == ("attention", RESULT["summary"])
    play.mail()
    assert len(play.mailer.sent) == 1
    # Whatever else is said then, the first word is kept, and no run follows.
    for again in (RESULT, OTHER):
        assert play.say(call, "complete", again)[0] == 410
    assert (play.records(call)[0].late_summary, play.tick(days=1)) == (RESULT["summary"], [])
    assert len(play.mailer.sent) == 1, "what comes late makes no second mail"


def test_a_run_that_broke_off_may_speak_late(play: Play) -> None:
    call = play.begin(break_off)
    play.tick(hours=1)
    assert play.records(call)[0].outcome is Outcome.UNKNOWN
    assert play.say(call, "complete", RESULT)[1]["code"] == "run_over"
    [record] = play.records(call)
    assert (record.outcome, record.late_outcome) == (Outcome.UNKNOWN, Outcome.ATTENTION)


def test_a_late_word_does_not_touch_the_attempt_that_came_after(play: Play) -> None:
    play.register("@safe", {"kind": "https", "target": "https://a.example.com/", "rerun": "safe", "timeout_s": 60})
    call = play.begin(on, agent="@safe")
    play.tick(minutes=2)
    assert play.tick(minutes=2) == ["pending"]
    second = play.agent.calls[-1]
    assert second.run_id != call.run_id
    assert play.say(call, "complete", RESULT)[0] == 410
    assert play.now(call).run_id == second.run_id and play.now(call).status is Status.RUNNING
    assert play.say(second, "complete", RESULT)[0] == 200
    assert [it.late_at is not None for it in play.records(call)] == [False, True]


def test_what_is_cancelled_ends_as_cancelled_whatever_is_said(play: Play) -> None:
    call = play.begin(on)
    assert play.say(call, "heartbeat")[1]["cancelled"] is False
    assert play.call("DELETE", f"{PATH}/{call.request['follow_up_id']}")[0] == 202
    assert play.say(call, "heartbeat")[1]["cancelled"] is True
    status, told, _ = play.say(call, "complete", RESULT)
    assert (status, told["outcome"]) == (200, "cancelled")
    [record] = play.records(call)
    assert (record.outcome, record.report_status) == (Outcome.CANCELLED, ReportStatus.NONE)
    assert play.say(call, "complete", RESULT)[2]["idempotent-replayed"] == "true"
    assert play.say(call, "complete", OTHER)[1]["code"] == "already_completed"
    play.tick(hours=1)
    assert play.mailer.sent == []


def test_a_cancelled_run_that_is_over_may_speak_late(play: Play) -> None:
    call = play.begin(break_off)
    play.call("DELETE", f"{PATH}/{call.request['follow_up_id']}")
    play.tick(hours=1)
    assert play.records(call)[0].outcome is Outcome.CANCELLED
    assert play.say(call, "complete", RESULT)[0] == 410
    assert play.records(call)[0].late_summary == RESULT["summary"]


# Racing the runner


def test_an_agent_that_calls_back_and_answers_as_well_ends_once(play: Play) -> None:
    """What it said first counts; its answer comes to a run that is over."""

    def does(call: AgentCall) -> Done:
        assert play.say(call, "complete", RESULT)[0] == 200
        return done("failed")

    play.agent.does = does
    it = play.make(agent="@hook")
    assert play.tick(seconds=10) == ["stale"]
    assert [record.summary for record in play.records(it)] == [RESULT["summary"]]
    assert (play.now(it).status, len(play.mailer.sent)) == (Status.DONE, 1)


def test_one_that_is_waited_for_does_not_end_its_run_while_it_is_at_work(play: Play) -> None:
    """Its slot would be another's, and its follow-up's next run could start beside it."""
    told: list[Any] = []

    def does(call: AgentCall) -> Done:
        status, refused, _ = play.say(call, "complete", RESULT)
        told.append((status, refused["code"], refused["retryable"], call.request["callback"]))
        assert play.say(call, "heartbeat")[0] == 200
        return done("failed")

    play.agent.does = does
    it = play.make(max_attempts=1)
    assert play.tick(seconds=10) == ["finished"]
    assert list(told[0][3]) == ["heartbeat", "progress"]
    assert told[0][:3] == (409, "waited_for", False)
    assert [record.summary for record in play.records(it)] == ["it failed"]


def test_an_answer_that_was_stored_first_counts(play: Play) -> None:
    call = play.begin(lambda _: done())
    assert play.say(call, "complete", RESULT)[1]["code"] == "already_completed"
    assert [record.summary for record in play.records(call)] == ["it succeeded"]


@pytest.mark.parametrize("found", ["ends", "goes on", "breaks off"])
def test_it_is_completed_while_it_is_asked_for(play: Play, found: str) -> None:
    call = play.begin(on, agent="@hook")

    def does(_call: AgentCall) -> Done | Pending:
        play.say(call, "complete", RESULT)
        if found == "breaks off":
            raise AgentUncertain("the line went dead")
        return done("failed") if found == "ends" else on(call)

    play.agent.does = does
    assert play.tick(minutes=2) == ["uncertain" if found == "breaks off" else "stale"]
    assert [record.summary for record in play.records(call)] == [RESULT["summary"]]
    assert play.tick(hours=3) == []
