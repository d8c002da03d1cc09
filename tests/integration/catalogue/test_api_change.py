"""Rows 54 to 63: looking at what is there, and changing it."""

from datetime import timedelta
from typing import Any

import pytest

from followups.api import cursor
from followups.domain import ids
from followups.domain.changes import Add
from followups.domain.entities import FollowUp
from followups.domain.status import CLOSED, LIVE, WAKING, ReportStatus, Status
from tests.integration.catalogue.rows import row
from tests.integration.catalogue.test_api_transport import refused
from tests.support.api import SECRET, Api
from tests.support.clock import START
from tests.support.things import follow_up, run

PATH = "/v1/follow-ups"
#: Every route about one follow-up or run, and what it is sent.
ROUTES: list[tuple[str, str, dict[str, Any] | None]] = [
    ("GET", f"{PATH}/{{}}", None),
    ("PATCH", f"{PATH}/{{}}", {"task": "New"}),
    ("DELETE", f"{PATH}/{{}}", None),
    ("POST", f"{PATH}/{{}}/run", None),
    ("POST", f"{PATH}/{{}}/pause", None),
    ("POST", f"{PATH}/{{}}/resume", None),
    ("POST", f"{PATH}/{{}}/snooze", {"until": "3d"}),
    ("POST", f"{PATH}/{{}}/retry", None),
    ("GET", f"{PATH}/{{}}/runs", None),
    ("GET", f"{PATH}/{{}}/tree", None),
    ("POST", f"{PATH}/{{}}/stop-tree", None),
    ("GET", "/v1/runs/{}", None),
    ("GET", "/v1/runs/{}/report", None),
]

#: Every route about one agent that is there already.
OF_AN_AGENT: list[tuple[str, str, dict[str, Any] | None]] = [
    ("GET", "", None), ("DELETE", "", None), ("POST", "/disable", None), ("POST", "/enable", None),
    ("GET", "/secret", None), ("POST", "/work", {"worker": "desk"}),
]  # fmt: skip


def at(api: Api, status: Status, **fields: Any) -> FollowUp:
    """Gives a follow-up of mine that the store holds at that status."""
    later = START + timedelta(hours=1)
    usual: dict[str, Any] = {"owner": "me", "agent": "@checklist", "status": status, "message": "disk / < 99%"}
    usual |= {"wake_at": later if status in WAKING else None, "fence": 1, "started_at": START, "due_at": later}
    usual |= {"attempt": 1, "deadline_at": later} if status in LIVE else {}
    usual |= {"closed_at": START, "expires_at": START + timedelta(days=90)} if status in CLOSED else {}
    it = follow_up(**(usual | fields))
    api.store.commit(Add(it))
    return it


@pytest.mark.parametrize(
    "name",
    [
        row(54, "short", "x"),
        row(54, "up-the-path", "..%2F.."),
        row(54, "dot", "."),
        row(54, "nul", "%00"),
        row(54, "bad-percent", "%zz"),
        row(54, "no-utf-8", "%ff%fe"),
        row(54, "10-kb", "a" * 10_000),
        row(54, "25-characters", "a" * 25),
        row(54, "27-characters", "a" * 27),
        row(54, "in-capitals", "A" * 26),
        row(54, "digit-1", "1" * 26),
        row(54, "letters-like-ours", "а" * 26),
        row(54, "line-break-behind", "a" * 26 + "%0A"),
        row(54, "a-store-s-key", "me%23" + "a" * 26),
        row(54, "slash-inside", "a%2Fruns"),
        row(54, "script", "%3Cscript%3E"),
        row(54, "nobody-s", "a" * 26),
        row(54, "nobody-s-run", f"run-{'a' * 26}-000001"),
        row(54, "run-0", f"run-{'a' * 26}-000000"),
        row(54, "run-of-7-digits", f"run-{'a' * 26}-0000001"),
        row(54, "run-in-other-digits", f"run-{'a' * 26}-٠٠٠٠٠١"),
    ],
)
def test_an_id_that_is_not_there(api: Api, name: str) -> None:
    for method, target, body in ROUTES:
        refused(api, api.event(method, target.format(name), body, if_match='"1"'), 404, "not_found")


