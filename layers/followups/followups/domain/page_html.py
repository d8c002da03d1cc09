"""A mail as an HTML page: one column, tables and inline styles, as mail readers want it, in light and dark.

Everything that comes from a person or an agent passes `html.escape` and stands as text; there is no link, no image and
nothing that is fetched.
"""

from html import escape

FONT = "font-family:-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif"
MONO = "font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,'Liberation Mono',monospace"
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


def page(*, title: str, hidden: str, rows: str, below: str) -> str:
    """Gives a whole document: `title` and `hidden` (what a mail reader shows beside the subject) are text, `rows` are the
    card's table rows as HTML, `below` is the text under the card."""
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{escape(title)}</title>
<style>{_DARK}</style>
</head>
<body class="page" style="margin:0;padding:0;background:#f3f5f7;{FONT};font-size:15px;line-height:1.5">
<div style="display:none;max-height:0;overflow:hidden">{escape(hidden)}</div>
<table role="presentation" class="page" width="100%" cellpadding="0" cellspacing="0" style="background:#f3f5f7">
<tr><td align="center" style="padding:24px 12px">
<table role="presentation" class="card" width="100%" cellpadding="0" cellspacing="0"
 style="max-width:640px;background:#ffffff;border:1px solid #dde3e8;border-radius:10px">
{rows}</table>
<p class="soft" style="max-width:640px;margin:14px auto 0;font-size:12px;color:#66727e;overflow-wrap:anywhere"
>{escape(below)}</p>
</td></tr>
</table>
</body>
</html>
"""


def badge(word: str, ink: str, paper: str) -> str:
    """Gives a word on a coloured ground."""
    return f"""<span style="display:inline-block;padding:3px 11px;border-radius:12px;background:{paper};color:{ink};
font-size:13px;font-weight:600">{escape(word)}</span>"""


def row(name: str, value: str, *, mono: bool = False) -> str:
    """Gives a table row of a name and its value."""
    style = f"{MONO};font-size:12px;" if mono else ""
    return (
        f'<tr><td class="soft" valign="top" style="padding:3px 14px 3px 0;color:#66727e;white-space:nowrap">{escape(name)}'
        f'</td><td class="ink" width="100%" style="{style}padding:3px 0;color:#1d2329;overflow-wrap:anywhere">'
        f"{escape(value)}</td></tr>\n"
    )


def table(rows: str, size_px: int) -> str:
    """Gives a table of such rows."""
    return (
        f'<table role="presentation" width="100%" cellpadding="0" cellspacing="0" style="font-size:{size_px}px">'
        f"{rows}</table>"
    )
