"""The auditor in the simulation. It finds late what an outage made late, and writes it anew. All else that it could repair
nobody has broken, so it must repair nothing; and where nothing goes wrong it must find nothing."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from followups.domain.findings import Notice, Weight
from followups.usecases.audit import audit

if TYPE_CHECKING:
    from tests.simulation.stack import Stack


class Audits:
    """The operator, to whom the auditor writes, and its log."""

    def __init__(self, stack: "Stack") -> None:
        self._stack = stack

    def tell(self, notice: Notice) -> str:
        self._stack.checks.noted["notices"] += 1
        return notice.subject

    def log(self, word: str, facts: Mapping[str, Any]) -> None:
        checks = self._stack.checks
        if word == "audited":
            checks.noted["audits"] += 1
            checks.that(bool(self._stack.plan.rates) or not facts["broken"], "the auditor cries wolf", dict(facts))
        elif word == "finding" and facts["repaired"]:
            checks.noted["written_anew"] += 1
            checks.that(facts["code"] == "overdue", "the auditor repairs what nobody broke", dict(facts))

    def finished(self) -> None:
        """At rest no promise is broken."""
        stack = self._stack
        found = audit(
            stack.store, stack.engine.instant(stack.engine.now), global_cap=stack.limits.global_cap,
            runs_per_hour=stack.limits.runs_per_hour,
        )  # fmt: skip
        broken = [it for it in found.findings if it.weight is Weight.BROKEN and it.code != "report_failed"]
        stack.checks.that(not broken, "the auditor finds a broken promise at rest", *broken)
