"""What is logged, what of it is counted, and that nothing else gets out."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from followups.domain.errors import QueueError
from followups.handlers.telemetry import Telemetry, ToldQueue, metrics_of
from followups.local.events import LocalContext


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Iterator[Any]:
    yield lambda: [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.mark.parametrize(
    ("word", "facts", "counted"),
    [
        ("swept", {}, {"LateSeconds": 0, "Waiting": 0}),
        (
            "swept", {"claimed": 3, "late_s": 61, "lease_over": 1, "given_up": 2, "waiting": 7},
            {"LateSeconds": 61, "Waiting": 7, "Claimed": 3, "RunsUnknown": 1, "RunsFailed": 2, "RunsLost": 3},
        ),
        ("handled", {"kind": "start", "result": "stale"}, {}),
        (
            "handled", {"kind": "start", "result": "finished", "outcome": "succeeded", "final": True, "late_s": 0.4},
            {"RunsSucceeded": 1, "StartLateSeconds": 0.4},
        ),
        ("handled", {"kind": "start", "result": "finished", "outcome": "failed", "final": False}, {}),
        (
            "handled", {"kind": "start", "result": "refused", "outcome": "failed", "final": True},
            {"RunsFailed": 1, "RunsLost": 1},
        ),
        ("handled", {"kind": "start", "result": "finished", "outcome": "cancelled", "final": True}, {}),
        ("handled", {"kind": "report", "result": "sent"}, {"ReportsSent": 1}),
        ("handled", {"kind": "report", "result": "gave_up"}, {"ReportsFailed": 1}),
        ("handled", {"kind": "report", "result": "again"}, {}),
        ("audited", {"broken": 2}, {"BrokenPromises": 2}),
        ("bug", {}, {"Bugs": 1, "Trouble": 1}),
        ("swept", {"poisoned": 2}, {"LateSeconds": 0, "Waiting": 0, "Poisoned": 2, "Trouble": 2}),
        ("queue_error", {}, {"QueueErrors": 1, "Trouble": 1}),
        ("finding", {}, {}),
    ],
)  # fmt: skip
def test_what_is_counted(word: str, facts: dict[str, Any], counted: dict[str, float]) -> None:
    found: Counter[str] = Counter()
    for name, _, value in metrics_of(word, facts):
        found[name] += value  # type: ignore[assignment]
    assert found == counted


def test_a_line_for_each_word_and_the_metrics_at_the_end(lines: Any) -> None:
    telemetry = Telemetry("probe", namespace="Followups/dev")

    def handler(_event: Any, _context: Any) -> dict[str, Any]:
        telemetry.log("handled", {"run_id": "run-1", "kind": "report", "result": "sent"})
        telemetry.log("bug", {"run_id": "run-1", "error": "KeyError()"})
        return {}

    telemetry.around(handler)({}, LocalContext())
    handled, bug, metrics = lines()
    assert (handled["level"], handled["message"], handled["run_id"]) == ("INFO", "handled", "run-1")
    assert (bug["level"], bug["service"]) == ("ERROR", "followups-probe")
    # With a time that it cannot read, Lambda would take the line for one of level INFO (RFC 3339).
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+\+00:00", bug["timestamp"])
    [directive] = metrics["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == "Followups/dev"
    assert {it["Name"] for it in directive["Metrics"]} == {"ReportsSent", "Bugs", "Trouble"}
    assert (metrics["ReportsSent"], metrics["service"]) == ([1.0], "followups")


def test_a_handler_that_fails_still_counts(lines: Any) -> None:
    telemetry = Telemetry("probe-2", namespace="Followups/dev")

    def handler(_event: Any, _context: Any) -> dict[str, Any]:
        telemetry.log("mail_failed", {"error": "no"})
        raise ValueError

    with pytest.raises(ValueError):
        telemetry.around(handler)({}, LocalContext())
    assert lines()[-1]["ReportsFailed"] == [1.0]


def test_nothing_is_counted_where_nothing_was_said(lines: Any) -> None:
    Telemetry("probe-3", namespace="Followups/dev").around(lambda _event, _context: {})({}, LocalContext())
    assert lines() == []


def test_a_queue_that_takes_nothing_is_told_and_still_fails() -> None:
    said: list[tuple[str, Any]] = []

    class Full:
        def send(self, messages: Any) -> None:
            raise QueueError("AccessDenied")

    with pytest.raises(QueueError):
        ToldQueue(Full(), lambda word, facts: said.append((word, facts))).send([])
    assert said == [("queue_error", {"error": "AccessDenied"})]
