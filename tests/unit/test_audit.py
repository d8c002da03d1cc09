"""The audit has numbers of its own on purpose: here they are held against those of the code that it checks."""

from datetime import timedelta

import pytest

from followups.domain import audit, audit_census, audit_pairs, moves, retry, runs, status
from followups.domain.audit_census import Gathering, Held, Tally
from followups.domain.census import SlotSet, Stored
from followups.domain.entities import Unreadable
from followups.domain.findings import View, counted
from followups.domain.ids import Key
from followups.domain.targets import LONGEST_S
from followups.lambda_settings import CLOCK_SKEW_S, TICK_S, ApiSettings
from followups.usecases.world import Limits
from tests.support.things import agent, control, follow_up, fresh, later, run


def test_its_bounds_are_the_promised_ones() -> None:
    assert audit.MOST_SENDS == retry.MAX_SENDS
    assert audit.MOST_MAIL_TRIES == retry.MAX_REPORT_TRIES
    assert audit.MOST_POISON == retry.MAX_POISON
    assert audit.MOST_FAILURES == retry.PAUSE_AFTER_FAILURES
    assert (highest("max_depth"), highest("max_descendants")) == (audit.DEEPEST, audit.MOST_DESCENDANTS)
    assert audit_pairs.HIGHEST_QUOTA == moves.MAX_QUOTA == highest("max_open")
    assert (audit.FURTHEST_LOOK, audit.KEPT) == (moves.FURTHEST_LOOK, moves.RETENTION)
    assert audit.MAIL_LEASE == retry.REPORT_LEASE


def highest(name: str) -> int:
    """Gives the highest value that an installation may set."""
    [limit] = [it.le for it in ApiSettings.model_fields[name].metadata if hasattr(it, "le")]
    assert isinstance(limit, int)
    return limit


def test_its_states_are_the_promised_ones() -> None:
    assert set(audit.ENDED) == status.CLOSED
    assert set(audit.ALIVE) == status.LIVE
    assert set(audit.ON_ITS_WAY) == status.REPORT_WAKING


def test_it_waits_longer_than_the_product_may() -> None:
    resends = [retry.resend_interval(n) for n in range(1, retry.MAX_SENDS + 1)]
    assert sum(resends, timedelta()) + retry.MAX_SENDS * audit.LATE == audit.LONGEST_CLAIM
    assert max(resends) == audit.LONGEST_RESEND
    pauses = [retry.mail_backoff(n, 1) + retry.REPORT_LEASE for n in range(1, retry.MAX_REPORT_TRIES + 1)]
    assert sum(pauses, timedelta()) + audit.LATE < audit.REPORT_SENT
    assert max(pauses) - retry.REPORT_LEASE <= audit.LONGEST_MAIL_PAUSE
    assert audit.LATE >= retry.POISON_PAUSE
    assert 10 * timedelta(seconds=TICK_S) <= audit.LATE
    assert timedelta(seconds=2 * CLOCK_SKEW_S) < audit.SKEW
    assert retry.next_hour(later()) - later() <= audit.LONGEST_REFUSAL
    assert Limits().lease_margin < audit.LATE
    assert audit.LATE + timedelta(seconds=LONGEST_S) + runs.LASTING_MARGIN < audit.LONGEST_LEASE
    assert runs.LASTING_MARGIN == audit.ASKED_FOR
    assert timedelta(hours=1) < runs.BUDGET_KEPT


def test_a_tally_is_never_too_low() -> None:
    tally, root = Tally(), Key("ada#root", "META")
    assert [tally.add(root) for _ in range(audit.MOST_DESCENDANTS + 2)] == [False] * audit.MOST_DESCENDANTS + [True] * 2
    for _ in range(1 << 16):
        tally.add(root)
    assert tally.add(root), "it is full, not back at nothing"


def test_what_is_held_is_bounded_by_kind() -> None:
    held = Held()
    for number in range(audit_census.MOST_HELD + 7):
        held.add("overdue", Key("ada", str(number)))
    held.add("no_look", Key("ada", "0"))
    held.add("overdue", Key("ada", "0"))
    assert (len(held.names["overdue"]), len(held.names["no_look"]), held.more) == (200, 1, {"overdue": 7})


def test_a_census_holds_little_however_much_there_is() -> None:
    seen = Gathering(View(at=later(), global_cap=2))
    things: list[Stored] = [agent(), control(), SlotSet(key=Key("SLOTS", "ALL"), members=frozenset("a"))]
    for number in range(300):
        it = follow_up(due_at=later(days=-1), updated_at=later(days=-1), fence=1)
        damaged = Unreadable(key=Key("x", str(number)), version=1, poison=0, error="?")
        tree = SlotSet(key=Key(it.key.pk, "TREE"), members=frozenset(map(str, range(101))))
        things += [it, run(it), tree, damaged]
    for thing in things:
        seen.take(thing)
    seen.end()
    assert (seen.items, seen.follow_ups, seen.runs) == (len(things), 300, 300)
    assert seen.held.more == {"overdue": 400, "budget_overspent": 100, "unreadable": 100, "report_not_sent": 100}
    assert len(seen.findings) == 400
    assert max(map(len, seen.held.names.values())) == 200


@pytest.mark.parametrize(("number", "said"), [(0, "0 runs"), (1, "1 run"), (2, "2 runs")])
def test_counted(number: int, said: str) -> None:
    assert counted(number, "run") == said


def test_items_of_many_partitions_in_any_order_leave_only_suspicions() -> None:
    """A store that does not keep a partition together makes the audit look again, not wrongly."""
    it = follow_up(id=fresh())
    seen = Gathering(View(at=later(), global_cap=2))
    for thing in (run(it, fence=7), it, run(follow_up(), fence=9)):
        seen.take(thing)
    seen.end()
    assert not seen.held.names["fence_fell"]
