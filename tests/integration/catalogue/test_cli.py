"""Rows 65, 67, 69 and 70: what a person may type, and the terminal that it is typed in."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from followups.cli.shell import terminal_width, wants_colour
from tests.integration.catalogue.rows import row
from tests.support.laptop import Laptop

CHECK = ("create", "@checklist", "Check", "disk / < 99%", "7d")


def refused(laptop: Laptop, words: tuple[str, ...], code: int, said: str, **environ: str) -> str:
    """Calls what must be refused: one line on stderr, nothing on stdout, and nothing is made. Gives the line."""
    done = laptop.here(*words, **environ)
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    assert said in done.stderr
    assert done.stderr.startswith("followups: ") and done.stderr.count("\n") == 1
    if laptop.home.exists():
        assert laptop.client.pages("all") == []
    return done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        row(65, "unknown-command", ("nonsense",), "nonsense"),
        row(65, "empty-command", ("",), "No such command"),
        row(65, "command-in-capitals", ("List",), "List"),
        row(65, "unknown-option", ("--nonsense",), "--nonsense"),
        row(65, "unknown-option-of-a-command", ("list", "--nonsense"), "see `followups list --help`"),
        row(65, "one-word-too-many", ("list", "extra"), "extra"),
        row(65, "option-without-its-value", ("create", "--due"), "--due"),
        row(65, "no-words", ("create",), "AGENT TASK [MESSAGE] WHEN"),
        row(65, "no-quotes", ("create", "@checklist", "a", "b", "c", "7d"), "quotes"),
        row(65, "attempts-0", (*CHECK, "--max-attempts", "0"), "1<=x<=10"),
        row(65, "attempts-ten", (*CHECK, "--max-attempts", "ten"), "'ten'"),
        row(65, "status", ("list", "--status", "odd"), "'odd'"),
        row(65, "no-id", ("show",), "ID"),
        row(65, "nothing-to-edit", ("edit", "zzzzz"), "say what to change"),
        row(65, "pause-what", ("pause",), "--all"),
        row(65, "pause-one-and-all", ("pause", "x", "--all"), "--all"),
        row(65, "no-program", ("agents", "add", "@x"), "--command PROGRAM"),
        row(65, "empty-program", ("agents", "add", "@x", "--command"), "--command PROGRAM"),
        row(65, "unknown-setting", ("config", "colour", "red"), "'colour'"),
        row(65, "value-and-unset", ("config", "cap", "2", "--unset"), "not both"),
        row(65, "port", ("dev", "--port", "70000"), "70000"),
        row(65, "surrogate", ("\udcff",), "No such command"),
        row(67, "unknown-agent", ("create", "@nobody", "Check", "7d"), "unknown_agent"),
        row(67, "agent-of-60-kb", ("create", "x" * 60_000, "Check", "7d"), "unknown_agent"),
        row(67, "due-0d", ("create", "@checklist", "Check", "disk / < 99%", "0d"), "invalid_due"),
        row(67, "due-1m", ("create", "@checklist", "Check", "disk / < 99%", "1m"), "minute or a month"),
        row(67, "due-past", ("create", "@checklist", "Check", "disk / < 99%", "2020-01-01"), "due_in_past"),
        row(67, "due-30-february", ("create", "@checklist", "Check", "disk / < 99%", "2027-02-30"), "no day of the cal"),
        row(67, "empty-task", ("create", "@checklist", "", "disk / < 99%", "7d"), "validation_error"),
        row(67, "task-of-100-kb", ("create", "@checklist", "x" * 100_000, "disk / < 99%", "7d"), "payload_too_large"),
        row(67, "task-of-two-lines", ("create", "@checklist", "a\nb", "disk / < 99%", "7d"), "a line break"),
        row(67, "task-no-utf-8", ("create", "@checklist", "\udcff\udcfe", "disk / < 99%", "7d"), "invalid_text"),
        row(67, "checklist", ("create", "@checklist", "Check", "make coffee", "7d"), "line 1"),
        row(67, "address", (*CHECK, "--report-to", "joe"), "invalid_email"),
        row(67, "zone", (*CHECK, "--timezone", "Mars"), "unknown_timezone"),
        row(67, "key", (*CHECK, "--key", "a b"), "invalid_idempotency_key"),
        row(67, "key-no-ascii", (*CHECK, "--key", "schlüssel"), "invalid_idempotency_key"),
        row(67, "key-no-utf-8", (*CHECK, "--key", "\udcff"), "invalid_idempotency_key"),
        row(67, "show", ("show", "nosuchid"), "not_found"),
        row(67, "show-up-the-path", ("show", "../../v1/agents"), "not_found"),
        row(67, "show-with-a-query", ("show", "a?status=all"), "not_found"),
        row(67, "show-empty", ("show", ""), "not_found"),
        row(67, "show-no-utf-8", ("show", "\udcff"), "not_found"),
        row(67, "delete", ("delete", "zzzzz"), "not_found"),
        row(67, "report", ("report", "zzzzz"), "not_found"),
        row(67, "report-number", ("report", "zzzzz-٣"), "not_found"),
        row(67, "runs", ("runs", "a" * 26), "not_found"),
        row(67, "edit", ("edit", "zzzzz", "--task", "x"), "not_found"),
        row(67, "no-such-program", ("agents", "add", "@x", "--command", "no-such-program"), "no-such-program"),
        row(67, "program-is-a-folder", ("agents", "add", "@x", "--command", "/"), "no program"),
        row(67, "agent-name", ("agents", "add", "@x!", "--command", "true"), "invalid_agent_name"),
        row(67, "agent-name-empty", ("agents", "add", "", "--command", "true"), "invalid_agent_name"),
        row(67, "agent-built-in", ("agents", "add", "@checklist", "--command", "true"), "builtin_agent"),
        row(67, "agent-argument-nul", ("agents", "add", "@x", "--command", "true", "a\x00b"), "control character"),
        row(67, "agent-gone", ("agents", "remove", "@nobody"), "not_found"),
        row(67, "cap-0", ("config", "cap", "0"), "1 to 100"),
        row(67, "cap-arabic", ("config", "cap", "٢"), "1 to 100"),
        row(67, "setting-zone", ("config", "timezone", "Mars"), "Europe/Berlin"),
        row(67, "setting-address", ("config", "report-to", "a@"), "you@example.com"),
        row(67, "at-tomorrow", ("run-due", "--at", "tomorrow"), "2026-12-01T09:00Z"),
        row(67, "at-without-zone", ("run-due", "--at", "2026-12-01T09:00"), "names no zone"),
        row(67, "at-year-0", ("run-due", "--at", "0000-12-01T09:00Z"), "2026-12-01T09:00Z"),
        row(67, "at-end-of-time", ("run-due", "--at", "9999-12-31T23:59-14:00"), "100 years off"),
        row(67, "at-before-all-time", ("run-due", "--at", "0001-01-01T00:00+14:00"), "100 years off"),
    ],
)  # fmt: skip
def test_what_a_person_may_get_wrong(desk: Laptop, words: tuple[str, ...], said: str) -> None:
    refused(desk, words, 2, said)


@pytest.mark.parametrize(
    ("words", "said"), [row(65, "none", (), "create"), row(65, "none-of-the-agents", ("agents",), "remove")]
)
def test_no_command_at_all_shows_them(desk: Laptop, words: tuple[str, ...], said: str) -> None:
    done = desk.here(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Usage: followups" in done.stderr and said in done.stderr


@pytest.mark.parametrize("words", [row(67, "refused", ("show", "nosuchid")), row(67, "usage", ("create",))])
def test_json_gives_one_document_for_a_refusal_too(desk: Laptop, words: tuple[str, ...]) -> None:
    for asked in (("--json", *words), (*words, "--json")):
        done = desk.here(*asked)
        assert done.returncode == 2
        assert json.loads(done.stdout)["code"] == ("usage" if words[0] == "create" else "not_found")


# The terminal


@pytest.mark.parametrize("columns", [row(70, it or "empty", it) for it in ("0", "", "-5", "abc", "1", "7", "100000")])
def test_a_terminal_of_any_width(tmp_path: Path, columns: str) -> None:
    laptop = Laptop(tmp_path / "home")
    made = laptop.client.create(
        {"agent": "@checklist", "task": "日本 ☃ \u0301é" * 9, "message": "disk / < 9%", "due": "7d"}, None
    )
    for words in (("list",), ("show", made.body["id"]), ("runs", made.body["id"]), ("agents", "list"), ("--help",)):
        done = laptop.here(*words, COLUMNS=columns)
        assert (done.returncode, done.stderr) == (0, ""), words
    assert terminal_width() > 0


@pytest.mark.parametrize(("value", "wanted"), [row(70, "no-color", "1", False), row(70, "no-color-empty", "", None)])
def test_colours_can_be_refused(monkeypatch: pytest.MonkeyPatch, value: str, wanted: bool | None) -> None:
    monkeypatch.setenv("NO_COLOR", value)
    assert wants_colour() is wanted


def test_cli_70_a_terminal_that_lacks_characters(laptop: Laptop) -> None:
    laptop.client.create({"agent": "@checklist", "task": "日本 ☃ x", "message": "disk / < 9%", "due": "7d"}, None)
    poor = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "latin-1", "COLUMNS": "0"}
    done = laptop.call("list", **poor)
    assert "?? ? x" in done.stdout and done.stderr == ""


@pytest.mark.parametrize("closed", [row(69, "stdout", ">&-"), row(69, "stderr", "2>&-"), row(69, "all", "<&- >&- 2>&-")])
def test_streams_that_are_closed(laptop: Laptop, closed: str) -> None:
    done = subprocess.run(
        ["sh", "-c", f'"$@" {closed}', "sh", sys.executable, "-m", "followups", "list"], env=laptop.environ(),
        capture_output=True, text=True,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
