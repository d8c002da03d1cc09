"""What a report says of verdicts, reminders, refusals, costs and late results."""

from datetime import timedelta

import pytest

from followups.domain.entities import Run
from followups.domain.report import compose
from followups.domain.report_content import content
from followups.domain.status import Outcome, Status, Verdict
from tests.support.clock import START
from tests.support.things import run

SOON = START + timedelta(days=2)


def facts(it: Run) -> dict[str, str]:
    return {fact.name: fact.value for fact in content(it).facts}


@pytest.mark.parametrize(
    ("fields", "headline"),
    [
        ({"verdict": Verdict.MET}, "met"),
        ({"verdict": Verdict.NOT_MET, "outcome": Outcome.ATTENTION, "next_at": SOON}, "not met yet"),
        ({"verdict": Verdict.NOT_MET, "outcome": Outcome.ATTENTION}, "not met"),
        ({"verdict": Verdict.CANNOT_TELL, "outcome": Outcome.ATTENTION}, "cannot tell whether it is met"),
        ({"verdict": Verdict.CANNOT_TELL, "outcome": Outcome.FAILED}, "failed"),
        ({}, "succeeded"),
    ],
)
def test_the_headline_tells_the_verdict_where_one_was_asked(fields: dict[str, object], headline: str) -> None:
    it = run(**({"done_when": "all backups are there"} | fields))

    assert content(it).headline == headline
    assert compose(it).subject.startswith(f"[Followups] {headline}: ")


def test_a_verdict_comes_with_its_question_and_its_evidence() -> None:
    it = run(done_when="all backups are there", verdict=Verdict.NOT_MET, evidence="db3 is missing", next_at=SOON)

    assert facts(it)["Done when"] == "all backups are there"
    assert facts(it)["Verdict"] == "not met: db3 is missing"


def test_what_comes_next_is_told_by_the_verdict() -> None:
    asked = {"done_when": "all is well", "rule": "FREQ=DAILY"}

    assert facts(run(verdict=Verdict.MET, **asked))["Next"] == "none, it is met"
    lost = run(verdict=Verdict.NOT_MET, follow_up_status=Status.FAILED, **asked)
    assert facts(lost)["Next"] == "none: it was not met, and no further look is planned"


def test_a_reminder_is_the_task_itself() -> None:
    it = run(
        kind="person",
        task="Call the bank",
        summary="Call the bank",
        report="Ask for Ms Weber.",
        message="Ask for Ms Weber.",
    )
    report = compose(it)

    assert report.subject == "[Followups] reminder: Call the bank"
    assert report.text.startswith("Call the bank: REMINDER\n\nAsk for Ms Weber.\n")
    assert report.text.count("Ms Weber") == 1 and "agent" not in report.text.lower()
    assert report.html.count("Ms Weber") == 1 and "Written by the agent" not in report.html


def test_a_person_whose_reminder_could_not_be_made_is_reported_as_any_agent() -> None:
    it = run(kind="person", outcome=Outcome.FAILED, summary="no agent is called @anna any more")

    assert compose(it).subject.startswith("[Followups] failed: ")


def test_what_the_run_asked_for_and_did_not_get_is_told() -> None:
    why = "the tree that this run belongs to has made its 20 follow-ups"

    assert facts(run(refused=3, refused_why=why))["Refused"] == f"3 follow-ups that it asked for: {why}"
    assert facts(run(refused=1, refused_why=why))["Refused"] == f"a follow-up that it asked for: {why}"
    assert "Refused" not in facts(run())


def test_costs_are_the_agents_word() -> None:
    it = run(model="claude-sonnet-5", input_tokens=12_345, output_tokens=678, cost_usd="0.0123")

    assert facts(it)["Cost"] == "claude-sonnet-5, 12,345 tokens in, 678 tokens out, $0.0123, as the agent says"
    assert "Cost" not in facts(run())


def test_a_late_result_is_told_beside_the_outcome() -> None:
    it = run(outcome=Outcome.TIMED_OUT, kind="https", late_at=SOON, late_outcome=Outcome.SUCCEEDED, late_summary="All done")

    assert content(it).headline == "timed out"
    assert facts(it)["Came late"].endswith("the agent said after all: succeeded; All done")
    assert "as far as that can be told" in str(content(it).explained)


def test_what_an_agent_says_of_its_verdict_and_cost_is_shown_as_text() -> None:
    it = run(
        done_when="<b>fine</b>", verdict=Verdict.NOT_MET, evidence="<script>alert(1)</script>\u202e", model="<img src=x>",
        target_id="<i>", refused=1, refused_why="<u>",
    )  # fmt: skip
    html = compose(it).html

    assert not any(tag in html for tag in ("<script", "<img", "<b>", "<i>", "<u>", "\u202e"))
