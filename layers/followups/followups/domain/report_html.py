"""The report as an HTML mail: one column, tables and inline styles, as mail readers want it, in light and dark.

Everything that comes from a person or an agent passes `html.escape` and stands as text; there is no link, no image and
nothing that is fetched.
"""

from html import escape

from followups.domain.report_content import Content
from followups.domain.status import Outcome

_COLOURS = {
    Outcome.SUCCEEDED: ("#0b6b3a", "#e3f5ea"),
    Outcome.ATTENTION: ("#8a5200", "#fdf1dc"),
    Outcome.FAILED: ("#a3161e", "#fde8e8"),
    Outcome.TIMED_OUT: ("#a3161e", "#fde8e8"),
    Outcome.UNKNOWN: ("#5b3fa6", "#efeafb"),
    Outcome.CANCELLED: ("#4a5560", "#eceff2"),
}
_FONT = "font-family:-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif"
_MONO = "font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,'Liberation Mono',monospace"
_DARK = """
  :root { color-scheme: light dark; supported-color-schemes: light dark; }
  @media (prefers-color-scheme: dark) {
    .page { background: #14181c !important; }
    .card { background: #1d2329 !important; border-color: #323b44 !important; }
    .ink, .ink td { color: #e6eaee !important; }
    .soft, .soft td { color: #9aa7b3 !important; }
    .box { background: #14181c !important; border-color: #323b44 !important; color: #e6eaee !important; }
  }
"""


def as_html(it: Content, outcome: Outcome) -> str:
    """Gives the report as a whole HTML document."""
    ink, paper = _COLOURS[outcome]
    rows = "".join(_row(fact.name, fact.value) for fact in it.facts)
    hints = "".join(_row(name, command, mono=True) for name, command in it.hints)
    explained = f'<p class="ink" style="margin:8px 0 0;color:#1d2329">{escape(it.explained)}</p>' if it.explained else ""
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{escape(it.subject)}</title>
<style>{_DARK}</style>
</head>
<body class="page" style="margin:0;padding:0;background:#f3f5f7;{_FONT};font-size:15px;line-height:1.5">
<div style="display:none;max-height:0;overflow:hidden">{escape(it.summary)}</div>
<table role="presentation" class="page" width="100%" cellpadding="0" cellspacing="0" style="background:#f3f5f7">
<tr><td align="center" style="padding:24px 12px">
<table role="presentation" class="card" width="100%" cellpadding="0" cellspacing="0"
 style="max-width:640px;background:#ffffff;border:1px solid #dde3e8;border-radius:10px">
<tr><td style="padding:24px 24px 8px">
<span style="display:inline-block;padding:3px 11px;border-radius:12px;background:{paper};color:{ink};
font-size:13px;font-weight:600">{escape(it.headline.capitalize())}</span>
<h1 class="ink" style="margin:12px 0 4px;font-size:21px;line-height:1.3;color:#1d2329;overflow-wrap:anywhere"
>{escape(it.task)}</h1>
<p class="ink" style="margin:0;color:#1d2329;overflow-wrap:anywhere">{escape(it.summary)}</p>
{explained}
</td></tr>
<tr><td style="padding:8px 24px">
<table role="presentation" width="100%" cellpadding="0" cellspacing="0" style="font-size:14px">{rows}</table>
</td></tr>
{_output(it)}{_message(it)}
<tr><td style="padding:12px 24px 20px">
<table role="presentation" width="100%" cellpadding="0" cellspacing="0" style="font-size:13px">{hints}</table>
</td></tr>
</table>
<p class="soft" style="max-width:640px;margin:14px auto 0;font-size:12px;color:#66727e;overflow-wrap:anywhere"
>{escape(it.why)}</p>
</td></tr>
</table>
</body>
</html>
"""


def _row(name: str, value: str, *, mono: bool = False) -> str:
    style = f"{_MONO};font-size:12px;" if mono else ""
    return (
        f'<tr><td class="soft" valign="top" style="padding:3px 14px 3px 0;color:#66727e;white-space:nowrap">{escape(name)}'
        f'</td><td class="ink" width="100%" style="{style}padding:3px 0;color:#1d2329;overflow-wrap:anywhere">'
        f"{escape(value)}</td></tr>\n"
    )


def _output(it: Content) -> str:
    if not it.output.strip():
        return ""
    rest = f"The whole output: {escape(it.output_ref)}" if it.output_ref else ""
    return _section(f"Written by the agent {it.agent}", it.output.strip(), rest)


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
<div class="box" style="{_MONO};font-size:12.5px;line-height:1.45;white-space:pre-wrap;overflow-wrap:anywhere;
background:#f6f8fa;border:1px solid #dde3e8;border-radius:6px;padding:12px 14px;color:#1d2329">{escape(text)}</div>
{note}</td></tr>
"""
