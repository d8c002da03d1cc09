"""The quota of open follow-ups: refused at the limit, whoever asks and however many at once."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from followups.adapters.local import NoLeases, NoQueue, SystemChance
from followups.domain import ids
from followups.domain.errors import WrongState
from followups.domain.status import Status
from followups.usecases import manage, registry
from followups.usecases.create import Request, create
from followups.usecases.manage import Asker
from followups.usecases.world import Limits, World
from tests.support.api_engine import LAPTOP
from tests.support.api_play import PATH, TASK, Play, done
from tests.support.beds import Bed
from tests.support.clock import ManualClock
from tests.support.race import race

QUOTA = ids.quota_key("me")
ME = Asker(owner="me")


@pytest.fixture
def play() -> Iterator[Play]:
    """An installation where an owner may have three open."""
    made = Play(replace(LAPTOP, max_open=3))
    yield made
    made.close()


def with_another(play: Play, most: int) -> World:
    """Gives the same installation, set otherwise."""
    return replace(play.world, limits=replace(LAPTOP, max_open=most))


# At the limit


def test_one_over_the_quota_is_refused_and_told_what_to_do(play: Play) -> None:
    made = [play.make() for _ in range(3)]
    before = [str(it) for it in play.store.everything()]
    status, refused, _ = play.call("POST", PATH, TASK)
    assert (status, refused["code"], refused["retryable"], refused["hint"]) == (409, "quota_active", False, None)
    assert "3 follow-ups are open" in refused["detail"] and "cancel some" in refused["detail"]
    assert [str(it) for it in play.store.everything()] == before, "who is refused leaves no trace"
    assert play.call("POST", PATH, TASK, user="you")[0] == 201, "each owner has a quota of his own"
    play.call("DELETE", f"{PATH}/{made[0]['id']}")
    assert [play.call("POST", PATH, TASK)[0] for _ in range(2)] == [201, 409]


def test_what_was_made_already_is_answered_again_at_the_limit(play: Play) -> None:
    first = play.call("POST", PATH, TASK, idempotency_key="k")[1]
    play.make(), play.make()
    status, again, headers = play.call("POST", PATH, TASK, idempotency_key="k")
    assert (status, again["id"], headers["idempotent-replayed"]) == (200, first["id"], "true")
    assert play.spent(QUOTA) == 3


def test_a_key_that_is_free_again_counts_anew(play: Play) -> None:
    first = play.call("POST", PATH, TASK, idempotency_key="k")[1]
    play.call("DELETE", f"{PATH}/{first['id']}")
    play.clock.advance(days=91)
    assert play.call("POST", PATH, TASK, idempotency_key="k")[0] == 201
    assert play.spent(QUOTA) == 1


@pytest.mark.parametrize("what", ["retry", "test"])
def test_other_ways_of_making_one_are_refused_as_well(play: Play, what: str) -> None:
    play.begin(lambda _: done("failed"), max_attempts=1)
    failed = play.call("GET", f"{PATH}?status=failed")[1]["follow_ups"][0]["id"]
    for _ in range(3):
        play.make()
    path, body = (f"{PATH}/{failed}/retry", None) if what == "retry" else ("/v1/agents/@a/test", {"task": "Try"})
    assert play.call("POST", path, body)[1]["code"] == "quota_active"


def test_an_agent_at_the_limit_is_told_not_to_ask_again_and_its_report_tells_it(play: Play) -> None:
    call = play.begin()
    play.make(due="7d"), play.make(due="7d")
    status, refused, _ = play.call("POST", PATH, TASK, followups_run_token=call.token)
    assert (status, refused["code"], refused["retryable"]) == (409, "quota_active", False)
    assert "Do not ask again" in refused["hint"]
    play.say(call, "complete", {"outcome": "succeeded"})
    [record] = play.records(call)
    assert record.refused == 1 and "3 follow-ups are open" in str(record.refused_why)


# One takes another's place


def test_a_place_is_taken_at_the_limit_too(play: Play) -> None:
    old = play.make(replace_key="it", due="7d")
    play.make(due="7d"), play.make(due="7d")
    new = play.make(replace_key="it")
    assert (play.now(old).status, play.now(new).counted) == (Status.CANCELLED, True)
    assert play.spent(QUOTA) == 3
    play.call("DELETE", f"{PATH}/{new['id']}")
    assert play.spent(QUOTA) == 2


def test_a_live_run_keeps_its_count_until_it_ends(play: Play) -> None:
    call = play.begin(replace_key="it")
    new = play.make(replace_key="it")
    assert play.spent(QUOTA) == 2, "both are open"
    play.make(due="7d")
    assert play.call("POST", PATH, TASK | {"replace_key": "it"})[0] == 201, "the new one makes way: it does not run"
    play.say(call, "complete", {"outcome": "succeeded"})
    assert (play.now(call).status, play.now(new).status) == (Status.DONE, Status.CANCELLED)
    assert play.spent(QUOTA) == 2


# Another quota than before


def test_without_a_quota_nothing_is_written() -> None:
    play = Play(LAPTOP)
    it = play.make()
    play.call("DELETE", f"{PATH}/{it['id']}")
    play.begin(lambda _: done())
    assert (play.now(it).counted, play.spent(QUOTA)) == (False, None)
    play.close()


def test_what_was_made_before_there_was_a_quota_never_counts(play: Play) -> None:
    before = with_another(play, 0)
    old = [create_in(before, replace_key=name) for name in (None, None, "it")]
    for _ in range(2):
        create_in(play.world)
    new = create_in(play.world, replace_key="it")
    assert play.spent(QUOTA) == 3, "who takes the place of what did not count, counts"
    with pytest.raises(WrongState, match="quota_active"):
        create_in(play.world)
    for name in old[:2]:
        manage.cancel(play.world, ME, name)
    assert play.spent(QUOTA) == 3
    manage.cancel(play.world, ME, new)
    assert play.spent(QUOTA) == 2


def test_a_quota_that_is_turned_off_is_still_given_back(play: Play) -> None:
    old = [create_in(play.world, replace_key=name) for name in (None, "it")]
    after = with_another(play, 0)
    new = create_in(after, replace_key="it")
    assert (play.now(old[1]).status, play.spent(QUOTA)) == (Status.CANCELLED, 1)
    for name in (old[0], new):
        manage.cancel(after, ME, name)
    assert play.spent(QUOTA) == 0


def test_a_lower_quota_lets_all_go_on_and_none_be_made(play: Play) -> None:
    old = [create_in(play.world) for _ in range(3)]
    lower = with_another(play, 1)
    for left in (2, 1, 0):
        with pytest.raises(WrongState, match="quota_active"):
            create_in(lower)
        manage.cancel(lower, ME, old[left])
    assert create_in(lower)


def create_in(world: World, **fields: Any) -> str:
    request = Request(agent="@a", task="Task", when="7d", timezone="UTC", **fields)
    return create(world, ME, request, idempotency_key=None, allow_commands=True).follow_up.id


# Races


def world_of(bed: Bed, most: int) -> World:
    clock = ManualClock()
    return World(
        store=bed.open(),
        queue=NoQueue(),
        clock=clock,
        chance=SystemChance(),
        leases=NoLeases(),
        limits=Limits(max_open=most),
    )


def test_of_many_who_create_at_once_as_many_as_may(server_bed: Bed) -> None:
    world = world_of(server_bed, 5)
    register(world)
    made: list[str] = []

    def act(racer: int, number: int) -> bool:
        try:
            made.append(create_in(world))
        except WrongState as refused:
            assert refused.code == "quota_active"
            return False
        return True

    [won] = race(16, 1, act)
    assert sum(won) == len(made) == 5
    assert open_and_counted(server_bed, world) == (5, 5)
    # Those who cancel and those who create, all at once.
    leaving = list(made)

    def change(racer: int, number: int) -> bool:
        if racer % 2 and racer // 2 < len(leaving):
            manage.cancel(world, ME, leaving[racer // 2])
            return False
        return act(racer, number)

    race(10, 1, change)
    found = open_and_counted(server_bed, world)
    assert found[0] == found[1] <= 5


def open_and_counted(bed: Bed, world: World) -> tuple[int, int]:
    """Gives how many of mine are open, and what the counter says."""
    its, after = world.store.list_follow_ups("me", group="open", after=None, limit=100)
    assert after is None
    return len(its), int(bed.items()[QUOTA]["spent"])


def register(world: World) -> None:
    registry.put_agent(world, "@a", registry.Registration(kind="command", command=("true",)))
