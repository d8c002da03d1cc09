"""From a seed that breaks a promise to the fewest actions and faults that still break it (ddmin: Zeller and Hildebrandt,
IEEE TSE 2002)."""

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from tests.simulation.simulate import Result, simulate

T = TypeVar("T")


def shrink(result: Result, *, seconds: float) -> Result:
    """Takes a result with a violation, and how long to look; gives the smallest that was found, with its trace."""
    until = time.monotonic() + seconds
    promise = _promise(result)

    def broken(numbers: Sequence[int], faults: Sequence[tuple[str, str]]) -> bool:
        if time.monotonic() > until:
            return False
        skip = frozenset(range(len(result.script))) - set(numbers)
        return _promise(simulate(result.seed, only=frozenset(faults), skip=skip)) == promise

    numbers: Sequence[int] = range(len(result.script))
    faults: Sequence[tuple[str, str]] = result.struck
    if broken(numbers, ()):
        faults = ()
    for _ in range(3):
        before = (len(numbers), len(faults))
        numbers = least(numbers, lambda some, faults=faults: broken(some, faults))  # type: ignore[misc]
        faults = least(faults, lambda some, numbers=numbers: broken(numbers, some))  # type: ignore[misc]
        if (len(numbers), len(faults)) == before:
            break
    skip = frozenset(range(len(result.script))) - set(numbers)
    return simulate(result.seed, only=frozenset(faults), skip=skip, trace=True)


def least(items: Sequence[T], broken: Callable[[Sequence[T]], bool]) -> Sequence[T]:
    """Gives a part of the items that is still broken, of which none can be left out alone."""
    parts = 2
    while len(items) >= 1:
        size = max(1, len(items) // parts)
        for start in range(0, len(items), size):
            rest = [*items[:start], *items[start + size :]]
            if broken(rest):
                items, parts = rest, max(2, parts - 1)
                break
        else:
            if size == 1:
                break
            parts = min(len(items), parts * 2)
    return items


def _promise(result: Result) -> str | None:
    return result.violation.partition(":")[0] if result.violation else None
