"""The laptop serves requests in threads: what one of them says must never be taken for another's."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from followups.api.app import api
from followups.api.service import Service
from followups.local import events
from followups.usecases import manage
from tests.support.world import ME, Bench


def _delete(follow_up_id: str) -> dict[str, Any]:
    path = f"/v1/follow-ups/{follow_up_id}"
    return events.request("DELETE", path, user="me", headers={}, body=None, at=datetime.now(UTC))


class _Hooked(dict[str, Any]):
    """An event's part at whose readings something else happens, once for each that is given."""

    def then(self, *acts: Callable[[], object]) -> None:
        self.acts = list(acts)

    def get(self, key: str, default: Any = None) -> Any:
        if self.acts:
            self.acts.pop(0)()
        return super().get(key, default)

    def __getitem__(self, key: str) -> Any:
        return self.get(key)


def test_a_request_that_comes_between_is_not_taken_for_this_one(bench: Bench) -> None:
    first, second, third, fourth = (bench.create("7d") for _ in range(4))
    handle = api(Service(world=bench.world, secrets=(b"s" * 32,), default_timezone="UTC", allow_commands=True))
    event = _delete(first.id)
    event["requestContext"] = context = _Hooked(event["requestContext"])
    context.then(*(lambda it=it: handle(_delete(it.id), events.LocalContext()) for it in (second, third)))
    answered = handle(event, events.LocalContext())
    assert (answered["statusCode"], first.id in answered["body"]) == (200, True)
    states = [manage.get(bench.world, ME, it.id).status for it in (first, second, third, fourth)]
    assert states == ["cancelled", "cancelled", "cancelled", "scheduled"]
