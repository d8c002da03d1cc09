"""Rows 1 to 17: what reaches the API, before anybody asks what it says."""

import base64
import json
from typing import Any

import pytest

from tests.integration.catalogue.rows import row
from tests.support.api import TASK, Api

GOOD = json.dumps(TASK).encode()


def refused(api: Api, event: Any, status: int, code: str) -> dict[str, Any]:
    """Sends what must be refused, and gives the answer's body. Nothing was written."""
    before = api.stored()
    got, body, _ = api.send(event)
    assert (got, body["code"]) == (status, code), body
    assert api.stored() == before
    return dict(body)


@pytest.mark.parametrize(
    "authorizer",
    [
        row(1, "none", None),
        row(1, "empty", {}),
        row(1, "no-claims", {"jwt": {}}),
        row(4, "no-subject", {"jwt": {"claims": {"aud": "x"}}}),
        row(4, "empty-subject", {"jwt": {"claims": {"sub": ""}}}),
        row(4, "two-subjects", {"jwt": {"claims": {"sub": ["me", "you"]}}}),
        row(4, "subject-is-a-number", {"jwt": {"claims": {"sub": 7}}}),
        row(4, "subject-of-two-lines", {"jwt": {"claims": {"sub": "me\nyou"}}}),
        row(4, "subject-too-long", {"jwt": {"claims": {"sub": "m" * 257}}}),
        row(4, "subject-surrogate", {"jwt": {"claims": {"sub": "me\ud800"}}}),
        row(4, "account-without-user", {"iam": {"accountId": "111122223333"}}),
        row(4, "user-without-account", {"iam": {"userId": "AROAEXAMPLE:me"}}),
        row(4, "user-is-only-a-session", {"iam": {"accountId": "111122223333", "userId": ":me"}}),
        row(4, "user-is-a-list", {"iam": {"accountId": "111122223333", "userId": ["A", "B"]}}),
        row(91, "authorizer-is-a-text", "me"),
        row(91, "jwt-is-a-text", {"jwt": "me"}),
    ],
)
def test_who_is_not_known_is_told_so(api: Api, authorizer: Any) -> None:
    for method, target, body in (("GET", "/v1/follow-ups", None), ("POST", "/v1/follow-ups", TASK)):
        event = api.event(method, target, body)
        event["requestContext"]["authorizer"] = authorizer
        refused(api, event, 401, "unauthenticated")


@pytest.mark.parametrize(
    ("method", "path", "status", "allow"),
    [
        row(5, "unknown", "GET", "/v1/nothing", 404, None),
        row(5, "root", "GET", "/", 404, None),
        row(5, "no-version", "GET", "/follow-ups", 404, None),
        row(5, "slash-at-the-end", "GET", "/v1/follow-ups/", 404, None),
        row(5, "two-slashes", "GET", "//v1/follow-ups", 404, None),
        row(5, "in-capitals", "GET", "/V1/Follow-Ups", 404, None),
        row(5, "deeper", "GET", "/v1/follow-ups/a/b/c", 404, None),
        row(5, "line-break", "GET", "/v1/follow-ups\n", 404, None),
        row(5, "put-on-the-list", "PUT", "/v1/follow-ups", 405, "GET, POST"),
        row(5, "post-on-one", "POST", "/v1/follow-ups/x", 405, "DELETE, GET, PATCH"),
        row(5, "get-on-a-verb", "GET", "/v1/follow-ups/x/run", 405, "POST"),
        row(5, "delete-the-switch", "DELETE", "/v1/control", 405, "GET, PUT"),
        row(5, "unknown-method", "BREW", "/v1/control", 405, "GET, PUT"),
        row(5, "empty-method", "", "/v1/control", 405, "GET, PUT"),
    ],
)
def test_what_is_not_there(api: Api, method: str, path: str, status: int, allow: str | None) -> None:
    event = api.event(method, "/")
    event["rawPath"] = path
    got, body, headers = api.send(event)
    assert (got, body["code"]) == (status, "not_found" if status == 404 else "method_not_allowed")
    assert headers.get("allow") == allow


