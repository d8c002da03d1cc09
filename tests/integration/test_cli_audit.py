"""`followups audit` on a laptop."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from followups.adapters.local import SystemClock
from followups.cli.main import cli
from followups.domain import ids
from followups.domain.changes import Add, TakeSlot
from followups.domain.status import Status
from tests.support.audits import Books, having, live, waking
from tests.support.laptop import Laptop
from tests.support.things import agent, follow_up, later

#: Far enough off that no machine's clock reaches it; and what is soon for the machine that this runs on.
NEXT, SOON = later(days=20_000), SystemClock().now() + timedelta(days=1)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def books(home: Path) -> Books:
    return Books(home / "followups.db")


def call(home: Path, *words: str, **more: str) -> Result:
    environ = {"FOLLOWUPS_HOME": str(home), "COLUMNS": "100", "FOLLOWUPS_API_URL": "", "TZ": "Europe/Berlin", **more}
    return CliRunner().invoke(cli, ["audit", *words], env=environ)


def spoiled(books: Books) -> str:
    """Leaves one that nothing looks at any more although it is paused, with an agent's worst for a task."""
    it = follow_up(status=Status.PAUSED, task="Check \x1b[31m<b>backups</b>", due_at=NEXT)
    books.store.commit(Add(it))
    books.spoil(it.key, waking(NEXT))
    return it.id


def test_before_there_is_a_store_all_is_well_and_none_is_made(home: Path) -> None:
    result = call(home)
    assert (result.exit_code, result.output) == (0, "All promises are kept: nothing is stored here yet.\n")
    assert json.loads(call(home, "--json").output) == {
        "kept": True, "follow_ups": 0, "runs": 0, "findings": [], "more": {},
    }  # fmt: skip
    assert list(home.iterdir()) == []


def test_kept_promises_are_said_in_a_line(home: Path, books: Books) -> None:
    books.store.commit(Add(follow_up(due_at=NEXT, wake_at=SOON)), Add(agent()))
    result = call(home)
    assert (result.exit_code, result.output) == (0, "All promises are kept: 1 follow-up, 0 runs looked at.\n")


def test_a_broken_promise_is_told_and_nothing_written(home: Path, books: Books) -> None:
    follow_up_id, before = spoiled(books), books.items()
    result = call(home)
    assert result.exit_code == 1
    lines = result.output.splitlines()
    assert lines[1].split()[:2] == ["needless_look", follow_up_id[:8]]
    assert lines[1].endswith("@backup Check <b>backups</b>")
    assert "it is paused, yet to be looked at, at 2081" in lines[2]
    assert lines[3] == "  With --repair: the look is taken out."
    assert lines[-1] == "1 broken promise: 1 follow-up, 0 runs looked at."
    assert "\x1b" not in result.output
    assert books.items() == before


def test_repair_says_what_it_did_and_then_all_is_well(home: Path, books: Books) -> None:
    spoiled(books)
    result = call(home, "--repair")
    assert result.exit_code == 0, "nothing is broken any more"
    assert "  Repaired: the look is taken out." in result.output
    assert call(home).output.startswith("All promises are kept")


def test_what_cannot_be_repaired_stays_broken(home: Path, books: Books) -> None:
    it = follow_up(due_at=NEXT, wake_at=SOON)
    books.store.commit(Add(it))
    books.spoil(it.key, having(depth=11, parent="run-x", root="x"))
    result = call(home, "--repair")
    assert result.exit_code == 1
    assert "Not repaired: nothing here is surely safe without you." in result.output


def test_a_doubt_alone_breaks_no_promise(home: Path, books: Books) -> None:
    for name in ("@x", "@y", "@z"):  # a laptop's cap is 2
        it, slots = live(agent=name, lease_until=NEXT, wake_at=SOON, updated_at=NEXT, started_at=NEXT)
        books.store.commit(Add(it), *slots)
    result = call(home)
    assert (result.exit_code, "too_many_slots" in result.output) == (0, True)
    assert result.output.splitlines()[-1] == "1 doubt: 3 follow-ups, 0 runs looked at."


def test_json_holds_all_of_it(home: Path, books: Books) -> None:
    follow_up_id = spoiled(books)
    books.store.commit(TakeSlot(ids.ALL_SLOTS_KEY, "whoever", 9))
    result = call(home, "--json")
    document = json.loads(result.output)
    assert (result.exit_code, document["kept"], document["follow_ups"]) == (1, False, 1)
    look, slot = document["findings"]
    assert (look["code"], look["weight"], look["id"]) == ("needless_look", "broken", follow_up_id)
    assert (look["repair"], look["repaired"]) == ("the look is taken out", None)
    assert (slot["key"], slot["since"], slot["repair"]) == ({"pk": "SLOTS", "sk": "ALL"}, None, None)


def test_with_an_installation_named_it_refuses(home: Path) -> None:
    result = call(home, FOLLOWUPS_API_URL="https://followups.example.com")
    assert result.exit_code == 2
    assert "set FOLLOWUPS_API_URL to nothing" in result.output


def test_the_process_ends_with_the_exit_code(laptop: Laptop) -> None:
    laptop.home.mkdir(parents=True)
    spoiled(Books(laptop.home / "followups.db"))
    told = laptop.call("audit", code=1)
    assert ("needless_look" in told.stdout, told.stderr) == (True, "")
