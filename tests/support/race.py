"""Races: many who do the same thing at the same moment."""

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from multiprocessing.synchronize import Barrier as ProcessBarrier
from pathlib import Path
from threading import Barrier
from typing import Any

from followups.adapters.sqlite import SQLiteStore
from followups.domain.changes import Change, Swap
from followups.domain.entities import FollowUp
from followups.domain.errors import Conflict
from followups.ports import Store

#: A racer that waits longer than this for the others hangs.
PATIENCE_S = 60.0


def wins(store: Store, *changes: Change) -> bool:
    """Commits; says whether it was done."""
    try:
        store.commit(*changes)
    except Conflict:
        return False
    return True


def race(racers: int, rounds: int, act: Callable[[int, int], bool]) -> list[list[bool]]:
    """Lets each racer do `act(racer, round)` in its own thread, all at once in each round; gives who won, by round."""
    start = Barrier(racers, timeout=PATIENCE_S)

    def run(racer: int) -> list[bool]:
        won = []
        try:
            for number in range(rounds):
                start.wait()
                won.append(act(racer, number))
        except BaseException:
            start.abort()
            raise
        return won

    with ThreadPoolExecutor(racers) as pool:
        by_racer = [it.result() for it in [pool.submit(run, racer) for racer in range(racers)]]
    return [list(of_round) for of_round in zip(*by_racer, strict=True)]


def race_of_processes(path: Path, line: list[FollowUp], racers: int) -> list[list[bool]]:
    """Lets each of as many processes swap each follow-up of the SQLite file, in step; gives who won, by round."""
    context = multiprocessing.get_context("spawn")
    start, answers = context.Barrier(racers, timeout=PATIENCE_S), context.SimpleQueue()
    processes = [context.Process(target=_swap_each, args=(path, line, racer, start, answers)) for racer in range(racers)]
    try:
        for process in processes:
            process.start()
        by_racer = [won for _, won in sorted(answers.get() for _ in processes)]
    finally:
        for process in processes:
            process.join(5)
            process.kill()
    return [list(of_round) for of_round in zip(*by_racer, strict=True)]


def _swap_each(path: Path, line: list[FollowUp], racer: int, start: ProcessBarrier, answers: Any) -> None:
    store, won = SQLiteStore(path), []
    try:
        for old in line:
            start.wait()
            # Equal but for the write id, as of two who decide the same at the same instant.
            won.append(wins(store, Swap(old, replace(old, version=old.version + 1, write_id=f"{old.id}-{racer}"))))
    finally:
        answers.put((racer, won))
