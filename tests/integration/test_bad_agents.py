"""Agents that answer nothing, or rubbish, or too much, or never; targets that are gone, locked, full or slow. Each run has
its outcome, its report says what happened in a sentence, and nothing runs again that nobody has asked for: two attempts
are, of what surely failed."""

import time
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import boto3
import pytest
from botocore.config import Config
from botocore.stub import Stubber

from followups.adapters.agents.command import CommandAgent
from followups.adapters.agents.lambda_ import LambdaAgent
from followups.adapters.agents.worker import WorkerAgent
from followups.domain.status import Outcome, Status
from followups.usecases import work
from tests.support.clock import ManualClock
from tests.support.stage import Stage
from tests.support.webhook import Send, Webhook, make_certificate, said, serving, target_for
from tests.support.world import SECRET

OK, LOOK, FAILED = Outcome.SUCCEEDED, Outcome.ATTENTION, Outcome.FAILED
LATE, UNKNOWN = Outcome.TIMED_OUT, Outcome.UNKNOWN
ARN = "arn:aws:lambda:eu-central-1:123456789012:function:check-backup"
NO_ANSWER = "No answer came within the 1 s that the run had. The agent may or may not have done its work."
PAGE = "<html><script>alert(1)</script>all is well"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def webhook(certificate: Path) -> Iterator[Webhook]:
    with serving(certificate) as it:
        yield it


@pytest.fixture
def functions() -> Iterator[Stubber]:
    """Lambda, which answers what a test puts there."""
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "eu-central-1"}
    with Stubber(boto3.client("lambda", config=Config(retries={"total_max_attempts": 1}), **keys)) as it:
        yield it
        it.assert_no_pending_responses()


@pytest.fixture
def stage(tmp_path: Path, certificate: Path, functions: Stubber) -> Stage:
    environ = {"PATH": "/usr/bin:/bin"}
    targets = {
        "command": CommandAgent(tmp_path / "runs", environ=environ), "worker": WorkerAgent(),
        "https": target_for(certificate), "lambda": LambdaAgent(lambda _seconds: functions.client, ManualClock()),
    }  # fmt: skip
    return Stage(tmp_path, targets)


def prints(text: str) -> list[str]:
    return ["printf", "%s", text]


@pytest.mark.parametrize(
    ("command", "outcome", "says", "calls"),
    [
        pytest.param(["true"], OK, "Done; the agent said nothing.", 1, id="nothing"),
        pytest.param(
            ["python3", "-c", "import sys; sys.stdout.buffer.write(bytes(range(256)) * 9)"],
            LOOK, "Done; what the agent answered is no text that can be read.", 1, id="garbage",
        ),
        pytest.param(["printf", "un caf\\351 noir"], OK, "un caf\ufffd noir", 1, id="invalid UTF-8"),
        pytest.param(
            ["sh", "-c", "head -c 50000000 /dev/zero | tr '\\0' x"],
            OK, "[cut here: the output has 50,000,000 bytes; all of it is kept beside the report]", 1, id="50 MB",
        ),
        pytest.param(prints(PAGE), OK, PAGE, 1, id="HTML"),
        pytest.param(
            prints('{"outcome": ["well", "done"]}'),
            UNKNOWN, "The agent answered outcome \"['well', 'done']\", which is none of succeeded,", 1, id="no outcome",
        ),
        pytest.param(
            prints('{"outcome": "succeeded", "summary": {"a": 1}, "report_md": 7, "verdict": [], "usage": "free"}'),
            OK, "{'a': '1'}", 1, id="wrong shape",
        ),
        pytest.param(prints('{"outcome": "succ'), UNKNOWN, "The agent's answer is broken JSON: ", 1, id="half a JSON"),
        pytest.param(
            prints('{"outcome": "succeeded"} {"outcome": "failed"}'),
            UNKNOWN, "The agent's answer is broken JSON: Extra data", 1, id="twice",
        ),
        pytest.param(["sh", "-c", "exit 3"], FAILED, "The agent exited with 3.", 2, id="fails"),
        pytest.param(
            ["sh", "-c", "kill -9 $$"],
            UNKNOWN, "The agent was killed by SIGKILL. It may or may not have done its work.", 1, id="killed",
        ),
        pytest.param(
            ["sleep", "60"], LATE, "The agent was still at work at its deadline, 1 s after its start, and was stopped.", 1,
            id="never",
        ),
        pytest.param(["/no/such"], FAILED, "/no/such could not be started: No such file or directory", 2, id="gone"),
        pytest.param(["/etc/passwd"], FAILED, "/etc/passwd could not be started: Permission denied", 2, id="denied"),
    ],
)  # fmt: skip
def test_a_command(stage: Stage, command: list[str], outcome: Outcome, says: str, calls: int) -> None:
    made = stage.begin("command", command=tuple(command), timeout_s=1 if command[0] == "sleep" else 60)
    stage.play()
    ended = stage.last(made)
    assert (ended.outcome, len(stage.calls)) == (outcome, calls)
    assert says in stage.text(ended)


