"""Mails: the message itself, the outbox folder, and SES's answers."""

import email
import email.policy
import stat
from email.message import EmailMessage
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError, ReadTimeoutError
from hypothesis import given
from hypothesis import strategies as st

from followups.adapters.mail import build_message
from followups.adapters.outbox import OutboxMailer, file_name
from followups.adapters.ses import SesMailer
from followups.domain.errors import MailError, MailNotSent, MailRefused, MailUncertain
from followups.domain.report import compose
from tests.support.runs import run_record


def parsed(raw: bytes) -> EmailMessage:
    message = email.message_from_bytes(raw, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


def body(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    assert part is not None
    return str(part.get_content()).replace("\r\n", "\n")


@given(st.text(min_size=1), st.text(min_size=1), st.text())
def test_a_mail_reads_back_as_it_was_written(task: str, summary: str, report: str) -> None:
    run = run_record(task=f"x{task}", summary=f"x{summary}", report=report, report_to="me@example.com")
    message = parsed(build_message(run, sender="f@example.com", to="x@example.com").as_bytes())
    written = compose(run)
    assert str(message["Subject"]).split() == written.subject.split()
    assert body(message, "plain") == written.text
    assert body(message, "html") == written.html
    assert message.get_all("To") == ["me@example.com"]
    assert message["Auto-Submitted"] == "auto-generated"


def test_what_looks_encoded_is_words_and_never_read_as_markup() -> None:
    # The email package decodes an encoded word in whatever it is given: this one was a header of the agent's own.
    run = run_record(summary="=?utf-8?q?=0D=0ABcc:_x@evil.example?= done", report_to="me@example.com")
    raw = build_message(run, sender="f@example.com", to="x@example.com").as_bytes()
    head = raw.partition(b"\r\n\r\n")[0]
    assert b"\nBcc:" not in head
    assert str(parsed(raw)["Subject"]).endswith("=?utf-8?q?=0D=0ABcc:_x@evil.example?= done")


@pytest.mark.parametrize("address", ["=?utf-8?q?a@b.co=2C_x?=@example.com", "=?x@example.com"])
def test_an_address_that_looks_encoded_stays_one_address(address: str) -> None:
    raw = build_message(run_record(report_to=address), sender="f@example.com", to="x@example.com").as_bytes()
    assert f"To: {address}\r\n".encode() in raw


@pytest.mark.parametrize("address", ["a@example.com\r\nBcc: x@evil.example", "ä@example.com", "a@example.com\x00"])
def test_an_address_that_no_header_can_hold_is_refused(address: str) -> None:
    with pytest.raises(MailRefused, match="To holds"):
        build_message(run_record(report_to=address), sender="f@example.com", to="x@example.com")


def test_the_runs_of_a_follow_up_make_one_thread() -> None:
    first, second = (build_message(run_record(fence=n), sender="f@example.com", to="x@example.com") for n in (1, 2))
    assert first["References"] == second["References"]
    assert first["Message-ID"] != second["Message-ID"]
    assert first["Message-ID"] == build_message(run_record(), sender="f@example.com", to="y@example.com")["Message-ID"]


def test_the_outbox_holds_one_file_for_each_report(tmp_path: Path) -> None:
    outbox = tmp_path / "outbox"
    mailer = OutboxMailer(outbox, sender="f@localhost", default_to="anna@localhost")
    names = [mailer.send(run_record()), mailer.send(run_record()), mailer.send(run_record(fence=2))]
    assert names[0] == names[1] == "2026-12-01T0800Z-check-disk-space-heoq3orz-1.eml"
    assert sorted(path.name for path in outbox.iterdir()) == sorted(set(names))
    assert stat.S_IMODE((outbox / names[0]).stat().st_mode) == 0o600
    assert parsed((outbox / names[0]).read_bytes())["To"] == "anna@localhost"


def test_the_next_try_removes_what_a_killed_one_left_behind(tmp_path: Path) -> None:
    mailer = OutboxMailer(tmp_path, sender="f@localhost", default_to="anna@localhost")
    name = mailer.send(run_record())
    for left in (f".{name}.0a1b2c3d.new", f".{file_name(run_record(fence=2))}.0a1b2c3d.new"):
        (tmp_path / left).write_text("half a ma")
    mailer.send(run_record(report_tries=2))
    assert [path.name for path in sorted(tmp_path.iterdir())] == [f".{file_name(run_record(fence=2))}.0a1b2c3d.new", name]


def test_an_outbox_that_cannot_be_written_says_why(tmp_path: Path) -> None:
    (tmp_path / "outbox").write_text("a file where a folder should be")
    with pytest.raises(MailNotSent, match="could not be written"):
        OutboxMailer(tmp_path / "outbox", sender="f@localhost", default_to="a@localhost").send(run_record())


@pytest.mark.parametrize("task", ["../../etc/passwd", "日本語", "." * 300, "a/b\\c:d"])
def test_a_task_never_leaves_the_folder(tmp_path: Path, task: str) -> None:
    name = OutboxMailer(tmp_path, sender="f@localhost", default_to="a@localhost").send(run_record(task=task))
    assert [path.name for path in tmp_path.iterdir()] == [name]


class _Ses:
    """SES's client, as far as a mail needs it: botocore's Stubber cannot break a connection."""

    def __init__(self, answer: Exception | None) -> None:
        self.answer = answer
        self.sent: list[dict[str, object]] = []

    def send_email(self, **request: object) -> dict[str, str]:
        self.sent.append(request)
        if self.answer is not None:
            raise self.answer
        return {"MessageId": "ses-1"}


def _refusal(code: str, status: int) -> ClientError:
    answer = {"Error": {"Code": code, "Message": "m"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "SendEmail")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (_refusal("TooManyRequestsException", 429), MailNotSent),
        (_refusal("LimitExceededException", 400), MailNotSent),
        (ConnectTimeoutError(endpoint_url="https://ses"), MailNotSent),
        (_refusal("MessageRejected", 400), MailRefused),
        (_refusal("MailFromDomainNotVerifiedException", 400), MailRefused),
        (_refusal("AccountSuspendedException", 400), MailRefused),
        (_refusal("AccessDeniedException", 403), MailRefused),
        (_refusal("InternalFailure", 500), MailUncertain),
        (ReadTimeoutError(endpoint_url="https://ses"), MailUncertain),
    ],
)
def test_what_ses_says_is_one_of_three_kinds(answer: Exception, kind: type[MailError]) -> None:
    with pytest.raises(kind):
        SesMailer(_Ses(answer), sender="f@example.com", default_to="x@example.com").send(run_record())


def test_ses_takes_a_mail(ministack_url: str) -> None:
    client = boto3.client(
        "sesv2", endpoint_url=ministack_url, region_name="eu-central-1", aws_access_key_id="test",
        aws_secret_access_key="test",
    )  # fmt: skip
    client.create_email_identity(EmailIdentity="f@example.com")
    assert SesMailer(client, sender="f@example.com", default_to="x@example.com").send(run_record())
