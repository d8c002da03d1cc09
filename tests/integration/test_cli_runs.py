"""`followups show RUN` and its timeline: each way in which a run may go, as a person reads it."""

import json
import socket
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from followups.cli.client import Problem
from tests.support.laptop import Laptop


def say(laptop: Laptop, *words: str, **environ: str) -> str:
    """Says a command that does its work; gives what it prints."""
    done = laptop.here(*words, **environ)
    assert (done.returncode, done.stderr) == (0, ""), f"{words}: {done.stderr}"
    return done.stdout


def make(laptop: Laptop, agent: str = "@a", **more: Any) -> str:
    """Gives the id of a follow-up that is due now."""
    made = str(laptop.client.create({"agent": agent, "task": "Check", "due": "7d", **more}, None).body["id"])
    laptop.client.of(made, "/run", "POST")
    return made


def run_due(laptop: Laptop, **later: float) -> None:
    """Runs what is due, now or so much later."""
    at = datetime.now(UTC) + timedelta(**later)
    assert laptop.here("run-due", *(("--at", f"{at:%Y-%m-%dT%H:%M:%SZ}") if later else ())).returncode == 0


def timeline(drawn: str) -> list[str]:
    """Gives what happened, line by line, without the times."""
    return [line[27:] for line in drawn.rpartition("Times in ")[2].splitlines()[1:]]


def fact(drawn: str, name: str) -> str | None:
    """Gives the value of a fact, None if it is not told."""
    found = [line.strip().removeprefix(name).strip() for line in drawn.splitlines() if line.startswith(f"  {name}  ")]
    return found[0] if found else None


def test_one_that_ended(laptop: Laptop) -> None:
    laptop.add_agent("@a", "echo", "all is well")
    made = make(laptop, timezone="Europe/Berlin")
    run_due(laptop)
    drawn = say(laptop, "show", made, "--timeline")
    assert drawn.startswith("Check: succeeded\n  all is well\n") and fact(drawn, "took")
    assert [fact(drawn, name) for name in ("run", "agent", "attempt", "report")] == [
        f"{made[:8]}-1", "@a (command)", "1 of 3", "sent",
    ]  # fmt: skip
    assert [fact(drawn, name) for name in ("verdict", "usage", "its id there", "came late", "refused", "made by")] == [
        None
    ] * 6
    # It was run by hand, a week before its time.
    assert timeline(drawn) == ["claimed", "started", "ended: succeeded", "report sent", "due"]
    assert "Times in Europe/Berlin" in drawn


@pytest.mark.parametrize("form", ["{0}-1", "run-{0}-000001", "{0}-000001"])
def test_a_run_goes_by_each_of_its_names(laptop: Laptop, form: str) -> None:
    laptop.add_agent("@a", "echo", "well")
    made = make(laptop)
    run_due(laptop)
    name = form.format(made if "run-" in form else made[:8])
    assert "Check: succeeded" in say(laptop, "show", name)
    assert "Times in" not in say(laptop, "show", name)
    run = json.loads(say(laptop, "show", name, "--json"))
    assert (run["id"], run["report_text"]) == (f"run-{made}-000001", "well\n")
    for words in ((f"{made[:8]}-2",), (f"{made[:8]}-2", "--timeline"), ("nope", "--timeline")):
        done = laptop.here("show", *words)
        assert (done.returncode, done.stdout, "there is no" in done.stderr) == (2, "", True)


def test_one_that_has_not_run_has_no_timeline(laptop: Laptop) -> None:
    laptop.add_agent("@a", "true")
    made = str(laptop.client.create({"agent": "@a", "task": "Check", "due": "7d"}, None).body["id"])
    done = laptop.here("show", made, "--timeline")
    assert (done.returncode, done.stdout) == (2, "")
    assert "has not run yet" in done.stderr


