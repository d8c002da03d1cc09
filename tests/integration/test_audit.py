"""What the audit finds in one item by itself, in a store that was spoiled for it; and what a repair makes of it."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from followups.domain import ids
from followups.domain.changes import Add, Change, Spend, Swap
from followups.domain.entities import Entity, FollowUp
from followups.domain.findings import Weight
from followups.domain.status import ReportStatus, Status
from tests.support.audits import NOON, Books, Spoil, done, having, live, looked_at, sent, waking, without
from tests.support.decide import claimed
from tests.support.things import agent, control, follow_up, fresh, later, run


@pytest.fixture
def books(tmp_path: Path) -> Books:
    return Books(tmp_path / "followups.db")


#: What a repair may touch, beside the version and the write id.
LOOK, TIMES = {"wake_at", "wake_at_text"}, {"closed_at", "expires_at", "expires_at_text"}
REPAIRED = {
    "no_look": LOOK, "needless_look": LOOK, "sleeps_too_long": LOOK, "overdue": set(), "never_forgotten": TIMES,
    "forgotten_while_open": TIMES, "lease_too_short": {"lease_until"},
    "run_left_over": {"handle", "heard_at", "deadline_at"},
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Case:
    """One item (or several, of which the first is spoiled), what is done to it, and what is found in it."""

    code: str
    things: list[Entity]
    spoil: Spoil
    says: str
    at: datetime = NOON
    slots: list[Change] = field(default_factory=list)
    repaired: bool = False


ENDED, PAUSED, WAITS, CLAIMED = done(), follow_up(status=Status.PAUSED), follow_up(), claimed()
LIVE, SLOTS = live()
CANCELLING, OTHER_SLOTS = live(status=Status.CANCELLING)
REPORT = run(follow_up(id=fresh(), fence=1), wake_at=later(minutes=1), finished_at=later())
OF_REPORT = follow_up(id=REPORT.follow_up_id, status=Status.DONE, fence=1, closed_at=later(), expires_at=later(days=90))
SENDING = run(fence=1, report_status=ReportStatus.SENDING, report_tries=1, wake_at=later(minutes=6), finished_at=later())

CASES = [
    Case(code="overdue", things=[follow_up(due_at=later())], spoil=having(), says="nobody does", at=later(minutes=16),
         repaired=True),
    Case(code="overdue", things=[CLAIMED], spoil=having(), says="it is claimed", at=later(minutes=18), repaired=True),
    Case(code="overdue", things=[LIVE], slots=SLOTS, spoil=having(), says="it is running", at=later(minutes=32),
         repaired=True),
    Case(code="overdue", things=[REPORT, OF_REPORT], spoil=having(), says="its report is pending", at=later(minutes=17),
         repaired=True),
    Case(code="no_look", things=[WAITS], spoil=without("wake_at", "wake_at_text"), says="it is scheduled", repaired=True),
    Case(code="no_look", things=[CLAIMED], spoil=without("wake_at", "wake_at_text"), says="it is claimed", repaired=True),
    Case(code="no_look", things=[LIVE], slots=SLOTS, spoil=without("wake_at"), says="it is running", repaired=True),
    Case(code="no_look", things=[CANCELLING], slots=OTHER_SLOTS, spoil=without("wake_at"), says="it is cancelling",
         repaired=True),
    Case(code="no_look", things=[REPORT, OF_REPORT], spoil=without("wake_at"), says="its report is pending", repaired=True),
    Case(code="no_look", things=[SENDING], spoil=without("wake_at"), says="its report is sending", repaired=True),
    Case(code="needless_look", things=[PAUSED], spoil=waking(NOON), says="it is paused", repaired=True),
    Case(code="needless_look", things=[ENDED, sent(ENDED)], spoil=waking(NOON), says="it is done", repaired=True),
    Case(code="needless_look", things=[sent(ENDED), ENDED], spoil=waking(NOON), says="its report is sent", repaired=True),
    Case(code="sleeps_too_long", things=[WAITS], spoil=waking(later(days=3)), says="before 2026-11-27", repaired=True),
    Case(code="sleeps_too_long", things=[follow_up(due_at=later(days=3000), wake_at=later(days=400))],
         spoil=waking(later(days=401)), says="before 2027", repaired=True),
    Case(code="sleeps_too_long", things=[CLAIMED], spoil=waking(later(hours=5)), says="it is claimed", repaired=True),
    Case(code="sleeps_too_long", things=[LIVE], slots=SLOTS, spoil=waking(later(hours=1)), says="it is running",
         repaired=True),
    Case(code="sleeps_too_long", things=[REPORT, OF_REPORT], spoil=waking(later(hours=2)), says="its report is pending",
         repaired=True),
    Case(code="never_forgotten", things=[ENDED, sent(ENDED)], spoil=without("expires_at", "expires_at_text"),
         says="it is done", repaired=True),
    Case(code="never_forgotten", things=[ENDED, sent(ENDED)], spoil=without("closed_at"), says="it is done", repaired=True),
    Case(code="never_forgotten", things=[sent(ENDED), ENDED], spoil=without("expires_at", "expires_at_text"),
         says="its report is done with", repaired=True),
    Case(code="forgotten_while_open", things=[WAITS], spoil=having(expires_at=1, expires_at_text="2026-12-01T00:00:00Z"),
         says="it is scheduled", repaired=True),
    Case(code="forgotten_while_open", things=[REPORT, OF_REPORT],
         spoil=having(expires_at=1, expires_at_text="2026-12-01T00:00:00Z"), says="still to be sent", repaired=True),
    Case(code="run_without_end", things=[LIVE], slots=SLOTS, spoil=looked_at(later(hours=1, minutes=17)),
         says="ended at 2026-11-24 12:16:00 UTC, the run did not", at=later(hours=1, minutes=17)),
    Case(code="run_without_end", things=[LIVE], slots=SLOTS, spoil=without("lease_until"), says="without a lease"),
    Case(code="run_without_end", things=[LIVE], slots=SLOTS, spoil=having(lease_until="2026-12-03T12:00:00Z"),
         says="may go on until 2026-12-03"),
    Case(code="lease_too_short", things=[LIVE], slots=SLOTS, spoil=having(lease_until="2026-11-24T12:09:59Z"),
         says="before its deadline, 2026-11-24 12:10:00 UTC", repaired=True),
    Case(code="heard_too_soon", things=[LIVE], slots=SLOTS, spoil=having(heard_at="2026-11-24T11:54:59Z"),
         says="heard of at 2026-11-24 11:54:59 UTC, before it started"),
    Case(code="run_left_over", things=[WAITS], spoil=having(handle="exec-1"), says="it knows of a live run", repaired=True),
    Case(code="run_left_over", things=[CLAIMED], spoil=having(heard_at="2026-11-24T12:00:00Z"), says="it is claimed",
         repaired=True),
    Case(code="run_left_over", things=[ENDED, sent(ENDED)], spoil=having(deadline_at="2026-11-24T12:00:00Z"),
         says="it is done", repaired=True),
    Case(code="started_too_soon", things=[LIVE], slots=SLOTS, spoil=having(start_at="2026-11-24T12:00:01Z"),
         says="before its time, 2026-11-24 12:00:01 UTC"),
    Case(code="claimed_too_long", things=[CLAIMED], spoil=looked_at(later(hours=10, minutes=30)),
         says="neither started nor given up", at=later(hours=10, minutes=31)),
    Case(code="count_out_of_bounds", things=[CLAIMED], spoil=having(sends=9), says="its sends is 9"),
    Case(code="count_out_of_bounds", things=[CLAIMED], spoil=having(fence=0), says="its fence is 0"),
    Case(code="count_out_of_bounds", things=[WAITS], spoil=having(attempt=11), says="its attempt is 11"),
    Case(code="count_out_of_bounds", things=[WAITS], spoil=having(max_attempts=99), says="its max_attempts is 99"),
    Case(code="count_out_of_bounds", things=[WAITS], spoil=having(poison=6), says="its poison is 6"),
    Case(code="count_out_of_bounds", things=[WAITS], spoil=having(failures_in_row=4), says="its failures_in_row is 4"),
    Case(code="count_out_of_bounds", things=[WAITS], spoil=having(fence=1_000_000), says="its fence is 1000000"),
    Case(code="count_out_of_bounds", things=[REPORT, OF_REPORT], spoil=having(report_tries=9),
         says="its report_tries is 9"),
    Case(code="too_deep", things=[WAITS], spoil=having(depth=11, parent="run-x", root="x"), says="11 generations"),
    Case(code="lost_family", things=[WAITS], spoil=having(depth=1), says="do not go together"),
    Case(code="lost_family", things=[WAITS], spoil=having(root="somebody"), says="do not go together"),
    Case(code="report_not_sent", things=[REPORT, OF_REPORT], spoil=waking(later(hours=8)),
         says="was not sent (0 tries)", at=later(hours=8, seconds=1)),
    Case(code="report_failed", things=[sent(ENDED), ENDED], spoil=having(report_status="failed", report_note="no such box"),
         says="will never be sent: no such box"),
    Case(code="report_missing", things=[sent(ENDED), ENDED], spoil=having(report_status="none"),
         says="nobody is to be told"),
    Case(code="unreadable", things=[WAITS], spoil=having(status="dreaming"), says="dreaming"),
    Case(code="unreadable", things=[agent()], spoil=having(from_tomorrow=1), says="from_tomorrow"),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.code}: {case.says[:30]}")
def test_a_spoiled_item_is_found_and_mended_where_that_is_safe(books: Books, case: Case) -> None:
    store = books.store
    store.commit(*map(Add, case.things), *case.slots)
    before = [it for it in books.codes() if it not in ("overdue", "report_not_sent")]
    assert before == [], "it is sound before"
    books.spoil(case.things[0].key, case.spoil)
    audited = books.look(case.at)
    [finding] = audited.findings
    assert (finding.code, finding.key, finding.weight) == (case.code, case.things[0].key, Weight.BROKEN)
    assert case.says in finding.says
    assert (audited.broken, audited.left) == (1, 1)
    spoiled = books.items()[finding.key]
    after = books.mend(audited)
    changed = {name for name, value in books.items()[finding.key].items() if spoiled.get(name) != value}
    changed |= spoiled.keys() - books.items()[finding.key].keys()
    assert changed <= REPAIRED[case.code] | {"version", "write_id", "columns"} if case.repaired else not changed
    assert [it.repaired for it in after.findings] == [True if case.repaired else None]
    assert after.left == int(not case.repaired)
    if case.code != "overdue":  # what is late stays late until somebody looks
        assert books.codes(case.at) == ([] if case.repaired else [case.code])


def test_a_sound_store_is_found_sound(books: Books) -> None:
    store = books.store
    alive, slots = live()
    store.commit(
        *map(Add, [WAITS, CLAIMED, PAUSED, ENDED, sent(ENDED), REPORT, OF_REPORT, alive, agent(), control()]), *slots
    )
    store.commit(Spend(ids.hour_key("ada", NOON), 7, 7))
    audited = books.look(cap=1, runs_per_hour=7)
    assert audited.findings == ()
    assert (audited.follow_ups, audited.runs, audited.broken, audited.more) == (6, 2, 0, {})


def test_an_empty_store_is_sound(books: Books) -> None:
    assert books.look().findings == ()


# Repairs


def test_a_repair_loses_against_whoever_was_faster(books: Books) -> None:
    store = books.store
    store.commit(Add(PAUSED))
    books.spoil(PAUSED.key, waking(NOON))
    audited = books.look()
    resumed = replace(PAUSED, status=Status.SCHEDULED, wake_at=NOON, version=2, write_id=fresh())
    store.commit(Swap(PAUSED, resumed))
    assert [it.repaired for it in books.mend(audited).findings] == [False]
    assert store.get(FollowUp, PAUSED.key) == resumed


def test_two_findings_of_one_item_are_mended_by_one_write(books: Books) -> None:
    store = books.store
    store.commit(Add(ENDED), Add(sent(ENDED)))
    books.spoil(ENDED.key, lambda item: without("expires_at", "expires_at_text")(waking(NOON)(item)))
    audited = books.mend(books.look())
    assert [(it.code, it.repaired) for it in audited.findings] == [("needless_look", True), ("never_forgotten", True)]
    mend = store.get(FollowUp, ENDED.key)
    assert mend == replace(ENDED, expires_at=NOON + timedelta(days=90), version=2, write_id=mend.write_id if mend else "")


def test_nothing_damaged_is_set_going(books: Books) -> None:
    books.store.commit(Add(WAITS))
    books.spoil(WAITS.key, lambda item: without("wake_at", "wake_at_text")(item) | {"attempt": 99})
    audited = books.look()
    assert {it.code: it.repair for it in audited.findings} == {"count_out_of_bounds": None, "no_look": None}


def test_a_repaired_follow_up_is_due_at_its_time_again(books: Books) -> None:
    store = books.store
    store.commit(Add(WAITS))
    books.spoil(WAITS.key, without("wake_at", "wake_at_text"))
    books.mend(books.look())
    assert [it.key for it in store.due(WAITS.due_at)] == [WAITS.key]
    assert list(store.due(WAITS.due_at - timedelta(milliseconds=1))) == []


def test_one_that_was_resumed_long_after_its_time_has_to_be_seen_first(books: Books) -> None:
    books.store.commit(Add(follow_up(due_at=later(days=-3), updated_at=NOON)))
    assert books.look(NOON + timedelta(minutes=15)).findings == ()
    assert books.only("overdue", NOON + timedelta(minutes=16)).since == NOON


def test_a_report_that_failed_is_history_after_some_days(books: Books) -> None:
    failed = sent(ENDED, report_status=ReportStatus.FAILED, expires_at=later(days=91))
    books.store.commit(Add(ENDED), Add(failed))
    assert books.only("report_failed", later(days=4)).since == later(days=1)
    assert books.look(later(days=4, seconds=1)).findings == ()
