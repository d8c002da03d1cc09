"""The main job as a person does it: real processes, a real store, real mails."""

import email
import email.policy
import json
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.support.laptop import Laptop


def test_a_followup_is_created_listed_run_and_reported(laptop: Laptop) -> None:
    laptop.call("agents", "add", "@disk", "--command", "df", "-h", "/")
    made = laptop.json("create", "@disk", "Check disk space", "7d")
    assert made["status"] == "scheduled"
    assert made["agent"] == "@disk"
    listed = laptop.json("list")["follow_ups"]
    assert [it["id"] for it in listed] == [made["id"]]
    assert laptop.call("run-due").stdout == "Nothing is due.\n"

    ran = laptop.json("run-due", "--at", later(days=8))["ran"]

    assert [run["outcome"] for run in ran] == ["succeeded"]
    assert laptop.json("show", made["id"])["status"] == "done"
    assert "Filesystem" in laptop.call("report", made["id"][:8]).stdout
    [mail] = laptop.mails()
    message = email.message_from_bytes(mail.read_bytes(), policy=email.policy.default)
    assert "Check disk space" in str(message["Subject"])
    body = message.get_body(("plain",))
    assert body is not None and "Filesystem" in body.get_content()


@pytest.mark.parametrize(
    ("task", "when", "days"),
    [
        pytest.param("Check backup health", "weekly", 8, marks=pytest.mark.slow),
        pytest.param("Follow up on memory rolloff", "7d", 8, marks=pytest.mark.slow),
        pytest.param("Verify Telegram bridge", "3d", 4, marks=pytest.mark.slow),
    ],
)
def test_the_three_uses_of_the_first_version(laptop: Laptop, task: str, when: str, days: int) -> None:
    laptop.add_agent("@agent", "sh", "-c", "cat >/dev/null; echo all is well with it")
    made = laptop.json("create", "@agent", task, when, "--report-to", "me@example.com")
    laptop.call("run-due", "--at", later(days=days))
    [mail] = laptop.mails()
    message = email.message_from_bytes(mail.read_bytes(), policy=email.policy.default)
    assert str(message["To"]) == "me@example.com"
    assert task in str(message["Subject"])
    after = laptop.client.of(made["id"]).body
    assert after["status"] == ("scheduled" if when == "weekly" else "done")
    if when == "weekly":
        step = datetime.fromisoformat(after["due_at"]) - datetime.fromisoformat(made["due_at"])
        assert step == timedelta(days=7)


@pytest.mark.slow
def test_a_message_is_optional_and_the_options_name_the_same_things(laptop: Laptop) -> None:
    laptop.add_agent("@a", "true")
    with_message = laptop.json("create", "@a", "Task", "Is / above 80 %?", "weekly")
    assert (with_message["message"], with_message["due"]) == ("Is / above 80 %?", "weekly")
    named = laptop.json("create", "Task", "--to", "@a", "--due", "2w", "--message", "more")
    assert (named["agent"], named["message"], named["due"]) == ("@a", "more", "2w")
    usage = laptop.call("create", "@a", "Check", "disk", "space", "7d", code=2)
    assert "quotes" in usage.stderr


@pytest.mark.slow
def test_what_the_agent_is_told(laptop: Laptop, tmp_path: Path) -> None:
    told = tmp_path / "told.json"
    script = f'cat > {told}; echo $FOLLOWUPS_RUN_ID; test -n "$FOLLOWUPS_RUN_TOKEN"'
    laptop.add_agent("@echo", "sh", "-c", script)
    made = laptop.json("create", "@echo", "Tell me", "in 1 second")
    [run] = laptop.json("run-due", "--at", later(minutes=5))["ran"]
    assert run["outcome"] == "succeeded" and run["summary"] == run["id"]
    request = json.loads(told.read_text())
    assert request["v"] == 1
    assert request["follow_up_id"] == made["id"]
    assert request["lateness"] > 200


