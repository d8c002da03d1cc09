"""A report's way to the reader: at least once, and never again after it was sent."""

from datetime import datetime

from followups.domain.changes import Swap
from followups.domain.entities import Run
from followups.domain.moves import advance_report
from followups.domain.retry import MAX_REPORT_TRIES, REPORT_LEASE, mail_backoff
from followups.domain.status import ReportStatus


def begin(old: Run, *, at: datetime, write_id: str) -> Swap:
    """Takes a pending report; gives its try: counted before the mail is handed over."""
    return advance_report(
        old, ReportStatus.SENDING, at=at, write_id=write_id, wake_at=at + REPORT_LEASE, report_tries=old.report_tries + 1
    )


def accepted(old: Run, note: str, *, at: datetime, write_id: str) -> Swap:
    """Takes a report that the mailer accepted under the name `note`. Accepted is not delivered."""
    return advance_report(old, ReportStatus.SENT, at=at, write_id=write_id, report_note=note, reported_at=at)


def refused(old: Run, why: str, *, at: datetime, write_id: str) -> Swap:
    """Takes a report that can never be sent like this."""
    return advance_report(old, ReportStatus.FAILED, at=at, write_id=write_id, report_note=why)


def not_sent(old: Run, why: str, *, at: datetime, write_id: str, luck: float) -> Swap:
    """Takes a report whose try surely or possibly came to nothing; gives the next try, or after eight its failure."""
    if old.report_tries >= MAX_REPORT_TRIES:
        return refused(old, f"gave up after {old.report_tries} tries: {why}", at=at, write_id=write_id)
    again = at + mail_backoff(max(1, old.report_tries), luck)
    return advance_report(old, ReportStatus.PENDING, at=at, write_id=write_id, wake_at=again, report_note=why)


def queued(old: Run, *, at: datetime, write_id: str) -> Swap:
    """Takes a pending report whose message is put on the queue; gives a look at it should the message be lost."""
    return advance_report(old, ReportStatus.PENDING, at=at, write_id=write_id, wake_at=at + REPORT_LEASE)
