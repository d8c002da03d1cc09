"""Rows 92 and 93: what agents answer, and what of it reaches a reader."""

import email
import email.policy
import json
import time

import pytest

from followups.adapters.mail import build_message
from followups.domain.contract import EVIDENCE_LIMIT, REPORT_LIMIT, SUMMARY_LIMIT, read_answer
from followups.domain.report import compose
from followups.domain.status import Outcome
from followups.usecases.settle import keep_apart
from followups.usecases.world import NoOutputs
from tests.integration.catalogue.rows import row
from tests.support.runs import run_record

SUCCEEDED, FAILED, UNKNOWN = Outcome.SUCCEEDED, Outcome.FAILED, Outcome.UNKNOWN


@pytest.mark.parametrize(
    ("text", "outcome", "said"),
    [
        row(92, "empty", "", SUCCEEDED, "said nothing"),
        row(92, "blank", " \n\t\r\n", SUCCEEDED, "said nothing"),
        row(92, "no-json", "all is well", SUCCEEDED, "all is well"),
        row(92, "html", "<html><body>502 Bad Gateway</body></html>", SUCCEEDED, "<html>"),
        row(92, "json-of-another-kind", '{"error": "no luck"}', SUCCEEDED, "no luck"),
        row(92, "list", '[{"outcome": "failed"}]', SUCCEEDED, "outcome"),
        row(92, "error-inside", '{"outcome": "failed", "summary": "no luck"}', FAILED, "no luck"),
        row(92, "unknown-outcome", '{"outcome": "ok"}', UNKNOWN, "none of succeeded"),
        row(92, "outcome-null", '{"outcome": null, "summary": "fine"}', UNKNOWN, "none of succeeded"),
        row(92, "outcome-list", '{"outcome": ["succeeded"]}', UNKNOWN, "none of succeeded"),
        row(92, "outcome-in-capitals", '{"outcome": "SUCCEEDED"}', UNKNOWN, "none of succeeded"),
        row(92, "cut-off", '{"outcome": "succeeded", "summary": "all is', UNKNOWN, "broken JSON"),
        row(92, "two-answers", '{"outcome": "succeeded"}\n{"outcome": "failed"}', UNKNOWN, "broken JSON"),
        row(92, "log-behind-it", '{"outcome": "succeeded"} done', UNKNOWN, "broken JSON"),
        row(92, "outcome-twice", '{"outcome": "succeeded", "outcome": "failed"}', FAILED, ""),
        row(92, "nested", '{"outcome": ' + "[" * 100_000, UNKNOWN, "nested too deeply"),
        row(92, "numbers-of-10000-digits", '{"outcome": "failed", "n": ' + "9" * 10_000 + "}", FAILED, ""),
        row(92, "nan", '{"outcome": NaN}', UNKNOWN, "none of succeeded"),
        row(92, "summary-object", '{"outcome": "succeeded", "summary": {"a": [1]}}', SUCCEEDED, "{'a': "),
        row(92, "report-number", '{"outcome": "succeeded", "report_md": 7}', SUCCEEDED, "7"),
        row(92, "binary", bytes(range(256)).decode("latin-1"), SUCCEEDED, "!"),
        row(92, "no-utf-8", b"\xff\xfe\x00".decode("utf-8", "replace"), Outcome.ATTENTION, "no text that can be read"),
        row(92, "surrogates", "\ud800\udfff", SUCCEEDED, "said nothing"),
        row(92, "byte-order-mark", '\ufeff{"outcome": "failed"}', FAILED, ""),
        row(92, "6-mb", "x" * 6_000_000, SUCCEEDED, "xxx"),
        row(92, "1-mb-of-escapes", "\x1b[" * 500_000, SUCCEEDED, "said nothing"),
        row(92, "1-mb-of-an-open-escape", "\x1b[" + "0" * 1_000_000, SUCCEEDED, "000"),
        row(92, "6-mb-in-an-answer", json.dumps({"outcome": "attention", "report_md": "x" * 6_000_000}),
            Outcome.ATTENTION, "xxx"),
        row(92, "a-million-lines", "\n" * 1_000_000 + "end", SUCCEEDED, "end"),
    ],
)  # fmt: skip
def test_any_answer_is_recorded_and_bounded(text: str, outcome: Outcome, said: str) -> None:
    start = time.perf_counter()
    done = read_answer(text)
    assert time.perf_counter() - start < 10
    assert (done.outcome, said in done.summary) == (outcome, True), done.summary
    assert 0 < len(done.summary) <= SUMMARY_LIMIT and len(done.evidence) <= EVIDENCE_LIMIT
    assert len(keep_apart(NoOutputs(), "run", done).report.encode()) <= REPORT_LIMIT, "where it is kept nowhere else"
    (done.summary + done.report).encode()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        row(93, "script", "<script>alert(1)</script>", "<script>alert(1)</script>"),
        row(93, "closes-our-box", "</div></td></table><script>", "</div></td></table><script>"),
        row(93, "image", "<img src='http://e.co/x.png' onerror=a()>", "<img src='http://e.co/x.png' onerror=a()>"),
        row(93, "attribute", '" onmouseover="alert(1)', '" onmouseover="alert(1)'),
        row(93, "markdown-image", "![x](http://evil.example/x.png)", "![x](http://evil.example/x.png)"),
        row(93, "markdown-link", "[bank](javascript:alert(1))", "[bank](javascript:alert(1))"),
        row(93, "entity", "&lt;b&gt; &#x202e;", "&lt;b&gt; &#x202e;"),
        row(93, "comment", "<!-- -->", "<!-- -->"),
        row(93, "bidi", "safe\u202egpj.exe", "safegpj.exe"),
        row(93, "isolate", "a\u2066b\u2069c", "abc"),
        row(93, "zero-width", "pay\u200bpal", "paypal"),
        row(93, "tags", "a\U000e0041b", "ab"),
        row(93, "colour", "\x1b[31mred\x1b[0m", "red"),
        row(93, "title", "\x1b]0;owned\x07text", "text"),
        row(93, "link", "\x1b]8;;http://evil.example\x1b\\click\x1b]8;;\x1b\\", "click"),
        row(93, "hidden-escape", "\x1b\u200b[31mred", "[31mred"),
        row(93, "nul", "a\x00b", "ab"),
        row(93, "bell", "a\x07b", "ab"),
        row(93, "return", "good\rbad", "good\nbad"),
        row(93, "line-separator", "a\u2028b", "ab"),
        row(93, "header", "x\r\nBcc: evil@evil.example", "x\nBcc: evil@evil.example"),
        row(93, "encoded-word", "=?utf-8?q?=0D=0ABcc:_x?=", "=?utf-8?q?=0D=0ABcc:_x?="),
        row(93, "boundary", "--===============1==--", "--===============1==--"),
        row(93, "from", "\nFrom me\n.\nQUIT", "From me\n.\nQUIT"),
    ],
)  # fmt: skip
def test_what_an_agent_wrote_is_text(text: str, shown: str) -> None:
    run = run_record(summary=f"x{text}", report=f"x{text}", task=f"x{text}", message=f"x{text}", report_to="me@example.com")
    report = compose(run)
    raw = build_message(run, sender="f@example.com", to="x@example.com").as_bytes()
    read = email.message_from_bytes(raw, policy=email.policy.default)
    html, plain = report.html.lower(), report.text
    assert shown.splitlines()[-1] in plain
    for markup in ("<script", "<img", "<a ", 'href="', 'src="', 'onmouseover="', "<b>"):
        assert markup not in html
    for character in "\x00\x07\x1b\r\u202e\u2028\u2066\u200b\U000e0041":
        assert character not in report.subject + report.html + plain
    assert read.keys().count("Subject") == 1 and "Bcc" not in read
    assert [part.get_content_type() for part in read.walk()] == ["multipart/alternative", "text/plain", "text/html"]
    assert "\n" not in report.subject