def test_one_that_was_tried_again(laptop: Laptop) -> None:
    laptop.add_agent("@a", "sh", "-c", "exit 3", max_attempts=2)
    made = make(laptop)
    run_due(laptop)
    first = say(laptop, "show", f"{made[:8]}-1", "--timeline")
    assert (fact(first, "attempt"), fact(first, "report")) == ("1 of 2", "none: it is tried again")
    assert timeline(first) == ["claimed", "started", "ended: failed, to be tried again", "next try", "due"]
    run_due(laptop, hours=2)
    last = say(laptop, "show", made, "--timeline")
    assert (fact(last, "run"), fact(last, "attempt")) == (f"{made[:8]}-2", "2 of 2")
    assert "ended: failed" in timeline(last)
    listed = say(laptop, "runs", made)
    assert "failed, will retry" in listed and listed.index(f"{made[:8]}-2") < listed.index(f"{made[:8]}-1")


def test_one_that_was_late(laptop: Laptop) -> None:
    laptop.add_agent("@a", "echo", "well")
    made = str(laptop.client.create({"agent": "@a", "task": "Check", "due": "in 1 second"}, None).body["id"])
    run_due(laptop, minutes=90)
    drawn = say(laptop, "show", made, "--timeline")
    assert str(fact(drawn, "late by")).startswith("1 h ")
    assert timeline(drawn)[0] == "due"
    assert timeline(drawn)[2].startswith("started, 1 h ") and timeline(drawn)[2].endswith(" after its time")


def test_one_that_never_started(laptop: Laptop) -> None:
    laptop.add_agent("@a", "true")
    made = make(laptop)
    laptop.client.agent("@a", "DELETE")
    run_due(laptop)
    drawn = say(laptop, "show", made, "--timeline")
    assert "no agent is called @a any more" in drawn
    assert [fact(drawn, name) for name in ("agent", "attempt", "took")] == ["@a", None, None]
    assert timeline(drawn) == ["claimed", "ended, never started: failed", "report sent", "due"]


def test_one_with_a_verdict_and_a_cost(laptop: Laptop) -> None:
    answer = {
        "outcome": "succeeded", "summary": "2 of 3", "verdict": "not_met", "evidence": "c is down\nsince monday",
        "usage": {"model": "haiku", "input_tokens": 4210, "output_tokens": 388, "cost_usd": 0.0062},
    }  # fmt: skip
    laptop.add_agent("@a", "sh", "-c", f"echo '{json.dumps(answer)}'")
    made = make(laptop, done_when="all are up", retry_until_met="5m,1h")
    run_due(laptop)
    drawn = say(laptop, "show", made, "--timeline")
    assert drawn.startswith("Check: attention\n  2 of 3\n")
    assert fact(drawn, "done when") == "all are up" and fact(drawn, "verdict") == "not met"
    assert "  evidence   c is down\n             since monday\n" in drawn
    assert fact(drawn, "usage") == "haiku, 4,210 tokens in, 388 tokens out, $0.0062"
    assert "next" in timeline(drawn)
    whole = say(laptop, "show", made)
    assert [fact(whole, name) for name in ("done when", "looks again after", "verdict")] == [
        "all are up",
        "5m, 1h, then no more",
        "not met",
    ]
    assert "until met" in say(laptop, "list")


def test_one_that_is_live(laptop: Laptop) -> None:
    laptop.client.agent("@w", "PUT", {"kind": "worker"})
    hand_out(laptop)
    made = make(laptop, "@w")
    run_due(laptop)
    assert "waits for a worker" in say(laptop, "list")
    assert fact(say(laptop, "show", made), "progress") == "waits for a worker to take it"
    assert fact(say(laptop, "show", made, "--timeline"), "worker") is None
    run = hand_out(laptop)
    laptop.client.of_run(run["run_id"], "/progress", run["run_token"], {"message": "3 of 8 looked at"})
    drawn = say(laptop, "show", made, "--timeline")
    assert drawn.startswith("Check: running\n")
    assert [fact(drawn, name) for name in ("run", "worker", "attempt", "progress")] == [
        f"{made[:8]}-1", "desk-1", "1 of 3", "3 of 8 looked at",
    ]  # fmt: skip
    assert timeline(drawn) == ["claimed", "started", "heard of last", "must have ended", "due"]
    assert json.loads(say(laptop, "--json", "show", f"{made[:8]}-1"))["progress"] == "3 of 8 looked at"
    assert "running" in say(laptop, "runs", made) and "running since" in say(laptop, "list")


