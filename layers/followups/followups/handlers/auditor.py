"""The audit's schedule: whatever the event says, audit, repair what is surely safe, and tell."""

from collections import Counter
from typing import Any

from followups.domain.errors import MailError
from followups.handlers import Context, Event, Handler, Log, silent
from followups.ports import Chance, Clock, Ledger, Notifier
from followups.usecases.audit import audit, repair
from followups.usecases.tell import tell


def auditor(
    ledger: Ledger, notifier: Notifier, clock: Clock, chance: Chance, *, global_cap: int, runs_per_hour: int,
    log: Log = silent,
) -> Handler:  # fmt: skip
    """Gives the handler of scheduled events; it answers with what was found, counted. `global_cap` and `runs_per_hour` (0:
    no limit) are the installation's limits.

    A store that cannot be read, and a mail that was not taken, fail the call: an alarm hangs on that.
    """

    def handle(_event: Event, _context: Context) -> dict[str, Any]:
        audited = repair(
            ledger, audit(ledger, clock.now(), global_cap=global_cap, runs_per_hour=runs_per_hour), chance.new_id
        )
        found = dict(Counter(it.code for it in audited.findings))
        facts = {
            "broken": audited.broken, "doubts": len(audited.findings) - audited.broken,
            "repaired": sum(it.repaired is True for it in audited.findings), "found": found, "more": dict(audited.more),
            "follow_ups": audited.follow_ups, "runs": audited.runs,
        }  # fmt: skip
        log("audited", facts)
        for it in audited.findings:
            log("finding", {"code": it.code, "weight": it.weight, **it.key._asdict(), "repaired": it.repaired})
        if audited.broken:
            log("broken_promises", facts)
        try:
            told = tell(ledger, notifier, audited)
        except MailError as error:
            log("mail_failed", {"error": str(error)})
            raise
        return facts | {"told": told}

    return handle
