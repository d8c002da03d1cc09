"""What only a service over a network does: lost answers, throttling, transactions that collide."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError

from followups.adapters.dynamodb import DynamoDBStore
from followups.domain import ids
from followups.domain.changes import Add, Change, SetAside, Spend, Swap, TakeSlot
from followups.domain.entities import FollowUp
from followups.domain.errors import Conflict, StoreBusy
from followups.domain.status import Status
from followups.ports import Store
from tests.support.beds import DynamoDBBed, moto_bed
from tests.support.commits import moved
from tests.support.things import follow_up, fresh, later, run

SLOTS = ids.agent_slots_key("@backup")
WRITES = ("put_item", "update_item", "delete_item", "transact_write_items")


@pytest.fixture
def bed() -> Iterator[DynamoDBBed]:
    with moto_bed() as bed:
        yield bed


class Between:
    """A client with something between it and the server at each write: what `meddle` makes of the call."""

    def __init__(self, client: Any, meddle: Callable[[Callable[[], Any]], Any]) -> None:
        self._client = client
        self._meddle = meddle

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._client, name)
        if name not in WRITES:
            return method

        def call(**arguments: Any) -> Any:
            return self._meddle(lambda: method(**arguments))

        return call


class Failing:
    """A server that answers each call with the next of these errors, then well."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.calls: list[dict[str, Any]] = []

    def __getattr__(self, name: str) -> Any:
        def call(**arguments: Any) -> dict[str, Any]:
            self.calls.append({"name": name} | arguments)
            if self.errors:
                raise self.errors.pop(0)
            return {"Items": []}

        return call


def client_error(code: str, status: int = 400, **more: Any) -> ClientError:
    meta = {"HTTPStatusCode": status}
    return ClientError({"Error": {"Code": code, "Message": "…"}, "ResponseMetadata": meta, **more}, "TransactWriteItems")


def cancelled(*codes: str) -> ClientError:
    """Gives the refusal of a transaction, with a code for each of its writes."""
    reasons = [{"Code": code} for code in codes]
    return client_error("TransactionCanceledException", CancellationReasons=reasons)


def over(client: Any, bed: DynamoDBBed) -> DynamoDBStore:
    return DynamoDBStore(client, bed.table, shards=bed.shards, sleep=lambda _: None)


def twice(call: Callable[[], Any]) -> Any:
    """As boto3 does it when the first answer is lost."""
    call()
    return call()


def lost(call: Callable[[], Any]) -> Any:
    call()
    raise ReadTimeoutError(endpoint_url="https://dynamodb.example")


def changes_of(store: Store) -> dict[str, tuple[Change, ...]]:
    """Gives commits to lose the answer of: single writes and transactions."""
    first, second = follow_up(), follow_up(status=Status.CLAIMED, fence=1)
    store.commit(Add(first), Add(second))
    start = moved(second, status=Status.RUNNING)
    return {
        "add": (Add(follow_up()),),
        "swap": (moved(first),),
        "slot": (TakeSlot(SLOTS, "a", 1),),
        "start": (start, TakeSlot(SLOTS, "b", 2), TakeSlot(ids.ALL_SLOTS_KEY, "b", 1)),
        "create": (Add(follow_up()), Spend(ids.quota_key("r"), 1, 1)),
    }


@pytest.mark.parametrize("name", ["add", "swap", "slot", "start", "create"])
def test_a_write_whose_answer_was_lost_and_that_boto3_repeats_is_done_once(bed: DynamoDBBed, name: str) -> None:
    changes = changes_of(bed.open())[name]
    over(Between(bed.client, twice), bed).commit(*changes)
    items = bed.items()
    if name == "create":
        assert items[ids.quota_key("r")]["spent"] == 1
    for change in changes:
        if isinstance(change, Swap | Add):
            entity = change.new if isinstance(change, Swap) else change.entity
            assert items[entity.key]["write_id"] == entity.write_id


@pytest.mark.parametrize("name", ["add", "swap", "slot", "start", "create"])
def test_a_write_whose_answer_was_lost_can_be_committed_again(bed: DynamoDBBed, name: str) -> None:
    store = bed.open()
    changes = changes_of(store)[name]
    with pytest.raises(StoreBusy, match="DynamoDB did not answer"):
        over(Between(bed.client, lost), bed).commit(*changes)
    before = bed.items()
    store.commit(*changes)
    assert bed.items() == before


def test_what_was_ours_and_has_moved_on_since_is_still_told_by_the_rest_of_its_transaction(
    bed: DynamoDBBed, store: DynamoDBStore
) -> None:
    first = follow_up()
    store.commit(Add(first))
    swap, add = moved(first), Add(run(first))
    store.commit(swap, add)
    assert isinstance(swap.new, FollowUp)
    store.commit(moved(swap.new, task="Others went on from there"))
    store.commit(swap, add)
    assert bed.items()[first.key]["task"] == "Others went on from there"


