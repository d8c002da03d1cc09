"""The transport over HTTP: to an installation on AWS, or to `followups dev`."""

import http.client
import json
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from followups.cli.client import Reply, Unreachable, lower
from followups.domain.errors import Invalid

if TYPE_CHECKING:
    from followups.adapters.sigv4 import Sign

_TIMEOUT_S = 30


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirect would take the run's token to another server, unencrypted if that asks for it: it is not followed."""

    def redirect_request(self, *_request: Any) -> None:
        return None


class _Object(dict[str, Any]):
    """An answer's object. What a command asks of it and it lacks tells that something else answered."""

    def __missing__(self, name: str) -> Any:
        raise Unreachable(f"the answer has no {name!r}: it is of no Followups, or of one of another version")


class Http:
    """Speaks to an installation's HTTP API, waiting `timeout_s` for each part of an answer; `sign` signs each request."""

    def __init__(self, url: str, *, sign: "Sign | None" = None, timeout_s: float = _TIMEOUT_S) -> None:
        self._url = url.rstrip("/")
        self._sign = sign
        self._timeout_s = timeout_s
        self._opener = urllib.request.build_opener(_NoRedirects)

    def send(self, method: str, target: str, headers: dict[str, str], body: bytes | None) -> Reply:
        """Gives the answer. Raises Unreachable, and Invalid for a header that HTTP cannot hold."""
        for name, value in headers.items():
            if not (value.isascii() and value.isprintable()):
                raise Invalid(
                    "invalid_header", f"what was given for the header {name} has more than visible ASCII characters"
                )
        if self._sign is not None:
            headers = self._sign(method, self._url + target, headers, body)
        url, headers = _to_loopback(self._url + target, headers)
        # The scheme is https, or http to the loopback: config lets nothing else through.
        request = urllib.request.Request(url, data=body, headers=headers, method=method)  # noqa: S310
        try:
            with self._opener.open(request, timeout=self._timeout_s) as response:
                status, answered, raw = response.status, dict(response.headers), response.read()
        except urllib.error.HTTPError as error:
            return self._refusal(error)
        except (OSError, http.client.HTTPException) as error:  # URLError is an OSError
            raise self._unreachable(error) from error
        if (found := _object(raw)) is None:
            raise Unreachable(f"{self._url} answers, but not as Followups does: look at FOLLOWUPS_API_URL")
        return Reply(status, lower(answered), found)

    def _refusal(self, error: urllib.error.HTTPError) -> Reply:
        try:
            with error:
                raw = error.read()
        except (OSError, http.client.HTTPException) as broken:
            raise self._unreachable(broken) from broken
        found = _object(raw)
        if found is None:
            text = raw[:200].decode("utf-8", "replace").strip() or "an empty answer"
            if 300 <= error.code < 400:
                text = f"{self._url} sends us to {str(error.headers.get('Location'))[:200]}; redirects are not followed"
            found = {"code": f"http_{error.code}", "detail": text}
        return Reply(error.code, lower(dict(error.headers)), found)

    def _unreachable(self, error: Exception) -> Unreachable:
        return Unreachable(f"{self._url} did not answer ({getattr(error, 'reason', error)})")


def _to_loopback(url: str, headers: dict[str, str]) -> tuple[str, dict[str, str]]:
    """Gives the request to a name under localhost as one to the loopback: not every resolver knows them (RFC 6761 §6.3)."""
    parts = urlsplit(url)
    if parts.scheme != "http" or not (parts.hostname or "").endswith(".localhost"):
        return url, headers
    port = "" if parts.port is None else f":{parts.port}"
    return urlunsplit(parts._replace(netloc=f"127.0.0.1{port}")), {**headers, "Host": parts.netloc}


def _object(raw: bytes) -> dict[str, Any] | None:
    try:
        body = json.loads(raw, object_hook=_Object)
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None