def test_api_54_another_s_is_answered_as_nobody_s(api: Api) -> None:
    theirs, nobodys = at(api, Status.PAUSED, owner="you"), "a" * 26
    api.store.commit(Add(run(theirs)))
    for method, target, body in ROUTES:
        names = [ids.run_id(it, 1) if "/runs/" in target else it for it in (theirs.id, nobodys)]
        answers = [
            str(refused(api, api.event(method, target.format(it), body, if_match='"1"'), 404, "not_found")).replace(
                it, "ID"
            )
            for it in names
        ]
        assert answers[0] == answers[1], (method, target)


def test_api_54_an_agent_that_is_not_there(api: Api) -> None:
    for name in ("@nobody", "checklist", "%00", "@x%23META", "x" * 5_000, "%ed%a0%80", "@"):
        for method, verb, sent in OF_AN_AGENT:
            refused(api, api.event(method, f"/v1/agents/{name}{verb}", sent), 404, "not_found")
        refused(api, api.event("POST", f"/v1/agents/{name}/test", {"task": "Try"}), 422, "unknown_agent")
        put = api.event("PUT", f"/v1/agents/{name}", {"kind": "command", "command": ["true"]})
        if name != "@nobody":
            refused(api, put, 422, "invalid_agent_name")


def test_api_55_what_is_forgotten_is_gone_though_it_still_lies_there(api: Api) -> None:
    passed = START - timedelta(seconds=1)
    it = at(api, Status.DONE, expires_at=passed)
    record = run(it, report_status=ReportStatus.SENT, wake_at=None, expires_at=passed)
    api.store.commit(Add(record))
    for method, target, body in ROUTES:
        name = record.id if "/runs/" in target else it.id
        refused(api, api.event(method, target.format(name), body, if_match='"1"'), 404, "not_found")
    for status in ("closed", "all", "done"):
        assert it.id not in str(api.call("GET", f"{PATH}?status={status}")[1])


def test_api_55_a_run_is_forgotten_before_its_follow_up(api: Api) -> None:
    it = at(api, Status.PAUSED)
    old = run(it, report_status=ReportStatus.SENT, wake_at=None, expires_at=START - timedelta(seconds=1))
    api.store.commit(Add(old))
    assert api.call("GET", f"{PATH}/{it.id}/runs")[1]["runs"] == []


@pytest.mark.parametrize(
    ("query", "field"),
    [
        row(56, "limit-0", "limit=0", "limit"),
        row(56, "limit-minus-1", "limit=-1", "limit"),
        row(56, "limit-101", "limit=101", "limit"),
        row(56, "limit-1001", "limit=1001", "limit"),
        row(56, "limit-ten", "limit=ten", "limit"),
        row(56, "limit-empty", "limit=", "limit"),
        row(56, "limit-fraction", "limit=5.0", "limit"),
        row(56, "limit-plus", "limit=%2B5", "limit"),
        row(56, "limit-blank", "limit=%205", "limit"),
        row(56, "limit-line-break", "limit=5%0A", "limit"),
        row(56, "limit-underscore", "limit=1_0", "limit"),
        row(56, "limit-arabic", "limit=%D9%A5", "limit"),
        row(56, "limit-twice", "limit=5&limit=5", "limit"),
        row(56, "limit-10-kb", "limit=" + "9" * 10_000, "limit"),
        row(56, "status-unknown", "status=odd", "status"),
        row(56, "status-empty", "status=", "status"),
        row(56, "status-in-capitals", "status=OPEN", "status"),
        row(56, "status-twice", "status=open&status=done", "status"),
        row(56, "status-nul", "status=open%00", "status"),
    ],
)
def test_a_wrong_query_is_named(api: Api, query: str, field: str) -> None:
    assert refused(api, api.event("GET", f"{PATH}?{query}"), 422, "validation_error")["errors"][0]["pointer"] == f"/{field}"


@pytest.fixture(scope="module")
def listed(api: Api) -> str:
    """The cursor of a first page of mine."""
    for _ in range(3):
        at(api, Status.PAUSED)
    return str(api.call("GET", f"{PATH}?limit=2")[1]["next"])


def test_api_57_the_cursor_itself_is_taken(api: Api, listed: str) -> None:
    assert api.call("GET", f"{PATH}?limit=1&cursor={listed}")[0] == 200


