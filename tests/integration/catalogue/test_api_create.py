"""Rows 18 to 53: what a create request may ask for, and what it may not."""

import time
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from followups.domain.lineage import RunToken, sign_run
from followups.domain.status import Status
from tests.integration.catalogue.rows import FIELDS, row
from tests.integration.catalogue.test_api_transport import refused
from tests.support.api import SECRET, TASK, Api
from tests.support.clock import START
from tests.support.things import fresh as fresh_name

PATH = "/v1/follow-ups"


@pytest.mark.parametrize(
    "key",
    [
        row(18, "empty", ""),
        row(18, "129-characters", "x" * 129),
        row(18, "no-ascii", "schlüssel"),
        row(18, "latin-1-digit", "²"),
        row(18, "two-headers", "a,b"),
        row(18, "blank-inside", "a b"),
        row(18, "blanks-around", " a "),
        row(18, "line-break", "a\r\nX-Other: b"),
        row(18, "nul", "a\x00"),
        row(18, "surrogate", "\ud800"),
        row(18, "10-kb", "x" * 10_000),
    ],
)
def test_an_idempotency_key_that_is_none(api: Api, key: str) -> None:
    refused(api, api.event("POST", PATH, TASK, Idempotency_Key=key), 400, "invalid_idempotency_key")


def test_api_19_the_same_request_again_after_23_hours(fresh: Api) -> None:
    first = fresh.call("POST", PATH, TASK, idempotency_key="k" * 128)
    for hours in (0.001, 23):
        fresh.clock.advance(hours=hours)
        stored = fresh.stored()
        again = fresh.call("POST", PATH, TASK, idempotency_key="k" * 128)
        assert (again[0], again[1]["id"], again[2]["idempotent-replayed"]) == (200, first[1]["id"], "true")
        assert fresh.stored() == stored


@pytest.mark.parametrize(
    "change",
    [
        row(20, "task", {"task": "Check again"}),
        row(20, "due", {"due": "1w"}),
        row(20, "message", {"message": "disk / < 98%"}),
        row(20, "timezone", {"timezone": "UTC"}),
        row(20, "report-to", {"report_to": "me@example.com"}),
        row(20, "attempts", {"max_attempts": 3}),
    ],
)
def test_the_same_key_for_another_request(api: Api, change: dict[str, Any]) -> None:
    assert api.call("POST", PATH, TASK, idempotency_key="one")[0] in (200, 201)
    refused(api, api.event("POST", PATH, TASK | change, idempotency_key="one"), 422, "idempotency_key_reused")


