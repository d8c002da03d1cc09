"""`followups agents` as an operator meets it: the registry, and trying an agent."""

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.support.laptop import Laptop
from tests.support.processes import is_alive, killed, served, until


def say(laptop: Laptop, *words: str, **environ: str) -> str:
    """Says a command that does its work; gives what it prints."""
    done = laptop.here(*words, **environ)
    assert done.returncode == 0, f"{words}: {done.stderr}"
    return done.stdout


def told(laptop: Laptop, *words: str) -> Any:
    return json.loads(say(laptop, "--json", *words))


def refused(laptop: Laptop, *words: str, code: int = 2) -> str:
    """Gives the one line of a refusal."""
    done = laptop.here(*words)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (code, "", 1), done
    return done.stderr


# The registry


@pytest.mark.parametrize(
    ("words", "kind", "runs", "next_"),
    [
        (("--command", "df", "-h", "/", "--json"), "command", "df -h / --json", ""),
        (("--worker",), "worker", "run by `followups worker --agent @x`", "followups worker --agent @x --command PROGRAM"),
        (("--https", "https://agents.example.com/run"), "https", "https://agents.example.com/run", "agents secret @x"),
        (("--person", "ann@example.com"), "person", "reminds ann@example.com", ""),
    ],
)
def test_what_a_laptop_takes(laptop: Laptop, words: tuple[str, ...], kind: str, runs: str, next_: str) -> None:
    added = laptop.here("agents", "add", "x", *words)
    assert (added.returncode, added.stdout) == (0, f"Registered @x: {runs}\n")
    assert next_ in added.stderr and bool(added.stderr) == bool(next_)
    assert told(laptop, "agents", "show", "@x")["kind"] == kind
    assert runs in say(laptop, "agents", "show", "x")
    [line] = [it for it in say(laptop, "agents", "list").splitlines() if it.startswith("@x ")]
    assert line.split()[:5] == ["@x", kind, "1", "never", "600"] and runs in line


def test_what_is_said_of_an_agent_is_kept(laptop: Laptop) -> None:
    words = ("--timeout", "50000", "--rerun", "safe", "--max-attempts", "5", "--max-concurrency", "7", "--worker")
    added = laptop.here("--json", "agents", "add", "@x", *words)
    assert added.stderr == "", "a program that reads JSON is not talked to"
    it = json.loads(added.stdout)
    assert [it[name] for name in ("timeout_s", "rerun", "max_attempts", "max_concurrency")] == [50_000, "safe", 5, 7]
    shown = say(laptop, "agents", "show", "@x")
    assert "13 h 53 min" in shown and "never: nothing is started until one is there" in shown


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "--command PROGRAM [ARGUMENT]... at the end, or --worker"),
        (("--worker", "--command", "df"), "one of these, not several: --worker, --command"),
        (("--https", "https://e.example.com", "--person", "a@b.co"), "--https, --person"),
        (("--command=df",), "without a =, at the end"),
        (("--person",), "--person"),
        (("--person", "joe"), "you@example.com"),
        (("--https", "http://agents.example.com"), "https://agent.example.com/run"),
        (("--https", "https://127.0.0.1/run"), "private, local or reserved"),
        (("--lambda", "arn:aws:lambda:eu-central-1:123456789012:function:x"), "on AWS only"),
        (("--states", "x"), "on AWS only"),
        (("--agentcore", "x"), "on AWS only"),
        (("--worker", "--mode", "async"), "'async' is no mode of worker agents"),
        (("--timeout", "604801", "--worker"), "604801"),
        (("--timeout", "4000", "--command", "true"), "3600 s"),
        (("--max-concurrency", "0", "--worker"), "1<=x<=100"),
        (("--rerun", "perhaps", "--worker"), "'never', 'safe'"),
    ],
)
def test_what_is_no_agent(laptop: Laptop, words: tuple[str, ...], said: str) -> None:
    assert said in refused(laptop, "agents", "add", "@x", *words)
    assert "@x" not in say(laptop, "agents", "list")


@pytest.mark.parametrize("what", ["show", "disable", "enable", "secret", "remove"])
def test_of_an_agent_that_is_not_there_nothing_is_done(laptop: Laptop, what: str) -> None:
    assert "there is no agent @nobody" in refused(laptop, "agents", what, "nobody")
    assert json.loads(laptop.here("--json", "agents", what, "nobody").stdout)["code"] == "not_found"


def test_an_agent_out_of_use_and_back(laptop: Laptop) -> None:
    laptop.add_agent("@a", "echo", "well")
    assert "until `followups agents enable @a`" in say(laptop, "agents", "disable", "@a", "it deletes too much")
    assert told(laptop, "agents", "show", "@a")["disabled"] == "it deletes too much"
    assert "disabled: it deletes too much; echo well" in say(laptop, "agents", "list")
    assert "it deletes too much" in say(laptop, "agents", "show", "@a")
    made = laptop.client.create({"agent": "@a", "task": "Check", "due": "7d"}, None).body["id"]
    laptop.client.of(made, "/run", "POST")
    waited = laptop.here("run-due")
    assert (waited.returncode, waited.stdout) == (0, "Nothing was run.\n")
    assert "1 due waits: @a is disabled: it deletes too much." in waited.stderr
    assert "waits: @a is disabled: it deletes too much" in say(laptop, "list", COLUMNS="200")
    assert "Enabled @a" in say(laptop, "agents", "enable", "@a")
    assert "well" in say(laptop, "run-due")
    assert laptop.status(made) == "done"


