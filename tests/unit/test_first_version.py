"""The first version's file: what is read, and that whatever else a file holds is refused by task and field."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from followups.cli import first_version
from followups.domain.errors import Invalid

TASK: dict[str, Any] = {
    "id": "a1b2c3d4e5f60718", "created": "2026-11-01", "due_date": "2026-12-20", "task": "Check backup health",
    "recipient": "@backup", "message": "Is it new?", "status": "pending",
}  # fmt: skip


def written(*tasks: object) -> bytes:
    return json.dumps({"tasks": tasks}).encode()


def changed(**fields: Any) -> bytes:
    return written({name: value for name, value in (TASK | fields).items() if value is not Ellipsis})


def test_a_task_is_read_as_it_was_written() -> None:
    dispatching = TASK | {"id": "b", "status": "dispatching", "dispatch_started": "2026-11-20T08:00:01.123456"}
    done = TASK | {"id": "c", "status": "completed", "completed_date": "2026-11-20", "message": None}
    tasks, unknown = first_version.read(b"\xef\xbb\xbf" + written(TASK, dispatching, done))
    assert [(it.number, it.id, it.status) for it in tasks] == [
        (1, TASK["id"], "pending"), (2, "b", "dispatching"), (3, "c", "completed"),
    ]  # fmt: skip
    assert (tasks[0].task, tasks[0].recipient, tasks[0].message) == ("Check backup health", "@backup", "Is it new?")
    assert (tasks[1].dispatch_started, tasks[2].completed_date) == ("2026-11-20T08:00:01.123456", "2026-11-20")
    assert unknown == []


@pytest.mark.parametrize("recipient", ["@backup", "backup", "@Backup", " backup "])
def test_an_agent_is_named_in_any_form(recipient: str) -> None:
    assert first_version.read(changed(recipient=recipient))[0][0].recipient == "@backup"


@pytest.mark.parametrize(
    ("stored", "due"),
    [
        ("2026-12-20", "2026-12-20"),
        ("2026-12-20 08:30", "2026-12-20T08:30"),
        ("2026-12-20T08:30:01.123456", "2026-12-20T08:30:01"),
        ("2026-12-20T08:30:01.5+01:00", "2026-12-20T08:30:01+01:00"),
        ("2026-12-20T08:30:01Z", "2026-12-20T08:30:01Z"),
    ],
)
def test_a_date_is_handed_on_in_whole_seconds(stored: str, due: str) -> None:
    assert first_version.read(changed(due_date=stored))[0][0].due == due


def test_fields_that_nobody_knows_are_named() -> None:
    assert first_version.read(written(TASK | {"priority": 1, "colour": "\x1b[31mred"}))[1] == ["colour", "priority"]


def test_a_key_stays_with_its_task_however_far_it_came() -> None:
    (pending,), (later,) = first_version.read(changed())[0], first_version.read(
        changed(status="dispatching", dispatch_started="2026-12-20T08:00:00", recipient="backup")
    )[0]  # fmt: skip
    assert pending.key == later.key
    others = [
        {"id": "b"},
        {"task": "x"},
        {"due_date": "2026-12-21"},
        {"recipient": "@b"},
        {"message": ""},
        {"created": "2026-11-02"},
    ]
    keys = {first_version.read(changed(**other))[0][0].key for other in others}
    assert len(keys | {pending.key}) == len(others) + 1


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"", "not JSON (line 1, column 1"),
        (b'{"tasks": [', "not JSON (line 1"),
        (b'{"tasks": \xff}', "not UTF-8"),
        (b"[" * 100_000, "nested too deeply"),
        (b"[]", '{"tasks": [...]}'),
        (b"{}", '{"tasks": [...]}'),
        (b'{"tasks": {}}', '{"tasks": [...]}'),
        (b'{"tasks": [], "tasks": []}', "tasks stands twice"),
        (written(TASK | {"message": float("nan")}), "NaN is no number"),
        (written(TASK).replace(b'"pending"', b"1e999"), "1e999 is no number"),
        (b'{"tasks": [' + b"9" * 5_000 + b"]}", "not JSON"),
        (written(TASK, []), "task 2 is a list"),
        (written(TASK, None), "task 2 is null"),
        (written(TASK, "x"), "task 2 is text"),
        (written(TASK, TASK), "task 2 (id a1b2c3d4e5f60718): id: task 1 has the same"),
        (b" " * (first_version.MAX_BYTES + 1), "more than 20 MB"),
    ],
    ids=lambda it: repr(it[:30]) if isinstance(it, bytes) else "",
)
def test_a_file_that_is_none_is_refused(raw: bytes, said: str) -> None:
    with pytest.raises(Invalid) as refused:
        first_version.read(raw)
    assert said in refused.value.detail
    assert refused.value.detail.endswith("; nothing was imported")


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        *((field, ..., "it is missing") for field in TASK if field != "message"),
        *((field, 7, "it is a number, not text") for field in TASK),
        *((field, True, "it is a truth value") for field in ("id", "task", "completed_date", "dispatch_started")),
        ("task", None, "it is null"),
        ("task", ["x"], "it is a list"),
        ("task", {"a": 1}, "it is an object"),
        ("task", "\ud800", "half of a surrogate pair"),
        ("id", "", "it is empty"),
        ("status", "running", "'running' is none of pending, dispatching, completed"),
        ("due_date", "next week", "'next week' is no date"),
        ("due_date", "2026-02-30", "is no date"),
        ("due_date", "2026-12-20T25:00", "is no date"),
        ("due_date", "2026-12-20T08:00+99:00", "is no date"),
        ("due_date", "٢٠٢٦-12-20", "is no date"),
        ("created", "1764000000", "is no date"),
        ("dispatch_started", "now", "is no date"),
        ("completed_date", "", "is no date"),
        ("recipient", "", "can be no agent's name"),
        ("recipient", "@my agent", "can be no agent's name"),
    ],
)  # fmt: skip
def test_a_field_that_is_wrong_is_named_with_its_task(field: str, value: Any, said: str) -> None:
    with pytest.raises(Invalid) as refused:
        first_version.read(written(TASK | {"id": "first"}, json.loads(changed(**{field: value}))["tasks"][0]))
    assert f": {field}: " in refused.value.detail
    assert said in refused.value.detail
    assert refused.value.detail.startswith("task 2")
    assert "\x1b" not in refused.value.detail


@pytest.mark.parametrize("hostile", ["\x1b[2J", "a\r\nb", "\u202e"])
def test_what_is_said_of_a_file_cannot_move_the_cursor(hostile: str) -> None:
    with pytest.raises(Invalid) as refused:
        first_version.read(changed(id=f"x{hostile}y", status=hostile))
    assert not set(refused.value.detail) & set("\x1b\r\n\u202e")


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["2026-12-20", "pending", "@a"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*TASK, "x"]), inner, max_size=9),
    max_leaves=12,
)


_FIELDS = st.dictionaries(st.sampled_from([*TASK, "dispatch_started", "completed_date"]), _VALUES, max_size=2)


@settings(max_examples=60)
@given(st.binary() | st.lists(_VALUES).map(lambda it: written(*it)) | _FIELDS.map(lambda it: written(TASK | it)))
def test_whatever_a_file_holds_it_is_read_or_refused(raw: bytes) -> None:
    try:
        tasks, _ = first_version.read(raw)
    except Invalid as refused:
        assert refused.detail.endswith("; nothing was imported")
    else:
        assert len({task.id for task in tasks}) == len(tasks)