WRONG = [
    row(23, "missing", {"agent": ...}, "unknown_agent", "agent"),
    row(23, "null", {"agent": None}, "unknown_agent", "agent"),
    row(23, "empty", {"agent": ""}, "unknown_agent", "agent"),
    row(23, "only-the-at", {"agent": "@"}, "unknown_agent", "agent"),
    row(23, "two-ats", {"agent": "@@checklist"}, "unknown_agent", "agent"),
    row(23, "unknown", {"agent": "@nobody"}, "unknown_agent", "agent"),
    row(23, "in-capitals", {"agent": "@CHECKLIST"}, "unknown_agent", "agent"),
    row(23, "blank-behind", {"agent": "@checklist "}, "unknown_agent", "agent"),
    row(23, "line-break-behind", {"agent": "@checklist\n"}, "unknown_agent", "agent"),
    row(23, "nul", {"agent": "@checklist\x00"}, "unknown_agent", "agent"),
    row(23, "looks-alike", {"agent": "@сhecklist"}, "unknown_agent", "agent"),
    row(23, "a-store-s-key", {"agent": "@x#META"}, "unknown_agent", "agent"),
    row(23, "3000-characters", {"agent": "x" * 3_000}, "unknown_agent", "agent"),
    row(23, "60-kb", {"agent": "x" * 60_000}, "unknown_agent", "agent"),
    row(24, "metadata-service", {"agent": "http://169.254.169.254/latest/meta-data"}, "unknown_agent", "agent"),
    row(24, "arn", {"agent": "arn:aws:lambda:eu-central-1:111122223333:function:x"}, "unknown_agent", "agent"),
    row(24, "path", {"agent": "/bin/sh"}, "unknown_agent", "agent"),
    row(25, "missing", {"task": ...}, "validation_error", "task"),
    row(25, "null", {"task": None}, "validation_error", "task"),
    row(25, "empty", {"task": ""}, "validation_error", "task"),
    row(25, "blanks", {"task": "   "}, "validation_error", "task"),
    row(25, "wide-blanks", {"task": "\u3000\u00a0\u2003"}, "validation_error", "task"),
    row(25, "8001-characters", {"task": "x" * 8_001}, "validation_error", "task"),
    row(25, "nul", {"task": "a\x00b"}, "validation_error", "task"),
    row(25, "escape", {"task": "a\x1b[31mb"}, "validation_error", "task"),
    row(25, "delete", {"task": "a\x7fb"}, "validation_error", "task"),
    row(25, "backspace", {"task": "a\x08b"}, "validation_error", "task"),
    row(25, "tab", {"task": "a\tb"}, "validation_error", "task"),
    row(25, "message-16001-characters", {"message": "x" * 16_001}, "validation_error", "message"),
    row(25, "message-nul", {"message": "disk / < 9%\x00"}, "validation_error", "message"),
    row(25, "message-escape", {"message": "disk / < 9%\x1b]0;x\x07"}, "validation_error", "message"),
    row(25, "message-lone-return", {"message": "disk / < 9%\rdisk /tmp < 9%"}, "validation_error", "message"),
    row(25, "message-no-checklist", {"message": "make me a sandwich"}, "invalid_checklist", "message"),
    row(25, "message-empty-checklist", {"message": ""}, "invalid_checklist", "message"),
    row(26, "cr-lf", {"task": "a\r\nBcc: x@y.co"}, "validation_error", "task"),
    row(26, "lf", {"task": "a\nBcc: x@y.co"}, "validation_error", "task"),
    row(26, "line-separator", {"task": "a\u2028b"}, "validation_error", "task"),
    row(26, "paragraph-separator", {"task": "a\u2029b"}, "validation_error", "task"),
    row(26, "next-line", {"task": "a\u0085b"}, "validation_error", "task"),
    row(26, "vertical-tab", {"task": "a\x0bb"}, "validation_error", "task"),
    row(26, "form-feed", {"task": "a\x0cb"}, "validation_error", "task"),
    row(27, "missing", {"due": ...}, "due_required", "due"),
    row(27, "null", {"due": None}, "due_required", "due"),
    row(27, "empty", {"due": ""}, "due_required", "due"),
    row(27, "blanks", {"due": " \u00a0 "}, "due_required", "due"),
    row(28, "yesterday", {"due": "yesterday"}, "invalid_due", "due"),
    row(28, "7dd", {"due": "7dd"}, "invalid_due", "due"),
    row(28, "minus-7d", {"due": "-7d"}, "invalid_due", "due"),
    row(28, "plus-7d", {"due": "+7d"}, "invalid_due", "due"),
    row(28, "0d", {"due": "0d"}, "invalid_due", "due"),
    row(28, "000d", {"due": "000d"}, "invalid_due", "due"),
    row(28, "1e3d", {"due": "1e3d"}, "invalid_due", "due"),
    row(28, "7.5d", {"due": "7.5d"}, "invalid_due", "due"),
    row(28, "7-comma-5d", {"due": "7,5d"}, "invalid_due", "due"),
    row(28, "7_0d", {"due": "7_0d"}, "invalid_due", "due"),
    row(28, "0x7d", {"due": "0x7d"}, "invalid_due", "due"),
    row(28, "arabic-digit", {"due": "\u0667d"}, "invalid_due", "due"),
    row(28, "full-width-digit", {"due": "\uff17d"}, "invalid_due", "due"),
    row(28, "superscript-digit", {"due": "7\u00b2d"}, "invalid_due", "due"),
    row(28, "1m", {"due": "1m"}, "invalid_due", "due"),
    row(28, "day-and-month-unclear", {"due": "02/03/2026"}, "invalid_due", "due"),
    row(28, "nul", {"due": "7d\x00"}, "validation_error", "due"),
    row(28, "60-kb", {"due": "7" * 60_000 + "d"}, "invalid_due", "due"),
    row(30, "epoch-number", {"due": 1_764_000_000}, "invalid_due", "due"),
    row(30, "epoch-fraction", {"due": 1_764_000_000.5}, "invalid_due", "due"),
    row(30, "epoch-text", {"due": "1764000000"}, "invalid_due", "due"),
    row(30, "epoch-milliseconds", {"due": "1764000000000"}, "invalid_due", "due"),
    row(31, "30-february", {"due": "2027-02-30"}, "invalid_due", "due"),
    row(31, "29-february-2027", {"due": "2027-02-29"}, "invalid_due", "due"),
    row(31, "month-13", {"due": "2026-13-01"}, "invalid_due", "due"),
    row(31, "day-0", {"due": "2026-12-00"}, "invalid_due", "due"),
    row(31, "hour-24", {"due": "2026-12-01T24:00"}, "invalid_due", "due"),
    row(31, "hour-25", {"due": "2026-12-01T25:00"}, "invalid_due", "due"),
    row(31, "minute-60", {"due": "2026-12-01T09:60"}, "invalid_due", "due"),
    row(31, "second-60", {"due": "2026-12-01T09:00:60"}, "invalid_due", "due"),
    row(31, "offset-99", {"due": "2026-12-01T09:00+99:00"}, "invalid_due", "due"),
    row(31, "offset-24", {"due": "2026-12-01T09:00+24:00"}, "invalid_due", "due"),
    row(31, "year-0", {"due": "0000-01-01"}, "invalid_due", "due"),
    row(31, "one-digit", {"due": "2026-12-1"}, "invalid_due", "due"),
    row(31, "fraction", {"due": "2026-12-01T09:00:00.5"}, "invalid_due", "due"),
    row(31, "two-zones", {"due": "2026-12-01T09:00Z+01:00"}, "invalid_due", "due"),
    row(31, "week-date", {"due": "2026-W49-1"}, "invalid_due", "due"),
    row(31, "no-dashes", {"due": "20261201"}, "invalid_due", "due"),
    row(33, "date", {"due": "2020-01-01"}, "due_in_past", "due"),
    row(33, "today-this-morning", {"due": "2026-11-24T09:00"}, "due_in_past", "due"),
    row(33, "this-very-second", {"due": "2026-11-24T12:00:00Z"}, "due_in_past", "due"),
    row(33, "by-its-offset", {"due": "2026-11-24T13:00+02:00"}, "due_in_past", "due"),
    row(34, "year-1", {"due": "0001-01-01"}, "due_in_past", "due"),
    row(34, "year-1-east", {"due": "0001-01-01T00:00+14:00"}, "due_out_of_range", "due"),
    row(34, "year-9999", {"due": "9999-12-31"}, "due_out_of_range", "due"),
    row(34, "year-9999-west", {"due": "9999-12-31T23:59-14:00"}, "due_out_of_range", "due"),
    row(34, "year-10000", {"due": "10000-01-01"}, "due_out_of_range", "due"),
    row(34, "year-20261", {"due": "20261-12-01T09:00Z"}, "due_out_of_range", "due"),
    row(34, "999999999w", {"due": "999999999w"}, "due_out_of_range", "due"),
    row(34, "worded", {"due": "in 999999999 weeks"}, "due_out_of_range", "due"),
    row(34, "90-digits", {"due": "9" * 90 + "d"}, "due_out_of_range", "due"),
    row(34, "90-digits-worded", {"due": "in " + "9" * 90 + " d".replace("d", "days")}, "due_out_of_range", "due"),
    row(34, "51-years", {"due": "18700d"}, "due_out_of_range", "due"),
    row(35, "mars", {"timezone": "Mars/Phobos"}, "unknown_timezone", "timezone"),
    row(35, "lower-case", {"timezone": "europe/berlin"}, "unknown_timezone", "timezone"),
    row(35, "gmt-plus-25", {"timezone": "GMT+25"}, "unknown_timezone", "timezone"),
    row(35, "offset", {"timezone": "+01:00"}, "unknown_timezone", "timezone"),
    row(35, "empty", {"timezone": ""}, "unknown_timezone", "timezone"),
    row(35, "blank", {"timezone": " "}, "unknown_timezone", "timezone"),
    row(35, "up-the-path", {"timezone": "../etc/passwd"}, "unknown_timezone", "timezone"),
    row(35, "up-inside", {"timezone": "Europe/../../etc/passwd"}, "unknown_timezone", "timezone"),
    row(35, "absolute", {"timezone": "/etc/localtime"}, "unknown_timezone", "timezone"),
    row(35, "nul", {"timezone": "a\x00"}, "unknown_timezone", "timezone"),
    row(35, "the-machine-s", {"timezone": "localtime"}, "unknown_timezone", "timezone"),
    row(35, "factory", {"timezone": "Factory"}, "unknown_timezone", "timezone"),
    row(35, "a-folder", {"timezone": "Europe"}, "unknown_timezone", "timezone"),
    row(35, "a-table", {"timezone": "zone.tab"}, "unknown_timezone", "timezone"),
    row(35, "line-break-behind", {"timezone": "Europe/Berlin\n"}, "unknown_timezone", "timezone"),
    row(35, "blank-behind", {"timezone": "Europe/Berlin "}, "unknown_timezone", "timezone"),
    row(35, "cyrillic", {"timezone": "Еurope/Berlin"}, "unknown_timezone", "timezone"),
    row(35, "5000-characters", {"timezone": "x/" * 2_500}, "validation_error", "timezone"),
    row(35, "a-number", {"timezone": 1}, "validation_error", "timezone"),
    row(38, "in", {"in": "7d"}, "validation_error", "in"),
    row(38, "every-and-cron", {"every": "1d", "cron": "0 9 * * *"}, "validation_error", "every"),
    row(38, "rule", {"rule": "FREQ=DAILY;INTERVAL=1"}, "validation_error", "rule"),
    row(40, "until", {"until": "2026-11-01"}, "validation_error", "until"),
    row(40, "runs", {"runs": 0}, "validation_error", "runs"),
    row(41, "no-dot", {"report_to": "a@b"}, "invalid_email", "report_to"),
    row(41, "localhost", {"report_to": "a@localhost"}, "invalid_email", "report_to"),
    row(41, "ip", {"report_to": "a@[127.0.0.1]"}, "invalid_email", "report_to"),
    row(41, "bare-ip", {"report_to": "a@127.0.0.1"}, "invalid_email", "report_to"),
    row(41, "two-dots", {"report_to": "a..b@c.co"}, "invalid_email", "report_to"),
    row(41, "empty", {"report_to": ""}, "invalid_email", "report_to"),
    row(41, "no-at", {"report_to": "example.com"}, "invalid_email", "report_to"),
    row(41, "dash", {"report_to": "a@-b.co"}, "invalid_email", "report_to"),
    row(41, "65-before-the-at", {"report_to": "a" * 65 + "@b.co"}, "invalid_email", "report_to"),
    row(41, "255-characters", {"report_to": "a@" + "b." * 125 + "coo"}, "validation_error", "report_to"),
    row(42, "name-before", {"report_to": "Joe <a@b.co>"}, "invalid_email", "report_to"),
    row(42, "brackets", {"report_to": "<a@b.co>"}, "invalid_email", "report_to"),
    row(42, "comment", {"report_to": "a@b.co (Joe)"}, "invalid_email", "report_to"),
    row(42, "quoted", {"report_to": '"a b"@b.co'}, "invalid_email", "report_to"),
    row(42, "mailto", {"report_to": "mailto:a@b.co"}, "invalid_email", "report_to"),
    row(43, "bcc", {"report_to": "a@b.co\r\nBcc: x@y.co"}, "invalid_email", "report_to"),
    row(43, "line-break-behind", {"report_to": "a@b.co\n"}, "invalid_email", "report_to"),
    row(43, "comma", {"report_to": "a@b.co,c@d.co"}, "invalid_email", "report_to"),
    row(43, "semicolon", {"report_to": "a@b.co;c@d.co"}, "invalid_email", "report_to"),
    row(43, "blank", {"report_to": "a@b.co c@d.co"}, "invalid_email", "report_to"),
    row(43, "nul", {"report_to": "a@b.co\x00"}, "invalid_email", "report_to"),
    row(44, "local-part", {"report_to": "ä@b.co"}, "invalid_email", "report_to"),
    row(44, "domain", {"report_to": "a@bücher.example"}, "invalid_email", "report_to"),
    row(44, "full-width-at", {"report_to": "a＠b.co"}, "invalid_email", "report_to"),
    row(46, "51-in-a-list", {"report_to": [f"a{n}@b.co" for n in range(51)]}, "validation_error", "report_to"),
    row(46, "51-in-a-text", {"report_to": ",".join(f"a{n}@b.co" for n in range(51))}, "validation_error", "report_to"),
    row(46, "one-in-a-list", {"report_to": ["a@b.co"]}, "validation_error", "report_to"),
    row(47, "task-number", {"task": 5}, "validation_error", "task"),
    row(47, "task-true", {"task": True}, "validation_error", "task"),
    row(47, "task-object", {"task": {}}, "validation_error", "task"),
    row(47, "task-list", {"task": ["Check"]}, "validation_error", "task"),
    row(47, "message-null", {"message": None}, "validation_error", "message"),
    row(47, "message-list", {"message": ["disk / < 9%"]}, "validation_error", "message"),
    row(47, "agent-number", {"agent": 7}, "unknown_agent", "agent"),
    row(47, "agent-object", {"agent": {"name": "@checklist"}}, "unknown_agent", "agent"),
    row(47, "due-object", {"due": {}}, "invalid_due", "due"),
    row(47, "due-true", {"due": True}, "invalid_due", "due"),
    row(47, "attempts-text", {"max_attempts": "3"}, "validation_error", "max_attempts"),
    row(47, "attempts-true", {"max_attempts": True}, "validation_error", "max_attempts"),
    row(47, "attempts-fraction", {"max_attempts": 3.0}, "validation_error", "max_attempts"),
    row(47, "attempts-list", {"max_attempts": [3]}, "validation_error", "max_attempts"),
    row(48, "0", {"max_attempts": 0}, "validation_error", "max_attempts"),
    row(48, "11", {"max_attempts": 11}, "validation_error", "max_attempts"),
    row(48, "minus-1", {"max_attempts": -1}, "validation_error", "max_attempts"),
    row(48, "40-digits", {"max_attempts": 10**40}, "validation_error", "max_attempts"),
    *(row(49, name, {name: "x"}, "validation_error", name)
      for name in ("lvl", "root", "parent", "st", "tenant", "fence", "owner", "id", "status", "depth", "wake_at", "version",
                   "write_id", "expires_at", "created_at", "run_id", "lease_until", "request_hash", "rerun", "attempt")),
]  # fmt: skip


