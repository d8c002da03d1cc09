"""What is said of when a follow-up is a success fits together, when it is made and when it is changed."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.api_play import PATH, Play

ASKED = {"done_when": "it is so", "retry_until_met": "1d", "give_up_at": "2d"}


@pytest.fixture
def play() -> Iterator[Play]:
    made = Play()
    made.register("@ann", {"kind": "person", "target": "ann@example.com"})
    yield made
    made.close()


def edit(play: Play, it: dict[str, Any], **patch: Any) -> tuple[int, Any]:
    etag = play.call("GET", f"{PATH}/{it['id']}")[2]["etag"]
    status, answered, _ = play.call("PATCH", f"{PATH}/{it['id']}", patch, if_match=etag)
    return status, answered


@pytest.mark.parametrize(
    ("patch", "pointer"),
    [
        ({"due": "in 3 weeks"}, "/give_up_at"),
        ({"due": "daily"}, "/retry_until_met"),
        ({"give_up_at": "1 minute", "due": "in 3 weeks", "retry_until_met": "1d,1x"}, "/retry_until_met"),
        ({"give_up_at": "2020-01-01"}, "/give_up_at"),
    ],
)
def test_an_edit_is_held_to_what_a_new_one_is(play: Play, patch: dict[str, Any], pointer: str) -> None:
    it = play.make(due="in 1 hour", **ASKED)
    before = play.now(it)
    status, refused = edit(play, it, **patch)
    assert (status, refused["errors"][0]["pointer"]) == (422, pointer)
    assert play.now(it) == before


def test_the_ladder_and_its_end_can_be_changed(play: Play) -> None:
    it = play.make(due="in 1 hour", **ASKED)
    status, changed = edit(play, it, due="in 3 weeks", give_up_at="5d", retry_until_met="1h,1d")
    assert (status, changed["retry_until_met"]) == (200, "1h,1d")
    assert changed["give_up_at"][:10] == "2026-12-20", "it counts from the new time"
    plain = play.make()
    assert edit(play, plain, retry_until_met="1d")[1]["errors"][0]["pointer"] == "/retry_until_met"
    assert edit(play, plain, **ASKED)[0] == 200


def test_it_is_not_put_off_beyond_its_end(play: Play) -> None:
    it = play.make(due="in 1 hour", **ASKED)
    status, refused, _ = play.call("POST", f"{PATH}/{it['id']}/snooze", {"until": "5w"})
    assert (status, refused["code"]) == (422, "conflicting_fields")
    assert play.call("POST", f"{PATH}/{it['id']}/snooze", {"until": "1d"})[0] == 200


@pytest.mark.parametrize("agent", ["@me", "@ann"])
def test_a_person_is_told_and_not_asked(play: Play, agent: str) -> None:
    body = {"agent": agent, "task": "Pay", "due": "1d"}
    status, refused, _ = play.call("POST", PATH, body | {"done_when": "it is paid"})
    assert (status, refused["code"], refused["errors"][0]["pointer"]) == (422, "conflicting_fields", "/done_when")
    assert edit(play, play.make(**body), done_when="it is paid")[1]["errors"][0]["pointer"] == "/done_when"
