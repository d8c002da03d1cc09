"""The auditor's handler: what it finds it repairs, logs and mails, and the same only once a day."""

from dataclasses import replace
from datetime import timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from followups.adapters.local import SystemChance
from followups.adapters.mail import build_notice
from followups.adapters.ses import SesMailer
from followups.domain import ids
from followups.domain.audit_mail import MOST_TOLD, compose
from followups.domain.changes import Add, Spend
from followups.domain.entities import FollowUp
from followups.domain.errors import MailNotSent, MailRefused
from followups.domain.findings import Finding, Notice, Repair, Weight
from followups.domain.ids import Key
from followups.domain.status import Status
from followups.handlers.auditor import auditor
from followups.local.events import LocalContext
from tests.support.audits import NOON, Books, having, waking
from tests.support.clock import ManualClock
from tests.support.things import follow_up, fresh, later

EVIL = "<script>alert(1)</script> & \x1b[31mred\u202e"


class Operator:
    """Gets the notices; `broken` refuses them."""

    def __init__(self) -> None:
        self.notices: list[Notice] = []
        self.broken = False

    def tell(self, notice: Notice) -> str:
        if self.broken:
            raise MailNotSent("SES cannot be reached")
        self.notices.append(notice)
        return notice.name


class Hours:
    """Calls the auditor hour by hour."""

    def __init__(self, books: Books) -> None:
        self.books, self.operator, self.clock = books, Operator(), ManualClock(NOON)
        self.logged: list[tuple[str, dict[str, Any]]] = []
        self.handler = auditor(
            books.store, self.operator, self.clock, SystemChance(), global_cap=5, runs_per_hour=0,
            log=lambda word, facts: self.logged.append((word, dict(facts))),
        )  # fmt: skip

    def hour(self) -> dict[str, Any]:
        answer = self.handler({}, LocalContext())
        self.clock.advance(hours=1)
        return answer

    def words(self) -> list[str]:
        words, self.logged = [word for word, _ in self.logged], []
        return words


@pytest.fixture
def hours(tmp_path: Path) -> Hours:
    return Hours(Books(tmp_path / "followups.db"))


def too_deep(books: Books, **fields: object) -> FollowUp:
    """Leaves a follow-up that breaks a promise which nobody can mend."""
    due = later(days=30)
    it = follow_up(due_at=due, depth=11, parent=ids.run_id(fresh(), 1), root=fresh(), **fields)
    books.store.commit(Add(it))
    return it


def test_where_all_is_well_nobody_is_told(hours: Hours) -> None:
    hours.books.store.commit(Add(follow_up(due_at=later(days=1))))
    assert hours.hour() == {
        "broken": 0, "doubts": 0, "repaired": 0, "found": {}, "more": {}, "follow_ups": 1, "runs": 0, "told": False,
    }  # fmt: skip
    assert (hours.words(), hours.operator.notices) == (["audited"], [])


def test_a_finding_is_told_once_a_day_and_counted_each_hour(hours: Hours) -> None:
    too_deep(hours.books)
    answers = [hours.hour() for _ in range(49)]
    assert [number for number, it in enumerate(answers) if it["told"]] == [0, 24, 48]
    assert [it["broken"] for it in answers] == [1] * 49
    assert len(hours.operator.notices) == 3
    assert hours.words() == ["audited", "finding", "broken_promises"] * 49


def test_a_new_finding_is_told_at_once_beside_those_that_are_known(hours: Hours) -> None:
    first = too_deep(hours.books)
    hours.hour()
    second = too_deep(hours.books)
    assert hours.hour()["told"]
    assert all(it.id in hours.operator.notices[1].text for it in (first, second))
    assert [hours.hour()["told"] for _ in range(24)] == [False] * 23 + [True], "both are told of together from now on"


def test_what_is_surely_safe_is_repaired_and_said(hours: Hours) -> None:
    it = follow_up(status=Status.PAUSED)
    hours.books.store.commit(Add(it))
    hours.books.spoil(it.key, waking(NOON))
    answer = hours.hour()
    assert (answer["broken"], answer["repaired"], answer["told"]) == (1, 1, True)
    assert "Repaired: the look is taken out." in hours.operator.notices[0].text
    assert hours.hour()["found"] == {}


def test_a_mail_that_is_not_taken_fails_the_call_and_is_tried_again(hours: Hours) -> None:
    too_deep(hours.books)
    hours.operator.broken = True
    with pytest.raises(MailNotSent):
        hours.hour()
    assert hours.words() == ["audited", "finding", "broken_promises", "mail_failed"]
    hours.operator.broken = False
    assert hours.hour()["told"]


def test_two_audits_at_once_leave_one_note(hours: Hours, tmp_path: Path) -> None:
    too_deep(hours.books)
    other = Hours(hours.books)
    notes = []

    def meanwhile(notice: Notice) -> str:
        other.hour()
        notes.append(hours.books.items().keys())
        return notice.name

    hours.operator.tell = meanwhile  # type: ignore[method-assign]
    assert hours.hour()["told"]
    assert set(hours.books.items()) == set(notes[0])
    assert not hours.hour()["told"]


