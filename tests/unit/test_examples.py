"""The examples run: as commands, against stubs of AWS, over loopback. What they answer keeps to the published contract."""

import base64
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import ModuleType
from typing import Any

import boto3
import jsonschema_rs
import pytest
from botocore.stub import Stubber

from followups.domain import webhooks
from followups.domain.contract import read_answer
from followups.domain.status import Outcome
from tests.support.clock import START
from tests.support.published import ANSWER, EXAMPLES
from tests.support.published import request as told


def _load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"example_{path.parent.name.replace('-', '_')}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _run(command: list[str], request: dict[str, Any], path: str = "") -> dict[str, Any]:
    """Runs an example as a command agent is run; gives its answer, which keeps to the contract."""
    env = os.environ | ({"PATH": path} if path else {})
    done = subprocess.run(command, input=json.dumps(request), capture_output=True, text=True, env=env, check=False)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    ANSWER.validate(answer)
    return dict(answer)


@pytest.fixture(params=["jq", "python"])
def tools(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A PATH with the few programs that the shell example needs, and one of the two that read JSON."""
    reads = "jq" if request.param == "jq" else "python3"
    if shutil.which(reads) is None:
        pytest.skip(f"there is no {reads} here")
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("sh", "cat", "ls", "head", "find", "wc", "tr"):
        (folder / name).symlink_to(str(shutil.which(name)))
    (folder / reads).symlink_to(str(shutil.which(reads)) if reads == "jq" else sys.executable)
    return str(folder)


def test_the_shell_example(tools: str, tmp_path: Path) -> None:
    check = str(EXAMPLES / "shell/check-backup.sh")
    folder = tmp_path / 'the "backups"'
    asked = told(done_when='there is a "fresh" one')
    answer = _run([check, str(folder)], asked, tools)
    assert (answer["outcome"], answer["verdict"]) == ("failed", "cannot_tell")
    folder.mkdir()
    stale, empty = folder / "old.tar", folder / "empty.tar"
    stale.write_text("data")
    empty.touch()
    os.utime(stale, (time.time() - 30 * 3600,) * 2)
    answer = _run([check, str(folder)], asked, tools)
    assert (answer["outcome"], answer["verdict"]) == ("attention", "not_met")
    (folder / 'new "ä"\\.tar').write_text("data")
    answer = _run([check, str(folder)], asked, tools)
    assert (answer["outcome"], answer["verdict"]) == ("succeeded", "met")
    assert 'new "ä"' in answer["evidence"]
    assert set(_run([check, str(folder)], told(), tools)) == {"outcome", "summary", "report_md"}


RESULT: dict[str, Any] = {
    "type": "result", "subtype": "success", "is_error": False, "duration_ms": 12135, "num_turns": 4, "result": "Done.",
    "stop_reason": "end_turn", "session_id": "c0b4fa3f-e52e-4b4c-a894-6141488aa2f9", "total_cost_usd": 0.15095600000000003,
    "usage": {
        "input_tokens": 25457, "cache_creation_input_tokens": 100, "cache_read_input_tokens": 28, "output_tokens": 449,
        "server_tool_use": {"web_search_requests": 0},
    },
    "modelUsage": {
        "claude-haiku-4-5": {"inputTokens": 10, "outputTokens": 5, "costUSD": 0.0001},
        "claude-sonnet-4-6": {"inputTokens": 25585, "outputTokens": 449, "costUSD": 0.1508},
    },
    "permission_denials": [],
    "structured_output": {
        "outcome": "succeeded", "summary": "No TODOs", "report_md": "None.", "verdict": "met", "evidence": "grep",
    },
}  # fmt: skip


@pytest.fixture
def claude(tmp_path: Path) -> Any:
    """Runs the wrapper with a claude on the PATH that prints what it is given; gives the answer, and how it was called."""

    def run(
        printed: object, *, code: int = 0, options: tuple[str, ...] = (), **fields: Any
    ) -> tuple[dict[str, Any], list[str], str]:
        folder, said = tmp_path / "bin", tmp_path / "said.json"
        folder.mkdir(exist_ok=True)
        said.write_text(printed if isinstance(printed, str) else json.dumps(printed))
        program = folder / "claude"
        program.write_text(
            f"#!{sys.executable}\nimport json, sys\nfrom pathlib import Path\n"
            f"Path({str(tmp_path / 'argv')!r}).write_text(json.dumps(sys.argv[1:]))\n"
            f"Path({str(tmp_path / 'folder')!r}).write_text(str(Path.cwd()))\n"
            f"Path({str(tmp_path / 'prompt')!r}).write_text(sys.stdin.read())\n"
            f"print(Path({str(said)!r}).read_text())\nsys.exit({code})\n"
        )
        program.chmod(0o755)
        command = [sys.executable, str(EXAMPLES / "claude-code/claude_agent.py"), *options, "--allowedTools", "Read"]
        answer = _run(command, told(**fields), f"{folder}:{os.environ['PATH']}")
        return answer, json.loads((tmp_path / "argv").read_text()), (tmp_path / "prompt").read_text()

    return run


def test_the_claude_wrapper(claude: Any) -> None:
    answer, argv, prompt = claude(RESULT, message="All of it.", done_when="there are none")
    used = {"model": "claude-sonnet-4-6", "input_tokens": 25585, "output_tokens": 449, "cost_usd": 0.151}
    assert answer == RESULT["structured_output"] | {"usage": used}
    done = read_answer(json.dumps(answer))
    assert done.usage is not None and done.usage.cost_usd == "0.151", "a float's last digits do not cost us the cost"
    assert argv[:3] == ["-p", "--output-format", "json"] and argv[-2:] == ["--allowedTools", "Read"]
    jsonschema_rs.meta.validate(json.loads(argv[argv.index("--json-schema") + 1]))
    assert "All of it." in prompt and "Success is: there are none" in prompt
    assert claude([{"type": "system"}, RESULT])[0] == answer, "as with verbose in the settings"


def test_the_claude_wrapper_runs_in_the_folder_that_is_named(claude: Any, tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    _, argv, _ = claude(RESULT, options=("--in", str(tmp_path / "project")))
    assert (tmp_path / "folder").read_text() == str(tmp_path / "project") and "--in" not in argv
    answer, _, _ = claude(RESULT, options=("--in", str(tmp_path / "none")))
    assert (answer["outcome"], "Is there such a folder?" in answer["summary"]) == ("failed", True)


def test_the_claude_wrapper_makes_no_success_of_trouble(claude: Any, tmp_path: Path) -> None:
    spent = {name: value for name, value in RESULT.items() if name not in ("result", "structured_output")}
    answer, _, _ = claude(spent | {"subtype": "error_max_turns", "is_error": True}, code=1)
    assert (answer["outcome"], answer["usage"]["output_tokens"]) == ("failed", 449)
    assert "error_max_turns" in answer["summary"]
    answer, _, _ = claude(RESULT | {"structured_output": None, "permission_denials": [{"tool_name": "Bash"}]})
    assert (answer["outcome"], answer["report_md"]) == ("attention", "Done.")
    assert answer["findings"] == ["not allowed to use: Bash"]
    for printed in ("", "Credit balance is too low", "[]", "3"):
        assert claude(printed, code=1)[0]["outcome"] == "failed"
    (tmp_path / "none").mkdir()
    command = [sys.executable, str(EXAMPLES / "claude-code/claude_agent.py")]
    assert "cannot be run" in _run(command, told(), str(tmp_path / "none"))["summary"]


class _Time:
    def get_remaining_time_in_millis(self) -> int:
        return 100_000


def _said(stop: str, *content: dict[str, Any]) -> dict[str, Any]:
    return {
        "output": {"message": {"role": "assistant", "content": list(content)}}, "stopReason": stop,
        "usage": {"inputTokens": 100, "outputTokens": 10, "totalTokens": 110}, "metrics": {"latencyMs": 1},
    }  # fmt: skip


def _calls(name: str, **given: Any) -> dict[str, Any]:
    return {"toolUse": {"toolUseId": f"use-{name}", "name": name, "input": given}}


def test_the_tool_loop() -> None:
    loop, keys = _load(EXAMPLES / "lambda-tool-loop/app.py"), {"aws_access_key_id": "a", "aws_secret_access_key": "b"}
    bedrock = boto3.client("bedrock-runtime", region_name="eu-central-1", **keys)
    backup = boto3.client("backup", region_name="eu-central-1", **keys)
    report = {"outcome": "attention", "summary": "None", "report_md": "None.", "verdict": "not_met"}
    # The stubs hold each call to the service's own model.
    with Stubber(bedrock) as model, Stubber(backup) as vault:
        model.add_response("converse", _said("tool_use", _calls("recovery_points", days=2), _calls("delete", all="yes")))
        vault.add_response(
            "list_recovery_points_by_backup_vault",
            {"RecoveryPoints": [{"ResourceArn": "arn:db", "Status": "COMPLETED", "CreationDate": START}]},
        )
        model.add_response("converse", _said("tool_use", {"text": "So:"}, _calls("report", **report)))
        looked = loop.Vault(backup, "Default")
        answer = loop.run(told(done_when="x") | {"run_token": "secret"}, _Time(), "a-model", looked, bedrock)
        assert answer == report | {"usage": {"model": "a-model", "input_tokens": 200, "output_tokens": 20}}
        ANSWER.validate(answer)
        model.add_response("converse", _said("max_tokens", {"text": "I think"}))
        assert loop.run(told(), _Time(), "a-model", looked, bedrock)["outcome"] == "failed"
    assert "run_token" not in loop.TOLD and "callback" not in loop.TOLD


def test_the_webhook() -> None:
    example, heard, came = _load(EXAMPLES / "webhook/receiver.py"), list[Any](), threading.Event()

    def done(*call: Any) -> int:
        heard.append(call)
        came.set()
        return 200

    key = b"k" * 32
    secret = webhooks.secret_for("@hook", key)
    server = example.serve(secret, port=0, done=done)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    callback = {name: f"https://api.example.com/{name}" for name in ("complete", "heartbeat", "progress")}
    body = json.dumps(told() | {"run_token": "t", "callback": callback}).encode()

    def post(body: bytes, at: float, secrets: list[str]) -> int:
        signed = webhooks.signature(secrets, "run-1", int(at), body)
        headers = {"webhook-id": "run-1", "webhook-timestamp": str(int(at)), "webhook-signature": signed}
        call = urllib.request.Request(f"http://127.0.0.1:{server.server_port}/run", body, headers)
        try:
            with urllib.request.urlopen(call, timeout=10) as answer:
                ANSWER.validate(json.loads(answer.read()))
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code
        except urllib.error.URLError as error:
            # It has refused, and hung up, before all of a long body was sent.
            assert isinstance(error.reason, BrokenPipeError | ConnectionResetError) and len(body) > 2**20
            return 401

    now = time.time()
    other = webhooks.secret_for("@other", key)
    try:
        assert post(body, now, [other]) == post(body, now - 600, [secret]) == post(b"{}" * 2**20, now, [secret]) == 401
        assert [post(body, now, [other, secret]), post(body, now, [secret])] == [202, 202]
        assert came.wait(10)
        alone = json.dumps(told() | {"run_id": f"run-{'b' * 26}-000001", "run_token": "t", "callback": None}).encode()
        assert post(alone, now, [secret]) == 200, "whom it cannot call back is told at once"
    finally:
        server.shutdown()
        server.server_close()
    (request, answer), *more = heard
    ANSWER.validate(answer)
    assert request["run_token"] == "t" and not more, "the same run told twice is one run"
    assert example.is_signed("whsec_" + base64.b64encode(b"x").decode(), {}, b"", now) is False


def test_the_webhook_calls_back() -> None:
    example, sent, answers = _load(EXAMPLES / "webhook/receiver.py"), list[Any](), [OSError(), 503, 200]

    class Line:
        def __init__(self, netloc: str, timeout: int) -> None:
            self.status: Any = None
            self.netloc = netloc

        def request(self, method: str, path: str, body: str, headers: dict[str, str]) -> None:
            sent.append((self.netloc, method, path, json.loads(body), headers["Followups-Run-Token"]))
            self.status = answers.pop(0)
            if isinstance(self.status, OSError):
                raise self.status

        def getresponse(self) -> "Line":
            return self

    request = {"callback": {"complete": "https://api.example.com/v1/runs/run-1/complete"}, "run_token": "t"}
    answer = {"outcome": Outcome.SUCCEEDED.value}
    assert example.call_back(request, answer, connect=Line, pauses=(0, 0)) == 200
    assert sent == [("api.example.com", "POST", "/v1/runs/run-1/complete", answer, "t")] * 3
