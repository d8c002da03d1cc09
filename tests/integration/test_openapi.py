"""The OpenAPI document against the API: what it promises of requests, answers and refusals is what happens."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.api import TASK, Api


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Api]:
    made = Api(tmp_path)
    yield made
    made.close()


def test_a_time_is_a_short_text(server: Api) -> None:
    status, body, _ = server.call("POST", "/v1/follow-ups", TASK | {"due": "7d" + " " * 60_000})
    assert (status, body["code"]) == (422, "invalid_due")
    assert server.call("POST", "/v1/follow-ups", TASK | {"due": "7d" + " " * 98})[0] == 201
