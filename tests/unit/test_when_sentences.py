"""A whole sentence: which of its last words are the time, what is left as the task, and what is refused."""

from datetime import UTC, datetime

import pytest

from followups.domain.errors import Invalid
from followups.domain.when import parse, read_any, read_sentence

#: A Thursday, half past nine in Berlin.
NOW = datetime(2026, 11, 26, 8, 30, tzinfo=UTC)
BERLIN = "Europe/Berlin"


@pytest.mark.parametrize(
    ("task", "end"),
    [
        ("Follow up on memory rolloff", "in 7 days"), ("Check backup health", "weekly"),
        ("Verify Telegram bridge", "in 3 days"),
        ("Verify the bridge", "tomorrow at 9."), ("Is the deploy done", "in 2 hours?"),
        ("Check disk", "every day at 9 and 17"),
        ("Check disk", "mon-fri at 9"), ("Check disk", "0 9 * * 1-5"), ("Check disk", "@daily"), ("Meet Anna", "at 10"),
        ("Check disk", "RRULE:FREQ=DAILY;BYHOUR=9"), ("Call Bob", "friday 5pm Europe/London"), ("Check disk", "P7D"),
        ("Check disk", "every weekday at 9am except 2026-12-25"), ("Check disk", "daily until friday"),
        ("Backup the data", "every 6 hours for 3 days"), ("Renew domain", "yearly on dec 1"), ("Send it", "end of month"),
        ("Send the invoice", "a week from monday"), ("Ping me", "in half an hour"), ("Ping me", "in two hours"),
        # Words of a time within the task.
        ("Read the notes of monday", "tomorrow at 9"), ("Review plan for monday", "on friday"), ("Check top 5", "daily"),
        ("Check daily for errors", "in 3 days"), ("Verify next release", "in 3 days"), ("Check each disk", "in 3 days"),
        ("See what may 1 brings", "in 3 days"), ("Run second check", "daily"), ("Wait until review", "monday"),
        ("Summarise week 49", "on friday"), ("Tell sat about it", "in 3 days"), ("Send report 1", "every month"),
        ("Delete logs older than 7 days", "every day at 4"), ("Compare a/b", "tomorrow"), ("Call mother", "friday"),
    ],
)  # fmt: skip
def test_the_longest_end_that_is_a_time_wins(task: str, end: str) -> None:
    found, when = read_sentence(f"{task} {end}", at=NOW, timezone=BERLIN)
    alone = parse(end.rstrip("?"), at=NOW, timezone=BERLIN)
    assert (found, when.due_at, when.rule, when.timezone) == (task, alone.due_at, alone.rule, alone.timezone)
    assert read_any(f"  {task}, {end} ", at=NOW, timezone=BERLIN)[0] == task