def test_setting_aside_is_refused_when_the_item_changes_under_it(bed: DynamoDBBed, store: DynamoDBStore) -> None:
    bad = follow_up()
    store.commit(Add(bad))
    theirs = moved(bad)

    def overtaken(call: Callable[[], Any]) -> Any:
        store.commit(theirs)
        return call()

    with pytest.raises(Conflict):
        over(Between(bed.client, overtaken), bed).commit(SetAside(bad.key, 1, None))
    assert store.get(FollowUp, bad.key) == theirs.new


@pytest.mark.parametrize(
    "error",
    [
        client_error("ProvisionedThroughputExceededException"), client_error("ThrottlingException"),
        client_error("RequestLimitExceeded"), client_error("InternalServerError", 500),
        client_error("ServiceUnavailable", 503), client_error("TransactionInProgressException"),
        EndpointConnectionError(endpoint_url="https://dynamodb.example"),
        ReadTimeoutError(endpoint_url="https://dynamodb.example"),
    ],
    ids=lambda error: str(error)[:60],
)  # fmt: skip
@pytest.mark.parametrize("what", ["commit", "transaction", "get", "due", "list", "runs", "agents", "slots"])
def test_not_now_is_busy_whatever_was_asked(what: str, error: Exception) -> None:
    store = DynamoDBStore(Failing(error), "t")
    calls: dict[str, Callable[[], Any]] = {
        "commit": lambda: store.commit(Add(follow_up())),
        "transaction": lambda: store.commit(Add(follow_up()), TakeSlot(SLOTS, "a", 1)),
        "get": lambda: store.get(FollowUp, follow_up().key),
        "due": lambda: list(store.due(later())),
        "list": lambda: store.list_follow_ups("ada", group="open", after=None, limit=5),
        "runs": lambda: store.runs("ada", fresh(), limit=5),
        "agents": store.agents,
        "slots": lambda: store.slots(SLOTS),
    }
    with pytest.raises(StoreBusy) as busy:
        calls[what]()
    assert busy.value.__cause__ is error


@pytest.mark.parametrize("code", ["ResourceNotFoundException", "AccessDeniedException", "ValidationException"])
def test_what_will_never_work_passes_through(code: str) -> None:
    error = client_error(code)
    with pytest.raises(ClientError) as raised:
        DynamoDBStore(Failing(error), "t").commit(Add(follow_up()), Add(follow_up()))
    assert raised.value is error


def test_a_transaction_that_is_wrong_in_itself_passes_through() -> None:
    error = cancelled("None", "ValidationError")
    with pytest.raises(ClientError) as raised:
        DynamoDBStore(Failing(error), "t").commit(Add(follow_up()), Add(follow_up()))
    assert raised.value is error


@pytest.mark.parametrize("reason", ["TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"])
def test_a_collision_is_no_conflict_but_tried_again_after_a_random_pause(reason: str) -> None:
    pauses: list[float] = []
    server = Failing(cancelled("None", reason), cancelled(reason, "None"), cancelled("None", reason))
    lucks = iter([0.5, 1.0, 0.25])
    store = DynamoDBStore(server, "t", sleep=pauses.append, luck=lambda: next(lucks))
    store.commit(Add(follow_up()), TakeSlot(SLOTS, "a", 1))
    assert pauses == [pytest.approx(it) for it in (0.5 * 0.04, 0.08, 0.25 * 0.16)]
    assert len(server.calls) == 4
    assert all(call["TransactItems"] == server.calls[0]["TransactItems"] for call in server.calls)


@pytest.mark.parametrize("code", ["TransactionConflictException", "ReplicatedWriteConflictException"])
def test_one_write_may_collide_with_a_transaction_too(code: str) -> None:
    server = Failing(client_error(code))
    DynamoDBStore(server, "t", sleep=lambda _: None).commit(Add(follow_up()))
    assert [call["name"] for call in server.calls] == ["put_item", "put_item"]


def test_who_always_collides_gives_up() -> None:
    pauses: list[float] = []
    server = Failing(*(cancelled("TransactionConflict", "None") for _ in range(99)))
    with pytest.raises(StoreBusy, match="others are writing too: add ada#"):
        DynamoDBStore(server, "t", sleep=pauses.append, luck=lambda: 1.0).commit(Add(follow_up()), Add(follow_up()))
    assert (len(server.calls), len(pauses)) == (8, 7)
    assert max(pauses) == 1.0
    assert sum(pauses) < 4


def test_a_failed_condition_counts_whatever_collided_beside_it() -> None:
    server = Failing(cancelled("TransactionConflict", "ConditionalCheckFailed"))
    slot = TakeSlot(SLOTS, "a", 1)
    with pytest.raises(Conflict) as conflict:
        DynamoDBStore(server, "t").commit(Add(follow_up()), slot)
    assert conflict.value.failed == (slot,)


def test_reads_by_key_are_consistent() -> None:
    server = Failing()
    store = DynamoDBStore(server, "t")
    store.get(FollowUp, follow_up().key)
    store.slots(SLOTS)
    store.runs("ada", fresh(), limit=1)
    assert [call.get("ConsistentRead") for call in server.calls] == [True, True, True]
