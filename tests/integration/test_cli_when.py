"""Saying when on the command line: preview, sentences, changes of mind, and the history as it is drawn."""

import json
from datetime import date, timedelta
from typing import Any

import pytest

from tests.support.laptop import Laptop

AT = "2026-11-26T08:30:00Z"


@pytest.fixture
def laptop_with_agent(laptop: Laptop) -> Laptop:
    laptop.add_agent("@a", "echo", "all is well")
    return laptop


def say(laptop: Laptop, *words: str) -> str:
    """Says a command that does its work; gives what it prints."""
    done = laptop.here(*words)
    assert done.returncode == 0, f"{words}: {done.stderr}"
    return done.stdout


def told(laptop: Laptop, *words: str) -> Any:
    return json.loads(say(laptop, "--json", *words))


def refused(laptop: Laptop, *words: str) -> str:
    """Gives the one line of a refusal."""
    done = laptop.here(*words)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done
    return done.stderr


def test_a_preview_is_a_sentence_and_the_next_five_and_writes_nothing(laptop: Laptop) -> None:
    text = "every other friday at 9 until 2027-03-01 except 2026-12-25"
    found = told(laptop, "preview", text, "--timezone", "Europe/Berlin", "--at", AT)
    assert list(found) == ["understood", "task", "rule", "timezone", "next", "warnings"]
    assert found["understood"] == (
        "every other Friday at 09:00 until 1 March 2027, except 25 December 2026; first Fri 2026-11-27 09:00 Europe/Berlin"
    )
    assert found["rule"] == "FREQ=WEEKLY;INTERVAL=2;BYDAY=FR;BYHOUR=9;BYMINUTE=0;UNTIL=20270301;EXDATE=20261225"
    assert [it["utc"] for it in found["next"]] == [
        f"{day}T08:00:00Z" for day in ("2026-11-27", "2026-12-11", "2027-01-08", "2027-01-22", "2027-02-05")
    ]
    assert found["next"][0]["local"] == "2026-11-27T09:00:00"
    drawn = say(laptop, "preview", text, "--timezone", "Europe/Berlin", "--at", AT)
    assert drawn.startswith("Every other Friday at 09:00 until 1 March 2027, except 25 December 2026; first Fri")
    assert "Fri 2027-02-05 09:00  (2027-02-05T08:00:00Z)" in drawn
    assert told(laptop, "list")["follow_ups"] == []


def test_a_preview_of_a_sentence_has_its_task_and_of_a_gap_its_warning(laptop: Laptop) -> None:
    found = told(laptop, "preview", "Check backup health weekly", "--at", AT)
    assert (found["task"], found["timezone"], found["next"][0]["utc"]) == (
        "Check backup health", "Europe/Berlin", "2026-12-03T08:30:00Z",
    )  # fmt: skip
    gap = say(laptop, "preview", "every day at 2:30", "--timezone", "America/New_York", "--at", "2027-03-13T00:00:00Z")
    assert "note  02:30 does not exist on 2027-03-14" in gap


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("preview", "next friday", "--at", AT), "write '2026-11-27 09:00' or '2026-12-04 09:00'"),
        (("preview", "tomorow at 9"), "tomorrow at 9"),
        (("preview", ""), "due_required"),
        (("preview", "7d", "--at", "monday"), "2026-12-01T08:00:00Z"),
        (("preview", "7d", "--timezone", "EST"), "America/New_York"),
        (("create", "@a", "Check it next friday"), "write 'Check it 20"),
        (("create", "@a", "Check it"), "due_required"),
        (("create", "@a", "Check it", "daily", "--late", "never"), "run_once, skip or run_within 6h"),
        (("create", "@a", "Check it", "daily", "--stagger", "2d"), "like 10m"),
    ],
)
def test_what_is_refused_says_what_would_be_right(laptop_with_agent: Laptop, words: tuple[str, ...], said: str) -> None:
    assert said in refused(laptop_with_agent, *words)


def test_two_readings_are_two_requests_that_would_be_taken(laptop_with_agent: Laptop) -> None:
    done = laptop_with_agent.here("--json", "create", "@a", "Check it next friday", "--report-to", "a@b.co")
    requests = json.loads(done.stdout)["requests"]
    assert len(requests) == 2 and {it["report_to"] for it in requests} == {"a@b.co"}
    for body in requests:
        assert laptop_with_agent.client.create(body, None).body["task"] == "Check it"


def test_a_sentence_makes_a_follow_up_whose_time_is_said_back(laptop_with_agent: Laptop) -> None:
    made = told(laptop_with_agent, "create", "@a", "Follow up on memory rolloff in 7 days")
    assert (made["task"], made["due"], made["rule"]) == ("Follow up on memory rolloff", "in 7 days", None)
    weekly = say(
        laptop_with_agent, "create", "Check backup health weekly", "--to", "@a", "--stagger", "10m", "--late", "skip"
    )
    for words in ("@a Check backup health", "repeats", "then", "staggered", "when late  skip"):
        assert words in weekly


def test_minds_are_changed(laptop_with_agent: Laptop) -> None:
    it = told(laptop_with_agent, "create", "@a", "Check it", "daily", "--replace-key", "it")
    name = it["id"][:8]
    assert "Put off" in say(laptop_with_agent, "snooze", name, "3d")
    assert "sooner than it is due" in refused(laptop_with_agent, "snooze", name, "tomorrow")
    assert " until " in say(laptop_with_agent, "pause", name, "--until", "in 2 days")
    assert "--until goes with one ID" in refused(laptop_with_agent, "pause", "--all", "--until", "1d")
    shown = say(laptop_with_agent, "show", name)
    assert "paused until" in shown and "put off to" in shown and "goes by" in shown
    assert "due" in say(laptop_with_agent, "resume", name)
    changed = say(laptop_with_agent, "edit", name, "--due", "weekdays at 9am", "--late", "run_within: 6h")
    assert "every weekday at 09:00" in changed
    assert "then" not in say(laptop_with_agent, "edit", name, "--task", "Check it well")
    assert "not_failed" in refused(laptop_with_agent, "retry", name)
    made = say(laptop_with_agent, "create", "@a", "Check it", "1w", "--replace-key", "it")
    assert f"it takes the place of {it['id']}" in made
    assert "replaced by" in say(laptop_with_agent, "show", name)


def test_what_was_and_what_comes_is_drawn(laptop_with_agent: Laptop) -> None:
    laptop = laptop_with_agent
    it = told(laptop, "create", "@a", "Check it", "every day at 9", "--late", "run_within 6h", "--timezone", "UTC")
    first = date.fromisoformat(it["next"][0]["local"][:10])
    for days, clock in ((0, "09:00:03"), (1, "11:30:00"), (5, "10:00:00"), (5, "10:00:30")):
        laptop.here("run-due", "--at", f"{first + timedelta(days=days)}T{clock}Z")
    drawn = say(laptop, "show", it["id"])
    lines = [line.split() for line in drawn.splitlines()]
    past = [" ".join(words) for words in lines if words and words[0] in ("●", "○")]
    said = ("on time succeeded", "2 h 30 min late succeeded", "never skipped", "2 missed skipped too", "1 h late succeeded")
    assert len(past) == len(said) and all(words in line for line, words in zip(past, said, strict=True)), past
    assert sum(words[:1] == ["·"] for words in lines) == 5
