"""The agent contract: what an agent is told, and how its answer is read, whatever it is."""

import json

import pytest

from followups.domain.contract import REPORT_LIMIT, SUMMARY_LIMIT, read_answer
from followups.domain.status import Outcome


@pytest.mark.parametrize("outcome", [Outcome.SUCCEEDED, Outcome.ATTENTION, Outcome.FAILED])
def test_the_three_answers(outcome: Outcome) -> None:
    done = read_answer(json.dumps({"outcome": outcome, "summary": " a\n b", "report_md": "# r"}))
    assert (done.outcome, done.summary, done.report) == (outcome, "a", "# r")


@pytest.mark.parametrize("outcome", ["great", "unknown", "timed_out", "", None, 1, ["failed"], {"a": 1}])
def test_an_outcome_that_is_none_of_the_three_is_a_failure(outcome: object) -> None:
    done = read_answer(json.dumps({"outcome": outcome, "summary": "all is well"}))
    assert done.outcome is Outcome.FAILED
    assert "none of succeeded, attention, failed" in done.summary
    assert done.report == "all is well"


@pytest.mark.parametrize(
    "text",
    [
        '\ufeff{"outcome": "failed"}',
        '\n {"outcome": "failed"} \n',
        '{"outcome": "failed", "report_md": "two\nlines, a \ttab and \x1b[31mred"}',
        '{"outcome": "failed", "deep": ' + "[" * 100_000 + "]" * 100_000 + "}",
        '{"outcome": "failed", "number": ' + "9" * 10_000 + "}",
        '{"outcome": "failed", "report_md": "and then it was cut',
    ],
)
def test_no_flaw_of_form_makes_a_success_of_a_failure(text: str) -> None:
    assert read_answer(text).outcome is Outcome.FAILED


@pytest.mark.parametrize("text", ["{braces} of prose", '{"no": "answer"}', "[1]", '"outcome"', "{", "{}"])
def test_what_is_no_answer_is_a_report(text: str) -> None:
    done = read_answer(text)
    assert (done.outcome, done.report) == (Outcome.SUCCEEDED, text)


def test_the_targets_own_word_wins() -> None:
    done = read_answer('{"outcome": "succeeded", "summary": "fine"}', failed="exited with 1")
    assert (done.outcome, done.summary, done.report) == (Outcome.FAILED, "exited with 1", "fine")


def test_what_is_long_is_cut() -> None:
    done = read_answer(json.dumps({"outcome": "attention", "summary": "s" * 1_000_000, "report_md": "r" * 1_000_000}))
    assert len(done.report) == REPORT_LIMIT
    assert len(done.summary) == SUMMARY_LIMIT
    assert len(read_answer("x" * 1_000_000).report) == REPORT_LIMIT


@pytest.mark.parametrize("letter", ["ä", "漢", "🙂", "a🙂"])
def test_what_is_long_is_cut_by_what_it_takes_to_store_it(letter: str) -> None:
    report = read_answer(letter * 300_000).report
    assert REPORT_LIMIT - 4 <= len(report.encode()) <= REPORT_LIMIT
    assert report.endswith("[cut here]\n")
