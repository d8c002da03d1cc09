"""Run tokens, messages and names: what comes from outside is believed only as far as it proves itself."""

import base64
import hmac
import json
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from followups.domain import ids, lineage
from followups.domain.changes import Live, TakeSlot
from followups.domain.errors import Forbidden, Refused, Unauthenticated, WrongState
from followups.domain.ids import Key
from followups.domain.lineage import RunToken, read_run_token, sign_run
from followups.domain.messages import Message, read_message
from followups.domain.status import Status
from tests.support.clock import START
from tests.support.things import DEADLINE
from tests.unit.test_editing import follow_up

OLD, NEW = b"old secret, 32 bytes long .......", b"new secret, 32 bytes long ......."
RUN = RunToken("me", "a" * 26, 3, DEADLINE)


def test_a_token_is_read_with_either_key() -> None:
    assert read_run_token(sign_run(RUN, NEW), [NEW, OLD]) == RUN
    assert read_run_token(sign_run(RUN, OLD), [NEW, OLD]) == RUN
    with pytest.raises(Refused, match="invalid_run_token"):
        read_run_token(sign_run(RUN, OLD), [NEW])


def test_only_a_live_run_has_children_and_only_two_generations() -> None:
    live = follow_up(Status.RUNNING)
    assert lineage.descend(live, RUN).depth == 1
    for gone in (None, follow_up(Status.DONE), follow_up(Status.CANCELLING), replace(live, fence=4)):
        with pytest.raises(Forbidden, match="run_not_live"):
            lineage.descend(gone, RUN)
    grandchild = replace(live, depth=2)
    assert lineage.descend(grandchild, RUN, max_depth=3).depth == 3
    with pytest.raises(WrongState, match=r"cascade_depth: .* at most 2 generations below a person's") as deep:
        lineage.descend(grandchild, RUN)
    with pytest.raises(WrongState, match="here no agent may make a follow-up: 0 generations"):
        lineage.descend(live, RUN, max_depth=0)
    assert (deep.value.retryable, deep.value.hint) == (False, lineage.NO_MORE), "an agent must not try again"


def test_a_child_needs_a_live_parent_and_a_place_in_its_tree_in_one_transaction() -> None:
    parent = replace(follow_up(Status.RUNNING), root="r" * 26)
    assert lineage.conditions(parent, "c" * 26, max_descendants=7) == (
        Live(parent.key, parent.fence), TakeSlot(Key(f"{parent.owner}#{'r' * 26}", "TREE"), "c" * 26, 7),
    )  # fmt: skip
    refusal = lineage.no_budget(7)
    assert (refusal.code, refusal.http_status) == ("cascade_budget", 409)
    assert (refusal.retryable, refusal.hint) == (False, lineage.NO_MORE)
    assert "has made its 7 follow-ups" in refusal.detail


def test_a_token_holds_its_deadline_to_the_second_and_never_less() -> None:
    run = replace(RUN, deadline=START + timedelta(milliseconds=1))
    assert read_run_token(sign_run(run, NEW), [NEW]).deadline == START + timedelta(seconds=1)
    assert read_run_token(sign_run(replace(RUN, deadline=START), NEW), [NEW]).deadline == START


def _signed(payload: str, prefix: str = "fr2") -> str:
    """Gives a token that bears our signature, whatever it says."""
    mac = hmac.digest(NEW, b"followups run token\n" + payload.encode(), "sha256")
    parts = (base64.urlsafe_b64encode(part).decode().rstrip("=") for part in (payload.encode(), mac))
    return ".".join((prefix, *parts))


def test_only_what_is_whole_and_of_this_form_is_a_token() -> None:
    sound = f"me\n{'a' * 26}\n3\n1800000000"
    assert read_run_token(_signed(sound), [NEW]).run_id == f"run-{'a' * 26}-000003"
    for token in (
        _signed(sound, "fr1"), _signed(f"me\n{'a' * 26}\n3"), _signed(f"me\n{'a' * 26}\nthree\n1800000000"),
        _signed(f"me\n{'a' * 26}\n3\n{10**30}"), _signed(f"me\n{'a' * 26}\n3\n{10**15}"), _signed(sound) + "=",
        _signed(sound).upper(), "fr2..", "fr2", "",
    ):  # fmt: skip
        with pytest.raises(Unauthenticated, match="invalid_run_token"):
            read_run_token(token, [NEW])


def test_a_child_is_due_in_five_minutes_at_the_soonest() -> None:
    assert lineage.earliest_child(START, START) == START + timedelta(minutes=5)
    assert lineage.earliest_child(START + timedelta(days=1), START) == START + timedelta(days=1)


def test_a_message_reads_back() -> None:
    message = Message("start", "me", "a" * 26, 3)
    assert read_message(message.to_json()) == message


@pytest.mark.parametrize(
    "change",
    [{"v": 2}, {"kind": "x"}, {"owner": 5}, {"follow_up_id": None}, {"fence": "3"}, {"fence": True}, {"fence": 0}],
)
def test_another_message_is_dropped(change: dict[str, object]) -> None:
    body = json.loads(Message("start", "me", "a" * 26, 3).to_json())
    assert read_message(json.dumps(body | change)) is None


def test_names_lead_back() -> None:
    run = ids.run_id("a" * 26, 7)
    assert (len(run), ids.parse_run_id(run)) == (37, ("a" * 26, 7))
    assert ids.parse_slot_id(ids.slot_id("an#owner", "a" * 26, 7)) == ("an#owner", "a" * 26, 7)
    assert ids.parse_run_id("run-x") is None and ids.parse_slot_id("x") is None


@given(st.text(), st.text(), st.text(), st.text())
def test_another_owner_or_key_gives_another_id(owner: str, key: str, owner2: str, key2: str) -> None:
    one, two = ids.derive_id(owner, key), ids.derive_id(owner2, key2)
    assert ids.is_id(one)
    assert (one == two) == ((owner, key) == (owner2, key2))
