"""What a text that says when was understood as."""

from dataclasses import dataclass
from datetime import datetime

from followups.domain.rule import Rule
from followups.domain.walltime import format_instant
from followups.domain.wording import say


@dataclass(frozen=True, slots=True, kw_only=True)
class When:
    """What a text was understood as."""

    text: str
    due_at: datetime
    #: The wall-clock time that was meant; None for what is counted, and for an instant with an offset.
    local: datetime | None
    timezone: str
    #: None for once.
    rule: Rule | None = None
    #: Naive time that the rule counts from: of a clock in the zone, and of one in UTC for minutes and hours.
    anchor: datetime | None = None
    #: What the reader should know of it.
    notes: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """What was understood, to be said back."""
        first = format_instant(self.due_at, self.timezone)
        if self.rule is None or self.anchor is None:
            return f"once, {first}"
        return f"{say(self.rule, self.anchor)}; first {first}"