def test_what_came_late_is_told(laptop: Laptop) -> None:
    laptop.client.agent("@w", "PUT", {"kind": "worker", "timeout_s": 60})
    hand_out(laptop)
    made = make(laptop, "@w", max_attempts=1)
    run_due(laptop)
    run = hand_out(laptop)
    run_due(laptop, minutes=2)
    with pytest.raises(Problem, match="run_over"):
        laptop.client.of_run(run["run_id"], "/complete", run["run_token"], {"outcome": "succeeded", "summary": "after all"})
    drawn = say(laptop, "show", made, "--timeline")
    assert drawn.startswith("Check: timed out\n")
    assert fact(drawn, "came late") == "succeeded: after all"
    assert {"ended: timed out", "had to have ended", "its agent answered after all: succeeded, kept as late"} < {
        *timeline(drawn)
    }


def test_what_it_asked_for_and_did_not_get_is_told(laptop: Laptop) -> None:
    laptop.client.agent("@w", "PUT", {"kind": "worker"})
    laptop.here("config", "max-depth", "0")
    hand_out(laptop)
    made = make(laptop, "@w")
    run_due(laptop)
    run = hand_out(laptop)
    asked = laptop.here("create", "@w", "More", "7d", FOLLOWUPS_RUN_TOKEN=run["run_token"])
    assert (asked.returncode, "cascade_depth" in asked.stderr) == (2, True)
    laptop.client.of_run(run["run_id"], "/complete", run["run_token"], {"outcome": "succeeded", "summary": "well"})
    drawn = say(laptop, "show", made, "--timeline")
    assert str(fact(drawn, "refused")).startswith("1 follow-up that it asked for: ")


def test_a_narrow_terminal_and_no_colour(laptop: Laptop) -> None:
    laptop.add_agent("@a", "echo", "\N{SNOWMAN} all is well " * 9)
    made = make(laptop, message="one\ntwo")
    run_due(laptop)
    for words in (("show", made), ("show", made, "--timeline"), ("runs", made), ("list", "--all"), ("tree", made)):
        for columns in ("20", "60", "250"):
            drawn = say(laptop, *words, COLUMNS=columns, NO_COLOR="1")
            assert "\x1b" not in drawn and "Traceback" not in drawn
    assert "  message  one\n           two\n" in say(laptop, "show", made)
    assert max(map(len, say(laptop, "runs", made, COLUMNS="100").splitlines())) <= 100


def hand_out(laptop: Laptop) -> Any:
    """Asks for work as a worker does; gives the run, or None."""
    return laptop.client.agent("@w", "POST", {"worker": "desk-1"}, "/work").body["run"]


def test_a_checklist_is_looked_at_until_it_is_met(laptop: Laptop) -> None:
    """With no model at all: a site that is to come up."""
    with socket.socket() as site:
        site.bind(("127.0.0.1", 0))
        line = f"http://127.0.0.1:{site.getsockname()[1]}/ 200"
        words = ("create", "@checklist", "Site is up", line, "in 5 minutes", "--done-when", "all checks hold")
        made = json.loads(say(laptop, "--json", *words, "--retry-until-met", "5m,10m"))["id"]
        run_due(laptop, minutes=6)
        it = laptop.client.of(made).body
        assert (it["status"], it["last_verdict"], it["occurrence"]) == ("scheduled", "not_met", 2)
        drawn = say(laptop, "show", made, "--timeline")
        assert fact(drawn, "evidence") == f"{line}: no answer: Connection refused"
        site.listen()
        threading.Thread(target=_answer, args=(site,), daemon=True).start()
        run_due(laptop, minutes=12)
    it = laptop.client.of(made).body
    assert (it["status"], it["last_verdict"], it["last_outcome"]) == ("done", "met", "succeeded")
    assert [mail.read_text().count("1 of 1 checks hold") > 0 for mail in laptop.mails()] == [False, True]


def _answer(site: socket.socket) -> None:
    taken, _ = site.accept()
    with taken:
        taken.recv(4_096)
        taken.sendall(b"HTTP/1.0 200 OK\r\n\r\n")
