"""Reading what was sent: strict headers, strict queries, strict JSON. Light: a request without a body needs no more."""

import base64
import binascii
import json
import math
import re
from collections.abc import Mapping
from typing import Any

from followups.api.problems import HttpProblem

MAX_BODY = 64 * 1024
#: What an agent says of its run may be as long as a report, with what JSON makes of it.
MAX_RESULT = 1024 * 1024
_KEY = re.compile(r"[!-+\--~]{1,128}")


def json_object(event: Mapping[str, Any], limit: int = MAX_BODY) -> dict[str, Any]:
    """Gives the request's body, a JSON object of at most `limit` bytes. Raises HttpProblem 400, 413, 415 or 422."""
    media_type, _, parameters = header(event, "content-type").partition(";")
    charset = parameters.strip().lower().removeprefix("charset=").strip('"')
    if media_type.strip().lower() != "application/json" or charset not in ("", "utf-8"):
        raise HttpProblem(415, "unsupported_media_type", "send Content-Type: application/json, in UTF-8")
    return _object(_text(event, limit))


def has_form(event: object) -> bool:
    """Says whether what is read of an event has the types of payload format 2.0: a function may be invoked by hand, with
    anything."""
    if not isinstance(event, Mapping):
        return False
    texts = (event.get("headers") or {}, event.get("queryStringParameters") or {})
    fit = all(
        isinstance(it, Mapping) and all(isinstance(word, str) for pair in it.items() for word in pair) for it in texts
    )
    return fit and isinstance(event.get("body") or "", str)


def sent(event: Mapping[str, Any], name: str) -> str | None:
    """Gives a header whatever its case, or None: one that is empty was sent."""
    headers = event.get("headers") or {}
    return next((str(value) for key, value in headers.items() if str(key).lower() == name), None)


def header(event: Mapping[str, Any], name: str) -> str:
    """Gives a header whatever its case, or the empty text."""
    return sent(event, name) or ""


def idempotency_key(event: Mapping[str, Any]) -> str | None:
    """Gives the Idempotency-Key, or None. Raises HttpProblem 400 `invalid_idempotency_key`."""
    if (key := sent(event, "idempotency-key")) is None:
        return None
    if not _KEY.fullmatch(key):
        detail = "an Idempotency-Key is sent once and has 1 to 128 visible ASCII characters but the comma"
        raise HttpProblem(400, "invalid_idempotency_key", detail)
    return key


def asked_key(event: Mapping[str, Any]) -> str | None:
    """Gives the query's `idempotency_key`, or None. Raises HttpProblem 422."""
    key = (event.get("queryStringParameters") or {}).get("idempotency_key")
    if key is not None and not _KEY.fullmatch(key):
        raise wrong_field("idempotency_key", "it is no Idempotency-Key: 1 to 128 visible ASCII characters but the comma")
    return key


def if_match(event: Mapping[str, Any]) -> int:
    """Gives the version that If-Match names. Raises HttpProblem 428 without one, 422 for one that is no version."""
    value = header(event, "if-match").strip()
    if not value:
        detail = "send If-Match with the ETag of the follow-up as you read it, so that no other change is lost"
        raise HttpProblem(428, "precondition_required", detail)
    if not re.fullmatch(r'[0-9]{1,12}|"[0-9]{1,12}"', value, re.ASCII):
        raise HttpProblem(422, "validation_error", 'If-Match takes one ETag as it was answered, like "3"')
    return int(value.strip('"'))


def page_size(event: Mapping[str, Any]) -> int:
    """Gives the query's `limit`, 1 to 100, or 50."""
    text = (event.get("queryStringParameters") or {}).get("limit", "50")
    if not re.fullmatch(r"[0-9]{1,3}", text, re.ASCII) or not 1 <= int(text) <= 100:
        raise wrong_field("limit", f"{text[:20]!r} is no page size; it is a whole number from 1 to 100")
    return int(text)


def wrong_field(field: str, message: str) -> HttpProblem:
    """Gives the 422 for one field or query parameter."""
    return HttpProblem(422, "validation_error", message, errors=[{"pointer": f"/{field}", "msg": message}])


def _text(event: Mapping[str, Any], limit: int) -> str:
    body = event.get("body") or ""
    if len(body) > limit * 2:
        raise _too_large(limit)
    if event.get("isBase64Encoded"):
        try:
            raw = base64.b64decode(body, validate=True)
        except (binascii.Error, ValueError) as error:
            raise HttpProblem(400, "invalid_encoding", "the body is not the base64 that the event says it is") from error
        try:
            body = raw.decode("utf-8")
        except UnicodeDecodeError as error:
            # RFC 8259 §8.1
            raise HttpProblem(400, "invalid_json", "the body is not UTF-8, as JSON is") from error
    if len(body.encode("utf-8", "surrogatepass")) > limit:
        raise _too_large(limit)
    return str(body)


def _too_large(limit: int) -> HttpProblem:
    return HttpProblem(413, "payload_too_large", f"a request body may have {limit // 1024} KB")


def _object(text: str) -> dict[str, Any]:
    try:
        raw = json.loads(text, parse_constant=_no_constant, parse_float=_finite, object_pairs_hook=_no_duplicates)
    except HttpProblem:
        raise
    except (ValueError, RecursionError) as error:
        raise HttpProblem(400, "invalid_json", "the body is not JSON") from error
    if not isinstance(raw, dict):
        raise HttpProblem(422, "validation_error", "the body must be a JSON object")
    return raw


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON (RFC 8259 §6)")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is too large")
    return number


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise HttpProblem(400, "duplicate_key", "a key stands twice in one object")
    return found
