"""The transport over HTTP: to an installation on AWS, or to `followups dev`."""

import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Mapping

from followups.cli.client import Reply, Unreachable, lower

_TIMEOUT_S = 30


class Http:
    """Speaks to an installation's HTTP API."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")

    def send(self, method: str, target: str, headers: dict[str, str], body: bytes | None) -> Reply:
        # The scheme is https, or http to the loopback: config.read_environment lets nothing else through.
        request = urllib.request.Request(self._url + target, data=body, headers=headers, method=method)  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as response:  # noqa: S310
                return _reply(response.status, dict(response.headers), response.read())
        except urllib.error.HTTPError as error:
            with error:
                return _reply(error.code, dict(error.headers), error.read())
        except (OSError, http.client.HTTPException) as error:  # URLError is an OSError
            reason = getattr(error, "reason", error)
            raise Unreachable(f"{self._url} did not answer ({reason})") from error


def _reply(status: int, headers: Mapping[str, str], raw: bytes) -> Reply:
    try:
        body = json.loads(raw or b"{}")
    except ValueError:
        body = {"code": f"http_{status}", "detail": raw[:200].decode("utf-8", "replace").strip() or "an empty answer"}
    return Reply(status, lower(headers), body if isinstance(body, dict) else {"answer": body})
