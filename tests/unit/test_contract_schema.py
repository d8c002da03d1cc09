"""The published contract: our requests keep to it, and so do all sample answers of the documentation."""

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from followups.domain.briefing import agent_request
from followups.domain.contract import goes_on, read_answer
from followups.domain.status import Verdict
from tests.support import things
from tests.support.clock import START
from tests.support.published import ANSWER, EXAMPLES, REQUEST, ROOT, request, schema

PAGES = [ROOT / "docs/agents.md", *sorted(EXAMPLES.glob("*/README.md"))]
SAMPLE = re.compile(r"^```json\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def _samples(page: Path) -> list[dict[str, Any]]:
    return [json.loads(text) for text in SAMPLE.findall(page.read_text())]


def test_what_we_send_is_what_is_published() -> None:
    REQUEST.validate(request())
    due, before = START - timedelta(hours=3), things.run(report="r" * 50_000, verdict=Verdict.NOT_MET)
    parent = things.follow_up(
        fence=7, attempt=2, due_at=due, missed=2, folded_to=START, done_when="it is so", test=True, message="two\nlines"
    )
    full = agent_request(
        parent, now=START, deadline=things.later(minutes=9), previous=before, callback="https://api.example.com"
    )
    REQUEST.validate(full | {"run_token": "fr2.a.b"})
    published = schema("request")
    assert set(published["required"]) == set(full), "what is always there is required, and nothing else is sent"
    assert set(published["properties"]) == set(full) | {"run_token"}
    for part, name in (("previous", "previous_report"), ("callback", "callback")):
        assert set(published["$defs"][part]["properties"]) == set(full[name])


def test_what_is_added_later_harms_nobody() -> None:
    REQUEST.validate(request() | {"mood": "good"})
    ANSWER.validate({"outcome": "failed", "mood": "bad"})
    ANSWER.validate({"pending": True, "eta_s": 60})


@pytest.mark.parametrize(
    "wrong",
    [
        {"v": 2}, {"run_id": "run-1"}, {"attempt": 0}, {"deadline": "tomorrow"}, {"deadline": "2026-11-26T08:00:00+01:00"},
        {"callback": {"complete": "ftp://a.example", "heartbeat": "https://a.example", "progress": "https://a.example"}},
        {"previous_report": {}}, {"test": None}, {"agent": "backup"},
    ],
)  # fmt: skip
def test_no_request_is_like_this(wrong: dict[str, Any]) -> None:
    assert not REQUEST.is_valid(request() | wrong)


@pytest.mark.parametrize(
    "answer",
    [
        {"outcome": "succeeded"},
        {"outcome": "attention", "summary": "", "verdict": None, "findings": [], "usage": None, "evidence": ""},
        {"outcome": "failed", "findings": ["a", {"file": "b"}], "usage": {"model": "m", "cost_usd": 0}},
        {"outcome": "succeeded", "pending": True},
        {"pending": True},
    ],
)
def test_answers_that_are_taken(answer: dict[str, Any]) -> None:
    ANSWER.validate(answer)
    assert goes_on(json.dumps(answer)) is ("outcome" not in answer)
    assert "outcome" not in answer or read_answer(json.dumps(answer)).outcome == answer["outcome"]


@pytest.mark.parametrize(
    "answer",
    [
        {}, {"pending": False}, {"outcome": "great"}, {"outcome": "timed_out"}, {"outcome": "failed", "verdict": "perhaps"},
        {"outcome": "failed", "usage": {"cost_usd": -1}}, {"outcome": "failed", "usage": {"input_tokens": 1.5}},
        {"outcome": "failed", "findings": [1]}, {"outcome": "failed", "report_md": ["a"]},
        {"outcome": "failed", "summary": None}, [], "text",
    ],
)  # fmt: skip
def test_answers_that_are_wrong(answer: object) -> None:
    assert not ANSWER.is_valid(answer)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.parent.name)
def test_the_samples_of_a_page_keep_to_the_contract(page: Path) -> None:
    samples = _samples(page)
    assert samples
    for sample in samples:
        (REQUEST if "v" in sample else ANSWER).validate(sample)
        if "outcome" in sample:
            done = read_answer(json.dumps(sample))
            assert done.outcome == sample["outcome"] and done.summary == sample["summary"]
            assert done.verdict == sample.get("verdict")
            said = sample.get("usage", {}).get("cost_usd")
            assert said is None or (done.usage is not None and done.usage.cost_usd == str(said)), "a cost that is read"


def test_the_python_examples_compile_and_readmes_are_short() -> None:
    programs = list(EXAMPLES.glob("*/*.py"))
    assert len(programs) == 6
    for path in programs:
        compile(path.read_text(), str(path), "exec")
    for page in PAGES[1:]:
        assert len(page.read_text().splitlines()) <= 40, page
        assert "followups agents add @" in page.read_text(), page
    assert {it.parent.name for it in PAGES[1:]} == {it.name for it in EXAMPLES.iterdir() if it.is_dir()}
