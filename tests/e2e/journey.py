"""The deployed stack as a client sees it: from the API to the mail, by real ticks, twice: with IAM open and enforced."""

import time
from datetime import datetime

from tests.e2e.running import CAP, Running
from tests.e2e.site import REPORT_TO


def test_what_is_due_soon_is_claimed_at_birth_run_and_reported(running: Running) -> None:
    made = running.begun["at once"]
    assert made["status"] == "claimed"
    assert running.ended(made["id"], 30)["status"] == "done"
    mail = running.mail_of("At once")
    assert (mail.to, mail.subject) == ([REPORT_TO], "[Followups] succeeded: At once - looked at At once")
    assert "all is well" in mail.text and "all is well" in mail.html


def test_its_log_tells_its_story(running: Running) -> None:
    [run] = running.say("runs", running.begun["at once"]["id"])["runs"]
    lines = running.say("logs", run["id"])["lines"]
    assert [it["function"] for it in lines if it["message"] == "handled"] == ["runner", "reporter"]


def test_what_is_cancelled_within_the_look_ahead_never_runs(running: Running) -> None:
    made = running.begun["cancelled"]
    assert made["status"] == "claimed"
    assert running.say("delete", made["id"])["status"] == "cancelled"


def test_never_more_agents_than_the_cap(running: Running) -> None:
    made = [running.say("create", "@slow", f"Slow {number}", "in 1 second") for number in range(4)]
    runs = []
    for it in made:
        running.ended(it["id"], 240)
        runs += running.say("runs", it["id"])["runs"]
    assert len(runs) == 4
    spans = [(datetime.fromisoformat(it["started_at"]), datetime.fromisoformat(it["finished_at"])) for it in runs]
    assert max(sum(start <= moment < end for start, end in spans) for moment, _ in spans) <= CAP


def test_a_later_one_is_claimed_by_a_minutes_tick(running: Running) -> None:
    made = running.begun["tick"]
    assert made["status"] == "scheduled", "it is due after the look-ahead"
    assert running.ended(made["id"], 200)["status"] == "done"
    [run] = running.say("runs", made["id"])["runs"]
    due, started = (datetime.fromisoformat(it) for it in (run["due_at"], run["started_at"]))
    assert 0 <= (started - due).total_seconds() < 10
    running.mail_of("By the tick")


def test_an_agent_that_outlasts_its_runner_is_unknown_and_reported(running: Running) -> None:
    ended = running.ended(running.begun["endless"]["id"], 200)
    assert (ended["status"], ended["last_outcome"]) == ("failed", "unknown")
    running.mail_of("Outlasts its runner")


def test_what_was_cancelled_has_not_run(running: Running) -> None:
    made = running.begun["cancelled"]
    due = datetime.fromisoformat(made["due_at"]).timestamp()
    time.sleep(max(0.0, due + 5 - time.time()))
    assert running.say("show", made["id"])["status"] == "cancelled"
    assert running.say("runs", made["id"])["runs"] == []
    assert not [it for it in running.there.mails() if "Cancelled in time" in it.subject]


def test_a_mind_is_changed_on_the_deployed_stack(running: Running) -> None:
    told = running.say("preview", "Check it every other friday at 9", "--timezone", "America/New_York")
    assert (told["task"], told["rule"]) == ("Check it", "FREQ=WEEKLY;INTERVAL=2;BYDAY=FR;BYHOUR=9;BYMINUTE=0")
    first = running.say("create", "@hello", "Check it every monday at 9", "--replace-key", "mind")
    assert first["task"] == "Check it" and len(first["next"]) == 5
    snoozed = running.say("snooze", first["id"], "3d")
    assert snoozed["snoozed_to"] > first["due_at"] == snoozed["due_at"]
    assert running.say("pause", first["id"], "--until", "in 2 days")["paused_until"]
    second = running.say("create", "@hello", "Check it in 7 days", "--replace-key", "mind")
    assert second["warnings"] == [f"it takes the place of {first['id']}, which was paused"]
    shown = running.say("show", first["id"])
    assert (shown["status"], shown["replaced_by"], shown["coming"]) == ("cancelled", second["id"], [])
    assert running.say("delete", second["id"])["status"] == "cancelled"
