"""Who asks: from the verified identity only, never from what the request says."""

from collections.abc import Mapping, Sequence
from typing import Any

from followups.api.request import header
from followups.domain.errors import Unauthenticated
from followups.domain.lineage import read_run_token
from followups.usecases.manage import Asker


def asker(event: Mapping[str, Any], secrets: Sequence[bytes]) -> Asker:
    """Gives the verified owner, or the owner of the run whose token was sent. `secrets` verify run tokens.

    Raises Unauthenticated.
    """
    owner = _owner((event.get("requestContext") or {}).get("authorizer") or {})
    if token_text := header(event, "followups-run-token"):
        token = read_run_token(token_text, secrets)
        # What an agent creates belongs to the person whose follow-up it runs, whatever credentials it came with.
        return Asker(owner=token.owner, token=token)
    return Asker(owner=owner)


def _owner(authorizer: Mapping[str, Any]) -> str:
    subject = ((authorizer.get("jwt") or {}).get("claims") or {}).get("sub")
    if subject:
        return str(subject)
    iam = authorizer.get("iam") or {}
    if iam.get("accountId") and iam.get("userId"):
        # A role session's id is "<stable principal>:<session name>".
        return f"{iam['accountId']}/{str(iam['userId']).partition(':')[0]}"
    local = (authorizer.get("lambda") or {}).get("owner")
    if local:
        return str(local)
    raise Unauthenticated("unauthenticated", "the request carries no verified identity")
