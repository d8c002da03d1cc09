"""Agents that outlive their runner, on the deployed stack: a state machine, a function that calls back, and a worker."""

import json
import subprocess
import sys
from http.client import HTTPConnection
from urllib.parse import urlsplit

from tests.e2e.running import Running


def test_a_state_machine_is_started_once_asked_and_reported(running: Running) -> None:
    it = running.ended(running.begun["machine"]["id"], 200)
    assert it["status"] == "done"
    [run] = running.say("runs", it["id"])["runs"]
    assert (run["kind"], run["outcome"], run["summary"]) == ("states", "succeeded", "the night is over")
    assert run["target_id"].endswith(f":execution:{running.there.stack}-night:{run['id']}")
    assert "the night is over" in running.mail_of("Work through the night").subject


def test_a_function_that_was_only_handed_its_task_calls_back(running: Running) -> None:
    it = running.ended(running.begun["caller"]["id"], 200)
    [run] = running.say("runs", it["id"])["runs"]
    assert (it["status"], it["reason"]) == ("failed", "it was not met, and no further look is planned")
    assert (run["outcome"], run["summary"]) == ("attention", "called back")
    assert (run["usage"], run["verdict"], run["evidence"]) == (
        {"model": "none", "input_tokens": 7, "output_tokens": 3, "cost_usd": "0.00004"}, "not_met", "two of three",
    )  # fmt: skip
    assert "not met: two of three" in running.mail_of("Call me back").text


def test_a_forged_token_says_nothing(running: Running) -> None:
    [run] = running.say("runs", running.begun["caller"]["id"])["runs"]
    root = urlsplit(running.there.api_root)
    connection = HTTPConnection("127.0.0.1", root.port, timeout=30)
    body = json.dumps({"outcome": "succeeded", "summary": "believe me"})
    headers = {"Host": root.netloc, "Content-Type": "application/json", "Followups-Run-Token": "fr2.Zm9v.YmFy"}
    connection.request("POST", f"/v1/runs/{run['id']}/complete", body, headers)
    answer = connection.getresponse()
    assert (answer.status, json.loads(answer.read())["code"]) == (401, "invalid_run_token")
    connection.close()


def test_a_worker_takes_what_nobody_can_call(running: Running) -> None:
    waiting = running.say("show", running.begun["worker"]["id"])
    assert waiting["status"] in ("scheduled", "claimed") and waiting["attempt"] == 0
    command = [sys.executable, "-m", "followups", "worker", "--agent", "@desk", "--every", "1", "--once", "--command"]
    command += [sys.executable, "-c", "import json,sys; print('at the desk:', json.load(sys.stdin)['task'])"]
    done = subprocess.run(
        command, env=running.laptop.environ(**running.there.environ), capture_output=True, text=True, timeout=240
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    it = running.ended(waiting["id"], 60)
    [run] = running.say("runs", it["id"])["runs"]
    assert (run["outcome"], run["summary"], run["attempt"]) == ("succeeded", "at the desk: Water the plants", 1)
    assert "at the desk" in running.mail_of("Water the plants").text
