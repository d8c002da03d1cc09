"""What `list` and `show` say of a follow-up whose time has come, and which has not started; and what no agent sets."""

import pytest

from tests.support.laptop import Laptop
from tests.support.processes import killed, until


def line_of(laptop: Laptop, task: str, width: str = "140") -> str:
    [line] = [it for it in laptop.here("list", COLUMNS=width).stdout.splitlines() if f" {task} " in it]
    return line


@pytest.mark.slow
def test_who_waits_behind_a_run_says_so(laptop: Laptop) -> None:
    laptop.add_agent("@busy", "sleep", "30", timeout_s=60)
    laptop.add_agent("@free", "true")
    first = laptop.client.create({"agent": "@busy", "task": "First", "due": "in 1 second"}, None).body["id"]
    process = laptop.start("dev", "--port", "0")
    try:
        until(lambda: laptop.status(first) == "running")
        process.kill()
        process.wait(timeout=10)
        for agent, task in (("@busy", "Second"), ("@free", "Third")):
            made = laptop.client.create({"agent": agent, "task": task, "due": "7d"}, None).body["id"]
            laptop.client.of(made, "/run", "POST")
            why = f"@busy is at work ({first[:8]})" if agent == "@busy" else "1 other run is under way"
            assert any(f"waits: {why}" in it for it in laptop.here("list", COLUMNS="140").stdout.splitlines())
            assert f" waits {why}, since " in " ".join(laptop.here("show", made).stdout.split())
    finally:
        killed(process)


def test_who_tries_again_says_when(laptop: Laptop) -> None:
    laptop.add_agent("@a", "false")
    laptop.client.create({"agent": "@a", "task": "Look", "due": "in 1 second"}, None)
    until(lambda: "failed" in laptop.here("run-due").stdout)
    assert "tries again in " in line_of(laptop, "Look")


@pytest.mark.parametrize("words", [("cap", "10"), ("max-depth", "--unset"), ("--rotate-secret",)])
def test_no_agent_sets_what_holds_for_agents(laptop: Laptop, words: tuple[str, ...]) -> None:
    laptop.here("config", "cap", "3")
    before = {path.name: path.read_bytes() for path in laptop.home.iterdir() if path.is_file()}
    done = laptop.here("config", *words, FOLLOWUPS_RUN_ID="run-x", FOLLOWUPS_RUN_TOKEN="fr2.x.y")
    assert (done.returncode, done.stdout, "no agent sets what holds for agents" in done.stderr) == (4, "", True)
    assert {path.name: path.read_bytes() for path in laptop.home.iterdir() if path.is_file()} == before
    assert laptop.here("config", "cap", FOLLOWUPS_RUN_ID="run-x", FOLLOWUPS_RUN_TOKEN="fr2.x.y").returncode == 0


def test_an_agent_that_drops_its_token_is_not_taken_for_the_person(laptop: Laptop) -> None:
    laptop.add_agent("@a", "true")
    done = laptop.here("create", "@a", "Look", "in 1 second", FOLLOWUPS_RUN_ID="run-x")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (4, "", 1)
    assert "this is inside run run-x, and its FOLLOWUPS_RUN_TOKEN is gone" in done.stderr
    assert laptop.client.pages("all") == []