def body(change: dict[str, Any]) -> dict[str, Any]:
    """Gives a good request with what is changed; `...` leaves a field out."""
    return {name: value for name, value in (TASK | change).items() if value is not ...}


@pytest.mark.parametrize(("change", "code", "field"), WRONG)
def test_a_wrong_field_is_named_and_nothing_is_made(api: Api, change: dict[str, Any], code: str, field: str) -> None:
    start = time.perf_counter()
    answer = refused(api, api.event("POST", PATH, body(change)), 422, code)
    assert time.perf_counter() - start < 1
    assert answer["errors"][0]["pointer"] == f"/{field}"
    assert len(answer["detail"]) < 400


def test_api_16_every_field_of_a_request_has_its_rows() -> None:
    changed = {name for case in WRONG for name in case.values[0]}
    assert changed >= FIELDS, "a new field needs bad inputs of its own"


@pytest.mark.parametrize(
    ("due", "said"),
    [
        row(28, "says-examples", "soon", "write one like 7d"),
        row(33, "offers-the-next", "2026-11-24T09:00", "say a later time, like 2026-11-25T09:00"),
        row(33, "offers-today-if-it-can", "2020-01-01T20:00", "say a later time, like 2026-11-24T20:00"),
        row(34, "year-1-offers-the-next", "0001-01-01", "say a later time, like 2026-11-25T09:00"),
    ],
)
def test_a_refused_time_says_what_would_be_right(api: Api, due: str, said: str) -> None:
    assert said in api.call("POST", PATH, TASK | {"due": due})[1]["detail"]


