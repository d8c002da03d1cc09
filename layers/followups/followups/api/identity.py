"""Who asks: from the verified identity only, never from what the request says."""

from collections.abc import Mapping, Sequence
from typing import Any

from followups.api.request import sent
from followups.domain import ids
from followups.domain.errors import Unauthenticated
from followups.domain.lineage import RunToken, read_run_token
from followups.usecases.manage import Asker


def asker(event: Mapping[str, Any], secrets: Sequence[bytes]) -> Asker:
    """Gives the verified owner, or the owner of the run whose token was sent. `secrets` verify run tokens.

    Raises Unauthenticated.
    """
    owner = _owner(_part(_part(event, "requestContext"), "authorizer"))
    # An empty token is a wrong one: an agent that has lost its token does not become its owner.
    if (token_text := sent(event, "followups-run-token")) is not None:
        token = read_run_token(token_text, secrets)
        # What an agent creates belongs to the person whose follow-up it runs, whatever credentials it came with.
        return Asker(owner=token.owner, token=token)
    return Asker(owner=owner)


def run_token(event: Mapping[str, Any], secrets: Sequence[bytes]) -> RunToken:
    """Gives the run that speaks for itself, by its token alone. Raises Unauthenticated `invalid_run_token`."""
    text = sent(event, "followups-run-token")
    if text is None:
        kind, _, bearer = (sent(event, "authorization") or "").partition(" ")
        text = bearer if kind.lower() == "bearer" else ""
    return read_run_token(text.strip(), secrets)


def _owner(authorizer: Mapping[str, Any]) -> str:
    subject = _part(_part(authorizer, "jwt"), "claims").get("sub")
    iam, local = _part(authorizer, "iam"), _part(authorizer, "lambda").get("owner")
    account, user = iam.get("accountId"), iam.get("userId")
    # A role session's id is "<stable principal>:<session name>".
    principal = user.partition(":")[0] if isinstance(user, str) else ""
    owner = subject or (f"{account}/{principal}" if account and principal else local)
    if not isinstance(owner, str) or not ids.is_owner(owner):
        raise Unauthenticated("unauthenticated", "the request carries no verified identity")
    return owner


def _part(of: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = of.get(name)
    return part if isinstance(part, Mapping) else {}
