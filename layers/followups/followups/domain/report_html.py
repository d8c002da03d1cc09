"""The report as an HTML mail."""

from html import escape

from followups.domain.page_html import MONO, badge, page, row, table
from followups.domain.report_content import Content
from followups.domain.status import Outcome

_COLOURS = {
    Outcome.SUCCEEDED: ("#0b6b3a", "#e3f5ea"),
    Outcome.ATTENTION: ("#8a5200", "#fdf1dc"),
    Outcome.FAILED: ("#a3161e", "#fde8e8"),
    Outcome.TIMED_OUT: ("#a3161e", "#fde8e8"),
    Outcome.UNKNOWN: ("#5b3fa6", "#efeafb"),
    Outcome.CANCELLED: ("#4a5560", "#eceff2"),
    Outcome.SKIPPED: ("#4a5560", "#eceff2"),
}


def as_html(it: Content, outcome: Outcome) -> str:
    """Gives the report as a whole HTML document."""
    ink, paper = _COLOURS[outcome]
    facts = "".join(row(fact.name, fact.value) for fact in it.facts)
    hints = "".join(row(name, command, mono=True) for name, command in it.hints)
    explained = f'<p class="ink" style="margin:8px 0 0;color:#1d2329">{escape(it.explained)}</p>' if it.explained else ""
    summary = ""
    if it.summary:
        summary = f'<p class="ink" style="margin:0;color:#1d2329;overflow-wrap:anywhere">{escape(it.summary)}</p>'
    rows = f"""<tr><td style="padding:24px 24px 8px">
{badge(it.headline.capitalize(), ink, paper)}
<h1 class="ink" style="margin:12px 0 4px;font-size:21px;line-height:1.3;color:#1d2329;overflow-wrap:anywhere"
>{escape(it.task)}</h1>
{summary}{explained}
</td></tr>
<tr><td style="padding:8px 24px">
{table(facts, 14)}
</td></tr>
{_output(it)}{_message(it)}
<tr><td style="padding:12px 24px 20px">
{table(hints, 13)}
</td></tr>
"""
    return page(title=it.subject, hidden=it.summary, rows=rows, below=it.why)


def _output(it: Content) -> str:
    if not it.output.strip():
        return ""
    rest = f"The whole output: {escape(it.output_ref)}" if it.output_ref else ""
    return _section("Its message" if it.reminds else f"Written by the agent {it.agent}", it.output.strip(), rest)


def _message(it: Content) -> str:
    return _section("What the agent was told", it.message.strip(), "") if it.message.strip() else ""


def _section(title: str, text: str, below: str) -> str:
    note = (
        f'<p class="soft" style="margin:6px 0 0;font-size:12px;color:#66727e;overflow-wrap:anywhere">{below}</p>'
        if below
        else ""
    )
    return f"""<tr><td style="padding:12px 24px 4px">
<p class="soft" style="margin:0 0 6px;font-size:13px;color:#66727e">{escape(title)}</p>
<div class="box" style="{MONO};font-size:12.5px;line-height:1.45;white-space:pre-wrap;overflow-wrap:anywhere;
background:#f6f8fa;border:1px solid #dde3e8;border-radius:6px;padding:12px 14px;color:#1d2329">{escape(text)}</div>
{note}</td></tr>
"""
