"""What the operator is mailed of an audit, and how often: all findings at once, each again after a day at the soonest."""

import hashlib
import textwrap
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from html import escape

from followups.domain.audit_census import TOLD
from followups.domain.changes import Spend
from followups.domain.findings import Finding, Notice, Weight, counted, said
from followups.domain.ids import Key, run_id
from followups.domain.page_html import badge, page, row, table
from followups.domain.text import first_line, plain

#: A finding that stays is told again after so many hours.
_AGAIN_H = 24
#: A note that is older says nothing any more.
_NOTE_KEPT = timedelta(days=7)
#: A mail that nobody reads to its end tells nothing.
MOST_TOLD = 100
_WIDTH = 76
_SUBJECT = 150
_RED, _AMBER = ("#a3161e", "#fde8e8"), ("#8a5200", "#fdf1dc")
_WHY = (
    "You get this because reports that name no address go to you. What stays as it is, is told again after a day; "
    "what was repaired, or mends itself, is not."
)


def untold(findings: Iterable[Finding], told: Mapping[Key, int], at: datetime) -> list[Finding]:
    """Gives those that were not told of within the last day. `told` has the hour of each note, by its key."""
    return [it for it in findings if hour(at) - told.get(note_key(it), 0) >= _AGAIN_H]


def note(finding: Finding, told: Mapping[Key, int], at: datetime) -> Spend:
    """Gives the note that a finding was told of: a counter that is raised to this hour, unless somebody else did."""
    key = note_key(finding)
    return Spend(key, hour(at) - told.get(key, 0), hour(at), expires_at=at + _NOTE_KEPT)


def note_key(finding: Finding) -> Key:
    """Gives where it is noted when a finding was told of last."""
    name = "\n".join((finding.code, *finding.key, finding.member))
    return Key(TOLD, f"{finding.code}#{hashlib.sha256(name.encode()).hexdigest()[:26]}")


def name_of(key: Key) -> str:
    """Gives the item's id as the commands take it: a follow-up's, a run's, or the table's key of another thing."""
    follow_up_id = key.pk.rpartition("#")[2]
    if key.sk.startswith("RUN#") and key.sk[4:].isdigit():
        return run_id(follow_up_id, int(key.sk[4:]))
    return follow_up_id if key.sk == "META" and not key.pk.startswith("AGENT#") else f"{key.pk} {key.sk}"


def outcome_of(finding: Finding) -> str:
    """Says what was done about it."""
    if finding.repaired:
        return f"Repaired: {finding.repair.does}." if finding.repair else "Repaired."
    if finding.repair is not None:
        return "Not repaired: it was changed meanwhile, or the store was busy; the next audit looks again."
    return "Not repaired: nothing here is surely safe without you."


def headline(findings: Sequence[Finding]) -> str:
    """Gives in words how many promises are broken."""
    broken = sum(it.weight is Weight.BROKEN for it in findings)
    doubts = len(findings) - broken
    pairs = ((broken, "broken promise"), (doubts, "doubt"))
    return ", ".join(counted(number, word) for number, word in pairs if number)


def compose(findings: Sequence[Finding], more: Mapping[str, int], *, at: datetime, follow_ups: int, runs: int) -> Notice:
    """Takes what an audit found, at least one thing; gives the mail. Subject, text and HTML say the same."""
    kinds = Counter(it.code for it in findings)
    subject = f"[Followups] {headline(findings)}: {', '.join(kinds)}"
    scope = f"The audit of {said(at)} looked at {counted(follow_ups, 'follow-up')} and {counted(runs, 'run')}."
    rest = [f"{count - MOST_TOLD} more are not listed here"] if (count := len(findings)) > MOST_TOLD else []
    rest += [f"{count} more looked like {code}" for code, count in more.items()]
    left = f"Not listed: {'; '.join(rest)}. The auditor's log has up to 200 of each kind." if rest else ""
    shown = findings[:MOST_TOLD]
    return Notice(
        name=f"audit-{at:%Y%m%dT%H%M%S}", at=at, subject=first_line(plain(subject), _SUBJECT),
        text=_text(headline(findings), scope, shown, left), html=_html(subject, headline(findings), scope, shown, left),
    )  # fmt: skip


def _facts(it: Finding) -> list[tuple[str, str]]:
    pairs = [
        ("What", it.code if it.weight is Weight.BROKEN else f"{it.code}, a doubt"),
        ("Where", name_of(it.key)),
        ("Task", it.about),
        ("Since", said(it.since) if it.since else ""),
        ("Done", outcome_of(it)),
    ]
    return [(name, plain(value)) for name, value in pairs if value]


def _text(title: str, scope: str, findings: Sequence[Finding], left: str) -> str:
    parts = [_wrap(f"{title.upper()}"), _wrap(scope)]
    for number, it in enumerate(findings, 1):
        lines = [_wrap(plain(it.says), first=f"{number}. ", rest="   ")]
        lines += [_wrap(value, first=f"   {name.ljust(7)}", rest=" " * 10) for name, value in _facts(it)]
        parts.append("\n".join(lines))
    return "\n\n".join([*parts, *([_wrap(left)] if left else []), _wrap(_WHY)]) + "\n"


def _html(subject: str, title: str, scope: str, findings: Sequence[Finding], left: str) -> str:
    broken = any(it.weight is Weight.BROKEN for it in findings)
    cards = "".join(
        f"""<tr><td style="padding:12px 24px 4px">
<p class="ink" style="margin:0 0 6px;color:#1d2329;overflow-wrap:anywhere">{number}. {escape(plain(it.says))}</p>
{table("".join(row(name, value) for name, value in _facts(it)), 13)}
</td></tr>
"""
        for number, it in enumerate(findings, 1)
    )
    rest = f'<p class="soft" style="margin:8px 0 0;color:#66727e">{escape(left)}</p>' if left else ""
    rows = f"""<tr><td style="padding:24px 24px 8px">
{badge("Audit", *(_RED if broken else _AMBER))}
<h1 class="ink" style="margin:12px 0 4px;font-size:21px;line-height:1.3;color:#1d2329">{escape(title.capitalize())}</h1>
<p class="ink" style="margin:0;color:#1d2329">{escape(scope)}</p>
</td></tr>
{cards}<tr><td style="padding:8px 24px 20px">{rest}</td></tr>
"""
    return page(title=subject, hidden=scope, rows=rows, below=_WHY)


def _wrap(text: str, *, first: str = "", rest: str = "") -> str:
    return textwrap.fill(
        text, _WIDTH, initial_indent=first, subsequent_indent=rest, break_long_words=False, break_on_hyphens=False
    )


def hour(at: datetime) -> int:
    """Gives the hour since 1970 (UTC), as notes count it."""
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(hours=1)
