"""Row 64: a store that does not answer, or takes no writes."""

from pathlib import Path
from typing import Any

import pytest

from followups.domain.errors import StoreBusy, StoreCorrupt, StoreError, StoreFull
from followups.domain.status import Status
from tests.integration.catalogue.rows import row
from tests.integration.catalogue.test_api_change import PATH, ROUTES, at
from tests.support.api import TASK, Api


class Broken:
    """A store of which every call fails, or every one but reading."""

    def __init__(self, error: StoreError, api: Api | None = None) -> None:
        self.error = error
        self.api = api

    def __getattr__(self, name: str) -> Any:
        if self.api is not None and name != "commit":
            return getattr(self.api.store, name)

        def fail(*_: Any, **__: Any) -> Any:
            raise self.error

        return fail


CALLS: list[tuple[str, str, dict[str, Any] | None]] = [
    *((method, target.format(f"run-{'a' * 26}-000001" if "/runs/" in target else "a" * 26), body)
      for method, target, body in ROUTES),
    ("POST", PATH, TASK), ("GET", PATH, None), ("GET", "/v1/agents", None), ("GET", "/v1/agents/@x", None),
    ("PUT", "/v1/agents/@x", {"kind": "command", "command": ["true"]}), ("DELETE", "/v1/agents/@x", None),
    ("GET", "/v1/control", None), ("PUT", "/v1/control", {"stopped": True}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("error", "code", "after"),
    [
        row(64, "throttled", StoreBusy("the table is throttled"), "try_again", "2"),
        row(64, "full", StoreFull("the disk is full"), "store_full", "60"),
        row(64, "down", StoreError("the table cannot be reached"), "store_unusable", "60"),
        row(64, "damaged", StoreCorrupt("x is damaged"), "store_unusable", "60"),
    ],
)
def test_a_store_that_fails(tmp_path: Path, error: StoreError, code: str, after: str) -> None:
    broken = Api(tmp_path, store=Broken(error))  # type: ignore[arg-type]
    for method, target, body in CALLS:
        status, answer, headers = broken.send(broken.event(method, target, body, if_match='"1"', idempotency_key="k"))
        assert (status, answer["code"], headers["retry-after"]) == (503, code, after), (method, target)
    assert broken.call("GET", "/v1/healthz")[0] == 200
    broken.close()


def test_api_64_a_store_that_takes_no_writes(api: Api, tmp_path: Path) -> None:
    target = f"{PATH}/{at(api, Status.SCHEDULED).id}"
    broken = Api(tmp_path, store=Broken(StoreBusy("locked"), api))  # type: ignore[arg-type]
    before = api.stored()
    for method, path, body in [
        ("PATCH", target, {"task": "New"}), ("DELETE", target, None), ("POST", f"{target}/run", None),
        ("POST", f"{target}/pause", None), ("POST", PATH, TASK),
        ("PUT", "/v1/agents/@x", {"kind": "command", "command": ["true"]}), ("PUT", "/v1/control", {"stopped": True}),
    ]:  # fmt: skip
        status, answer, headers = broken.call(method, path, body, if_match='"1"')
        assert (status, answer["code"], headers["retry-after"]) == (503, "try_again", "2"), (method, path)
    assert broken.call("GET", target)[0] == 200
    assert api.stored() == before
    broken.close()
