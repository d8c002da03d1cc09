"""SMTP against a real, small server on the loopback that does what a test tells it."""

import email
import email.policy
import socketserver
import threading
from collections.abc import Iterator

import pytest

from followups.adapters.smtp import SmtpMailer
from followups.domain.errors import ConfigError, MailError, MailNotSent, MailRefused, MailUncertain
from tests.support.runs import run_record

_USUAL = {"DATA": "354 go on", "EHLO": "250-here\r\n250 AUTH PLAIN", "AUTH": "235 come in"}


class Server(socketserver.ThreadingTCPServer):
    """Answers each command with 250, or with what `says` has for it; "drop" hangs up."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Session)
        self.says: dict[str, str] = {}
        self.mails: list[bytes] = []
        self.commands: list[str] = []

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.server_address[1]}"


class _Session(socketserver.StreamRequestHandler):
    server: Server

    def handle(self) -> None:
        self._say("220 here")
        while line := self.rfile.readline().decode().strip():
            verb = line.split()[0].upper()
            self.server.commands.append(line)
            answer = self.server.says.get(verb, _USUAL.get(verb, "250 ok"))
            if answer == "drop":
                return
            self._say(answer)
            if answer.startswith("354") and not self._take():
                return
            if verb == "QUIT":
                return

    def _take(self) -> bool:
        lines = []
        while (line := self.rfile.readline()) != b".\r\n":
            lines.append(line[1:] if line.startswith(b"..") else line)
        answer = self.server.says.get(".", "250 taken")
        if answer == "drop":
            return False
        self.server.mails.append(b"".join(lines))
        self._say(answer)
        return True

    def _say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as made:
        threading.Thread(target=made.serve_forever, args=(0.05,), daemon=True).start()
        yield made
        made.shutdown()


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