def test_json_is_one_document_whatever_is_asked(laptop: Laptop) -> None:
    add = told(laptop, "agents", "add", "@w", "--worker")
    for words, disabled in (("disable", "no reason given"), ("show", "no reason given"), ("enable", None), ("show", None)):
        assert told(laptop, "agents", words, "@w") == add | {"disabled": disabled}
    assert [it["name"] for it in told(laptop, "agents", "list")["agents"]] == ["@checklist", "@me", "@w"]
    assert told(laptop, "agents", "remove", "w") == {"name": "@w", "removed": True}


@pytest.mark.parametrize("what", ["add", "list", "show", "disable", "enable", "secret", "test", "remove"])
def test_help_says_what_it_does(laptop: Laptop, what: str) -> None:
    shown = say(laptop, "agents", what, "--help")
    assert shown.startswith(f"Usage: followups agents {what} [OPTIONS]") and "--json" in shown
    if what == "add":
        assert "  --command PROGRAM [ARGUMENT]..." in shown and "WHAT-RUNS is one of --command, --worker" in shown


def test_a_secret_is_all_that_is_printed(laptop: Laptop) -> None:
    say(laptop, "agents", "add", "@hook", "--https", "https://agents.example.com/run")
    secret = say(laptop, "agents", "secret", "@hook")
    assert secret.startswith("whsec_") and secret.count("\n") == 1
    assert told(laptop, "agents", "secret", "hook") == {"name": "@hook", "secret": secret.strip()}
    laptop.add_agent("@a", "true")
    assert "only calls of https agents are signed" in refused(laptop, "agents", "secret", "@a")


def test_what_is_built_in_stays(laptop: Laptop) -> None:
    assert "(built in)" in say(laptop, "agents", "show", "@checklist")
    for words in (("remove", "@checklist"), ("disable", "@me"), ("add", "@me", "--worker")):
        assert "builtin_agent" in refused(laptop, "agents", *words)


def test_one_that_is_removed_is_gone_and_what_names_it_says_so(laptop: Laptop) -> None:
    laptop.add_agent("@a", "true")
    made = laptop.client.create({"agent": "@a", "task": "Check", "due": "7d"}, None).body["id"]
    assert say(laptop, "agents", "remove", "@a") == "Removed @a\n"
    laptop.client.of(made, "/run", "POST")
    say(laptop, "run-due")
    assert "no agent is called @a any more" in say(laptop, "show", made)


def test_a_person_gets_the_task_as_a_reminder(laptop: Laptop) -> None:
    say(laptop, "agents", "add", "@ann", "--person", "ann@example.com")
    made = laptop.client.create({"agent": "@ann", "task": "Water", "message": "The ferns.", "due": "7d"}, None).body["id"]
    laptop.client.of(made, "/run", "POST")
    assert "@ann Water: succeeded - Water" in say(laptop, "run-due")
    [mail] = laptop.mails()
    assert "To: ann@example.com" in mail.read_text() and "The ferns." in mail.read_text()


# Trying one


@pytest.mark.parametrize(
    ("script", "code", "head", "text"),
    [
        ("echo all is well", 0, "succeeded: all is well", None),
        ("echo first; echo second", 0, "succeeded: first", "first\nsecond"),
        ("echo half; echo no luck >&2; exit 3", 1, "failed: The agent exited with 3: no luck", "half\n\nstderr:\nno luck"),
        ('echo \'{"outcome": "attention", "summary": "look"}\'', 0, "attention: look", None),
        ("kill -9 $$", 1, "unknown: The agent was killed by SIGKILL", None),
    ],
)
def test_a_try_prints_what_came_of_it(laptop: Laptop, script: str, code: int, head: str, text: str | None) -> None:
    laptop.add_agent("@a", "sh", "-c", script, rerun="safe")
    done = laptop.here("agents", "test", "a", "Say something")
    assert done.returncode == code, done.stderr
    assert done.stdout.startswith(head) and "a test: nothing is mailed" in done.stdout
    assert text is None or done.stdout.endswith(f"\n\n{text}\n"), done.stdout
    assert done.stderr.startswith("Trying @a as ")
    [it] = laptop.client.pages("all")
    assert (it["test"], it["status"], it["attempt"]) == (True, "done" if code == 0 else "failed", 1)
    assert laptop.mails() == []
    assert "a test" in say(laptop, "list", "--all")


