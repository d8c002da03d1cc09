"""The agent contract: what an agent is told, and how its answer is read, whatever it is."""

import json
from datetime import timedelta

import pytest

from followups.domain.contract import (
    EVIDENCE_LIMIT,
    REPORT_LIMIT,
    SUMMARY_LIMIT,
    Usage,
    fit,
    goes_on,
    poll_pause,
    read_answer,
    read_object,
)
from followups.domain.status import Outcome, Verdict
from tests.support.clock import START


@pytest.mark.parametrize("outcome", [Outcome.SUCCEEDED, Outcome.ATTENTION, Outcome.FAILED, Outcome.UNKNOWN])
def test_the_four_answers(outcome: Outcome) -> None:
    done = read_answer(json.dumps({"outcome": outcome, "summary": " a\n b", "report_md": "# r"}))
    assert (done.outcome, done.summary, done.report) == (outcome, "a", "# r")


@pytest.mark.parametrize("outcome", ["great", "timed_out", "", None, 1, ["failed"], {"a": 1}])
def test_who_says_another_outcome_may_have_done_its_work(outcome: object) -> None:
    done = read_answer(json.dumps({"outcome": outcome, "summary": "all is well"}))
    assert done.outcome is Outcome.UNKNOWN
    assert "none of succeeded, attention, failed, unknown" in done.summary
    assert done.report == "all is well"


@pytest.mark.parametrize(
    "text",
    [
        '\ufeff{"outcome": "failed"}',
        '\n {"outcome": "failed"} \n',
        '{"outcome": "failed", "report_md": "two\nlines, a \ttab and \x1b[31mred"}',
        '{"outcome": "failed", "deep": ' + "[" * 100_000 + "]" * 100_000 + "}",
        '{"outcome": "failed", "number": ' + "9" * 10_000 + "}",
    ],
)
def test_no_flaw_of_form_makes_a_success_of_a_failure(text: str) -> None:
    assert read_answer(text).outcome is (Outcome.UNKNOWN if '"deep"' in text else Outcome.FAILED)


@pytest.mark.parametrize("failed", [None, "exited with 1"])
def test_of_half_an_answer_nobody_knows_what_it_would_have_said(failed: str | None) -> None:
    done = read_answer('{"outcome": "succeeded", "report_md": "and then it was cut', failed=failed)
    assert done.outcome is (Outcome.FAILED if failed else Outcome.UNKNOWN)
    assert done.report.startswith('{"outcome"')


@pytest.mark.parametrize(
    ("text", "report"),
    [
        ('```json\n{"outcome": "failed", "summary": "no"}\n```', "no"),
        ('\n```\n{"outcome": "failed",\n "summary": "no"}\n```\n', "no"),
        ('I looked:\n\n```json\n{"outcome": "failed", "summary": "no"}\n```\nBye!', "no|I looked:\n\nBye!"),
        ('WARN: old\n{"outcome": "failed", "summary": "no"}', "no|WARN: old"),
        ('{"level": "info"}\n{"outcome": "failed", "summary": "no"}', 'no|{"level": "info"}'),
        ("{\n" * 100 + '{"outcome": "failed", "summary": "no"}', "no|" + "\n".join("{" * 100)),
        ('{"outcome": "failed", "report_md": "so:\n```json\n{}\n```"}', "so:\n```json\n{}\n```"),
    ],
)
def test_an_answer_is_found_where_models_and_programs_put_it(text: str, report: str) -> None:
    done = read_answer(text)
    own, _, rest = report.partition("|")
    assert (done.outcome, done.report) == (Outcome.FAILED, f"{own}\n\nBeside that it said:\n{rest}" if rest else own)


@pytest.mark.parametrize(
    "text",
    [
        '```json\n{"outcome": "succ\n```', 'WARN\n{"outcome": "succ', 'WARN\n{"outcome": "succeeded"}\nbye',
        '{"outcome": "succeeded"}\n{"outcome": "failed"}',
        '```\n{"outcome": "succeeded"}\n```\n```\n{"outcome": "failed"}\n```',
    ],
)  # fmt: skip
def test_two_answers_and_half_a_one_are_none(text: str) -> None:
    done = read_answer(text)
    assert (done.outcome, "broken JSON: " in done.summary, done.report) == (Outcome.UNKNOWN, True, text)


