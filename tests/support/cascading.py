"""What agents that make agents have noted outside the product, and what each of them is told that asks for one too many."""

import json
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DO_NOT = (
    "Do not ask again: no follow-up can be made from here any more. "
    "Do the rest in this run, or name it in your report, for a person to follow up."
)


def spent(budget: int) -> str:
    """Gives what is said of a tree that has made all that it may."""
    return f"the tree that this run belongs to has made its {budget} follow-up{'s' * (budget > 1)}"


def deep(depth: int) -> str:
    """Gives what is said of a child that would stand too deep."""
    return f"a follow-up made by an agent may be at most {depth} generations below a person's"


@dataclass(frozen=True)
class Record:
    """What the agents have noted, in the order in which it happened."""

    lines: list[dict[str, Any]]

    @classmethod
    def read(cls, path: Path) -> "Record":
        return cls([json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()])

    def of(self, what: str) -> list[dict[str, Any]]:
        return [it for it in self.lines if it["what"] == what]

    def refused(self) -> dict[str, list[str]]:
        """Gives what each run was answered that asked for a follow-up in vain, by its run."""
        found = defaultdict(list)
        for it in self.of("create"):
            if it["code"]:
                found[it["run"]].append(it["said"])
        return found

    def told(self, run: str) -> str | None:
        """Gives what the run's report is to say of what it was refused; None for nothing."""
        if not (said := self.refused().get(run)):
            return None
        how_many = "a follow-up" if len(said) == 1 else f"{len(said)} follow-ups"
        why = said[-1].removeprefix("followups: ").partition(": ")[2].partition(". ")[0]
        return f"Refused {how_many} that it asked for: {why} "

    def at_once(self) -> tuple[int, int]:
        """Gives how many were alive at once at most: of all agents, and of one."""
        alive: dict[str, str] = {}
        most = most_of_one = 0
        for it in self.lines:
            if it["what"] == "began":
                alive[it["run"]] = it["agent"]
                most, most_of_one = max(most, len(alive)), max(most_of_one, *Counter(alive.values()).values())
            elif it["what"] == "ended":
                del alive[it["run"]]
        assert not alive, "who began has ended"
        return most, most_of_one
