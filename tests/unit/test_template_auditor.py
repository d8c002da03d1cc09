"""The auditor in template.yaml: its own schedule, its own role, and alarms on what it finds and on its silence."""

import json

from followups.domain import audit
from followups.handlers.telemetry import metrics_of
from followups.lambda_settings import AuditorSettings
from tests.support import cfn

AUDITOR = cfn.resources("AWS::Serverless::Function")["AuditorFunction"]
LOG = {"logs:CreateLogStream", "logs:PutLogEvents", "xray:PutTraceSegments", "xray:PutTelemetryRecords"}
ALARMS = cfn.resources("AWS::CloudWatch::Alarm")


def test_it_has_a_clock_of_its_own_that_retries_nothing() -> None:
    rule = cfn.resources("AWS::Events::Rule")["AuditTick"]
    assert rule["ScheduleExpression"] == "rate(1 hour)"
    (target,) = rule["Targets"]
    assert target["Arn"] == {"Fn::GetAtt": ["AuditorFunction", "Arn"]}
    no_retry = {"MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": AUDITOR["Timeout"]}
    assert target["RetryPolicy"] == AUDITOR["EventInvokeConfig"] == no_retry
    (own,) = [
        it for it in cfn.resources("AWS::Lambda::Permission").values() if it["FunctionName"] == {"Ref": "AuditorFunction"}
    ]
    assert (own["Principal"], own["SourceArn"]) == ("events.amazonaws.com", {"Fn::GetAtt": ["AuditTick", "Arn"]})
    assert "Events" not in AUDITOR


def test_its_role_reads_and_repairs_the_table_and_mails_the_operator_only() -> None:
    table = {"dynamodb:Scan", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"}
    assert cfn.actions("AuditorFunction") == LOG | table | {"ses:SendEmail", "ses:SendRawEmail"}
    for statement in cfn.statements("AuditorFunction"):
        if any(action.startswith("dynamodb:") for action in statement["Action"]):
            assert statement["Resource"] == {"Fn::GetAtt": ["Table", "Arn"]}, "no index: it judges them"
    (mail,) = [it for it in cfn.statements("AuditorFunction") if "ses:SendEmail" in it["Action"]]
    assert mail["Condition"] == {
        "StringEquals": {"ses:FromAddress": {"Ref": "Sender"}},
        "ForAllValues:StringEquals": {"ses:Recipients": [{"Ref": "ReportTo"}]},
        "Null": {"ses:Recipients": "false"},
    }


def test_what_it_finds_is_counted_and_alarmed() -> None:
    alarm = ALARMS["BrokenPromisesAlarm"]
    assert {name: value for name, _, value in metrics_of("audited", {"broken": 2})} == {alarm["MetricName"]: 2}
    assert (alarm["Threshold"], alarm["TreatMissingData"]) == (1, "notBreaching")
    assert alarm["ComparisonOperator"] == "GreaterThanOrEqualToThreshold"


def test_its_silence_is_alarmed() -> None:
    """Each audit that comes to its end counts its broken promises, also none."""
    alarm = ALARMS["NoAuditAlarm"]
    assert [name for name, _, _ in metrics_of("audited", {"broken": 0})] == [alarm["MetricName"]]
    assert (alarm["Statistic"], alarm["Threshold"], alarm["ComparisonOperator"]) == ("SampleCount", 1, "LessThanThreshold")
    assert (alarm["EvaluationPeriods"] * alarm["Period"], alarm["TreatMissingData"]) == (3 * 3600, "breaching")


def test_a_run_s_longest_time_is_within_what_the_audit_takes_for_endless() -> None:
    longest = max(cfn.template()["Parameters"]["RunnerTimeout"]["AllowedValues"])
    assert longest < audit.LEASE_OVER.total_seconds() < audit.LONGEST_LEASE.total_seconds()


def test_its_event_is_eventbridge_s() -> None:
    event = json.loads((cfn.ROOT / "events/auditor/audit.json").read_text(encoding="utf-8"))
    tick = json.loads((cfn.ROOT / "events/sweeper/tick.json").read_text(encoding="utf-8"))
    assert event.keys() == tick.keys()
    assert (event["source"], event["detail-type"], event["detail"]) == ("aws.events", "Scheduled Event", {})
    assert event["resources"] == ["arn:aws:events:eu-central-1:111122223333:rule/followups-AuditTick-EXAMPLE"]


def test_the_example_environment_is_right() -> None:
    examples = json.loads((cfn.ROOT / "events/env.json").read_text(encoding="utf-8"))
    assert AuditorSettings.load(examples["AuditorFunction"]).report_to == "ops@example.com"
    assert set(examples["AuditorFunction"]) == set(AuditorSettings.variables())