@pytest.mark.parametrize(
    ("raw", "status", "code"),
    [
        row(6, "empty", b"", 400, "invalid_json"),
        row(6, "blank", b" \n", 400, "invalid_json"),
        row(6, "words", b"not json", 400, "invalid_json"),
        row(6, "byte-order-mark", b"\xef\xbb\xbf" + GOOD, 400, "invalid_json"),
        row(6, "utf-16", GOOD.decode().encode("utf-16"), 400, "invalid_json"),
        row(6, "latin-1", '{"task": "é"}'.encode("latin-1"), 400, "invalid_json"),
        row(6, "two-documents", GOOD + GOOD, 400, "invalid_json"),
        row(6, "cut-off", GOOD[:-1], 400, "invalid_json"),
        row(6, "single-quotes", b"{'task': 'x'}", 400, "invalid_json"),
        row(6, "comma-at-the-end", b'{"task": "x",}', 400, "invalid_json"),
        row(6, "line-break-in-a-text", b'{"task": "a\nb"}', 400, "invalid_json"),
        row(6, "form", b"task=x&due=7d", 400, "invalid_json"),
        row(6, "xml", b"<task>x</task>", 400, "invalid_json"),
        row(7, "list", b"[]", 422, "validation_error"),
        row(7, "list-of-one", b"[" + GOOD + b"]", 422, "validation_error"),
        row(7, "text", b'"7d"', 422, "validation_error"),
        row(7, "null", b"null", 422, "validation_error"),
        row(7, "number", b"7", 422, "validation_error"),
        row(7, "true", b"true", 422, "validation_error"),
        row(8, "nan", b'{"max_attempts": NaN}', 400, "invalid_json"),
        row(8, "infinity", b'{"max_attempts": Infinity}', 400, "invalid_json"),
        row(8, "minus-infinity", b'{"max_attempts": -Infinity}', 400, "invalid_json"),
        row(8, "1e400", b'{"max_attempts": 1e400}', 400, "invalid_json"),
        row(8, "minus-1e400", b'{"max_attempts": [{"x": -1e400}]}', 400, "invalid_json"),
        row(8, "5000-digits", b'{"max_attempts": ' + b"9" * 5_000 + b"}", 400, "invalid_json"),
        row(9, "duplicate", b'{"task": "a", "task": "b"}', 400, "duplicate_key"),
        row(9, "duplicate-escaped", b'{"task": "a", "t\\u0061sk": "b"}', 400, "duplicate_key"),
        row(9, "duplicate-inside", b'{"task": {"a": 1, "a": 1}}', 400, "duplicate_key"),
        row(10, "60000-brackets", b"[" * 60_000, 400, "invalid_json"),
        row(10, "60000-pairs", b"[" * 30_000 + b"]" * 30_000, 400, "invalid_json"),
        row(10, "10000-objects", b'{"a":' * 10_000, 400, "invalid_json"),
        row(10, "100000-brackets", b"[" * 100_000, 413, "payload_too_large"),
        row(12, "65537-bytes", b'{"task": "' + b"x" * (65_537 - 12) + b'"}', 413, "payload_too_large"),
        row(12, "21842-letters", b'{"task": "' + "€".encode() * 21_842 + b'"}', 413, "payload_too_large"),
        row(12, "300-kb", b'{"task": "' + b"x" * 300_000 + b'"}', 413, "payload_too_large"),
        row(12, "11-mb", b" " * 11_000_000, 413, "payload_too_large"),
        row(12, "binary-300-kb", b"\xff" * 300_000, 413, "payload_too_large"),
    ],
)  # fmt: skip
def test_a_body_that_cannot_be_read(api: Api, raw: bytes, status: int, code: str) -> None:
    refused(api, api.event("POST", "/v1/follow-ups", raw=raw), status, code)


SURROGATE = "\ud800"


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        row(11, "task", {"task": SURROGATE}, "/task"),
        row(11, "message", {"message": f"disk / < 9%\n{SURROGATE}"}, "/message"),
        row(11, "due", {"due": f"7d{SURROGATE}"}, "/due"),
        row(11, "timezone", {"timezone": f"Europe/{SURROGATE}"}, "/timezone"),
        row(11, "report-to", {"report_to": f"{SURROGATE}@b.co"}, "/report_to"),
        row(11, "agent", {"agent": f"@{SURROGATE}"}, "/agent"),
        row(11, "low-half", {"task": "\udc00"}, "/task"),
        row(11, "wrong-order", {"task": "\udc00\ud800"}, "/task"),
    ],
)
def test_half_of_a_surrogate_pair(api: Api, change: dict[str, Any], pointer: str) -> None:
    body = refused(api, api.event("POST", "/v1/follow-ups", TASK | change), 422, "invalid_text")
    assert [it["pointer"] for it in body["errors"]] == [pointer]


