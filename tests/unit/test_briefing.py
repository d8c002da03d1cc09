"""What an agent is told: when it was to be and is, what was missed, what it said last, and where it can call back."""

from datetime import timedelta
from typing import Any

import pytest

from followups.domain.briefing import agent_request
from followups.domain.entities import FollowUp, Run
from followups.domain.status import Outcome, Verdict
from tests.support.clock import START
from tests.support.decide import running
from tests.support.things import later, run


def told(
    old: FollowUp | None = None, *, seconds: float = 0, previous: Run | None = None, callback: str | None = None
) -> dict[str, Any]:
    now = later(seconds=seconds)
    return agent_request(
        old or running(), now=now, deadline=later(minutes=9, milliseconds=900), previous=previous, callback=callback
    )


def test_it_is_told_what_to_do_and_by_when() -> None:
    old = running(
        id="a" * 26, fence=7, task="Check backups", message="all\nof them", attempt=2, max_attempts=5,
        timezone="Europe/Berlin", done_when="it is green", test=True,
    )  # fmt: skip
    assert told(old, seconds=90.4) == {
        "v": 1, "run_id": f"run-{'a' * 26}-000007", "follow_up_id": "a" * 26, "agent": "@backup", "task": "Check backups",
        "prompt": "all\nof them", "scheduled_for": "2026-11-24T12:00:00Z", "now": "2026-11-24T12:01:30Z",
        "timezone": "Europe/Berlin", "lateness": 90, "missed": 0, "missed_until": None, "attempt": 2, "max_attempts": 5,
        "deadline": "2026-11-24T12:09:00Z", "done_when": "it is green", "previous_report": None, "callback": None,
        "test": True,
    }  # fmt: skip


def test_it_is_not_told_who_owns_it_nor_where_its_report_goes() -> None:
    said = repr(told(running(owner="ada-the-owner", report_to="ada@example.com"), callback="https://x.example"))
    assert "ada" not in said


@pytest.mark.parametrize(
    ("fields", "seconds", "late"),
    [
        ({}, 0, 0), ({}, 0.4, 0), ({}, 0.6, 1), ({}, 3_600, 3_600), ({}, -3_600, 0),
        # Who was put off, or starts a while after the others as was asked, is not late for that.
        ({"snoozed_to": START + timedelta(hours=2)}, 7_260, 60),
        ({"snoozed_to": START + timedelta(hours=2)}, 60, 0),
        # A run by hand before its time.
        ({"due_at": START + timedelta(days=1), "extra": True}, 0, 0),
    ],
)  # fmt: skip
def test_lateness_counts_from_when_it_was_to_start(fields: dict[str, Any], seconds: float, late: int) -> None:
    assert told(running(**fields), seconds=seconds)["lateness"] == late


def test_a_spread_start_is_not_late() -> None:
    old = running(stagger_s=3_600)
    assert old.stagger > timedelta(0)
    assert told(old, seconds=old.stagger.total_seconds())["lateness"] == 0
    assert told(old, seconds=old.stagger.total_seconds())["scheduled_for"] == "2026-11-24T12:00:00Z"


def test_what_was_missed_is_told_with_its_last_time() -> None:
    said = told(running(missed=3, folded_to=later(days=3)))
    assert (said["missed"], said["missed_until"]) == (3, "2026-11-27T12:00:00Z")
    assert told(running(missed=0, folded_to=START))["missed_until"] is None


def test_it_is_told_what_it_said_last() -> None:
    old = running(id="b" * 26)
    before = run(
        old, fence=6, outcome=Outcome.ATTENTION, summary="2 of 3", report="one\ntwo",
        verdict=Verdict.NOT_MET, finished_at=later(days=-1),
    )  # fmt: skip
    assert told(old, previous=before)["previous_report"] == {
        "run_id": f"run-{'b' * 26}-000006", "outcome": "attention", "summary": "2 of 3", "report": "one\ntwo",
        "verdict": "not_met", "finished_at": "2026-11-23T12:00:00Z",
    }  # fmt: skip


@pytest.mark.parametrize("letter", ["x", "ä", "漢", "🙂"])
def test_a_long_report_is_told_to_16_kb_and_says_that_it_goes_on(letter: str) -> None:
    """An asynchronous call of Lambda takes 256 KB in all."""
    said = told(previous=run(report=letter * 100_000))["previous_report"]["report"]
    assert 16 * 1024 - 4 <= len(said.encode()) <= 16 * 1024
    assert said.endswith("[cut here]\n")
    assert told(previous=run(report="x" * 16 * 1024))["previous_report"]["report"] == "x" * 16 * 1024


def test_it_is_told_where_to_call_back_for_this_very_run() -> None:
    old = running(id="a" * 26, fence=2)
    base = f"https://api.example.com/stage/v1/runs/run-{'a' * 26}-000002"
    assert told(old, callback="https://api.example.com/stage")["callback"] == {
        "complete": f"{base}/complete", "heartbeat": f"{base}/heartbeat", "progress": f"{base}/progress",
    }  # fmt: skip
