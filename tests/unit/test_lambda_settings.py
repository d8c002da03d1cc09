"""The Lambda functions' settings: a wrong environment fails at the cold start, one line for each problem."""

import json

import pytest
from pydantic import ValidationError

from followups import lambda_settings
from followups.domain.errors import ConfigError
from followups.lambda_settings import ApiSettings, ReporterSettings, RunnerSettings, SweeperSettings, reserve
from tests.support import cfn

ALL = (ApiSettings, SweeperSettings, RunnerSettings, ReporterSettings)
Settings = type[ApiSettings | SweeperSettings | RunnerSettings | ReporterSettings]
EXAMPLES: dict[str, dict[str, str]] = json.loads((cfn.ROOT / "events/env.json").read_text(encoding="utf-8"))


def example(settings: Settings) -> dict[str, str]:
    """Gives a right environment."""
    return dict(EXAMPLES[settings.__name__.replace("Settings", "Function")])


def problems(settings: Settings, **changes: str) -> tuple[str, ...]:
    """Gives what is wrong with the right environment after these changes."""
    with pytest.raises(ConfigError) as caught:
        settings.load(example(settings) | {f"FOLLOWUPS_{name}": value for name, value in changes.items()})
    assert str(caught.value).splitlines() == list(caught.value.problems)
    return caught.value.problems


@pytest.mark.parametrize("settings", ALL)
def test_right_environment_is_read_and_frozen(settings: Settings) -> None:
    loaded = settings.load(example(settings) | {"PATH": "/bin", "FOLLOWUPS_OTHER": "left alone"})
    assert (loaded.table, loaded.shards) == ("followups-Table-EXAMPLE", 16)
    with pytest.raises(ValidationError):
        loaded.shards = 1


@pytest.mark.parametrize("settings", ALL)
def test_example_environment_is_the_whole(settings: Settings) -> None:
    assert set(example(settings)) == set(settings.variables())


@pytest.mark.parametrize("settings", ALL)
def test_each_missing_or_empty_variable_is_named(settings: Settings) -> None:
    for environ in ({}, dict.fromkeys(settings.variables(), "")):
        with pytest.raises(ConfigError) as caught:
            settings.load(environ)
        assert [it.partition(" is not set: it is ")[0] for it in caught.value.problems] == settings.variables()


@pytest.mark.parametrize(
    ("settings", "name", "value", "said"),
    [
        (SweeperSettings, "GLOBAL_CAP", "0", "1 to 100"),
        (SweeperSettings, "GLOBAL_CAP", "abc", "which is not a whole number: it is how many agents may be alive at once"),
        (SweeperSettings, "GLOBAL_CAP", "-1", "1 to 100"),
        (SweeperSettings, "GLOBAL_CAP", "1000000", "1 to 100"),
        (SweeperSettings, "GLOBAL_CAP", "2.0", "not a whole number"),
        (SweeperSettings, "GLOBAL_CAP", " 2", "not a whole number"),
        (SweeperSettings, "GLOBAL_CAP", "٢", "not a whole number"),
        (SweeperSettings, "SHARDS", "0", "1 to 256"),
        (SweeperSettings, "LOOK_AHEAD_SECONDS", "60", "120 to 900"),
        (SweeperSettings, "LOOK_AHEAD_SECONDS", "901", "120 to 900"),
        (SweeperSettings, "TABLE", "a table", "the table's name"),
        (SweeperSettings, "START_QUEUE_URL", "StartQueue", "is not the URL of an SQS queue"),
        (SweeperSettings, "REPORT_QUEUE_URL", "arn:aws:sqs:eu-central-1:111122223333:q", "is not the URL of an SQS queue"),
        (RunnerSettings, "LEASE_MARGIN_SECONDS", "59", "60 to 600"),
        (RunnerSettings, "RUNNER_TIMEOUT", "901", "10 to 900"),
        (RunnerSettings, "RUNNER_TIMEOUT", "9", "10 to 900"),
        (RunnerSettings, "OUTPUT_BUCKET", "s3://outputs", "the bucket of whole outputs"),
        (ApiSettings, "OUTPUT_BUCKET", "s3://outputs", "the bucket of whole outputs"),
        (ReporterSettings, "OUTPUT_BUCKET", "Outputs", "the bucket of whole outputs"),
        (ApiSettings, "REPORT_QUEUE_URL", "ReportQueue", "is not the URL of an SQS queue"),
        (ApiSettings, "MAX_OPEN", "-1", "0 to 1000000"),
        (ApiSettings, "MAX_OPEN", "1000001", "0 to 1000000"),
        (ApiSettings, "MAX_OPEN", "many", "is not a whole number: it is how many follow-ups one owner may have open"),
        (ApiSettings, "MAX_DEPTH", "-1", "0 to 10"),
        (ApiSettings, "MAX_DEPTH", "11", "0 to 10"),
        (ApiSettings, "MAX_DESCENDANTS", "0", "1 to 100"),
        (ApiSettings, "MAX_DESCENDANTS", "101", "1 to 100"),
        (ApiSettings, "API_URL", "followups.example.com", "is not the address of an HTTP API"),
        (RunnerSettings, "API_URL", "http://followups.example.com", "is not the address of an HTTP API"),
        (RunnerSettings, "API_URL", "https://followups.example.com?a=b", "is not the address of an HTTP API"),
        (RunnerSettings, "API_URL", "http://evil.example/localhost", "is not the address of an HTTP API"),
        (ReporterSettings, "CONFIGURATION_SET", "a set", "the SES configuration set"),
        (RunnerSettings, "TOKEN_SECRET_ARN", "changeme", "is not the ARN of a Secrets Manager secret"),
        (ApiSettings, "DEFAULT_TIMEZONE", "Mars/Phobos", "which is not an IANA time zone"),
        (ApiSettings, "DEFAULT_TIMEZONE", "/etc/localtime", "which is not an IANA time zone"),
        (ApiSettings, "ALLOWED_RECIPIENTS", "ada", "holds 'ada', which is no address and no pattern"),
        (ApiSettings, "ALLOWED_RECIPIENTS", "ada@example.com,", "holds '', which is no address and no pattern"),
        (ReporterSettings, "SENDER", "Followups <a@b.co>", "is not a plain mail address"),
        (ReporterSettings, "REPORT_TO", "nobody", "is not a plain mail address"),
        (ReporterSettings, "ALLOW_ANY_RECIPIENT", "yes", "'no', or 'i-know'"),
    ],
)
def test_a_wrong_variable_is_named_with_what_would_be_right(settings: Settings, name: str, value: str, said: str) -> None:
    (problem,) = problems(settings, **{name: value})
    assert problem.startswith(f"FOLLOWUPS_{name} is {value!r}, which ")
    assert said in problem


