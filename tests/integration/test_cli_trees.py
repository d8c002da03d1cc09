"""`followups tree` and `stop-tree`: what agents made of a follow-up, drawn, and ended with one word."""

import json
from typing import Any

import pytest

from tests.support.laptop import Laptop


class Family:
    """A follow-up whose live run makes others, by their token; and of one of them the live run."""

    def __init__(self, laptop: Laptop) -> None:
        self.laptop = laptop
        laptop.client.agent("@w", "PUT", {"kind": "worker", "max_concurrency": 5})
        laptop.here("config", "cap", "5")
        self.hand_out()

    def root(self) -> str:
        return str(self.laptop.client.create({"agent": "@w", "task": "Root", "due": "7d"}, None).body["id"])

    def run(self, made: str) -> dict[str, Any]:
        """Runs one now; gives its live run in a worker's hand."""
        self.laptop.client.of(made, "/run", "POST")
        self.laptop.here("run-due")
        run = self.hand_out()
        assert run is not None and made in run["run_id"]
        return run

    def child(self, run: dict[str, Any], task: str) -> str:
        """Gives what the run made."""
        done = self.laptop.here("--json", "create", "@w", task, "7d", FOLLOWUPS_RUN_TOKEN=run["run_token"])
        assert done.returncode == 0, done.stdout
        return str(json.loads(done.stdout)["id"])

    def hand_out(self) -> Any:
        return self.laptop.client.agent("@w", "POST", {"worker": "desk-1", "in_hand": []}, "/work").body["run"]

    def complete(self, run: dict[str, Any]) -> None:
        body = {"outcome": "succeeded", "summary": "well"}
        self.laptop.client.of_run(run["run_id"], "/complete", run["run_token"], body)


@pytest.fixture
def family(laptop: Laptop) -> Family:
    return Family(laptop)


def test_a_tree_is_drawn_from_any_of_it(laptop: Laptop, family: Family) -> None:
    root = family.root()
    run = family.run(root)
    first, second = family.child(run, "First"), family.child(run, "Second")
    family.complete(run)
    inner = family.run(first)
    third = family.child(inner, "Third")
    family.complete(inner)

    drawn = laptop.here("tree", root)
    assert (drawn.returncode, drawn.stderr) == (0, "")
    lines = [line.split() for line in drawn.stdout.splitlines()]
    assert lines[0] == ["ID", "STATUS", "AGENT", "TASK", "DUE"]
    assert [line[:5] for line in lines[1:]] == [
        [root[:8], "done", "@w", "Root", "closed"],
        ["└", first[:8], "done", "@w", "First"],
        ["└", third[:8], "scheduled", "@w", "Third"],
        ["└", second[:8], "scheduled", "@w", "Second"],
        ["3", "made", "by", "agents,", "of"],
    ]
    assert drawn.stdout.splitlines()[3].startswith("    └ "), "a grandchild stands further in"
    assert drawn.stdout.endswith("of at most 20\n")
    assert laptop.here("tree", third[:8]).stdout == drawn.stdout
    told = json.loads(laptop.here("--json", "tree", second).stdout)
    assert (told["root"], told["made"], told["limit"], len(told["follow_ups"])) == (root, 3, 20, 4)
    shown = laptop.here("show", third).stdout
    assert f"run {first[:8]}-1, 2 below {root[:8]}" in " ".join(shown.split())


def test_one_word_ends_it(laptop: Laptop, family: Family) -> None:
    root = family.root()
    run = family.run(root)
    child = family.child(run, "Child")
    stopped = laptop.here("stop-tree", child[:8])
    assert (stopped.returncode, stopped.stderr) == (0, "")
    assert stopped.stdout.startswith(f"Stopped the tree of {root[:8]}; 1 of it when its run has ended\n\n")
    assert [laptop.status(it) for it in (root, child)] == ["cancelling", "cancelled"]
    family.complete(run)
    again = laptop.here("stop-tree", root)
    assert (again.returncode, again.stdout.splitlines()[0]) == (0, f"Stopped the tree of {root[:8]}")
    told = json.loads(laptop.here("--json", "stop-tree", root).stdout)
    assert {it["status"] for it in told["follow_ups"]} == {"cancelled"}


@pytest.mark.parametrize("what", ["tree", "stop-tree"])
def test_what_is_refused(laptop: Laptop, family: Family, what: str) -> None:
    for words, said in ((("nosuchid",), "there is no follow-up"), ((), "ID"), (("a", "b"), "b")):
        done = laptop.here(what, *words)
        assert (done.returncode, done.stdout, said in done.stderr) == (2, "", True)


def test_an_agent_may_look_and_not_stop(laptop: Laptop, family: Family) -> None:
    root = family.root()
    token = family.run(root)["run_token"]
    assert laptop.here("tree", root, FOLLOWUPS_RUN_TOKEN=token).returncode == 0
    done = laptop.here("stop-tree", root, FOLLOWUPS_RUN_TOKEN=token)
    assert (done.returncode, done.stdout, "not_with_run_token" in done.stderr) == (4, "", True)
    assert laptop.status(root) == "running"


def test_the_limits_of_a_tree_are_settings(laptop: Laptop, family: Family) -> None:
    laptop.here("config", "max-descendants", "1")
    run = family.run(family.root())
    family.child(run, "One")
    done = laptop.here("create", "@w", "Two", "7d", FOLLOWUPS_RUN_TOKEN=run["run_token"])
    assert (done.returncode, "cascade_budget" in done.stderr, done.stderr.count("\n")) == (2, True, 1)
    problem = json.loads(laptop.here("--json", "create", "@w", "Two", "7d", FOLLOWUPS_RUN_TOKEN=run["run_token"]).stdout)
    assert problem["retryable"] is False and problem["hint"] and problem["hint"] in done.stderr
    laptop.here("config", "max-depth", "1")
    laptop.here("config", "max-open", "2")
    full = laptop.here("create", "@w", "Mine", "7d")
    assert (full.returncode, "quota_active: 2 follow-ups are open" in full.stderr) == (2, True)
    assert json.loads(laptop.here("--json", "config").stdout) | {"max-open": 2, "max-depth": 1, "max-descendants": 1} == (
        json.loads(laptop.here("--json", "config").stdout)
    )
    for name in ("max-open", "max-depth", "max-descendants"):
        assert laptop.here("config", name, "--unset").returncode == 0
    assert laptop.here("create", "@w", "Mine", "7d").returncode == 0
