"""The report as plain text: what a terminal and a careful mail reader show."""

import textwrap

from followups.domain.report_content import Content

_WIDTH = 76


def as_text(it: Content) -> str:
    """Gives the report as text. Our own lines stay within 76 columns; the agent's are left as they are."""
    names = [fact.name for fact in it.facts] + [name for name, _ in it.hints]
    width = max(len(name) for name in names) + 2
    parts = [_wrap(f"{it.task}: {it.headline.upper()}")]
    if it.summary:
        parts.append(_wrap(it.summary))
    if it.reminds and it.output.strip():
        parts.append(it.output.strip())
    if it.explained:
        parts.append(_wrap(it.explained))
    parts.append("\n".join(_fact(fact.name, fact.value, width) for fact in it.facts))
    if it.output.strip() and not it.reminds:
        parts.append(f"{_rule(f'written by the agent {it.agent}')}\n{it.output.strip()}\n{'-' * _WIDTH}")
    if it.output_ref:
        parts.append(f"The whole output: {it.output_ref}")
    if it.message.strip():
        parts.append("What the agent was told:\n" + textwrap.indent(it.message.strip(), "  "))
    parts.append("\n".join(_fact(name, command, width, wrap=False) for name, command in it.hints))
    parts.append(_wrap(it.why))
    return "\n\n".join(parts) + "\n"


def _wrap(text: str) -> str:
    return textwrap.fill(text, _WIDTH, break_long_words=False, break_on_hyphens=False)


def _fact(name: str, value: str, width: int, *, wrap: bool = True) -> str:
    if not wrap:
        return f"{name.ljust(width)}{value}"
    return textwrap.fill(
        value, _WIDTH, initial_indent=name.ljust(width), subsequent_indent=" " * width, break_long_words=False,
        break_on_hyphens=False,
    )  # fmt: skip


def _rule(title: str) -> str:
    return f"-- {title} ".ljust(_WIDTH, "-")
