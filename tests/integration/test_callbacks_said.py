"""Who may speak of a run, by which token, what may be said, and how long a report may be."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from followups.adapters.output_files import OutputFiles
from followups.domain.contract import AgentCall, Done, Pending
from followups.domain.lineage import RunToken, sign_run
from followups.domain.status import Outcome, Status
from tests.support.api import SECRET
from tests.support.api_play import PATH, POLL, Play, done

RESULT = {"outcome": "attention", "summary": "2 of 12 are old.", "report_md": "db7 and db9 are older than a day."}
OTHER = {"outcome": "failed", "summary": "no luck"}


def on(_call: object) -> Pending:
    return Pending(handle="h-1", poll_after=POLL)


@pytest.fixture
def play() -> Iterator[Play]:
    made = Play()
    yield made
    made.close()


# Whose token


@pytest.mark.parametrize("verb", ["complete", "heartbeat", "progress"])
def test_whose_token_it_is_not_is_not_known(play: Play, verb: str) -> None:
    play.register("@hook", {"kind": "https", "target": "https://agent.example.com/", "max_concurrency": 2})
    call, other = (play.begin(on, agent="@hook") for _ in range(2))
    body = {"complete": RESULT, "progress": {"message": "half"}}.get(verb)
    own = RunToken("me", call.request["follow_up_id"], 1, call.deadline)
    wrong = {
        "another run's": other.token,
        "another secret's": sign_run(own, b"another secret, 32 bytes long .."),
        "an earlier run's": sign_run(RunToken("me", own.follow_up_id, 2, own.deadline), SECRET),
        "none": "", "a word": "token", "cut off": call.token[:-1], "longer": f"{call.token}A", "an older kind": "fr1.a.b",
    }  # fmt: skip
    before = [str(it) for it in play.store.everything()]
    for name, token in wrong.items():
        status, refused, _ = play.say(call, verb, body, token=token)
        assert (status, refused["code"]) == (401, "invalid_run_token"), name
    for name in (other.run_id, f"{call.run_id[:-1]}2", "run-x", f"run-{'a' * 26}-000001", "%00"):
        event = play.event("POST", f"/v1/runs/{name}/{verb}", body, followups_run_token=call.token)
        assert play.send(event)[1]["code"] == "invalid_run_token", name
    assert [str(it) for it in play.store.everything()] == before
    assert play.say(call, verb, body)[0] == 200


def test_a_token_of_another_owner_opens_nothing(play: Play) -> None:
    call = play.begin(on)
    theirs = sign_run(RunToken("you", call.request["follow_up_id"], 1, call.deadline), SECRET)
    assert play.say(call, "complete", RESULT, token=theirs)[1]["code"] == "run_over", "signed by us, of a run that is none"
    assert play.records(call) == []


def test_a_bearer_token_will_do(play: Play) -> None:
    call = play.begin(on)
    for scheme, verb in (("Bearer", "heartbeat"), ("bearer", "heartbeat"), ("BEARER", "complete")):
        event = play.event("POST", f"/v1/runs/{call.run_id}/{verb}", RESULT, authorization=f"{scheme} {call.token}")
        event["requestContext"].pop("authorizer")
        assert play.send(event)[0] == 200
    for wrong in ("", "Bearer", f"Basic {call.token}", f"Bearer {call.token}x", call.token):
        event = play.event("POST", f"/v1/runs/{call.run_id}/heartbeat", None, authorization=wrong)
        assert play.send(event)[0] == 401


def test_the_header_of_ours_goes_before_a_bearer_token(play: Play) -> None:
    call = play.begin(on)
    assert play.say(call, "heartbeat", authorization="Bearer of-somebody-else")[0] == 200
    assert play.say(call, "heartbeat", authorization=f"Bearer {call.token}", token="x")[0] == 401


def test_a_secret_that_was_rotated_still_opens_for_a_while() -> None:
    play = Play(secrets=(b"the new secret, 32 bytes long ..", SECRET))
    call = play.begin(on)
    assert play.say(call, "complete", RESULT)[0] == 200
    play.close()


# What is said


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/outcome"),
        ({"outcome": None}, "/outcome"),
        ({"outcome": "done"}, "/outcome"),
        ({"outcome": "timed_out"}, "/outcome"),
        ({"outcome": "cancelled"}, "/outcome"),
        ({"outcome": ["failed"]}, "/outcome"),
        (RESULT | {"summary": 7}, "/summary"),
        (RESULT | {"summary": "a\ud800"}, "/summary"),
        (RESULT | {"report_md": ["a"]}, "/report_md"),
        (RESULT | {"report_md": "a" * 400_001}, "/report_md"),
        (RESULT | {"verdict": "yes"}, "/verdict"),
        (RESULT | {"findings": "a"}, "/findings"),
        (RESULT | {"usage": 7}, "/usage"),
        (RESULT | {"usage": {"input_tokens": -1}}, "/usage/input_tokens"),
        (RESULT | {"usage": {"cost_usd": "1"}}, "/usage/cost_usd"),
        (RESULT | {"usage": {"cost_usd": 10**400}}, "/usage/cost_usd"),
    ],
)
def test_a_result_of_a_wrong_shape_ends_nothing(play: Play, body: dict[str, Any], pointer: str) -> None:
    call = play.begin(on)
    status, refused, _ = play.say(call, "complete", body)
    assert (status, refused["errors"][0]["pointer"]) == (422, pointer)
    assert (play.now(call).status, play.records(call)) == (Status.RUNNING, [])
    assert play.say(call, "complete", RESULT)[0] == 200, "it may be said rightly then"


def test_a_result_may_have_a_megabyte_and_no_more(play: Play) -> None:
    call = play.begin(on, done_when="It is so")
    long = {
        "outcome": "succeeded",
        "summary": "s" * 390_000,
        "report_md": "r" * 390_000,
        "evidence": "e" * 200_000,
        "verdict": "met",
    }
    for _ in range(2):
        assert play.say(call, "complete", long | {"more": "x" * 100_000})[1]["code"] == "payload_too_large"
    assert play.say(call, "complete", long)[0] == 200
    [record] = play.records(call)
    assert (len(record.summary), len(record.evidence)) == (200, 2_000)
    assert 200_000 < len(record.report) <= 256 * 1024, "there is no other place to keep it in"
    assert play.say(call, "complete", long)[2]["idempotent-replayed"] == "true"


def test_what_cannot_be_shown_is_left_out(play: Play) -> None:
    call = play.begin(on)
    said = {"outcome": "succeeded", "summary": "a\x00b\x1b[31mc\u202e", "findings": ["x\ud800y", {"k\udfff": "\x00"}]}
    assert play.say(call, "complete", said)[0] == 200
    [record] = play.records(call)
    assert (record.summary, "xy" in record.report) == ("abc", True)
    (record.summary + record.report).encode()


# Signs of life


def test_a_heartbeat_and_progress_are_noted_and_shown(play: Play) -> None:
    call = play.begin(on, agent="@hook")
    play.clock.advance(minutes=5)
    told = play.say(call, "heartbeat")[1]
    assert told == {"run_id": call.run_id, "deadline_at": f"{call.deadline:%Y-%m-%dT%H:%M:%SZ}", "cancelled": False}
    play.clock.advance(minutes=5)
    assert play.say(call, "progress", {"message": "3 of 8", "odd": 1})[0] == 200
    run = play.call("GET", f"{PATH}/{call.request['follow_up_id']}")[1]["run"]
    assert (run["progress"], run["heard_at"]) == ("3 of 8", f"{play.clock.now():%Y-%m-%dT%H:%M:%SZ}")
    looked_at = play.now(call).wake_at
    play.say(call, "heartbeat")
    assert (play.now(call).progress, play.now(call).wake_at) == ("3 of 8", looked_at), "a heartbeat says nothing of that"


@pytest.mark.parametrize("message", [None, "", "a\nb", "a" * 201, 7, "a\x00"])
def test_progress_is_one_short_line(play: Play, message: Any) -> None:
    call = play.begin(on)
    assert play.say(call, "progress", {"message": message})[0] == 422
    assert play.now(call).progress is None


@pytest.mark.parametrize("verb", ["heartbeat", "progress"])
def test_who_is_over_lives_no_more(play: Play, verb: str) -> None:
    body = {"message": "half"} if verb == "progress" else None
    call = play.begin(on, agent="@hook")
    play.clock.advance(seconds=3_600)
    assert play.say(call, verb, body)[0] == 200
    play.clock.advance(seconds=1)
    assert play.say(call, verb, body)[1]["code"] == "run_over"
    assert play.now(call).status is Status.RUNNING, "that it has timed out is for the sweep to say"
    other = play.begin(on, agent="@a")
    play.say(other, "complete", RESULT)
    assert play.say(other, verb, body)[1]["code"] == "run_over"


def test_signs_of_life_do_not_put_off_the_deadline(play: Play) -> None:
    call = play.begin(on, agent="@hook", max_attempts=1)
    while play.clock.now() < call.deadline:
        assert play.say(call, "heartbeat")[0] == 200
        play.tick(minutes=10)
    play.tick(minutes=1)
    [record] = play.records(call)
    assert (record.outcome, record.finished_at <= call.deadline + timedelta(minutes=11)) == (Outcome.TIMED_OUT, True)
    assert "still at work at its deadline" in record.summary


# Long reports


def test_a_long_report_is_kept_apart_once_and_only_if_it_counts(tmp_path: Path) -> None:
    play = Play(outputs=OutputFiles(tmp_path / "runs"))
    call = play.begin(on)
    long = RESULT | {"report_md": "the first word\n" * 2_000}
    assert play.say(call, "complete", long)[0] == 200
    for other, status in ((long, 200), (long | {"report_md": "another word\n" * 2_000}, 409)):
        assert play.say(call, "complete", other)[0] == status
    assert len(list((tmp_path / "runs").iterdir())) == 1, "who is refused leaves nothing behind"
    [record] = play.records(call)
    assert len(record.report.encode()) <= 8 * 1024
    assert play.call("GET", f"/v1/runs/{call.run_id}")[1]["report_text"].strip() == long["report_md"].strip()
    play.close()


def test_what_comes_late_is_kept_with_the_record_only(tmp_path: Path) -> None:
    play = Play(outputs=OutputFiles(tmp_path / "runs"))
    call = play.begin(on, agent="@hook")
    play.clock.advance(hours=2)
    for word in ("first", "second"):
        assert play.say(call, "complete", RESULT | {"report_md": f"the {word} word\n" * 2_000})[0] == 410
    [record] = play.records(call)
    assert record.late_report.startswith("the first word\n") and 4_000 < len(record.late_report.encode()) <= 8 * 1024
    assert not (tmp_path / "runs").exists()
    play.close()


def test_of_one_that_is_waited_for_nothing_is_kept_apart(tmp_path: Path) -> None:
    play = Play(outputs=OutputFiles(tmp_path / "runs"))

    def does(call: AgentCall) -> Done:
        assert play.say(call, "complete", RESULT | {"report_md": "long\n" * 4_000})[1]["code"] == "waited_for"
        return done()

    play.agent.does = does
    play.make()
    assert play.tick(seconds=10) == ["finished"]
    assert [it for it in tmp_path.rglob("*") if it.is_file()] == []
    play.close()


def test_of_an_agent_that_says_two_things_at_length_the_first_is_shown(tmp_path: Path) -> None:
    play = Play(outputs=OutputFiles(tmp_path / "runs"))

    def does(call: AgentCall) -> Done:
        play.say(call, "complete", RESULT | {"report_md": "the first word\n" * 2_000})
        return done("failed", report="the second word\n" * 2_000)

    play.agent.does = does
    it = play.make(agent="@hook")
    assert play.tick(seconds=10) == ["stale"]
    [record] = play.records(it)
    assert "second" not in play.call("GET", f"/v1/runs/{record.id}")[1]["report_text"]
    assert "second" not in play.call("GET", f"/v1/runs/{record.id}/report")[1]["text"]
    play.close()
