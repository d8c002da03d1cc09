"""No cascades, with real processes: agents that each make five follow-ups that are due now, and fire what is due, as those
of the first version did. What happened is told by a record that the agents write, not by the product."""

import email
import email.policy
import json
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from followups.config import write_laptop_config
from followups.domain import ids
from tests.support import greedy
from tests.support.cascading import DO_NOT, Record, deep, spent
from tests.support.laptop import Laptop

_PATIENCE_S = 300


@dataclass(frozen=True, kw_only=True)
class Scene:
    """How the cascade is tried."""

    #: Agents at once, over all, and of each agent; descendants of a root.
    cap: int
    slots: int
    budget: int
    #: The agents of the five.
    roots: tuple[str, ...]
    #: Follow-ups that each run asks for.
    children: int = 5
    how: str = "forks"
    settings: dict[str, int]


#: Two agents, so that the cap of all holds where that of each does not.
TWO = ("@one", "@other", "@one", "@other", "@one")
DEFAULTS = Scene(cap=2, slots=5, budget=20, roots=TWO, settings={})
ACCIDENT = Scene(cap=5, slots=3, budget=3, roots=TWO, settings={"cap": 5, "max_descendants": 3})
SMALL = Scene(
    cap=1, slots=1, budget=1, roots=("@one",), children=2, how="processes", settings={"cap": 1, "max_descendants": 1}
)


@pytest.mark.parametrize(
    "scene",
    [
        pytest.param(SMALL, id="small"),
        pytest.param(ACCIDENT, marks=pytest.mark.slow, id="3/3/5"),
        pytest.param(DEFAULTS, marks=pytest.mark.slow, id="defaults"),
    ],
)
def test_agents_that_make_agents_come_to_an_end(laptop: Laptop, tmp_path: Path, scene: Scene) -> None:
    path = tmp_path / "record"
    write_laptop_config(laptop.home, {}, {"timezone": "Europe/Berlin"} | scene.settings)
    for name in sorted(set(scene.roots)):
        command = [sys.executable, greedy.__file__, str(path), str(scene.cap), str(scene.children), scene.how]
        laptop.add_agent(name, *command, max_concurrency=scene.slots)
    for number, name in enumerate(scene.roots):
        laptop.client.create({"agent": name, "task": f"Root {number}", "due": "in 1 second"}, None)

    # What an agent makes is due in five minutes at the soonest, however it asked: the roots run, and nothing else.
    began = datetime.now(UTC).replace(microsecond=0)  # as times are shown
    assert _ran(laptop, timedelta(seconds=2)) == len(scene.roots)
    children = laptop.client.pages("open")
    assert children and all(_instant(it["due_at"]) >= began + timedelta(minutes=5) for it in children)
    assert _nothing_is_due(laptop, timedelta(seconds=2))
    # Six minutes later: all that was made, and all that this makes.
    assert _ran(laptop, timedelta(minutes=6)) == len(scene.roots) * scene.budget
    assert _nothing_is_due(laptop, timedelta(days=3)), "it has come to an end by itself"

    record = Record.read(path)
    made = laptop.client.pages("all")
    _check_caps(scene, record)
    _check_trees(scene, record, made)
    _check_what_the_agents_were_told(record, scene)
    _check_reports(laptop, record, made)


def _ran(laptop: Laptop, later: timedelta) -> int:
    """Lets run what is due by then; gives how many ran."""
    with laptop.start("--json", "run-due", "--at", _moment(later)) as process:
        try:
            out, err = process.communicate(timeout=_PATIENCE_S)
        finally:
            process.kill()
    assert process.returncode == 0, err
    return len(json.loads(out)["ran"])


def _nothing_is_due(laptop: Laptop, later: timedelta) -> bool:
    return laptop.here("run-due", "--at", _moment(later)).stdout == "Nothing is due.\n"


def _moment(later: timedelta) -> str:
    return f"{datetime.now(UTC) + later:%Y-%m-%dT%H:%M:%S.%fZ}"


def _check_caps(scene: Scene, record: Record) -> None:
    at_once, of_one = record.at_once()
    assert at_once == scene.cap, "the cap was reached, and held"
    assert of_one <= scene.slots


def _check_trees(scene: Scene, record: Record, made: list[dict[str, Any]]) -> None:
    """Each follow-up ran once, and a tree has made as many as it may, not deeper than it may."""
    ran = [ids.parse_run_id(it["run"]) for it in record.of("began")]
    assert sorted(it[0] for it in ran if it) == sorted(it["id"] for it in made)
    assert {it["status"] for it in made} == {"done"}
    trees = Counter(it["root"] for it in made if it["depth"])
    assert len([it for it in made if not it["depth"]]) == len(trees) == len(scene.roots)
    assert set(trees.values()) == {scene.budget}
    assert max(it["depth"] for it in made) == (2 if scene.budget > scene.children else 1)


def _check_what_the_agents_were_told(record: Record, scene: Scene) -> None:
    """`run-due` is no agent's to say; who asks for one too many is told why, and what to do."""
    for it in record.of("run-due"):
        assert it["code"] == 4
        assert "not_inside_a_run: `run-due` was called inside run" in it["said"]
    reasons = {f"cascade_budget: {spent(scene.budget)}", f"cascade_depth: {deep(2)}"}
    lines = {f"followups: {reason}. {DO_NOT}\n" for reason in reasons}
    refused = record.refused()
    assert {said for each in refused.values() for said in each} <= lines
    assert all(it["code"] == 2 for it in record.of("create") if it["said"])
    assert sum(map(len, refused.values())) == len(record.of("create")) - len(scene.roots) * scene.budget


def _check_reports(laptop: Laptop, record: Record, made: list[dict[str, Any]]) -> None:
    """Each run's mail tells how often it was refused, and why."""
    texts = dict(_reports(laptop))
    assert set(texts) == {it["run"] for it in record.of("began")}
    assert len(texts) == len(made)
    for run, text in texts.items():
        told = record.told(run)
        assert told in text if told else "Refused" not in text


def _reports(laptop: Laptop) -> Iterator[tuple[str, str]]:
    """Gives each mail's run, and its text in one line."""
    for path in laptop.mails():
        body = email.message_from_bytes(path.read_bytes(), policy=email.policy.default).get_body(("plain",))
        assert body is not None
        text = " ".join(body.get_content().split())
        yield text.partition(" Run run-")[2].split()[0].join(("run-", "")), text


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)
