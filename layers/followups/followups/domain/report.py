"""A run's report: subject, text and HTML."""

from dataclasses import dataclass

from followups.domain.entities import Run
from followups.domain.report_content import content
from followups.domain.report_html import as_html
from followups.domain.report_text import as_text


@dataclass(frozen=True, slots=True)
class Report:
    """A report, ready to be sent or shown."""

    subject: str
    text: str
    html: str


def compose(run: Run) -> Report:
    """Takes a run's record; gives its report as subject, text and HTML, which say the same."""
    it = content(run)
    return Report(it.subject, as_text(it), as_html(it, run.outcome))
