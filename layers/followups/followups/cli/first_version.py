"""The file that the first version of this feature kept its tasks in, `{"tasks": [{id, created, due_date, …}]}`.

Strict: the first version took a file that it could not read for an empty one, and erased it with its next save. A file
with anything wrong in it is refused whole, and the refusal names the task and the field.
"""

import hashlib
import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime
from typing import Any

from followups.domain.errors import Invalid
from followups.domain.ids import AGENT_NAME
from followups.domain.text import first_line, plain

#: A thousand tasks with the longest texts that a follow-up may have, and far more of the usual ones.
MAX_BYTES = 20 * 1024 * 1024
STATUSES = ("pending", "dispatching", "completed")
_DATES = ("created", "due_date", "dispatch_started", "completed_date")
#: Fields that may be missing, or null.
_OPTIONAL = ("message", "dispatch_started", "completed_date")
_ISO = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:\d\d)?)?", re.ASCII)
_KINDS = {type(None): "null", bool: "a truth value", int: "a number", float: "a number", list: "a list", dict: "an object"}


@dataclass(frozen=True, kw_only=True, slots=True)
class OldTask:
    """A task as the first version stored it; the form of each field is checked."""

    #: Its place in the file, from 1.
    number: int
    id: str
    #: ISO text, like all dates here: the first version wrote days without a time, in the user's zone.
    created: str
    due_date: str
    task: str
    #: The agent, with its @.
    recipient: str
    message: str = ""
    status: str
    dispatch_started: str | None = None
    completed_date: str | None = None

    @property
    def key(self) -> str:
        """The Idempotency-Key that this very task has in every file: it tells it from another task with its id, and
        from itself it does not differ by how far it came meanwhile."""
        content = [self.id, self.created, self.due_date, self.task, self.recipient, self.message]
        return f"import-{hashlib.sha256(json.dumps(content).encode()).hexdigest()[:40]}"

    @property
    def due(self) -> str:
        """When it was due, in the form that the API reads: whole seconds."""
        return re.sub(r"\.\d+", "", self.due_date).replace(" ", "T")

    def wrong(self, field: str, why: str) -> Invalid:
        """Gives the refusal of this task for one of its fields."""
        return wrong(f"{_place(self.number, self.id)}: {field}: {why}")


def read(raw: bytes) -> tuple[list[OldTask], list[str]]:
    """Gives the tasks in the file's order, and the names of fields that are not known. Raises Invalid `invalid_file`."""
    if len(raw) > MAX_BYTES:
        raise wrong(f"it has more than {MAX_BYTES // 1024**2} MB, which no file of the first version has")
    content = _json(raw)
    stored = content.get("tasks") if isinstance(content, dict) else None
    if not isinstance(stored, list):
        raise wrong('it is not {"tasks": [...]}, as the first version wrote it')
    tasks = [_task(number, item) for number, item in enumerate(stored, start=1)]
    first: dict[str, OldTask] = {}
    for task in tasks:
        if (other := first.setdefault(task.id, task)) is not task:
            raise task.wrong("id", f"task {other.number} has the same")
    known = {field.name for field in fields(OldTask)} - {"number"}
    return tasks, sorted({_shown(name) for item in stored for name in item} - known)


def wrong(why: str) -> Invalid:
    """Gives the refusal of the file."""
    return Invalid("invalid_file", f"{why}; nothing was imported")


def _task(number: int, item: object) -> OldTask:
    if not isinstance(item, dict):
        raise wrong(f"{_place(number, None)} is {_kind(item)}, not an object")
    values: dict[str, Any] = {}
    for field in (it.name for it in fields(OldTask) if it.name != "number"):
        value = item.get(field)
        if value is None and field in _OPTIONAL:
            continue
        if why := _flaw(field, value, missing=field not in item):
            raise wrong(f"{_place(number, item.get('id'))}: {field}: {why}")
        values[field] = value
    # An agent's name is lower case with an @; the first version took it in any form.
    values["recipient"] = "@" + values["recipient"].strip().removeprefix("@").lower()
    if not AGENT_NAME.fullmatch(values["recipient"]):
        why = f"{_shown(item['recipient'])!r} can be no agent's name; write it like @backup"
        raise wrong(f"{_place(number, item['id'])}: recipient: {why}")
    return OldTask(number=number, **values)


def _flaw(field: str, value: object, *, missing: bool) -> str | None:
    """Says what is wrong with a field's value, or None."""
    if missing:
        return "it is missing"
    if not isinstance(value, str):
        return f"it is {_kind(value)}, not text"
    if any("\ud800" <= c <= "\udfff" for c in value):
        return "it contains half of a surrogate pair"
    if field == "id" and not value.strip():
        return "it is empty"
    if field == "status" and value not in STATUSES:
        return f"{_shown(value)!r} is none of {', '.join(STATUSES)}"
    if field in _DATES and not _is_date(value):
        return f"{_shown(value)!r} is no date; it is written like 2026-12-01 or 2026-12-01T09:00"
    return None


def _is_date(text: str) -> bool:
    try:
        if not _ISO.fullmatch(text):
            return False
        datetime.fromisoformat(text) if len(text) > 10 else date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _json(raw: bytes) -> Any:
    try:
        return json.loads(raw.decode("utf-8-sig"), parse_constant=_refuse, parse_float=_finite, object_pairs_hook=_once)
    except json.JSONDecodeError as error:
        raise wrong(f"it is not JSON (line {error.lineno}, column {error.colno}: {error.msg})") from error
    except UnicodeDecodeError as error:
        raise wrong(f"it is not UTF-8 text (byte {error.start})") from error
    except RecursionError as error:
        raise wrong("it is nested too deeply") from error
    except ValueError as error:
        raise wrong(f"it is not JSON ({str(error)[:100]})") from error


def _refuse(name: str) -> float:
    raise ValueError(f"{name} is no number of JSON")


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _refuse(text[:20])


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"{_shown(name)} stands twice in one object")
        found[name] = value
    return found


def _place(number: int, id_: object) -> str:
    return f"task {number} (id {_shown(id_)})" if isinstance(id_, str) else f"task {number}"


def _shown(text: str) -> str:
    return first_line(plain(text), 60)


def _kind(value: object) -> str:
    return _KINDS.get(type(value), "text")
