"""The report says what is known, all of it in both forms, and nothing that an agent wrote is more than text."""

from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from followups.domain.report import compose
from followups.domain.report_content import duration
from followups.domain.status import Outcome, Status
from tests.support.runs import DUE, run_record

NEXT = DUE + timedelta(days=7)


def test_the_subject_tells_outcome_task_and_summary() -> None:
    assert compose(run_record()).subject == "[Followups] succeeded: Check disk space - / is 43% full"


@pytest.mark.parametrize(
    ("changed", "said", "unsaid"),
    [
        ({}, ["SUCCEEDED", "Tue 2026-12-01 09:00:00 Europe/Berlin (08:00:00 UTC)", "took 2.0 s"], ["after its", "Attempt"]),
        ({"started_at": DUE + timedelta(hours=5), "finished_at": DUE + timedelta(hours=6)}, ["5 h after its time"], []),
        ({"started_at": DUE - timedelta(days=2)}, ["before its time, as asked"], ["after its time"]),
        ({"started_at": None, "outcome": Outcome.FAILED, "attempt": 0}, ["never: no agent was started"], ["took"]),
        ({"attempt": 2}, ["2 of at most 3"], []),
        ({"missed": 1}, ["1 occurrence that could not start at its time"], []),
        ({"missed": 4}, ["4 occurrences that could not start at their time"], []),
        ({"rule": "FREQ=WEEKLY;INTERVAL=1", "next_at": NEXT, "follow_up_status": Status.SCHEDULED},
         ["every week", "Tue 2026-12-08 09:00:00", "followups delete heoq"], ["Run it again"]),
        ({"follow_up_status": Status.PAUSED, "outcome": Outcome.FAILED, "rule": "FREQ=DAILY;INTERVAL=1"},
         ["paused after three failed occurrences", "followups resume heoq"], ["Run it again"]),
        ({"outcome": Outcome.UNKNOWN, "follow_up_status": Status.FAILED},
         ["OUTCOME UNKNOWN", "look before you run it again", "followups retry heoq3orz"], ["took"]),
        ({"outcome": Outcome.TIMED_OUT}, ["TIMED OUT", "What it had done until then stays done."], []),
        ({"parent": "run-x-000001"}, ["run run-x-000001 created it"], ["anna created it"]),
        ({"message": "Is / above 80 %?"}, ["What the agent was told:", "  Is / above 80 %?"], []),
        ({"output_ref": "/home/anna/x.out"}, ["The whole output: /home/anna/x.out"], []),
    ],
    ids=lambda it: str(it)[:40],
)  # fmt: skip
def test_it_says_what_is_known(changed: dict[str, object], said: list[str], unsaid: list[str]) -> None:
    text = compose(run_record(**changed)).text
    flowed = " ".join(text.split())
    for words in said:
        assert " ".join(words.split()) in flowed
    for words in unsaid:
        assert words not in flowed


def test_our_own_lines_fit_a_mail_reader() -> None:
    text = compose(run_record(task="word " * 60, summary="word " * 39, outcome=Outcome.UNKNOWN)).text
    assert max(len(line) for line in text.splitlines() if "followups retry" not in line) <= 76


def test_it_says_what_the_clock_the_rule_and_a_person_made_of_its_time() -> None:
    gap = run_record(
        timezone="America/New_York", due_at=datetime(2027, 3, 14, 7, tzinfo=UTC), due_wall="2027-03-14T02:30:00",
        planned_at=datetime(2027, 3, 17, 6, 30, tzinfo=UTC), started_at=datetime(2027, 3, 17, 6, 30, 5, tzinfo=UTC),
        finished_at=datetime(2027, 3, 17, 6, 30, 9, tzinfo=UTC), missed=2,
        folded_to=datetime(2027, 3, 16, 6, 30, tzinfo=UTC), anchor="2027-01-01T02:30:00",
        rule="FREQ=DAILY;INTERVAL=1;BYHOUR=2;BYMINUTE=30;UNTIL=20270401",
    )  # fmt: skip
    text = " ".join(compose(gap).text.split())
    for words in (
        "02:30 does not exist on 2027-03-14", "it is 03:00 then", "to start Wed 2027-03-17 02:30:00",
        "2 occurrences that could not start at their time, the last Tue 2027-03-16 02:30:00",
        "every day at 02:30 until 1 April 2027",
    ):  # fmt: skip
        assert words in text
    assert "after its time" not in text, "it was put off by hand"


def test_one_that_was_too_late_says_so_and_can_be_tried_again() -> None:
    late = run_record(
        outcome=Outcome.SKIPPED, started_at=None, missed=3, folded_to=NEXT, follow_up_status=Status.DONE,
        summary="Its turn came 2 days after its time, and it is not to start more than 5 min late.",
    )  # fmt: skip
    report = compose(late)
    text = " ".join(report.text.split())
    assert report.subject.startswith("[Followups] skipped: ") and "Skipped too 3 occurrences" in text
    assert "never: no agent was started" in text and "followups retry heoq3orz" in text


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, tuple[str, ...]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, tuple(sorted(name for name, _ in attrs))))

    def handle_data(self, data: str) -> None:
        self.text += data


def _tags(html: str) -> list[tuple[str, tuple[str, ...]]]:
    parser = _Tags()
    parser.feed(html)
    return parser.tags


OURS = _tags(compose(run_record(task="x", summary="x", report="x", message="x", output_ref="x")).html)
HOSTILE = st.one_of(
    st.text(min_size=1),
    st.sampled_from(
        [
            '"><script>alert(1)</script>',
            "</div><img src=x onerror=a()>",
            "![x](http://e/x.png)",
            "\x1b[31m",
            "\u202e",
            "\x00",
        ]
    ),
)


@given(HOSTILE, HOSTILE, HOSTILE, HOSTILE)
def test_no_text_becomes_markup(task: str, summary: str, report: str, message: str) -> None:
    texts = {"task": f"x{task}", "summary": f"x{summary}", "report": f"x{report}", "message": f"x{message}"}
    it = compose(run_record(**texts, output_ref="x"))
    assert _tags(it.html) == OURS
    assert not any(name in ("href", "src") for _, names in OURS for name in names)
    assert not any(ord(character) < 32 for character in it.subject)
    assert len(it.subject) <= 200
    for character in ("\x00", "\x1b", "\u202e", "\r"):
        assert character not in it.subject + it.text + it.html


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.04, "0.0 s"), (9.94, "9.9 s"), (12, "12 s"), (185, "3 min 5 s"), (600, "10 min"), (7800, "2 h 10 min"),
     (273_600, "3 days 4 h"), (86_400, "1 day")],
)  # fmt: skip
def test_a_span_in_words(seconds: float, words: str) -> None:
    assert duration(timedelta(seconds=seconds)) == words
