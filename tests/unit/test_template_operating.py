"""Operating in template.yaml: every alarm rests on a metric that there is, goes to the topic, and is in the runbook."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from followups.handlers.telemetry import metrics_of
from tests.support import cfn

ALARMS = cfn.resources("AWS::CloudWatch::Alarm")
OURS = {"Fn::Sub": "Followups/${AWS::StackName}"}
RUNBOOK = (cfn.ROOT / "docs/runbook.md").read_text(encoding="utf-8")
_EVERYTHING: list[tuple[str, dict[str, Any]]] = [
    ("swept", {"claimed": 1, "lease_over": 1, "given_up": 1, "poisoned": 1, "unsent": 1}),
    *[
        ("handled", {"kind": "start", "outcome": outcome, "final": True, "late_s": 1})
        for outcome in ("succeeded", "attention", "failed", "timed_out", "unknown")
    ],
    *[("handled", {"kind": "report", "result": result}) for result in ("sent", "refused")],
    ("audited", {"broken": 1}),
    *[(word, {}) for word in ("bug", "bad_message", "store_error", "mail_failed")],
]
EMITTED = {name for word, facts in _EVERYTHING for name, _, _ in metrics_of(word, facts)}


def metrics(alarm: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Gives the metrics that an alarm looks at."""
    if "MetricName" in alarm:
        yield alarm
    yield from (it["MetricStat"]["Metric"] for it in alarm.get("Metrics", []) if "MetricStat" in it)


@pytest.mark.parametrize("name", ALARMS)
def test_an_alarm_rests_on_a_metric_that_there_is(name: str) -> None:
    for metric in metrics(ALARMS[name]):
        if metric["Namespace"] == OURS:
            assert metric["MetricName"] in EMITTED
            assert metric["Dimensions"] == [{"Name": "service", "Value": "followups"}]
        else:
            assert metric["Namespace"] in ("AWS/Lambda", "AWS/SQS", "AWS/DynamoDB", "AWS/SES")


@pytest.mark.parametrize("name", ALARMS)
def test_an_alarm_is_told_and_says_what_to_do(name: str) -> None:
    alarm = ALARMS[name]
    assert alarm["AlarmActions"] == [{"Ref": "AlarmTopic"}]
    assert len(alarm["AlarmDescription"]) > 40
    assert f"## {name}\n" in RUNBOOK


def test_the_runbook_knows_no_other_alarm() -> None:
    assert set(re.findall(r"^## (\w+Alarm)$", RUNBOOK, re.M)) == set(ALARMS)


@pytest.mark.parametrize("name", ["SweeperSilentAlarm", "NoAuditAlarm"])
def test_silence_is_an_alarm(name: str) -> None:
    assert ALARMS[name]["TreatMissingData"] == "breaching"


def test_the_functions_count_where_the_alarms_look() -> None:
    shared = cfn.template()["Globals"]["Function"]["Environment"]["Variables"]
    assert (shared["POWERTOOLS_METRICS_NAMESPACE"], shared["POWERTOOLS_SERVICE_NAME"]) == (OURS, "followups")


def test_no_log_level_silences_the_metrics() -> None:
    """They are lines of level INFO to Lambda, which drops what lies below the level."""
    assert cfn.template()["Parameters"]["LogLevel"]["AllowedValues"] == ["DEBUG", "INFO"]


def test_the_dashboard_is_json_and_shows_all_alarms_and_metrics_that_there_are() -> None:
    text = cfn.resources("AWS::CloudWatch::Dashboard")["Dashboard"]["DashboardBody"]["Fn::Sub"]
    body = json.loads(re.sub(r"\$\{([^}]+)\}", r"\1", text))
    assert {it.removesuffix(".Arn") for it in body["widgets"][0]["properties"]["alarms"]} == set(ALARMS)
    for widget in body["widgets"][1:]:
        namespace = ""
        for metric in widget["properties"]["metrics"]:
            if isinstance(metric[0], str):
                namespace = namespace if metric[0] == "." else metric[0]
                if namespace.startswith("Followups/") and metric[1] != ".":
                    assert metric[1] in EMITTED


def test_what_the_saved_queries_ask_for_is_logged() -> None:
    asked = " ".join(it["QueryString"] for it in cfn.resources("AWS::Logs::QueryDefinition").values())
    for word in ("run_id", "agent", "outcome", "late_s", "handled", "kind"):
        assert word in asked