def test_what_a_noisy_command_says_at_its_end_stands_in_the_report(stage: Stage) -> None:
    """All that it printed lies in a file, which is not what the report shows: that is what was made of it."""
    noise = "head -c 400000 /dev/zero | tr '\\0' x"
    made = stage.begin("command", command=("sh", "-c", f"{noise}; echo the reason >&2; exit 1"), max_attempts=1)
    stage.play()
    ended = stage.last(made)
    assert ended.output_ref is not None and Path(ended.output_ref).stat().st_size == 400_000
    assert f"stderr: the reason {'-' * 76} The whole output: {ended.output_ref} " in stage.text(ended)


def test_of_a_long_answer_by_the_contract_the_report_is_shown_and_not_the_json(stage: Stage) -> None:
    answer = "dict(outcome='attention', summary='look', report_md='# Found' + ' y' * 150_000)"
    made = stage.begin("command", command=("python3", "-c", f"import json; print(json.dumps({answer}))"))
    stage.play()
    text = stage.text(stage.last(made))
    assert "# Found y y y" in text and "report_md" not in text


def flood(send: Send) -> None:
    send(f"HTTP/1.1 200 OK\r\nContent-Length: {50 * 1024 * 1024}\r\n\r\n".encode())
    for _ in range(800):
        send(b"x" * 65_536)