@pytest.mark.slow
def test_an_agent_that_creates_and_fires_makes_no_cascade(laptop: Laptop) -> None:
    followups = f"{sys.executable} -m followups"
    script = (
        f"{followups} --json create @nested 'Child task' 'in 1 second' || exit 9; "
        f"{followups} run-due && exit 8; {followups} dev --port 0 && exit 7; exit 0"
    )
    laptop.add_agent("@nested", "sh", "-c", script)
    made = laptop.json("create", "@nested", "Parent task", "in 1 second")
    ran = laptop.json("run-due", "--at", later(minutes=1))["ran"]
    assert [run["task"] for run in ran] == ["Parent task"]
    assert ran[0]["outcome"] == "succeeded"
    [child] = laptop.client.pages("open")
    assert (child["parent"], child["root"], child["depth"]) == (ran[0]["id"], made["id"], 1)
    assert datetime.fromisoformat(child["due_at"]) - datetime.now(UTC) > timedelta(minutes=4)


@pytest.mark.slow
def test_a_failing_agent_is_tried_again_and_reported_once(laptop: Laptop) -> None:
    laptop.add_agent("@bad", "sh", "-c", "echo no luck >&2; exit 3", max_attempts=2)
    made = laptop.json("create", "@bad", "Try", "in 1 second")
    laptop.call("run-due", "--at", later(minutes=1))
    assert laptop.mails() == []
    assert laptop.status(made["id"]) == "scheduled"
    laptop.call("run-due", "--at", later(hours=2))
    assert laptop.status(made["id"]) == "failed"
    [mail] = laptop.mails()
    assert "no luck" in mail.read_text()


@pytest.mark.slow
def test_stopped_means_nothing_starts(laptop: Laptop) -> None:
    laptop.add_agent("@a", "true")
    laptop.call("create", "@a", "Task", "in 1 second")
    laptop.call("pause", "--all", "--reason", "maintenance")
    stopped = laptop.call("run-due", "--at", later(minutes=1))
    assert "maintenance" in stopped.stderr
    assert "maintenance" in laptop.call("list").stderr
    assert laptop.client.pages("open")[0]["status"] == "scheduled"
    laptop.call("resume", "--all")
    assert len(laptop.json("run-due", "--at", later(minutes=1))["ran"]) == 1


@pytest.mark.slow
def test_ten_at_once_over_fifty_due_run_each_once_and_never_over_the_cap(laptop: Laptop, tmp_path: Path) -> None:
    log = tmp_path / "log"
    script = f"echo start >> {log}; sleep 0.05; echo end >> {log}"
    laptop.add_agent("@five", "sh", "-c", script, max_concurrency=5)
    laptop.create_many(50, agent="@five")
    at = later(minutes=1)
    with ThreadPoolExecutor(10) as pool:
        ran = [run for done in pool.map(lambda _: laptop.json("run-due", "--at", at), range(10)) for run in done["ran"]]
    assert len(ran) == 50
    assert len({run["id"] for run in ran}) == 50
    assert {it["status"] for it in laptop.client.pages("all")} == {"done"}
    alive = most = 0
    for line in log.read_text().split():
        alive += 1 if line == "start" else -1
        most = max(most, alive)
    assert (most, alive) == (2, 0), "two agents at once is the default cap, over all processes"
    assert len(laptop.mails()) == 50


@pytest.mark.parametrize("count", [pytest.param(12, marks=pytest.mark.slow), pytest.param(40, marks=pytest.mark.slow)])
def test_many_at_once_with_nothing_due_start_nothing(laptop: Laptop, count: int) -> None:
    laptop.add_agent("@a", "true")
    laptop.call("create", "@a", "Later", "7d")
    hooks = [laptop.start("run-due") for _ in range(count)]
    assert {hook.communicate(timeout=60) for hook in hooks} == {("Nothing is due.\n", "")}
    assert laptop.client.pages("open")[0]["status"] == "scheduled"


@pytest.mark.slow
def test_dev_runs_what_is_due_and_ends_cleanly(laptop: Laptop) -> None:
    laptop.add_agent("@a", "echo", "hello")
    laptop.call("create", "@a", "Say hello", "in 1 second")
    dev = laptop.start("dev", "--port", "0")
    try:
        assert dev.stdout is not None and "hello" in dev.stdout.readline()
        dev.send_signal(signal.SIGINT)
        out, err = dev.communicate(timeout=20)
    finally:
        dev.kill()
    assert dev.returncode == 0, err
    assert "Traceback" not in out + err
    assert len(laptop.mails()) == 1


def later(**time_: int) -> str:
    return (datetime.now(UTC) + timedelta(**time_)).strftime("%Y-%m-%dT%H:%M:%SZ")
