"""The report as a mail (RFC 5322), for whoever sends it."""

from datetime import UTC
from email.message import EmailMessage
from email.policy import SMTP, EmailPolicy
from email.utils import format_datetime
from typing import Any

from followups.domain.entities import Run
from followups.domain.report import compose

#: ASCII throughout, in short lines: it passes every server, whatever that offers.
_SHORT = SMTP.clone(cte_type="7bit")
_LONG = _SHORT.clone(max_line_length=998)


class _Policy(EmailPolicy):
    """Folds the subject into encoded words (75 characters at most, RFC 2047 §2), and no other header: that would break
    the addresses in them."""

    def fold(self, name: str, value: Any) -> str:
        return _folding(name).fold(name, value)

    def fold_binary(self, name: str, value: Any) -> bytes:
        return _folding(name).fold_binary(name, value)


def _folding(name: str) -> EmailPolicy:
    return _SHORT if name.lower() == "subject" else _LONG


POLICY = _Policy(linesep="\r\n", cte_type="7bit")


def build_message(run: Run, *, sender: str, to: str) -> EmailMessage:
    """Takes a run's record and two addresses; gives the mail. The same run always gives the same Message-ID.

    SES overwrites Message-ID and Date, so a thread hangs on a References that is the same for all runs of a follow-up.
    `Auto-Submitted` (RFC 3834 §5) keeps automatic replies from answering.
    """
    report = compose(run)
    domain = sender.rpartition("@")[2]
    thread = f"<{run.follow_up_id}@{domain}>"
    message = EmailMessage(policy=POLICY)
    message["From"] = f"Followups <{sender}>"
    message["To"] = run.report_to or to
    message["Subject"] = report.subject
    message["Date"] = format_datetime(run.finished_at.astimezone(UTC))
    message["Message-ID"] = f"<{run.id}@{domain}>"
    message["References"] = thread
    message["In-Reply-To"] = thread
    message["Auto-Submitted"] = "auto-generated"
    message["X-Auto-Response-Suppress"] = "All"
    message["Followups-Run"] = run.id
    message["Followups-Outcome"] = run.outcome.value
    message.set_content(report.text)
    message.add_alternative(report.html, subtype="html")
    return message