@pytest.mark.parametrize(
    "spoil",
    [
        row(57, "empty", lambda _: ""),
        row(57, "garbage", lambda _: "garbage"),
        row(57, "one-character", lambda _: "A"),
        row(57, "cut-off", lambda it: it[:-1]),
        row(57, "half", lambda it: it[: len(it) // 2]),
        row(57, "only-the-signature", lambda it: it[:22]),
        row(57, "one-more", lambda it: it + "A"),
        row(57, "padded", lambda it: it + "%3D"),
        row(57, "twice", lambda it: f"{it}&cursor={it}"),
        row(57, "other-alphabet", lambda it: it.replace("_", "%2F").replace("-", "%2B") + "+"),
        row(57, "no-ascii", lambda it: it + "é"),
        row(57, "nul", lambda it: it + "%00"),
        row(57, "a-raw-key", lambda _: "eyJwayI6ICJtZSJ9"),
        row(57, "other-filter", lambda it: f"{it}&status=all"),
        row(57, "other-secret", lambda _: cursor.sign("x", "me\nopen", b"another secret, 32 bytes long ..")),
        row(57, "other-owner", lambda _: cursor.sign("x", "you\nopen", SECRET)),
        row(57, "10-kb", lambda _: "A" * 10_000),
    ],
)
def test_a_cursor_that_is_not_ours(api: Api, listed: str, spoil: Any) -> None:
    refused(api, api.event("GET", f"{PATH}?cursor={spoil(listed)}"), 400, "invalid_cursor")


def test_api_57_a_cursor_of_which_one_character_was_changed(api: Api, listed: str) -> None:
    for place, old in enumerate(listed):
        for new in {"A", "b", "_", chr(ord(old) ^ 1)} - {old}:
            changed = listed[:place] + new + listed[place + 1 :]
            with pytest.raises(Exception, match="invalid_cursor"):
                cursor.read(changed, "me\nopen", [SECRET])


DONE, FAILED, CANCELLED = Status.DONE, Status.FAILED, Status.CANCELLED
OPEN = (Status.SCHEDULED, Status.CLAIMED, Status.PAUSED)
VERBS: list[tuple[int, str, str, str, dict[Status, tuple[int, str | None]]]] = [
    (58, "cancel", "DELETE", "", {
        **dict.fromkeys(OPEN, (200, None)), **dict.fromkeys(LIVE, (202, None)), CANCELLED: (200, None),
        DONE: (409, "already_finished"), FAILED: (409, "already_finished")}),
    (59, "run", "POST", "/run", {
        Status.SCHEDULED: (202, None), Status.CLAIMED: (202, None), Status.PAUSED: (409, "paused"),
        **dict.fromkeys(LIVE, (409, "in_progress")), **dict.fromkeys(CLOSED, (409, "already_finished"))}),
    (61, "edit", "PATCH", "", {
        **dict.fromkeys(OPEN, (200, None)), **dict.fromkeys(LIVE, (409, "in_progress")),
        **dict.fromkeys(CLOSED, (409, "already_finished"))}),
    (63, "resume", "POST", "/resume", {
        **dict.fromkeys(Status, (409, "not_paused")), Status.PAUSED: (200, None)}),
    (63, "retry", "POST", "/retry", {**dict.fromkeys(Status, (409, "not_failed")), FAILED: (201, None)}),
    *((63, verb, "POST", suffix, {
        **dict.fromkeys(OPEN, (200, None)), **dict.fromkeys(LIVE, (409, "in_progress")),
        **dict.fromkeys(CLOSED, (409, "already_finished"))})
      for verb, suffix in (("pause", "/pause"), ("pause-until", "/pause"), ("snooze", "/snooze"))),
    (58, "stop-tree", "POST", "/stop-tree", dict.fromkeys(Status, (200, None))),
    (54, "tree", "GET", "/tree", dict.fromkeys(Status, (200, None))),
]  # fmt: skip
SENT = {"edit": {"task": "New"}, "pause-until": {"until": "monday"}, "snooze": {"until": "3d"}}


@pytest.mark.parametrize(
    ("method", "suffix", "body", "status", "expected"),
    [
        row(number, f"{verb}-{status.value}", method, suffix, SENT.get(verb), status, table[status])
        for number, verb, method, suffix, table in VERBS
        for status in Status
    ],
)
def test_each_verb_at_each_status(
    api: Api, method: str, suffix: str, body: dict[str, Any] | None, status: Status, expected: tuple[int, str | None]
) -> None:
    it = at(api, status)
    event = api.event(method, f"{PATH}/{it.id}{suffix}", body, if_match='"1"')
    if expected[1] is not None:
        refused(api, event, *expected)
    else:
        assert api.send(event)[0] == expected[0]


def test_api_58_every_status_has_its_answer() -> None:
    for _, verb, _, _, table in VERBS:
        assert set(table) == set(Status), verb


@pytest.mark.parametrize(
    ("if_match", "status", "code"),
    [
        row(60, "stale", '"1"', 412, "stale"),
        row(60, "future", '"3"', 412, "stale"),
        row(60, "never", '"0"', 412, "stale"),
        row(60, "none", None, 428, "precondition_required"),
        row(60, "empty", "", 428, "precondition_required"),
        row(60, "blank", "  ", 428, "precondition_required"),
        row(60, "star", "*", 422, "validation_error"),
        row(60, "weak", 'W/"2"', 422, "validation_error"),
        row(60, "two", '"1", "2"', 422, "validation_error"),
        row(60, "half-quoted", '"2', 422, "validation_error"),
        row(60, "quoted-twice", '""2""', 422, "validation_error"),
        row(60, "minus", '"-2"', 422, "validation_error"),
        row(60, "words", '"abc"', 422, "validation_error"),
        row(60, "arabic-digit", '"٢"', 422, "validation_error"),
        row(60, "13-digits", '"0000000000002"', 422, "validation_error"),
        row(60, "10-kb", '"' + "2" * 10_000 + '"', 422, "validation_error"),
    ],
)
def test_an_edit_names_the_version_that_was_read(api: Api, if_match: str | None, status: int, code: str) -> None:
    it = at(api, Status.PAUSED, version=2)
    headers = {} if if_match is None else {"if_match": if_match}
    refused(api, api.event("PATCH", f"{PATH}/{it.id}", {"task": "New"}, **headers), status, code)


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        row(62, "nothing", {}, "validation_error", None),
        *(
            row(62, name, {name: "x"}, "validation_error", name)
            for name in ("agent", "id", "owner", "tenant", "status", "fence", "version", "rule", "parent", "wake_at")
        ),
        row(62, "agent-and-task", {"task": "New", "agent": "@x"}, "validation_error", "agent"),
        row(62, "zone-alone", {"timezone": "UTC"}, "validation_error", "timezone"),
        row(62, "no-zone", {"timezone": "Mars", "due": "7d"}, "unknown_timezone", "timezone"),
        row(62, "past", {"due": "2020-01-01"}, "due_in_past", "due"),
        row(62, "no-time", {"due": "soon"}, "invalid_due", "due"),
        row(62, "no-task", {"task": " "}, "validation_error", "task"),
        row(62, "no-address", {"report_to": "a@b"}, "invalid_email", "report_to"),
        row(62, "no-checklist", {"message": "make tea"}, "invalid_checklist", "message"),
        row(62, "attempts", {"max_attempts": 11}, "validation_error", "max_attempts"),
        row(62, "no-goal", {"done_when": "\n"}, "validation_error", "done_when"),
        row(62, "ladder", {"retry_until_met": "1d"}, "conflicting_fields", "retry_until_met"),
        row(62, "give-up", {"give_up_at": "2w"}, "conflicting_fields", "give_up_at"),
        row(62, "one-good-one-bad", {"task": "New", "due": "0d"}, "invalid_due", "due"),
    ],
)
def test_what_an_edit_may_not_change(api: Api, change: dict[str, Any], code: str, field: str | None) -> None:
    it = at(api, Status.SCHEDULED, rule="FREQ=DAILY;INTERVAL=1", anchor="2026-11-24T13:00:00")
    errors = refused(api, api.event("PATCH", f"{PATH}/{it.id}", change, if_match='"1"'), 422, code)["errors"]
    assert [it["pointer"] for it in errors] == ([f"/{field}"] if field else [])