@pytest.mark.parametrize(
    ("due", "zone", "due_at", "said"),
    [
        row(29, "naive", "2026-12-01T10:00:00", None, "2026-12-01T09:00:00Z", "10:00 Europe/Berlin"),
        row(32, "date", "2026-12-01", None, "2026-12-01T08:00:00Z", "09:00 Europe/Berlin"),
        row(32, "date-in-a-zone", "2026-12-01", "Asia/Tokyo", "2026-12-01T00:00:00Z", "09:00 Asia/Tokyo"),
        row(36, "gap", "2027-03-14T02:30", "America/New_York", "2027-03-14T07:00:00Z", "03:00 America/New_York"),
        row(36, "twice", "2027-11-07T01:30", "America/New_York", "2027-11-07T05:30:00Z", "01:30 America/New_York"),
        row(36, "no-midnight", "2027-09-05T00:00", "America/Santiago", "2027-09-05T04:00:00Z", "01:00 America/Santiago"),
    ],
)
def test_a_local_time_is_resolved_and_said_back(api: Api, due: str, zone: str | None, due_at: str, said: str) -> None:
    made = api.make(due=due, timezone=zone)
    assert made["due_at"] == due_at
    assert made["due_local"].endswith(said)
    assert said in made["understood"]


@pytest.mark.parametrize(
    ("address", "status"),
    [
        row(45, "not-listed", "me@elsewhere.org", 403),
        row(45, "other-letters", "Ada@example.com", 403),
        row(45, "other-local-part", "eve@example.com", 403),
        row(45, "domain-ends-alike", "ada@evil-example.com", 403),
        row(45, "below-the-domain", "x@sub.team.example.com", 403),
        row(45, "pattern-as-address", "*@team.example.com", 201),
        row(45, "listed", "ada@example.com", 201),
        row(45, "of-the-team", "bob@team.example.com", 201),
    ],
)
def test_who_may_receive(aws: Api, address: str, status: int) -> None:
    event = aws.event("POST", PATH, TASK | {"report_to": address})
    if status == 403:
        assert refused(aws, event, 403, "recipient_not_allowed")["errors"][0]["pointer"] == "/report_to"
    else:
        assert aws.send(event)[0] == 201


