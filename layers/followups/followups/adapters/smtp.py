"""Reports by SMTP (RFC 5321), through the server that the user names."""

import smtplib
import ssl
import time
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from followups.adapters.mail import build_message
from followups.domain.entities import Run
from followups.domain.errors import ConfigError, MailNotSent, MailRefused, MailUncertain

#: For each answer; and all that comes before the mail itself must be done in the budget. With the two answers to DATA
#: that stays well below the time after which a report is tried again.
_TIMEOUT_S = 30.0
_BUDGET_S = 60.0
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True)
class _Server:
    host: str
    port: int
    implicit_tls: bool
    user: str | None
    password: str = field(repr=False, default="")


class SmtpMailer:
    """Sends through `smtp://[user:password@]host[:port]` (STARTTLS if offered, and needed for a password to another
    machine) or `smtps://…`. Raises ConfigError for a URL that is neither; it never shows the password."""

    def __init__(self, url: str, *, sender: str, default_to: str, timeout_s: float = _TIMEOUT_S) -> None:
        self._server = _parse(url)
        self._sender = sender
        self._default_to = default_to
        self._timeout_s = timeout_s

    def send(self, run: Run) -> str:
        """Gives the mail's Message-ID. Raises MailNotSent, MailRefused, MailUncertain."""
        message = build_message(run, sender=self._sender, to=self._default_to)
        to = run.report_to or self._default_to
        end = time.monotonic() + _BUDGET_S
        connection = self._connect()
        try:
            self._log_in(connection)
            _deliver(connection, self._sender, to, message.as_bytes(), end)
        finally:
            connection.close()
        return str(message["Message-ID"])

    def greet(self) -> str:
        """Logs in and leaves again; gives the server's name. Raises MailNotSent, MailRefused."""
        connection = self._connect()
        try:
            self._log_in(connection)
        finally:
            connection.close()
        return f"{self._server.host}:{self._server.port}"

    def _connect(self) -> smtplib.SMTP:
        server = self._server
        try:
            if server.implicit_tls:
                context = ssl.create_default_context()
                return smtplib.SMTP_SSL(server.host, server.port, timeout=self._timeout_s, context=context)
            return smtplib.SMTP(server.host, server.port, timeout=self._timeout_s)
        except (OSError, smtplib.SMTPException) as error:
            raise MailNotSent(f"{server.host}:{server.port} cannot be reached: {error}") from error

    def _log_in(self, connection: smtplib.SMTP) -> None:
        server = self._server
        try:
            connection.ehlo_or_helo_if_needed()
            if not server.implicit_tls and connection.has_extn("starttls"):
                connection.starttls(context=ssl.create_default_context())
                connection.ehlo()
            elif server.user and not server.implicit_tls and server.host not in _LOOPBACK:
                raise MailRefused(f"{server.host} offers no encryption; the password is not sent in the clear")
            if server.user:
                connection.login(server.user, server.password)
        except smtplib.SMTPAuthenticationError as error:
            raise MailRefused(f"{server.host} refused the user name or password (code {error.smtp_code})") from error
        except (OSError, smtplib.SMTPException) as error:
            raise MailNotSent(f"{server.host} broke off before the mail: {error}") from error


def _deliver(connection: smtplib.SMTP, sender: str, to: str, raw: bytes, end: float) -> None:
    """Speaks MAIL, RCPT and DATA one by one: only what breaks after DATA leaves a doubt."""
    try:
        for code, answer in ((connection.mail(sender)), (connection.rcpt(to))):
            _check(code, answer)
    except (OSError, smtplib.SMTPException) as error:
        raise MailNotSent(f"the server broke off before the mail: {error}") from error
    if time.monotonic() > end:
        raise MailNotSent("the server is too slow")
    try:
        _check(*connection.data(raw))
    except smtplib.SMTPDataError as error:
        _check(error.smtp_code, error.smtp_error)
    except (OSError, smtplib.SMTPException) as error:
        raise MailUncertain(f"the server broke off while it took the mail: {error}") from error
    try:
        connection.quit()
    except (OSError, smtplib.SMTPException):
        return  # It has taken the mail; how it says good-bye changes nothing.


def _check(code: int, answer: bytes | str) -> None:
    """RFC 5321 §4.2.1: 2yz is yes, 4yz is not now, 5yz is never."""
    text = answer.decode("utf-8", "replace") if isinstance(answer, bytes) else answer
    if 400 <= code < 500:
        raise MailNotSent(f"the server said not now: {code} {text}"[:300])
    if not 200 <= code < 300:
        raise MailRefused(f"the server refused the mail: {code} {text}"[:300])


def _parse(url: str) -> _Server:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise _wrong() from error
    if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
        raise _wrong()
    tls = parts.scheme == "smtps"
    default = 465 if tls else (587 if parts.username else 25)
    user = unquote(parts.username) if parts.username else None
    return _Server(parts.hostname, port or default, tls, user, unquote(parts.password or ""))


def _wrong() -> ConfigError:
    return ConfigError(["FOLLOWUPS_SMTP_URL is not smtp://host:25 or smtps://user:password@host"])
