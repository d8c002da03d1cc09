"""The report as a mail (RFC 5322), for whoever sends it."""

from datetime import UTC
from email.header import Header
from email.headerregistry import HeaderRegistry
from email.message import EmailMessage
from email.policy import SMTP, Policy
from email.utils import format_datetime
from typing import Any

from followups.domain.entities import Run
from followups.domain.errors import MailRefused
from followups.domain.findings import Notice
from followups.domain.report import compose


class _Headers(HeaderRegistry):
    """Makes a class for each header once, where the library makes one for each mail: a quarter of a mail's time."""

    def __init__(self) -> None:
        super().__init__()
        self._made: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._made:
            self._made[name] = super().__getitem__(name)
        return self._made[name]


#: ASCII throughout, in short lines: it passes every server, whatever that offers.
POLICY = SMTP.clone(cte_type="7bit", header_factory=_Headers())


class _Line(str):
    """A header's value that is written as it stands, never read as markup and never folded.

    The email package decodes what looks like an encoded word in any value that it is given: with it, an agent's
    `=?utf-8?q?=0D=0ABcc:_…?=` becomes a header of its own, and one good address two.
    """

    #: The header's. A value that knows it is stored and folded as it says itself (`email.policy.EmailPolicy`).
    name: str

    def fold(self, *, policy: Policy) -> str:
        return f"{self.name}: {self}{policy.linesep}"


class _Words(_Line):
    """The same for words: what is not plain ASCII, or looks encoded, is encoded (RFC 2047)."""

    def fold(self, *, policy: Policy) -> str:
        if _is_plain(self) and "=?" not in self:
            return super().fold(policy=policy)
        encoded = Header(str(self), "utf-8", header_name=self.name).encode(linesep=policy.linesep)
        return f"{self.name}: {encoded}{policy.linesep}"


def build_message(run: Run, *, sender: str, to: str) -> EmailMessage:
    """Takes a run's record and two addresses; gives the mail. The same run always gives the same Message-ID. Raises
    MailRefused for addresses that no header can hold.

    SES overwrites Message-ID and Date, so a thread hangs on a References that is the same for all runs of a follow-up.
    `Auto-Submitted` (RFC 3834 §5) keeps automatic replies from answering.
    """
    report = compose(run)
    domain = sender.rpartition("@")[2]
    thread = f"<{run.follow_up_id}@{domain}>"
    message = EmailMessage(policy=POLICY)
    _add(message, "From", _Line(f"Followups <{sender}>"))
    _add(message, "To", _Line(run.report_to or to))
    _add(message, "Subject", _Words(report.subject))
    message["Date"] = format_datetime(run.finished_at.astimezone(UTC))
    _add(message, "Message-ID", _Line(f"<{run.id}@{domain}>"))
    _add(message, "References", _Line(thread))
    _add(message, "In-Reply-To", _Line(thread))
    message["Auto-Submitted"] = "auto-generated"
    message["X-Auto-Response-Suppress"] = "All"
    message["Followups-Run"] = run.id
    message["Followups-Outcome"] = run.outcome.value
    message.set_content(report.text)
    message.add_alternative(report.html, subtype="html")
    return message


def build_notice(notice: Notice, *, sender: str, to: str) -> EmailMessage:
    """Takes a notice to the operator and two addresses; gives the mail. Raises MailRefused for addresses that no header can
    hold."""
    domain = sender.rpartition("@")[2]
    message = EmailMessage(policy=POLICY)
    _add(message, "From", _Line(f"Followups <{sender}>"))
    _add(message, "To", _Line(to))
    _add(message, "Subject", _Words(notice.subject))
    message["Date"] = format_datetime(notice.at.astimezone(UTC))
    _add(message, "Message-ID", _Line(f"<{notice.name}@{domain}>"))
    message["Auto-Submitted"] = "auto-generated"
    message["X-Auto-Response-Suppress"] = "All"
    message.set_content(notice.text)
    message.add_alternative(notice.html, subtype="html")
    return message


def _add(message: EmailMessage, name: str, value: _Line) -> None:
    if not isinstance(value, _Words) and not _is_plain(value):
        raise MailRefused(f"the mail's {name} holds what no header may: {str(value)!a}"[:300])
    value.name = name
    message[name] = value


def _is_plain(text: str) -> bool:
    return text.isascii() and text.isprintable()
