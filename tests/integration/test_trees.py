"""Trees: what agents make of a person's follow-up is bounded, seen and stopped as one."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from followups.domain import ids
from followups.domain.contract import AgentCall, Pending
from followups.domain.report import compose
from followups.domain.status import CLOSED, Status
from tests.support.api_engine import LAPTOP
from tests.support.api_play import PATH, POLL, Play, done

CHILD = {"agent": "@a", "task": "Look again", "due": "1d"}


@pytest.fixture
def play() -> Iterator[Play]:
    made = wide()
    yield made
    made.close()


def wide(**limits: Any) -> Play:
    """Gives an installation where many run at once."""
    made = Play(replace(LAPTOP, global_cap=50, **limits))
    made.register(
        "@a", {"kind": "https", "target": "https://agent.example.com/", "max_concurrency": 50, "timeout_s": 86_400}
    )
    return made


def begin(play: Play, **more: Any) -> AgentCall:
    """Gives a run of a person's follow-up, in progress for a day."""
    return play.begin(lambda _: Pending(handle="h", poll_after=POLL), **more)


def ask(play: Play, call: AgentCall, **more: Any) -> tuple[int, Any]:
    """Has a run ask for a follow-up."""
    status, body, _ = play.call("POST", PATH, CHILD | more, followups_run_token=call.token)
    return status, body


def make(play: Play, call: AgentCall, **more: Any) -> dict[str, Any]:
    status, body = ask(play, call, **more)
    assert status == 201, body
    return dict(body)


def run_of(play: Play, child: dict[str, Any]) -> AgentCall:
    """Lets a follow-up's time come; gives its run, which goes on."""
    at = play.now(child).start_at
    play.tick(seconds=max(0.0, (at - play.clock.now()).total_seconds()))
    return next(call for call in reversed(play.agent.calls) if call.request["follow_up_id"] == child["id"])


def stop(play: Play, follow_up_id: str) -> Any:
    status, body, _ = play.call("POST", f"{PATH}/{follow_up_id}/stop-tree")
    assert status == 200, body
    return body


def root_of(call: AgentCall) -> str:
    return str(call.request["follow_up_id"])


# Seen as one


def test_a_tree_is_the_same_whichever_of_it_is_asked_for(play: Play) -> None:
    root = begin(play)
    first, second = make(play, root, due="5m"), make(play, root)
    play.make(due="7d")
    third = make(play, run_of(play, first))
    found = play.call("GET", f"{PATH}/{root_of(root)}/tree")[1]
    assert [it["id"] for it in found["follow_ups"]] == [root_of(root), *sorted_by_age(first, second), third["id"]]
    assert [(it["depth"], it["root"]) for it in found["follow_ups"]] == [(n, root_of(root)) for n in (0, 1, 1, 2)]
    assert (found["root"], found["made"], found["limit"]) == (root_of(root), 3, 20)
    assert third["parent"] == f"run-{first['id']}-000001"
    for it in (first, second, third):
        assert play.call("GET", f"{PATH}/{it['id']}/tree")[1] == found


def sorted_by_age(*made: dict[str, Any]) -> list[str]:
    return [it["id"] for it in sorted(made, key=lambda it: (it["created_at"], it["id"]))]


def test_a_tree_of_one(play: Play) -> None:
    it = play.make()
    found = play.call("GET", f"{PATH}/{it['id']}/tree")[1]
    assert ([each["id"] for each in found["follow_ups"]], found["made"]) == ([it["id"]], 0)
    assert play.call("GET", f"{PATH}/{it['id']}/tree", user="you")[0] == 404


def test_what_is_forgotten_is_not_in_it_any_more_and_still_counts(play: Play) -> None:
    root = begin(play, due="every 30 days at 9")
    child = make(play, root, due="5m")
    play.call("DELETE", f"{PATH}/{child['id']}")
    play.say(root, "complete", {"outcome": "succeeded"})
    play.clock.advance(days=91)
    assert play.call("GET", f"{PATH}/{child['id']}")[0] == 404
    found = play.call("GET", f"{PATH}/{root_of(root)}/tree")[1]
    assert ([it["id"] for it in found["follow_ups"]], found["made"]) == ([root_of(root)], 1)


# Stopped as one


