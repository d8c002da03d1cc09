"""The store contract, writing one thing: each change and its condition. For every store."""

import json
from dataclasses import replace
from typing import Any

import pytest

from followups.api.schemas import MESSAGE_LIMIT, TASK_LIMIT
from followups.domain import claims, ids
from followups.domain.changes import Add, Change, Remove, SetAside, Swap
from followups.domain.contract import REPORT_LIMIT, SUMMARY_LIMIT, read_answer
from followups.domain.entities import Agent, Control, Entity, FollowUp, Run
from followups.domain.errors import UnreadableItem
from followups.domain.hearing import keep_late
from followups.domain.status import Outcome, Status
from followups.ports import Store
from followups.usecases.settle import keep_apart
from followups.usecases.world import NoOutputs
from tests.support.beds import Bed
from tests.support.commits import added, moved, refused
from tests.support.things import agent, control, follow_up, fresh, later, run

SLOTS = ids.agent_slots_key("@backup")
FULL = follow_up(
    message="Look at /srv\n- and at the moon 🌙", rule="FREQ=WEEKLY;INTERVAL=1", anchor="2026-11-30T08:00:00",
    report_to="a@b.co", status=Status.RUNNING, wake_at=later(minutes=7, milliseconds=1), fence=3, attempt=2, sends=1,
    extra=True, missed=4, folded_to=later(hours=2), claimed_at=later(seconds=1), started_at=later(seconds=2),
    deadline_at=later(seconds=3), lease_until=later(seconds=4), lease_holder="locks/1", handle="h-1",
    blocked_reason="busy", blocked_since=later(hours=9), failures_in_row=1, last_outcome=Outcome.TIMED_OUT, reason="why",
    parent=ids.run_id(fresh(), 1), depth=1, request_hash="abc", closed_at=later(days=1),
    expires_at=later(days=91, milliseconds=250), poison=2, version=9,
)  # fmt: skip
THINGS: dict[str, Entity] = {
    "follow-up": follow_up(),
    "full follow-up": FULL,
    "run": run(),
    "full run": run(FULL, report_to="a@b.co", report="# All well\n" * 99, output_ref="s3://b/k", wake_at=None),
    "agent": agent(),
    "checklist": agent("@list", kind="checklist", command=(), rerun_safe=True, timeout_s=3600),
    "control": control(),
    "stopped control": control(stopped=True, reason="fire drill", changed_at=later(minutes=1)),
}


@pytest.mark.parametrize("thing", THINGS.values(), ids=THINGS.keys())
def test_what_is_added_is_found_as_it_was(store: Store, bed: Bed, thing: Any) -> None:
    store.commit(Add(thing))
    assert store.get(type(thing), thing.key) == thing
    assert bed.open().get(type(thing), thing.key) == thing


def test_nothing_is_found_where_nothing_is(store: Store) -> None:
    thing = added(store, follow_up())
    assert store.get(FollowUp, ids.follow_up_key("bob", thing.id)) is None
    assert store.get(Run, ids.run_key("ada", thing.id, 1)) is None
    assert store.get(Control, ids.CONTROL_KEY) is None
    assert store.slots(SLOTS) == frozenset()


def test_who_asks_for_another_kind_is_told_so(store: Store) -> None:
    store.commit(Add(agent()))
    with pytest.raises(UnreadableItem, match="AGENT#@backup META is a Agent, not a FollowUp"):
        store.get(FollowUp, ids.agent_key("@backup"))


def test_nothing_to_commit_is_fine(store: Store, bed: Bed) -> None:
    store.commit()
    assert bed.items() == {}


def test_add_is_for_what_is_not_there(store: Store) -> None:
    first = added(store, follow_up())
    second = Add(replace(first, task="Another", write_id=fresh()))
    assert refused(store, second) == (second,)
    assert store.get(FollowUp, first.key) == first


def test_swap_is_for_what_is_still_as_it_was_read(store: Store) -> None:
    first = added(store, follow_up())
    good, stale = moved(first, task="Mine"), moved(first, task="Theirs")
    store.commit(good)
    assert refused(store, stale) == (stale,)
    assert store.get(FollowUp, first.key) == good.new


def test_swap_of_what_is_not_there_is_refused(store: Store, bed: Bed) -> None:
    swap = moved(follow_up())
    assert refused(store, swap) == (swap,)
    assert bed.items() == {}


def test_a_swap_from_the_future_is_refused(store: Store) -> None:
    first = added(store, follow_up())
    swap = moved(replace(first, version=2))
    assert refused(store, swap) == (swap,)
    assert store.get(FollowUp, first.key) == first


def test_what_becomes_none_is_gone(store: Store, bed: Bed) -> None:
    first = added(store, replace(FULL, version=1))
    swap = moved(first, wake_at=None, expires_at=None, handle=None, rule=None, last_outcome=None)
    store.commit(swap)
    assert store.get(FollowUp, first.key) == swap.new
    assert not {"wake_at", "wake_at_text", "wake_shard", "expires_at", "handle", "rule"} & set(bed.items()[first.key])


