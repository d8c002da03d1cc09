"""What the routes work with, and what several of them do alike."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from followups.api import identity, views
from followups.api.problems import Answer, answer
from followups.domain.addresses import is_allowed
from followups.domain.entities import FollowUp
from followups.domain.errors import Forbidden
from followups.usecases import manage
from followups.usecases.manage import Asker
from followups.usecases.world import World


@dataclass(frozen=True, slots=True)
class Place:
    """An installation on AWS."""

    region: str
    #: Longest timeout in seconds of an agent that is waited for: what a runner's time leaves for it.
    longest_run_s: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Service:
    """What the routes work with."""

    world: World
    #: Keys that sign run tokens and cursors; the first signs, all verify.
    secrets: Sequence[bytes]
    default_timezone: str
    #: Whether command lines and command agents can run here: on a laptop.
    allow_commands: bool
    #: Where on AWS agents are called, and how many seconds a run may take there; None on a laptop.
    place: Place | None = None
    #: Who may receive reports: addresses and `*@domain`; `*` on a laptop.
    recipients: tuple[str, ...] = ("*",)


Route = Callable[[Service, Mapping[str, Any], dict[str, str]], Answer]


def asker(service: Service, event: Mapping[str, Any]) -> Asker:
    """Gives who asks; a run's token only while its run is live. Raises Unauthenticated, Forbidden."""
    who = identity.asker(event, service.secrets)
    manage.check_live(service.world, who)
    return who


def operator(service: Service, event: Mapping[str, Any]) -> None:
    """The registry and the kill switch are for operators, whom the authorizer tells apart; never for an agent's run.

    Raises Unauthenticated, Forbidden `not_with_run_token`.
    """
    if asker(service, event).token is not None:
        raise Forbidden("not_with_run_token", "an agent may neither change the registry nor the kill switch")


def check_recipient(service: Service, address: str | None, field: str = "report_to") -> None:
    """Raises Forbidden `recipient_not_allowed` for an address that may not receive reports."""
    if address is not None and not is_allowed(address, service.recipients):
        detail = f"{address[:80]} is not on this installation's list of recipients; an operator can add it"
        raise Forbidden("recipient_not_allowed", detail, field=field)


def one(it: FollowUp, status: int = 200) -> Answer:
    """Gives the answer that is one follow-up."""
    return answer(status, views.follow_up(it), etag(it))


def etag(it: FollowUp) -> dict[str, str]:
    """Gives the header that names this version of it (RFC 9110 §8.8.3)."""
    return {"ETag": f'"{it.version}"'}