def test_all_that_is_open_is_cancelled(play: Play) -> None:
    root = begin(play)
    ended, live = make(play, root, due="5m"), make(play, root, due="5m")
    waiting, paused, claimed = make(play, root), make(play, root), make(play, root, due="6m")
    play.say(run_of(play, ended), "complete", {"outcome": "succeeded"})
    grandchild = make(play, run_of(play, live))
    play.call("POST", f"{PATH}/{paused['id']}/pause")
    play.clock.advance(minutes=1)
    play.sweep()
    assert play.now(claimed).status is Status.CLAIMED
    stranger = play.make(due="7d")
    found = {it["id"]: it["status"] for it in stop(play, waiting["id"])["follow_ups"]}
    assert found == {
        root_of(root): "cancelling", ended["id"]: "done", live["id"]: "cancelling", grandchild["id"]: "cancelled",
        waiting["id"]: "cancelled", paused["id"]: "cancelled", claimed["id"]: "cancelled",
    }  # fmt: skip
    assert play.now(stranger).status is Status.SCHEDULED
    assert [play.run(it, play.agent.does) for it in play.queue.take("start") if it.follow_up_id == claimed["id"]] == [
        "stale"
    ]
    before = play.store.list_follow_ups("me", group="all", after=None, limit=100)
    assert stop(play, root_of(root))["made"] == 6, "again is no change"
    assert play.store.list_follow_ups("me", group="all", after=None, limit=100) == before


def test_a_live_run_of_a_stopped_tree_makes_nothing_more(play: Play) -> None:
    root = begin(play)
    child = run_of(play, make(play, root, due="5m"))
    stop(play, root_of(root))
    for call in (root, child):
        status, refused = ask(play, call)
        assert (status, refused["code"]) == (403, "run_not_live")
        assert play.say(call, "heartbeat")[1]["cancelled"] is True, "and is told to end"
        assert play.say(call, "complete", {"outcome": "succeeded"})[1]["outcome"] == "cancelled"
    found = play.call("GET", f"{PATH}/{root_of(root)}/tree")[1]
    assert {it["status"] for it in found["follow_ups"]} == {"cancelled"}
    assert play.tick(days=30) == [] and play.mailer.sent == []


def test_it_is_stopped_while_its_agents_are_called(play: Play) -> None:
    """An agent that is stopped in the middle of its work, and asks for more then."""
    asked: list[int] = []

    def does(call: AgentCall) -> Any:
        make(play, call)
        stop(play, root_of(call))
        asked.append(ask(play, call)[0])
        return done()

    play.agent.does = does
    it = play.make()
    play.tick(seconds=10)
    assert asked == [403]
    assert {each.status for each in members(play, it["id"])} == {Status.CANCELLED}
    assert play.mailer.sent == []


def members(play: Play, root: str) -> list[Any]:
    names = (root, *play.store.slots(ids.tree_key("me", root)))
    return [play.now(name) for name in names]


def test_no_run_stops_a_tree_not_even_its_own(play: Play) -> None:
    root = begin(play)
    status, refused, _ = play.call("POST", f"{PATH}/{root_of(root)}/stop-tree", followups_run_token=root.token)
    assert (status, refused["code"]) == (403, "not_with_run_token")
    assert play.call("GET", f"{PATH}/{root_of(root)}/tree", followups_run_token=root.token)[0] == 200, "but may look"
    assert play.call("POST", f"{PATH}/{root_of(root)}/stop-tree", user="you")[0] == 404
    assert play.now(root).status is Status.RUNNING


def test_no_run_cancels_what_a_person_made_not_even_what_its_tree_began_with(play: Play) -> None:
    """It would end for good, and nobody would be told."""
    root = begin(play, due="every 10 minutes")
    child = make(play, root, due="5m")
    for call in (root, run_of(play, child)):
        status, refused, _ = play.call("DELETE", f"{PATH}/{root_of(root)}", followups_run_token=call.token)
        assert (status, refused["code"]) == (403, "not_with_run_token")
    assert play.now(root).status is Status.RUNNING
    assert play.call("DELETE", f"{PATH}/{make(play, root, due='5m')['id']}", followups_run_token=root.token)[0] == 200


# Bounded


