"""Telling the operator what an audit found: one mail, if there is something that was not told of within a day."""

from followups.domain import audit_mail
from followups.domain.errors import Conflict
from followups.ports import Notifier, Store
from followups.usecases.audit import Audited


def tell(store: Store, notifier: Notifier, audited: Audited) -> bool:
    """Mails all findings if one of them is due to be told, and notes that; says whether it did.

    The note comes after the mail: a mail that is sent twice is better than one that never is. Raises MailNotSent,
    MailRefused, MailUncertain and StoreError; then what was not noted is told by the next audit.
    """
    if not audit_mail.untold(audited.findings, audited.told, audited.at):
        return False
    notifier.tell(
        audit_mail.compose(audited.findings, audited.more, at=audited.at, follow_ups=audited.follow_ups, runs=audited.runs)
    )
    for key, finding in {audit_mail.note_key(it): it for it in audited.findings}.items():
        if audited.told.get(key, 0) >= audit_mail.hour(audited.at):
            continue  # It was told of within this hour, beside another that was due.
        try:
            store.commit(audit_mail.note(finding, audited.told, audited.at))
        except Conflict:
            continue  # Another audit noted it.
    return True