def test_a_try_as_json_is_the_run_with_its_report(laptop: Laptop) -> None:
    laptop.add_agent("@a", "sh", "-c", "cat >/dev/null; head -c 20000 /dev/zero | tr '\\0' x; exit 1")
    done = laptop.here("agents", "test", "@a", "Say", "more", "--json")
    run = json.loads(done.stdout)
    assert (done.returncode, done.stderr, run["outcome"], run["test"]) == (1, "", "failed", True)
    assert len(run["report_text"]) == 20_000, "the whole of it, also where it is kept apart"


def test_a_try_asks_for_a_verdict(laptop: Laptop) -> None:
    done = say(laptop, "agents", "test", "@checklist", "Look", "disk / > 100%", "--done-when", "all checks hold")
    assert "verdict    not met\n  evidence   disk / > 100%: " in done
    assert "verdict    met" in say(laptop, "agents", "test", "@checklist", "x", "file / exists", "--done-when", "it is")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("@nobody", "x"), "unknown_agent"),
        (("@checklist", "x"), "it is empty"),
        (("@a",), "TASK"),
        (("@a", ""), "validation_error"),
    ],
)
def test_what_cannot_be_tried(laptop: Laptop, words: tuple[str, ...], said: str) -> None:
    laptop.add_agent("@a", "true")
    assert said in refused(laptop, "agents", "test", *words)
    assert laptop.client.pages("all") == []


def test_a_try_touches_nothing_else_and_heeds_no_disabling(laptop: Laptop) -> None:
    laptop.add_agent("@a", "echo", "well")
    other = laptop.client.create({"agent": "@a", "task": "Due", "due": "7d"}, None).body["id"]
    laptop.client.of(other, "/run", "POST")
    say(laptop, "agents", "disable", "@a")
    assert "succeeded: well" in say(laptop, "agents", "test", "@a", "Say")
    it = laptop.client.of(other).body
    assert (it["status"], it["blocked"]) == ("scheduled", None)


@pytest.mark.slow
def test_a_try_that_waits_says_so_and_ends_unstarted_on_ctrl_c(laptop: Laptop) -> None:
    laptop.add_agent("@a", "echo", "well")
    laptop.here("pause", "--all", "--reason", "maintenance")
    words = ("agents", "test", "@a", "Say")
    with killed(laptop.start(*words)) as first, killed(laptop.start(*words)) as second:
        for process in (first, second):
            assert process.stderr is not None and process.stderr.readline().startswith("Trying @a")
            assert "It waits: stopped by an operator (maintenance)" in process.stderr.readline()
        second.send_signal(signal.SIGINT)
        out, err = second.communicate(timeout=30)
        assert (second.returncode, out, err) == (130, "", "\nfollowups: it had not started, and is cancelled\n")
        laptop.here("resume", "--all")
        out, err = first.communicate(timeout=30)
        assert (first.returncode, out.splitlines()[0], err) == (0, "succeeded: well", "")
    assert sorted(it["status"] for it in laptop.client.pages("all")) == ["cancelled", "done"]


@pytest.mark.slow
def test_a_try_that_was_cancelled_is_waited_for_no_longer(laptop: Laptop) -> None:
    laptop.add_agent("@a", "echo", "well")
    laptop.here("pause", "--all")
    with killed(laptop.start("agents", "test", "@a", "Say")) as process:
        assert process.stderr is not None
        until(lambda: "It waits: stopped by an operator" in process.stderr.readline())
        [it] = laptop.client.pages("open")
        laptop.client.of(it["id"], method="DELETE")
        out, _ = process.communicate(timeout=30)
    assert (process.returncode, out) == (1, "cancelled: it was not run\n")


@pytest.mark.slow
def test_ctrl_c_stops_what_is_tried_here(laptop: Laptop, tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    laptop.add_agent("@a", "sh", "-c", f"echo $$ > {pid}; sleep 60")
    with killed(laptop.start("agents", "test", "@a", "Say")) as process:
        until(lambda: pid.exists() and pid.read_text().strip())
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (130, "")
    assert "it was stopped; see `followups show" in err and "Traceback" not in err
    assert not is_alive(int(pid.read_text()))
    [it] = laptop.client.pages("all")
    assert (it["status"], it["last_outcome"]) == ("failed", "unknown")


@pytest.mark.slow
@pytest.mark.parametrize("over_http", [False, True])
def test_a_try_works_while_dev_runs(laptop: Laptop, over_http: bool) -> None:
    laptop.add_agent("@a", "sh", "-c", "echo well; echo hello >&2")
    process, url = served(laptop)
    with killed(process):
        more = {"FOLLOWUPS_API_URL": url} if over_http else {}
        done = laptop.here("agents", "test", "@a", "Say", **more)
        assert (done.returncode, done.stdout.splitlines()[0]) == (0, "succeeded: well"), done.stderr
        failed = laptop.here("agents", "test", "@checklist", "x", "disk / < 1%", **more)
        assert failed.stdout.startswith("attention: 0 of 1 checks hold")
    assert {len(laptop.client.of(it["id"], "/runs").body["runs"]) for it in laptop.client.pages("all")} == {1}