@pytest.mark.parametrize("text", ["{braces} of prose", '{"no": "answer"}', "[1]", '"outcome"', "{", "{}"])
def test_what_is_no_answer_is_a_report(text: str) -> None:
    done = read_answer(text)
    assert (done.outcome, done.report) == (Outcome.SUCCEEDED, text)


def test_the_targets_own_word_wins() -> None:
    done = read_answer('{"outcome": "succeeded", "summary": "fine"}', failed="exited with 1")
    assert (done.outcome, done.summary, done.report) == (Outcome.FAILED, "exited with 1", "fine")


def test_a_report_is_read_whole_and_the_rest_is_cut() -> None:
    long = {"outcome": "attention", "summary": "s" * 10**6, "report_md": "r" * 10**6, "evidence": "e" * 10**6}
    done = read_answer(json.dumps(long))
    assert (len(done.report), len(done.summary), len(done.evidence)) == (10**6, SUMMARY_LIMIT, EVIDENCE_LIMIT)
    assert len(read_answer("x" * 1_000_000).report) == 1_000_000, "whoever stores it keeps the rest apart"


@pytest.mark.parametrize("letter", ["ä", "漢", "🙂", "a🙂"])
def test_what_is_long_is_cut_by_what_it_takes_to_store_it(letter: str) -> None:
    cut = fit(letter * 300_000)
    assert REPORT_LIMIT - 4 <= len(cut.encode()) <= REPORT_LIMIT
    assert cut.endswith("[cut here]\n")
    assert fit("ä" * 50, 100) == "ä" * 50, "what just fits is not cut"


# Verdict and evidence


@pytest.mark.parametrize(
    ("verdict", "read"),
    [
        ("met", Verdict.MET), ("not_met", Verdict.NOT_MET), ("cannot_tell", Verdict.CANNOT_TELL), (None, None),
        # What is none of the three is an answer that cannot be counted as a success.
        *((it, Verdict.CANNOT_TELL) for it in ("MET", " met", "yes", "", True, False, 1, 0, ["met"], {"met": True})),
    ],
)  # fmt: skip
def test_a_verdict_is_one_of_three_or_none_was_given(verdict: object, read: Verdict | None) -> None:
    assert read_answer(json.dumps({"outcome": "succeeded", "verdict": verdict})).verdict is read


def test_without_a_word_of_it_there_is_no_verdict() -> None:
    for text in ("all is well: met", '{"outcome": "succeeded"}', '{"verdict": "met"}'):
        done = read_answer(text)
        assert (done.verdict, done.evidence, done.usage) == (None, "", None)


def test_evidence_is_text_whatever_it_was() -> None:
    for evidence, said in (("\x1b[31mred\x1b[0m\u202e", "red"), (["a", 1], "['a', '1']"), (None, ""), (0, "0")):
        read = read_answer(json.dumps({"outcome": "succeeded", "verdict": "met", "evidence": evidence}))
        assert read.evidence == said


# Findings


def test_findings_are_a_list_behind_the_report() -> None:
    found = ["disk is full\nsecond line", {"file": "b"}, "\x1b[31mred"]
    done = read_answer(json.dumps({"outcome": "attention", "summary": "3 found", "report_md": "# r", "findings": found}))
    assert done.report == "# r\n\nFindings:\n- disk is full\n- {'file': 'b'}\n- red"
    assert done.summary == "3 found"


def test_many_and_long_findings_are_cut() -> None:
    report = read_answer(json.dumps({"outcome": "attention", "findings": ["x" * 1_000] * 60})).report
    assert report.count("\n- x") == 50 and report.endswith("\n- and 10 more")
    assert max(map(len, report.splitlines())) == 2 + 500
    assert not read_answer(json.dumps({"outcome": "attention", "findings": ["x"] * 50})).report.endswith("more")