@pytest.mark.parametrize(
    ("text", "offered"),
    [
        # Its last words lead on, or there is one more time.
        ("Email the team by friday", "Email the team by friday in 7 days"),
        ("Check disk evry monday", "Check disk every monday"),
        ("Check logs daily in 3 days", ""), ("Check logs every monday in 3 days", ""),
        ("Check it monday at 9, friday at 10", ""),
        ("Move meeting from monday to friday", ""), ("Move meeting monday to friday", ""), ("Check 10 times daily", ""),
        ("Archive tickets from 2026-12-01", "Archive tickets from 2026-12-01 in 7 days"), ("Ask sun on fridays", ""),
        ("Check disk in 2 weeks on monday", ""), ("Watch channel 5 at 9am and 5pm", ""), ("Buy milk after next friday", ""),
        # So long is no time to come: it may be what the task is about.
        ("Delete logs older than 7 days", "Delete logs older than 7 days in 7 days"), ("Summarise the past 7 days", ""),
        ("Look back 7 days", "Look back in 7 days"), ("Report errors over 24 hours", ""), ("Check the last 90m", ""),
        ("Post two updates a week", "Post two updates every week"), ("Post 3 times a week", ""), ("Work 2 days at 9am", ""),
        # Phrases with two readings, or with none.
        ("Run the job twice a day", "Run the job every day at 9 and 17"),
        ("Water the plants once a week", "Water the plants every week"),
        ("Call Bob next friday", "Call Bob 2026-12-04 09:00"), ("Fix the bug now", "Fix the bug in 1 hour"),
        ("Do it soon", "Do it tomorrow at 9"), ("Prepare for next week", ""),
        ("Call mom this weekend", "Call mom saturday"),
        ("Check what happened yesterday", "Check what happened tomorrow at 9"), ("Check disk 1m", "Check disk in 1 minute"),
        ("Check disk at 25:00", "Check disk 14:00"), ("Check disk every 2 minutes", "Check disk every 5 minutes"),
        ("Call Bob friday 5pm EST", "Call Bob friday 5pm America/New_York"),
        ("Check it 9am Europe/Berlyn", "Check it 9am Europe/Berlin"),
        ("Ask team daily until christmas", "Ask team daily until dec 25"),
        ("Check disk on 2020-01-01", "Check disk 2026-11-27T09:00"),
        # No time at the end.
        ("Check disk tomorow", "Check disk tomorrow"), ("Send the invoice on the 15th", "Send the invoice 15 december"),
        ("Send it last friday of the month", "Send it last friday of november"),
        ("Ping me in 1.5 hours", "Ping me in 90 minutes"),
        ("Every monday check the disk", "check the disk Every monday"),
        ("Tomorrow at 9 check it all", "check it all Tomorrow at 9"),
        ("Check the weekly report", "Check the weekly report in 7 days"),
        ("Check the folder nas/backups", "Check the folder nas/backups in 7 days"),
        ("Buy milk and eggs in the morning", "Buy milk and eggs morning"),
        ("Compare june and july", "Compare june and july in 7 days"),
    ],
)  # fmt: skip
def test_what_is_refused_says_how_to_say_it(text: str, offered: str) -> None:
    for read in (read_sentence, read_any):
        with pytest.raises(Invalid) as refused:
            read(text, at=NOW, timezone=BERLIN)
        ways = refused.value.suggestions
        assert refused.value.field == "text" and len(refused.value.detail) < 500
        assert offered in ("", *ways) and 1 <= len(ways) <= 3
        for way in ways:
            task, _ = read_sentence(way, at=NOW, timezone=BERLIN)
            assert task and task in way


@pytest.mark.parametrize(
    ("text", "offered"),
    [
        ("tomorow at 9", "tomorrow at 9"), ("monday through friday at 9", "every monday through friday at 9"),
        ("business days at 9", "weekdays at 9"), ("three times a day", "every day at 8, 12 and 16"),
        ("weekly, monday at 9", "every monday at 9"), ("daily except on christmas", "daily except on dec 25"),
        ("starting tomorrow daily", "daily starting tomorrow"), ("monday at 9 and friday at 10", "monday at 9"),
        ("9am in Berlin", "9am Europe/Berlin"), ("every day at 9 new york time", "every day at 9 America/New_York"),
        ("fifth monday of every month", "first monday of every month"), ("tomorrow at half past 9", "tomorrow at 9:30"),
        ("end of every quarter", "every 3 months on the last day"), ("evry other mondya at 9", "every other monday at 9"),
        ("9am tomorrow EST", "9am tomorrow America/New_York"), ("next week on monday", "2026-11-30"),
        ("later", "in 1 hour"),
        ("every 1 m", "every 5 minutes"), ("Check disk", "in 7 days"), ("Check", "in 7 days"),
        ("x " * 40, "Check the backups in 7 days"),
    ],
)  # fmt: skip
def test_what_has_only_words_of_a_time_is_no_task(text: str, offered: str) -> None:
    """`monday through friday at 9` is not a task named `monday through`."""
    with pytest.raises(Invalid) as refused:
        read_any(text, at=NOW, timezone=BERLIN)
    assert offered in refused.value.suggestions
    for way in refused.value.suggestions:
        assert read_any(way, at=NOW, timezone=BERLIN)[1].due_at > NOW


@pytest.mark.parametrize("text", ["", "   ", ".", "...!"])
def test_nothing_is_refused(text: str) -> None:
    for read in (read_sentence, read_any):
        with pytest.raises(Invalid) as refused:
            read(text, at=NOW, timezone=BERLIN)
        assert refused.value.code in ("due_required", "invalid_due")


def test_a_long_text_is_a_sentence_too() -> None:
    task = "word " * 3_000 + "end"
    assert read_any(f"{task} in 3 days", at=NOW, timezone=BERLIN)[0] == task
    with pytest.raises(Invalid) as refused:
        read_any(task, at=NOW, timezone=BERLIN)
    assert refused.value.code == "due_required" and len(refused.value.detail) < 300
