"""SMTP against a real, small server on the loopback."""

import email
import email.policy
from collections.abc import Iterator

import pytest

from followups.adapters.smtp import SmtpMailer
from followups.domain.errors import ConfigError, MailError, MailNotSent, MailRefused, MailUncertain
from tests.support.runs import run_record
from tests.support.smtp import Server, smtp_server


@pytest.fixture
def server() -> Iterator[Server]:
    with smtp_server() as made:
        yield made


def mailer(url: str) -> SmtpMailer:
    return SmtpMailer(url, sender="f@example.com", default_to="anna@example.com", timeout_s=5)


def test_a_mail_arrives_as_it_was_written(server: Server) -> None:
    name = mailer(server.url).send(run_record(report=".\n..\n" + "x" * 2_000 + "\nä"))
    message = email.message_from_bytes(server.mails[0], policy=email.policy.default)
    assert message["Message-ID"] == name
    assert message["To"] == "anna@example.com"
    text = message.get_body(("plain",))  # type: ignore[attr-defined]
    assert ".\n..\n" + "x" * 2_000 + "\nä" in text.get_content().replace("\r\n", "\n")
    assert "rcpt to:<anna@example.com>" in [command.lower() for command in server.commands]


@pytest.mark.parametrize(
    ("says", "kind"),
    [
        ({"MAIL": "451 later"}, MailNotSent),
        ({"MAIL": "550 never"}, MailRefused),
        ({"RCPT": "450 later"}, MailNotSent),
        ({"RCPT": "550 nobody here"}, MailRefused),
        ({"RCPT": "drop"}, MailNotSent),
        ({"DATA": "451 later"}, MailNotSent),
        ({"DATA": "554 never"}, MailRefused),
        ({".": "452 full"}, MailNotSent),
        ({".": "554 spam"}, MailRefused),
        ({".": "drop"}, MailUncertain),
        ({"EHLO": "drop", "HELO": "drop"}, MailNotSent),
    ],
    ids=str,
)
def test_what_a_server_says_is_one_of_three_kinds(server: Server, says: dict[str, str], kind: type[MailError]) -> None:
    server.says = says
    with pytest.raises(kind):
        mailer(server.url).send(run_record())


def test_a_server_that_is_not_there(server: Server) -> None:
    url = server.url
    server.shutdown()
    server.server_close()
    with pytest.raises(MailNotSent, match="cannot be reached"):
        mailer(url).send(run_record())


def test_a_good_bye_that_fails_changes_nothing(server: Server) -> None:
    server.says = {"QUIT": "drop"}
    assert mailer(server.url).send(run_record())


def test_the_password_is_sent_and_never_shown(server: Server) -> None:
    url = server.url.replace("smtp://", "smtp://anna:s3cret@")
    it = mailer(url)
    assert it.send(run_record())
    assert any(command.startswith("AUTH PLAIN") for command in server.commands)
    server.says = {"AUTH": "535 wrong"}
    with pytest.raises(MailRefused) as refused:
        it.send(run_record())
    assert "s3cret" not in repr(refused.value) + repr(it) + repr(vars(it))


@pytest.mark.parametrize("url", ["http://host", "smtp://", "smtp://u:s3cret@host:port", "host:25"])
def test_a_url_that_is_none_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(ConfigError) as refused:
        mailer(url)
    assert "s3cret" not in str(refused.value)