def test_a_budget_is_a_roots_for_good() -> None:
    play = wide(max_descendants=3)
    root = begin(play, due="every 10 minutes")
    first = make(play, root, due="5m")
    grandchild = make(play, run_of(play, first), due="5m")
    play.call("DELETE", f"{PATH}/{grandchild['id']}")
    again = [play.call("POST", PATH, CHILD, followups_run_token=root.token, idempotency_key="k")[0] for _ in range(2)]
    assert again == [201, 200], "what is asked for twice is one"
    for call in (root, run_of(play, first)):
        status, refused = ask(play, call)
        assert (status, refused["code"], refused["retryable"]) == (409, "cascade_budget", False)
        assert "has made its 3 follow-ups" in refused["detail"] and "Do not ask again" in refused["hint"]
    assert play.call("POST", PATH, CHILD, followups_run_token=root.token, idempotency_key="k")[0] == 200
    # Neither the end of its run nor that of a child gives anything back.
    play.say(root, "complete", {"outcome": "succeeded"})
    next_run = run_of(play, {"id": root_of(root)})
    assert next_run.run_id != root.run_id and ask(play, next_run)[1]["code"] == "cascade_budget"
    other = begin(play)
    assert ask(play, other)[0] == 201, "another root has its own"
    play.close()


@pytest.mark.parametrize("most", [0, 1, 2, 3])
def test_generations_are_as_many_as_the_installation_says(most: int) -> None:
    play = wide(max_depth=most)
    call = begin(play)
    for depth in range(1, most + 1):
        child = make(play, call, due="5m")
        assert child["depth"] == depth
        call = run_of(play, child)
    status, refused = ask(play, call)
    assert (status, refused["code"], refused["retryable"]) == (409, "cascade_depth", False)
    assert ("here no agent may" in refused["detail"]) is (most == 0)
    assert "Do not ask again" in refused["hint"]
    assert play.call("GET", f"{PATH}/{call.request['follow_up_id']}/tree")[1]["made"] == most
    play.close()


def test_what_was_refused_stands_in_the_record_and_the_report() -> None:
    play = wide(max_descendants=1)
    root = begin(play)
    make(play, root)
    for _ in range(3):
        ask(play, root)
    assert play.now(root).refused == 3
    assert play.say(root, "complete", {"outcome": "succeeded", "summary": "All is well."})[0] == 200
    [record] = play.records(root)
    assert (record.refused, "has made its 1 follow-up" in str(record.refused_why)) == (3, True)
    view = play.call("GET", f"/v1/runs/{record.id}")[1]["refused"]
    assert view == {"count": 3, "why": record.refused_why}
    assert "3 follow-ups that it asked for: the tree" in " ".join(compose(record).text.split())
    play.close()


def test_an_agent_that_asks_for_ever_is_noted_fifty_times() -> None:
    play = wide(max_depth=0)
    root = begin(play)
    for _ in range(60):
        assert ask(play, root)[0] == 409
    assert (play.now(root).refused, play.now(root).version) == (50, 54)
    play.close()


def test_each_run_has_its_own_note() -> None:
    play = wide(max_depth=0)
    root = begin(play, due="every 10 minutes")
    ask(play, root)
    play.say(root, "complete", {"outcome": "succeeded"})
    second = run_of(play, {"id": root_of(root)})
    play.say(second, "complete", {"outcome": "succeeded"})
    assert [it.refused for it in play.records(root)] == [0, 1]
    play.close()


def test_who_is_dead_makes_nothing(play: Play) -> None:
    root = begin(play)
    play.say(root, "complete", {"outcome": "succeeded"})
    before = [str(it) for it in play.store.everything()]
    assert ask(play, root)[1]["code"] == "run_not_live"
    assert [str(it) for it in play.store.everything()] == before


def test_all_of_a_large_tree_comes_to_its_end() -> None:
    """Each run makes as many as it gets, and they run: five generations would be 3,905."""
    play = wide()

    def does(call: AgentCall) -> Any:
        for _ in range(5):
            ask(play, call, due="5m")
        return done()

    play.agent.does = does
    it = play.make()
    for _ in range(30):
        play.tick(minutes=2)
    found = members(play, it["id"])
    assert len(found) == 21 and all(each.status in CLOSED for each in found)
    assert max(each.depth for each in found) == 2
    assert len(play.agent.calls) == 21
    play.close()