@pytest.mark.parametrize("kind", ["add", "swap"])
def test_the_same_write_again_was_ours_and_is_done(store: Store, bed: Bed, kind: str) -> None:
    first = follow_up()
    change: Change = Add(first)
    store.commit(change)
    if kind == "swap":
        change = moved(first, task="Second")
        store.commit(change)
    before = bed.items()
    store.commit(change)
    assert bed.items() == before


def test_two_who_write_the_same_are_not_one(store: Store) -> None:
    """Two sweeps at the same instant make equal claims; only the write id tells whose it is."""
    first = added(store, follow_up(due_at=later()))
    mine, theirs = (claims.claim(first, at=later(), write_id=fresh()) for _ in range(2))
    store.commit(mine)
    assert replace(mine.new, write_id="") == replace(theirs.new, write_id="")
    assert refused(store, theirs) == (theirs,)


def test_a_write_that_others_wrote_over_is_not_done_again(store: Store) -> None:
    first = added(store, follow_up())
    mine = moved(first, task="Mine")
    store.commit(mine)
    assert isinstance(mine.new, FollowUp)
    theirs = moved(mine.new, task="Theirs")
    store.commit(theirs)
    assert refused(store, mine) == (mine,)
    assert store.get(FollowUp, first.key) == theirs.new


def test_remove_is_for_what_is_still_as_it_was_read(store: Store) -> None:
    old = agent()
    new = replace(old, version=2, timeout_s=5, write_id=fresh())
    store.commit(Add(old))
    store.commit(Swap(old, new))
    stale = Remove(old)
    assert refused(store, stale) == (stale,)
    assert store.get(Agent, old.key) == new
    store.commit(Remove(new))
    assert (store.get(Agent, old.key), store.agents()) == (None, [])
    again = Remove(new)
    assert refused(store, again) == (again,)
    store.commit(Add(old))
    assert store.agents() == [old]


def test_an_unreadable_item_is_set_aside_and_counted_but_not_rewritten(store: Store, bed: Bed) -> None:
    bad = added(store, follow_up())
    bed.spoil(bad.key, lambda item: item | {"from_tomorrow": "keep me"})
    for round_, moment in enumerate((later(minutes=15), later(minutes=30)), start=1):
        (found,) = store.due(later(days=1))
        store.commit(SetAside(bad.key, round_, moment))
        assert list(store.due(later(minutes=15 * round_, milliseconds=-1))) == []
        (found,) = store.due(moment)
        assert (found.key, found.version, found.poison) == (bad.key, round_ + 1, round_)
        assert bed.items()[bad.key]["from_tomorrow"] == "keep me"
    stale = SetAside(bad.key, 1, later(days=2))
    assert refused(store, stale) == (stale,)
    store.commit(SetAside(bad.key, 3, None))
    assert list(store.due(later(days=999))) == []


def test_what_is_set_aside_is_found_again_wherever_it_was(store: Store) -> None:
    paused = added(store, follow_up(status=Status.PAUSED))
    store.commit(SetAside(paused.key, 1, later(minutes=15)))
    assert [it.key for it in store.due(later(minutes=15))] == [paused.key]


def test_setting_aside_what_is_not_there_makes_nothing(store: Store, bed: Bed) -> None:
    gone = SetAside(ids.follow_up_key("ada", fresh()), 1, later())
    assert refused(store, gone) == (gone,)
    assert bed.items() == {}


def test_what_was_set_aside_goes_on_once_it_can_be_read(store: Store, bed: Bed) -> None:
    """A newer version wrote it, this one set it aside, and then this one is upgraded."""
    bad = added(store, follow_up())
    bed.spoil(bad.key, lambda item: item | {"from_tomorrow": 1})
    store.commit(SetAside(bad.key, 1, later(minutes=15)))
    bed.spoil(bad.key, lambda item: {name: value for name, value in item.items() if name != "from_tomorrow"})
    (found,) = store.due(later(minutes=15))
    assert isinstance(found, FollowUp)
    assert (found.version, found.poison, found.wake_at) == (2, 1, later(minutes=15))
    store.commit(moved(found))


def test_the_longest_that_an_agent_may_say_can_be_stored(store: Store) -> None:
    """DynamoDB takes 400 KB an item, counted in bytes; what comes too late is kept beside the rest."""
    answer = {"outcome": "succeeded", "report_md": "🙂" * REPORT_LIMIT, "evidence": "🙂" * REPORT_LIMIT}
    said = read_answer(json.dumps(answer))
    longest = run(
        task="🙂" * TASK_LIMIT,
        message="🙂" * MESSAGE_LIMIT,
        done_when="🙂" * 2_000,
        summary="🙂" * SUMMARY_LIMIT,
        report=keep_apart(NoOutputs(), "run", said).report,
        evidence=said.evidence,
        output_ref="x" * 300,
    )
    store.commit(Add(longest))
    assert store.get(Run, longest.key) == longest
    late = keep_late(longest, replace(said, summary=longest.summary), "0" * 32, at=later(), write_id=fresh())
    assert late is not None
    store.commit(late)
    assert store.get(Run, longest.key) == late.new