@pytest.mark.parametrize("findings", [[], {}, {"a": 1}, "a", 7, True, None])
def test_what_is_no_list_finds_nothing(findings: object) -> None:
    assert read_answer(json.dumps({"outcome": "attention", "summary": "s", "findings": findings})).report == "s"


# Usage


def usage(raw: str) -> Usage | None:
    return read_answer('{"outcome": "succeeded", "usage": ' + raw + "}").usage


@pytest.mark.parametrize(
    ("cost", "read"),
    [
        ("3e-05", "0.00003"), ("0.15095600000000003", "0.150956"), ("0", "0"), ("0.0", "0"), ("-0.0", "0"), ("12", "12"),
        ("100", "100"), ("1200.50", "1200.5"), ("1e-9", "0.000000001"), ("1e-12", "0"), ("1E+3", "1000"),
        ("999999999", "999999999"), ('"0.25"', "0.25"), ("0." + "3" * 5_000, "0.333333333"),
        *((it, None) for it in ("-1", "-1e-12", "1e9", "1e400", "1e999999999999", "9" * 5_000, "NaN", "Infinity", "true",
                                "false", "null", '""', '"$1"', "[1]", "{}")),
    ],
)  # fmt: skip
def test_a_cost_is_a_decimal_number_without_an_exponent_or_unknown(cost: str, read: str | None) -> None:
    assert usage('{"model": "m", "cost_usd": ' + cost + "}") == Usage(model="m", cost_usd=read)


@pytest.mark.parametrize(
    ("count", "read"),
    [
        ("0", 0), ("1200", 1200), ('"1200"', 1200), ("9" * 15, 10**15 - 1),
        *((it, None) for it in ("-1", "1.5", "1e3", "9" * 16, "9" * 5_000, "true", "null", '"many"', '"\\u0663"', "[1]")),
    ],
)  # fmt: skip
def test_a_count_of_tokens_is_a_whole_number_or_unknown(count: str, read: int | None) -> None:
    said = usage('{"model": "m", "input_tokens": ' + count + ', "output_tokens": 7}')
    assert said == Usage(model="m", input_tokens=read, output_tokens=7)


@pytest.mark.parametrize(
    "raw", ["null", "{}", "[]", "7", '"much"', '{"model": [7]}', '{"model": "  "}', '{"cost_usd": -1}']
)
def test_usage_that_says_nothing_is_none(raw: str) -> None:
    assert usage(raw) is None


def test_a_model_has_one_short_line() -> None:
    said = usage(json.dumps({"model": " a\x1b[31m b \n c" + "x" * 200}))
    assert said == Usage(model="a b")
    assert len((usage(json.dumps({"model": "x" * 200})) or Usage()).model or "") == 100


def test_the_same_is_read_of_what_an_api_has_parsed() -> None:
    body = {"outcome": "succeeded", "usage": {"cost_usd": 3e-05, "input_tokens": 10**3, "output_tokens": True}}
    assert read_object(body).usage == Usage(input_tokens=1000, cost_usd="0.00003")


# Going on


@pytest.mark.parametrize("text", ['{"pending": true}', ' \n{"pending": true, "eta_s": 60}\n', '\ufeff{"pending": true}'])
def test_an_agent_may_say_that_it_goes_on(text: str) -> None:
    assert goes_on(text)


@pytest.mark.parametrize(
    "text",
    ["", "pending", "true", '{"pending": false}', '{"pending": "true"}', '{"pending": 1}', '[{"pending": true}]',
     '{"pending": true, "outcome": "failed"}', '{"pending": true', '{"pending": true} and more',
     '{"pending": true, "x": ' + "[" * 900, '{"pending": true, "x": "' + "x" * 1_000 + '"}', '{"x": {"pending": true}}'],
)  # fmt: skip
def test_what_does_not_say_so_is_an_answer(text: str) -> None:
    assert not goes_on(text)


@pytest.mark.parametrize(("took", "wait"), [(0, 10), (60, 10), (101, 10.1), (1_200, 120), (3_000, 300), (90_000, 300)])
def test_a_long_run_is_asked_for_less_often(took: float, wait: float) -> None:
    assert poll_pause(START, START + timedelta(seconds=took)) == timedelta(seconds=wait)
