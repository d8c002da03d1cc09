"""The soak's own judge: fed with what a broken promise would leave behind, it says so, and of a sound world nothing."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from followups.domain.entities import FollowUp, Run
from followups.domain.status import Outcome, ReportStatus, Status
from tests.soak import marks
from tests.soak.check import check
from tests.soak.evidence import Evidence
from tests.soak.marks import Mark
from tests.support.clock import START
from tests.support.things import agent, follow_up, run

ONE = follow_up(
    agent="@once", due_at=START, status=Status.DONE, fence=1, attempt=1, last_outcome=Outcome.SUCCEEDED, max_attempts=3
)
RAN = run(
    ONE, agent="@once", fence=1, started_at=START + timedelta(seconds=1), finished_at=START + timedelta(seconds=2),
    report_status=ReportStatus.SENT, report_tries=1, wake_at=None,
)  # fmt: skip
DAILY = follow_up(
    agent="@safe", due_at=START + timedelta(days=2), rule="FREQ=DAILY;INTERVAL=1", anchor="2026-11-24T12:00:00", fence=2,
    occurrence=3, last_outcome=Outcome.SUCCEEDED,
)  # fmt: skip
DAYS = [
    run(
        DAILY, agent="@safe", fence=n, occurrence=n, due_at=START + timedelta(days=n - 1),
        started_at=START + timedelta(days=n - 1), finished_at=START + timedelta(days=n - 1, seconds=1),
        report_status=ReportStatus.SENT, report_tries=1, wake_at=None, follow_up_status=Status.SCHEDULED,
    )
    for n in (1, 2)
]  # fmt: skip


def ran(of: Run, start: float, end: float | None, word: str = "end", pid: int = 7) -> list[Mark]:
    """Gives the marks of a run from start to end; None for one that never ended."""
    begun = Mark(word="start", run_id=of.id, agent=of.agent, pid=pid, at=start)
    return [begun] + ([] if end is None else [replace(begun, word=word, at=end)])


def sound(**changed: Any) -> Evidence:
    """Gives what two follow-ups leave behind that were run as they should, one of them on two days."""
    fields: dict[str, Any] = {
        "accepted": {"key 1": frozenset({ONE.id}), "key 2": frozenset({DAILY.id})},
        "follow_ups": [ONE, DAILY],
        "runs": [RAN, *DAYS],
        "agents": {"@once": agent("@once"), "@safe": agent("@safe", rerun_safe=True)},
        "global_cap": 2,
        "marks": ran(RAN, 1.0, 2.0) + ran(DAYS[0], 1.5, 2.5) + ran(DAYS[1], 3.0, 4.0),
        "mails": {it.id: 1 for it in (RAN, *DAYS)},
    }
    return Evidence(**(fields | changed))


def found(evidence: Evidence) -> set[tuple[str, str]]:
    return {(it.rule, it.name) for it in check(evidence)}


def test_a_sound_world_breaks_nothing() -> None:
    assert check(sound()) == []


def again(outcome: Outcome, **fields: Any) -> Run:
    """Gives the first attempt of what RAN was the second of."""
    usual = {"outcome": outcome, "final": False, "follow_up_status": Status.SCHEDULED, "report_status": ReportStatus.NONE}
    return replace(RAN, **(usual | {"report_tries": 0, "write_id": "first"} | fields))


SECOND = replace(RAN, fence=2, attempt=2)


def twice(outcome: Outcome, first: list[Mark]) -> Evidence:
    """Gives a world in which an agent that may not be rerun ran again after that."""
    return sound(
        follow_ups=[replace(ONE, fence=2, attempt=2), DAILY], runs=[again(outcome), SECOND, *DAYS],
        marks=first + ran(SECOND, 5.0, 6.0) + ran(DAYS[0], 1.5, 2.5) + ran(DAYS[1], 3.0, 4.0),
        mails={it.id: 1 for it in (SECOND, *DAYS)},
    )  # fmt: skip


def test_an_agent_that_may_not_be_rerun_ran_twice() -> None:
    assert found(twice(Outcome.UNKNOWN, ran(RAN, 1.0, None))) == {("once", SECOND.id)}
    assert found(twice(Outcome.UNKNOWN, ran(RAN, 1.0, 2.0))) == {("once", SECOND.id)}


def test_an_agent_that_said_itself_that_it_failed_may_run_again() -> None:
    assert check(twice(Outcome.FAILED, ran(RAN, 1.0, 2.0, "failed"))) == []


def test_one_that_was_killed_did_not_say_that_it_failed() -> None:
    killed = [*ran(RAN, 1.0, None), Mark(word="killed", run_id=RAN.id, agent="@once", pid=7, at=1.5)]
    assert found(twice(Outcome.FAILED, killed)) == {("once", SECOND.id), ("the record's truth", RAN.id)}


def test_one_that_is_safe_may_run_again_unless_the_first_run_was_the_last() -> None:
    safe = {"@once": agent("@once", rerun_safe=True), "@safe": agent("@safe", rerun_safe=True)}
    world = replace(twice(Outcome.UNKNOWN, ran(RAN, 1.0, None)), agents=safe)
    assert check(world) == []
    finals = [again(Outcome.UNKNOWN, final=True, report_status=ReportStatus.SENT, report_tries=1), SECOND, *DAYS]
    broken = replace(world, runs=finals, mails={it.id: 1 for it in finals})
    assert found(broken) == {("once", SECOND.id), ("one outcome", ONE.id)}


def _run(change: Callable[[Run], Run], which: Run = RAN) -> dict[str, Any]:
    return {"runs": [change(it) if it is which else it for it in (RAN, *DAYS)]}


def _one(change: Callable[[FollowUp], FollowUp]) -> dict[str, Any]:
    return {"follow_ups": [change(ONE), DAILY]}


MARKS = sound().marks
WRONG: dict[str, tuple[dict[str, Any], set[tuple[str, str]]]] = {
    "accepted and lost": (
        {"follow_ups": [DAILY], "runs": DAYS, "marks": MARKS[2:], "mails": {it.id: 1 for it in DAYS}},
        {("accepted", ONE.id)},
    ),
    "two ids for a key": (
        {"accepted": {"key 1": frozenset({ONE.id, DAILY.id})}},
        {("accepted", "key 1")},
    ),
    "two keys for an id": (
        {"accepted": {"key 1": frozenset({ONE.id}), "key 2": frozenset({DAILY.id}), "key 3": frozenset({ONE.id})}},
        {("accepted", ONE.id)},
    ),
    "never answered": (
        {"accepted": {"key 1": frozenset(), "key 2": frozenset({DAILY.id})}},
        {("accepted", "key 1"), ("accepted", ONE.id)},
    ),
    "still open": (
        _one(lambda it: replace(it, status=Status.CLAIMED, wake_at=START)) | {"due": [ONE.id]},
        {("one outcome", ONE.id), ("drained", ONE.id)},
    ),
    "closed without a record": (
        {"runs": DAYS, "marks": MARKS[2:], "mails": {it.id: 1 for it in DAYS}},
        {("one outcome", ONE.id)},
    ),
    "closed as something else": (
        _one(lambda it: replace(it, status=Status.FAILED)),
        {("one outcome", ONE.id)},
    ),
    "an occurrence without an end": (
        _run(lambda it: replace(it, final=False, report_status=ReportStatus.NONE), DAYS[0])
        | {"mails": {it.id: 1 for it in (RAN, DAYS[1])}},
        {("one outcome", DAILY.id)},
    ),
    "an occurrence that ended twice": (
        _run(lambda it: replace(it, occurrence=1), DAYS[1]),
        {("one outcome", DAILY.id), ("once", DAYS[1].id)},
    ),
    "one attempt too many": (_run(lambda it: replace(it, attempt=4)), {("one outcome", RAN.id)}),
    "started twice": ({"marks": [*MARKS, *ran(RAN, 9.0, 9.5)]}, {("once", RAN.id)}),
    "started twice at once": (
        {"marks": [*MARKS, *ran(RAN, 1.9, 2.2)], "global_cap": 3},
        {("once", RAN.id), ("overlap", RAN.id), ("cap", "@once")},
    ),
    "ran without a record": (
        {"marks": [*MARKS, *ran(replace(RAN, fence=5), 9.0, 9.5)]},
        {("once", replace(RAN, fence=5).id)},
    ),
    "succeeded without a run": ({"marks": MARKS[2:]}, {("the record's truth", RAN.id)}),
    "succeeded and never ended": ({"marks": [MARKS[0], *MARKS[2:]]}, {("the record's truth", RAN.id)}),
    "overlap": (
        {"marks": [*MARKS[:2], *ran(DAYS[0], 1.5, 3.2), *ran(DAYS[1], 3.0, 4.0)]},
        {("overlap", DAYS[1].id), ("cap", "@safe")},
    ),
    "more than the agent's cap": (
        _run(lambda it: replace(it, agent="@safe"))
        | {"marks": [*ran(replace(RAN, agent="@safe"), 1.0, 2.0), *MARKS[2:]]},
        {("cap", "@safe")},
    ),
    "more than all may be": ({"global_cap": 1}, {("cap", "all agents")}),
    "no mail": ({"mails": {it.id: 1 for it in DAYS}}, {("report", RAN.id)}),
    "a mail of nobody": ({"mails": sound().mails | {"no run": 1}}, {("report", "no run")}),
    "a report that waits still": (
        _run(lambda it: replace(it, report_status=ReportStatus.SENDING)),
        {("report", RAN.id)},
    ),
    "more mails than tries": ({"mails": sound().mails | {RAN.id: 2}, "sender_kills": 9}, {("report", RAN.id)}),
    "tried again without a kill": (_run(lambda it: replace(it, report_tries=2)), {("report", "all reports")}),
    "a mail that was not due": (
        _run(lambda it: replace(it, outcome=Outcome.CANCELLED, report_status=ReportStatus.NONE, report_tries=1))
        | _one(lambda it: replace(it, status=Status.CANCELLED)),
        {("report", RAN.id)},
    ),
    "started after it was cancelled": (
        _one(lambda it: replace(it, status=Status.CANCELLED)) | {"cancelled": {ONE.id: 0.9}},
        {("cancelled", RAN.id)},
    ),
    "cancelled, and it is not": ({"cancelled": {ONE.id: 9.0}}, {("cancelled", ONE.id)}),
    "started early": (_run(lambda it: replace(it, started_at=START - timedelta(milliseconds=1))), {("early", RAN.id)}),
    "what the auditor finds": ({"findings": [(ONE.id, "it is late")]}, {("audit", ONE.id)}),
    "a slot that is not free": ({"slots": ["AGENT#@once ada#run"]}, {("drained", "AGENT#@once ada#run")}),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_found(name: str) -> None:
    changed, expected = WRONG[name]
    assert found(sound(**changed)) == expected


def test_a_second_mail_is_explained_by_a_killed_sender() -> None:
    tried = _run(lambda it: replace(it, report_tries=2))
    assert check(sound(**tried, mails=sound().mails | {RAN.id: 2}, sender_kills=1)) == []


def test_a_second_mail_is_explained_by_the_death_of_who_sent_the_first() -> None:
    tried = _run(lambda it: replace(it, report_tries=2)) | {"mails": sound().mails | {RAN.id: 2}, "sender_kills": 1}
    sent = [Mark(word="mailing", run_id=RAN.id, agent="@once", pid=pid, at=at) for pid, at in ((50, 5.0), (51, 200.0))]
    for kill, expected in (((50, 5.5), set()), ((50, 4.5), {("report", RAN.id)}), ((51, 5.5), {("report", RAN.id)})):
        killed = Mark(word="killed", run_id="-", agent="reporter", pid=kill[0], at=kill[1])
        assert found(sound(**tried, marks=[*MARKS, *sent, killed])) == expected


def test_what_was_killed_counts_as_alive_until_then_and_no_longer() -> None:
    lines = [
        "start run-a @x 11 1.0", "killed run-a @x 11 1.5", "start run-b @x 12 2.0", "killed - runner 12 2.25",
        "start run-c @x 12 3.0", "start run-d @x 14 4.0", "end run-d @x 14 4.5", "killed - runner 14 4.75",
    ]  # fmt: skip
    alive = [(it.run_id, it.start, it.end) for it in marks.intervals(marks.parse(lines))]
    assert alive == [("run-a", 1.0, 1.5), ("run-b", 2.0, 2.25), ("run-c", 3.0, 3.0), ("run-d", 4.0, 4.5)]


def test_one_that_is_only_a_point_stands_in_nobodys_way() -> None:
    points = {"marks": [*MARKS[:2], *ran(DAYS[0], 1.5, None), *ran(DAYS[1], 1.6, 4.0)]}
    assert found(sound(**points)) == {("the record's truth", DAYS[0].id)}


def test_at_the_same_instant_one_ends_before_the_next_starts() -> None:
    touching = {"marks": [*MARKS[:2], *ran(DAYS[0], 1.5, 3.0), *ran(DAYS[1], 3.0, 4.0)]}
    assert check(sound(**touching)) == []


def test_a_torn_line_is_not_read_over() -> None:
    with pytest.raises(ValueError, match="unpack"):
        marks.parse(["start run-a @x"])


def test_what_is_known_of_a_run_is_shown() -> None:
    text = "\n".join(sound().about(RAN.id))
    assert text.startswith("FollowUp owner=ada") and "mails=1" in text and f"1.000 start {RAN.id}" in text