def drip(send: Send) -> None:
    send(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n")
    while True:
        send(b"x")
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("answer", "outcome", "says", "calls"),
    [
        pytest.param(said(200, b""), OK, "Done; the agent said nothing.", 1, id="nothing"),
        pytest.param(said(200, bytes(range(256)) * 9), LOOK, "is no text that can be read.", 1, id="garbage"),
        pytest.param(said(200, b"un caf\xe9 noir"), OK, "un caf\ufffd noir", 1, id="invalid UTF-8"),
        pytest.param(flood, OK, "[cut here]", 1, id="50 MB"),
        pytest.param(
            said(200, PAGE.encode(), "Content-Type: text/html"),
            UNKNOWN, "The webhook answered a web page, and no report. Is its address at agent.example.com right?", 1,
            id="HTML",
        ),
        pytest.param(said(200, b'{"outcome": 7}'), UNKNOWN, "answered outcome '7', which is none of", 1, id="no outcome"),
        pytest.param(said(200, b'{"outcome": '), UNKNOWN, "The agent's answer is broken JSON: ", 1, id="half a JSON"),
        pytest.param(said(404, b"who?"), FAILED, "The webhook answered 404 Not Found: who?", 2, id="gone"),
        pytest.param(said(403, b""), FAILED, "The webhook answered 403 Forbidden.", 2, id="denied"),
        pytest.param(said(302, b"", "Location: /x"), FAILED, "redirects are not followed", 2, id="moved"),
        pytest.param(said(500, b"boom"), FAILED, "The webhook answered 500 Internal Server Error: boom", 2, id="error"),
        pytest.param(said(502, b"bad gateway"), UNKNOWN, NO_ANSWER, 1, id="gateway"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nhal", UNKNOWN, NO_ANSWER, 1, id="half"),
        pytest.param(drip, UNKNOWN, NO_ANSWER, 1, id="slow"),
        pytest.param(said(202, b""), UNKNOWN, NO_ANSWER, 1, id="never"),
    ],
)  # fmt: skip
def test_a_webhook(
    stage: Stage, webhook: Webhook, answer: bytes | Callable[[Send], None], outcome: Outcome, says: str, calls: int
) -> None:
    webhook.answer = answer
    made = stage.begin("https", target=webhook.url(), timeout_s=1)
    stage.play()
    ended = stage.last(made)
    assert (ended.outcome, len(stage.calls), webhook.connections) == (outcome, calls, calls)
    assert says in stage.text(ended)
    if outcome is UNKNOWN:
        assert "look before you run it again" in stage.text(ended)


@pytest.mark.parametrize(
    ("code", "status", "outcome", "says", "calls"),
    [
        ("ResourceNotFoundException", 404, FAILED, "Register the agent again with a function that there is.", 2),
        ("AccessDeniedException", 403, FAILED, "The runner may call functions that are tagged or listed for it", 2),
        ("ServiceException", 500, UNKNOWN, "its machine or process died before a result was stored", 1),
    ],
)
def test_a_function_that_cannot_be_called(
    stage: Stage, functions: Stubber, code: str, status: int, outcome: Outcome, says: str, calls: int
) -> None:
    for _ in range(calls):
        functions.add_client_error("invoke", code, http_status_code=status)
    made = stage.begin("lambda", target=ARN)
    stage.play()
    ended = stage.last(made)
    assert (ended.outcome, len(stage.calls)) == (outcome, calls)
    assert says in stage.text(ended)


def test_one_that_is_full_is_waited_for_and_its_attempts_are_kept(stage: Stage, functions: Stubber) -> None:
    for _ in range(5):
        functions.add_client_error("invoke", "TooManyRequestsException", http_status_code=429)
    functions.add_response("invoke", {"StatusCode": 200, "Payload": BytesIO(b'"at last"')})
    made = stage.begin("lambda", target=ARN)
    assert stage.tick() == ["blocked"]
    now = stage.bench.now(made)
    assert (now.status, now.attempt, now.blocked_since) == (Status.SCHEDULED, 0, stage.bench.clock.now())
    assert now.blocked_reason == "Lambda has no room for the function now: TooManyRequestsException"
    assert stage.bench.runs(made) == [], "nothing has run"
    stage.play()
    ended = stage.last(made)
    assert (ended.outcome, ended.attempt, ended.summary, len(stage.calls)) == (OK, 1, "at last", 6)


def test_one_that_nobody_works_for_waits_and_starts_nothing(stage: Stage) -> None:
    made = stage.begin("worker")
    stage.play()
    now = stage.bench.now(made)
    assert (now.status, now.attempt, stage.calls, stage.bench.runs(made)) == (Status.SCHEDULED, 0, [], [])
    assert now.blocked_reason == "no worker of @bad is there; start one with `followups worker --agent @bad`"


def test_one_that_no_worker_took_while_the_machine_slept_has_not_started(stage: Stage) -> None:
    made = stage.begin("worker")
    assert work.pull(stage.bench.world, SECRET, "@bad", "w1", frozenset()) is None
    assert stage.tick() == ["pending"], "a worker was there just now"
    stage.bench.clock.advance(days=2)
    stage.tick()
    now = stage.bench.now(made)
    assert (now.status, now.attempt, stage.bench.runs(made), stage.bench.live()) == (Status.SCHEDULED, 0, [], frozenset())
    assert now.blocked_reason == "no worker of @bad took it; start one with `followups worker --agent @bad`"
