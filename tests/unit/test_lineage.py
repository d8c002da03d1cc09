"""Run tokens, messages and names: what comes from outside is believed only as far as it proves itself."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from followups.domain import ids, lineage
from followups.domain.errors import Forbidden, Refused
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
    with pytest.raises(Forbidden, match="cascade_depth"):
        lineage.descend(replace(live, depth=2), RUN)


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