def test_api_11_a_name_of_a_field_that_is_no_text(api: Api) -> None:
    refused(api, api.event("POST", "/v1/follow-ups", TASK | {"\ud800": 1}), 422, "invalid_text")


def test_api_16_a_field_is_named_by_a_pointer_that_can_be_followed(api: Api) -> None:
    body = refused(api, api.event("POST", "/v1/follow-ups", TASK | {"a/b~c": 1}), 422, "validation_error")
    assert body["errors"] == [{"pointer": "/a~1b~0c", "msg": "there is no such field"}]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        row(13, "no-base64", "%%%", "invalid_encoding"),
        row(13, "wrong-length", "abcde", "invalid_encoding"),
        row(13, "blanks-in-it", "e30 =", "invalid_encoding"),
        row(13, "no-ascii", "é", "invalid_encoding"),
        row(13, "url-alphabet", base64.urlsafe_b64encode(b'{"a":"\xc3\xbf\xc3\xbe>>?"}').decode(), "invalid_encoding"),
        row(13, "no-utf-8-inside", base64.b64encode(b"\xff\xfe").decode(), "invalid_json"),
    ],
)
def test_a_body_in_base64(api: Api, body: str, code: str) -> None:
    event = api.event("POST", "/v1/follow-ups", TASK) | {"body": body, "isBase64Encoded": True}
    refused(api, event, 400, code)


@pytest.mark.parametrize(
    "content_type",
    [
        row(14, "text", "text/plain"),
        row(14, "none", None),
        row(14, "empty", ""),
        row(14, "form", "application/x-www-form-urlencoded"),
        row(14, "latin-1", "application/json; charset=latin-1"),
        row(14, "utf-16", 'application/json; charset="utf-16"'),
        row(14, "two", "application/json,text/plain"),
        row(14, "nearly", "application/jsonp"),
        row(14, "problem", "application/problem+json"),
    ],
)
def test_what_is_not_said_to_be_json(api: Api, content_type: str | None) -> None:
    event = api.event("POST", "/v1/follow-ups", TASK)
    if content_type is None:
        del event["headers"]["content-type"]
    else:
        event["headers"]["content-type"] = content_type
    refused(api, event, 415, "unsupported_media_type")


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", 'Application/JSON;charset="UTF-8"'])
def test_api_14_what_is_json(fresh: Api, content_type: str) -> None:
    event = fresh.event("POST", "/v1/follow-ups", TASK)
    event["headers"]["content-type"] = content_type
    assert fresh.send(event)[0] == 201


@pytest.mark.parametrize("accept", ["text/html", "", "image/*;q=0.1", "\x00"])
def test_api_15_json_is_answered_whatever_is_accepted(api: Api, accept: str) -> None:
    status, _, headers = api.call("GET", "/v1/follow-ups", accept=accept)
    assert (status, headers["content-type"]) == (200, "application/json")


@pytest.mark.parametrize(
    ("change", "pointers"),
    [
        row(16, "priorty", {"priorty": 1}, ["/priorty"]),
        row(16, "two", {"Task": "x", "prompt": "y"}, ["/Task", "/prompt"]),
        row(16, "empty-name", {"": 1}, ["/"]),
        row(16, "proto", {"__proto__": {}}, ["/__proto__"]),
    ],
)
def test_an_unknown_field_is_named(api: Api, change: dict[str, Any], pointers: list[str]) -> None:
    body = refused(api, api.event("POST", "/v1/follow-ups", TASK | change), 422, "validation_error")
    assert [it["pointer"] for it in body["errors"]] == pointers


@pytest.mark.parametrize(
    ("method", "target"),
    [
        row(16, "edit", "PATCH", "/v1/follow-ups/x"),
        row(16, "pause", "POST", "/v1/follow-ups/x/pause"),
        row(16, "agent", "PUT", "/v1/agents/@a"),
        row(16, "control", "PUT", "/v1/control"),
    ],
)
def test_an_unknown_field_of_other_routes_is_named(api: Api, method: str, target: str) -> None:
    event = api.event(method, target, {"priorty": 1}, if_match='"1"')
    assert "/priorty" in [it["pointer"] for it in refused(api, event, 422, "validation_error")["errors"]]