@pytest.mark.parametrize(
    ("said", "read"),
    [
        ("https://followups.example.com/", "https://followups.example.com"),
        ("https://a1b2c3d4e5.execute-api.eu-central-1.amazonaws.com", None),
        ("http://a1b2c3d4e5.execute-api.localhost:4566", None),
        ("http://127.0.0.1:8737", None),
    ],
)
def test_the_api_is_found_on_https_or_on_this_machine(said: str, read: str | None) -> None:
    assert RunnerSettings.load(example(RunnerSettings) | {"FOLLOWUPS_API_URL": said}).api_url == (read or said)


def test_all_problems_are_told_at_once() -> None:
    told = problems(SweeperSettings, GLOBAL_CAP="abc", SHARDS="0", TABLE="")
    assert [it.split()[0] for it in told] == ["FOLLOWUPS_TABLE", "FOLLOWUPS_SHARDS", "FOLLOWUPS_GLOBAL_CAP"]


@pytest.mark.parametrize(("timeout", "left"), [(10, 8), (30, 23), (60, 45), (900, 885)])
def test_a_runner_keeps_something_back_and_leaves_the_most(timeout: int, left: int) -> None:
    assert timeout - reserve(timeout) == left
    settings = ApiSettings.load(example(ApiSettings) | {"FOLLOWUPS_RUNNER_TIMEOUT": str(timeout)})
    assert settings.longest_run == left


@pytest.mark.parametrize("settings", [ApiSettings, ReporterSettings])
def test_everybody_may_receive_only_if_it_is_said_twice(settings: Settings) -> None:
    (problem,) = problems(settings, ALLOWED_RECIPIENTS="*")
    assert "set FOLLOWUPS_ALLOW_ANY_RECIPIENT to 'i-know'" in problem
    said = {"FOLLOWUPS_ALLOWED_RECIPIENTS": "*", "FOLLOWUPS_ALLOW_ANY_RECIPIENT": "i-know"}
    assert settings.load(example(settings) | said)


def test_default_recipient_must_be_allowed() -> None:
    (problem,) = problems(ReporterSettings, REPORT_TO="eve@example.com")
    assert problem == (
        "FOLLOWUPS_REPORT_TO is 'eve@example.com', which FOLLOWUPS_ALLOWED_RECIPIENTS does not allow: add it there"
    )


def test_signing_key() -> None:
    good = "ab7DEfgh1jklmn0pQrstuvwxyz2345CdEfGh"
    assert lambda_settings.signing_key(good) == good.encode()
    for weak in ("", "changeme", good[:31], "a" * 64):
        with pytest.raises(ConfigError, match="too weak: it is at least 32 random characters"):
            lambda_settings.signing_key(weak)
