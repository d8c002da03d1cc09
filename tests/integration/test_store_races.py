"""Races on stores that are real servers or files: of many who want the same, one gets it."""

from dataclasses import replace
from pathlib import Path

import pytest

from followups.domain import claims, ids, runs
from followups.domain.changes import Add, Change, Spend
from followups.domain.editing import cancel
from followups.domain.entities import FollowUp
from followups.domain.status import Status
from tests.support.beds import Bed, SQLiteBed
from tests.support.race import race, race_of_processes, wins
from tests.support.things import agent, follow_up, fresh, later

RACERS = 32


def fill(bed: Bed, line: list[FollowUp]) -> None:
    store = bed.open()
    for start in range(0, len(line), 100):
        store.commit(*map(Add, line[start : start + 100]))


# `make races` runs all rounds, in parts that go side by side.
@pytest.mark.parametrize("rounds", [8, *(pytest.param(n, marks=pytest.mark.slow) for n in (47, 47, 47, 47))])
def test_one_of_many_claims_a_follow_up(server_bed: Bed, rounds: int) -> None:
    line = [follow_up(due_at=later(seconds=n)) for n in range(rounds)]
    fill(server_bed, line)
    store = server_bed.open()
    claim_of = [[claims.claim(old, at=later(), write_id=fresh()) for _ in range(RACERS)] for old in line]
    won = race(RACERS, len(line), lambda racer, number: wins(store, claim_of[number][racer]))
    assert [sum(of_round) for of_round in won] == [1] * len(line)
    for number, of_round in enumerate(won):
        assert store.get(FollowUp, line[number].key) == claim_of[number][of_round.index(True)].new


@pytest.mark.slow
def test_one_of_four_processes_gets_each_follow_up(sqlite_bed: SQLiteBed, tmp_path: Path) -> None:
    line = [follow_up() for _ in range(200)]
    fill(sqlite_bed, line)
    won = race_of_processes(sqlite_bed.path, line, racers=4)
    assert [sum(of_round) for of_round in won] == [1] * len(line)
    store = sqlite_bed.open()
    for old, of_round in zip(line, won, strict=True):
        stored = store.get(FollowUp, old.key)
        assert stored == replace(old, version=2, write_id=f"{old.id}-{of_round.index(True)}")


@pytest.mark.slow
def test_never_more_agents_than_slots(server_bed: Bed) -> None:
    """32 runners start 32 follow-ups of one agent that may run five times at once; what is finished makes room."""
    store, of = server_bed.open(), agent(max_concurrency=5)
    line = [follow_up(status=Status.CLAIMED, fence=1, start_at=later()) for _ in range(RACERS)]
    fill(server_bed, line)
    started: set[int] = set()

    def start(racer: int, _: int) -> bool:
        changes = runs.start(
            line[racer], of, at=later(), write_id=fresh(), deadline=later(minutes=5), process_end=later(minutes=6),
            lease_holder=None, global_cap=100,
        )  # fmt: skip
        return wins(store, *changes)

    for _ in range(6):
        # Who has started already tries again as well, and is refused: it is no claim any more.
        (won,) = race(RACERS, 1, start)
        new = {racer for racer, it in enumerate(won) if it}
        assert len(new) == 5
        assert not new & started
        started |= new
        assert store.slots(of.slots_key) == store.slots(ids.ALL_SLOTS_KEY) == {line[it].slot_id for it in new}
        stored = [store.get(FollowUp, it.key) for it in line]
        assert {racer for racer, it in enumerate(stored) if it and it.status is Status.RUNNING} == started
        for racer in new:
            store.commit(*runs.free_slots(line[racer]))


@pytest.mark.slow
def test_a_start_and_a_cancel_never_both_win(server_bed: Bed) -> None:
    line = [follow_up(status=Status.CLAIMED, fence=1, start_at=later()) for _ in range(25)]
    fill(server_bed, line)
    store, of = server_bed.open(), agent(max_concurrency=100)

    def act(racer: int, number: int) -> bool:
        old = line[number]
        changes: tuple[Change, ...]
        if racer % 2:
            stop = cancel(old, at=later(), write_id=fresh())
            assert stop is not None
            changes = (stop,)
        else:
            changes = runs.start(
                old, of, at=later(), write_id=fresh(), deadline=later(minutes=5), process_end=later(minutes=6),
                lease_holder=None, global_cap=100,
            )  # fmt: skip
        return wins(store, *changes)

    won = race(8, len(line), act)
    assert [sum(of_round) for of_round in won] == [1] * len(line)
    running = {it.slot_id for it, of_round in zip(line, won, strict=True) if of_round.index(True) % 2 == 0}
    assert store.slots(of.slots_key) == running


def test_a_counter_is_never_overspent(server_bed: Bed) -> None:
    store, budget = server_bed.open(), ids.quota_key(fresh())
    won = race(RACERS, 2, lambda racer, _: wins(store, Spend(budget, 1, 20), Add(follow_up())))
    assert sum(map(sum, won)) == 20
    made = [key for key in server_bed.items() if key.sk == "META"]
    assert len(made) == 20


@pytest.mark.slow
def test_one_id_for_one_idempotency_key(server_bed: Bed) -> None:
    store = server_bed.open()
    names = [fresh() for _ in range(10)]
    won = race(RACERS, len(names), lambda _, number: wins(store, Add(follow_up(id=names[number]))))
    assert [sum(of_round) for of_round in won] == [1] * len(names)