def test_a_clock_that_went_back_tells_nothing_twice(hours: Hours) -> None:
    too_deep(hours.books)
    hours.hour()
    hours.clock.advance(hours=-10)
    assert not hours.hour()["told"]
    too_deep(hours.books)
    assert hours.hour()["told"]


def test_notes_are_no_findings_and_may_be_forgotten(hours: Hours) -> None:
    too_deep(hours.books)
    spent: list[Spend] = []
    commit = hours.books.store.commit
    hours.books.store.commit = lambda *changes: (spent.extend(changes), commit(*changes))[1]  # type: ignore
    hours.hour()
    [note] = spent
    assert (note.key.pk, note.expires_at) == ("AUDIT", NOON + timedelta(days=7))
    assert [it.code for it in hours.books.look().findings] == ["too_deep"]


def test_no_text_of_a_user_is_logged(hours: Hours) -> None:
    too_deep(hours.books, task="my secret task")
    it = follow_up()
    hours.books.store.commit(Add(it))
    hours.books.spoil(it.key, having(status="my secret status"))
    hours.hour()
    assert "secret" not in str(hours.logged)
    assert hours.operator.notices[0].text.count("secret") == 2


# The mail


def finding(**fields: Any) -> Finding:
    usual = {"code": "overdue", "key": ids.follow_up_key("ada", "a" * 26), "says": "it is late", "since": later()}
    return Finding(**(usual | fields))


def notice(*findings: Finding, more: dict[str, int] | None = None) -> Notice:
    return compose(findings, more or {}, at=NOON, follow_ups=12, runs=1)


def test_the_mail_says_it_in_both_forms() -> None:
    safe = Repair(does="the slot is freed")
    it = notice(
        finding(about="@backup Check", repaired=True, repair=safe), finding(code="no_look", repaired=False, repair=safe),
        finding(code="too_many_slots", key=Key("SLOTS", "ALL"), weight=Weight.DOUBT, since=None), more={"overdue": 40},
    )  # fmt: skip
    assert it.subject == "[Followups] 2 broken promises, 1 doubt: overdue, no_look, too_many_slots"
    text, html = " ".join(it.text.split()), " ".join(it.html.split())
    for said in (
        "12 follow-ups and 1 run", "it is late", "a" * 26, "@backup Check", "2026-11-24 12:00:00 UTC",
        "too_many_slots, a doubt", "Repaired: the slot is freed.", "Not repaired: it was changed meanwhile",
        "Not repaired: nothing here is surely safe", "SLOTS ALL", "40 more looked like overdue",
    ):  # fmt: skip
        assert said in text, said
        assert said in html, said
    assert max(map(len, it.text.splitlines())) <= 76


def test_what_a_user_wrote_is_text_and_nothing_else() -> None:
    it = notice(finding(about=EVIL, says=f"it cannot be read: {EVIL}", key=Key(EVIL, EVIL)))
    assert "<script>" not in it.html
    assert "&lt;script&gt;" in it.html
    for part in (it.subject, it.text, it.html):
        assert "\x1b" not in part and "\u202e" not in part


def test_a_very_long_mail_is_cut_and_says_so() -> None:
    it = notice(*(finding(key=Key("x", str(n))) for n in range(MOST_TOLD + 5)))
    assert "5 more are not listed here" in " ".join(it.text.split())
    assert "x 99" in it.text and "x 100" not in it.text


def test_it_is_a_mail_that_answers_nobody() -> None:
    it = replace(notice(finding()), subject="[Followups] =?utf-8?q?=0D=0ABcc:_x=40y.co?= über")
    raw = build_notice(it, sender="followups@example.com", to="ops@example.com").as_bytes()
    mail = message_from_bytes(raw, policy=policy.default)
    assert isinstance(mail, EmailMessage)
    assert (mail["To"], mail["Auto-Submitted"], mail["Bcc"]) == ("ops@example.com", "auto-generated", None)
    assert mail["Message-ID"] == "<audit-20261124T120500@example.com>"
    parts = {part.get_content_type() for part in mail.walk()}
    assert parts == {"multipart/alternative", "text/plain", "text/html"}
    with pytest.raises(MailRefused):
        build_notice(it, sender="followups@example.com", to="ops@example.com\r\nBcc: x@y.co")


def test_ses_sends_it_to_the_operator_alone() -> None:
    sent: list[dict[str, Any]] = []

    class Client:
        def send_email(self, **request: Any) -> dict[str, str]:
            sent.append(request)
            return {"MessageId": "m-1"}

    assert SesMailer(Client(), sender="f@example.com", default_to="ops@example.com").tell(notice(finding())) == "m-1"
    [request] = sent
    assert request["Destination"] == {"ToAddresses": ["ops@example.com"]}
    assert request["FromEmailAddress"] == "f@example.com"
    assert b"1 broken promise" in request["Content"]["Raw"]["Data"]