def test_api_45_an_edit_asks_the_list_too(aws: Api) -> None:
    path = f"{PATH}/{aws.make()['id']}"
    event = aws.event("PATCH", path, {"report_to": "me@elsewhere.org"}, if_match='"1"')
    refused(aws, event, 403, "recipient_not_allowed")


# Run tokens


class Live:
    """A live run of mine, and its token."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.id = api.make()["id"]
        hour = START + timedelta(hours=1)
        spoil(api, self.id, status=Status.RUNNING, fence=1, attempt=1, started_at=START, lease_until=hour, wake_at=hour)

    def token(self, secret: bytes = SECRET, **changed: Any) -> str:
        fields: dict[str, Any] = {"owner": "me", "follow_up_id": self.id, "fence": 1}
        return sign_run(RunToken(**(fields | changed)), secret)

    def refused(
        self, token: str, status: int, code: str, method: str = "POST", target: str = PATH, sent: Any = TASK
    ) -> None:
        refused(self.api, self.api.event(method, target, sent, followups_run_token=token, if_match='"1"'), status, code)


@pytest.fixture(scope="module")
def live(api: Api) -> Live:
    return Live(api)


@pytest.mark.parametrize(
    "forge",
    [
        row(50, "other-secret", lambda _: sign_run(RunToken("me", "a" * 26, 1), b"another secret, 32 bytes long ..")),
        row(50, "word", lambda _: "token"),
        row(50, "three-words", lambda _: "fr1.a.b"),
        row(50, "empty-parts", lambda _: "fr1.."),
        row(50, "other-version", lambda it: it.replace("fr1.", "fr2.")),
        row(50, "cut-off", lambda it: it[:-1]),
        row(50, "no-signature", lambda it: it.rpartition(".")[0] + "."),
        row(50, "signature-twice", lambda it: f"{it}.{it.rpartition('.')[2]}"),
        row(50, "padded", lambda it: it + "="),
        row(50, "blank-behind", lambda it: it + " x"),
        row(50, "two-headers", lambda it: f"{it},{it}"),
        row(50, "jwt-none", lambda _: "eyJhbGciOiJub25lIn0.eyJzdWIiOiJtZSJ9."),
        row(50, "no-ascii", lambda it: it.replace("fr1", "fr¹")),
        row(50, "10-kb", lambda it: it + "A" * 10_000),
    ],
)
def test_a_forged_token(live: Live, forge: Any) -> None:
    live.refused(forge(live.token()), 401, "invalid_run_token")
    live.refused(forge(live.token()), 401, "invalid_run_token", "GET", PATH, None)


@pytest.mark.parametrize(
    "changed",
    [
        row(50, "earlier-run", {"fence": 0}),
        row(50, "later-run", {"fence": 2}),
        row(50, "nobody-s-run", {"follow_up_id": "a" * 26}),
        row(50, "another-owner-s", {"owner": "you"}),
        row(50, "owner-of-two-lines", {"owner": "me\nyou"}),
    ],
)
def test_a_token_of_no_live_run(live: Live, changed: dict[str, Any]) -> None:
    live.refused(live.token(**changed), 403, "run_not_live")


@pytest.mark.parametrize("ends", [row(50, "finished", Status.DONE), row(50, "cancelled", Status.CANCELLING)])
def test_a_token_is_dead_with_its_run(api: Api, ends: Status) -> None:
    live = Live(api)
    spoil(api, live.id, status=ends, wake_at=None)
    for method, target, sent in (("POST", PATH, TASK), ("GET", PATH, None), ("GET", "/v1/agents", None)):
        live.refused(live.token(), 403, "run_not_live", method, target, sent)


def spoil(api: Api, follow_up_id: str, **fields: Any) -> None:
    """Changes a follow-up in the store, past all rules."""
    old = api.world.follow_up("me", follow_up_id)
    assert old is not None
    api.put(replace(old, version=old.version + 1, write_id=fresh_name(), **fields))


def test_api_51_a_grandchild_has_no_children(api: Api) -> None:
    live = Live(api)
    spoil(api, live.id, depth=2)
    live.refused(live.token(), 403, "cascade_depth")


def test_api_52_what_a_run_may_not(api: Api, live: Live) -> None:
    theirs = f"{PATH}/{api.make(task='Of another tree')['id']}"
    agent = {"kind": "command", "command": ["true"]}
    for method, target, sent in [
        ("POST", f"{theirs}/run", None), ("DELETE", theirs, None), ("PATCH", theirs, {"task": "Mine"}),
        ("POST", f"{theirs}/pause", None), ("POST", f"{theirs}/resume", None), ("PUT", "/v1/agents/@x", agent),
        ("DELETE", "/v1/agents/@x", None), ("PUT", "/v1/control", {"stopped": True}),
    ]:  # fmt: skip
        live.refused(live.token(), 403, "not_with_run_token", method, target, sent)
