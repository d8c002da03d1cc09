"""`followups audit`: looks whether this laptop's store keeps all promises, by a code path of its own."""

import textwrap
import time
from datetime import UTC
from typing import Any

import click

from followups import bootstrap
from followups.adapters.local import SystemChance, SystemClock
from followups.cli.shell import SHORT, Session, local_time, short_run, table, terminal_width, with_session
from followups.domain.audit_mail import headline, name_of, outcome_of
from followups.domain.findings import Finding, Weight, counted
from followups.domain.ids import is_id
from followups.domain.text import plain
from followups.usecases.audit import Audited, audit, repair

_PROGRESS_S = 1.0


@click.command("audit")
@click.option("--repair", "mend", is_flag=True, help="Also make the repairs that are safe whatever else is true.")
@with_session
def audit_(session: Session, mend: bool) -> None:
    """Look at everything that is stored, and tell what breaks a promise.

    It finds what is overdue, what nothing will ever look at again, runs without an end, slots that nobody holds, reports
    that were never sent, and more. It writes nothing, unless --repair is given: then what is open gets its next look
    back, what has ended loses it, a slot that nothing can ask for again falls free, and what the store would forget too
    soon, or never, is dated. Each repair is made only if the item is still as it was seen.

    Exit code 1 says that a promise is broken and was not repaired. A doubt alone is no broken promise.
    """
    session.only_here("audit", "on AWS the auditor function looks each hour")
    home, settings = session.environment.home, session.settings
    if not (home / "followups.db").exists():
        session.show(_document(None), lambda: "All promises are kept: nothing is stored here yet.")
        return
    store = bootstrap.laptop_store(home)
    audited = audit(
        store, SystemClock().now(), global_cap=settings.cap, runs_per_hour=settings.runs_per_hour, all_in_line=True,
        progress=_Progress(session),
    )  # fmt: skip
    if mend:
        audited = repair(store, audited, SystemChance().new_id)
    session.show(_document(audited), lambda: _say(audited, settings.timezone, mend))
    if audited.left:
        raise click.exceptions.Exit(1)


class _Progress:
    """Says each second how far it is."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._last = time.monotonic()

    def __call__(self, items: int) -> None:
        if time.monotonic() - self._last >= _PROGRESS_S:
            self._last = time.monotonic()
            self._session.say(click.style(f"Looked at {items} items …", dim=True))


def _document(audited: Audited | None) -> dict[str, Any]:
    if audited is None:
        return {"kept": True, "follow_ups": 0, "runs": 0, "findings": [], "more": {}}
    return {
        "kept": not audited.left,
        "at": audited.at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "follow_ups": audited.follow_ups,
        "runs": audited.runs,
        "findings": [_one(it) for it in audited.findings],
        "more": dict(audited.more),
    }


def _one(it: Finding) -> dict[str, Any]:
    return {
        "code": it.code,
        "weight": it.weight.value,
        "id": name_of(it.key),
        "key": it.key._asdict(),
        "says": it.says,
        "about": it.about,
        "since": it.since.isoformat() if it.since else None,
        "repair": it.repair.does if it.repair else None,
        "repaired": it.repaired,
    }


def _say(audited: Audited, zone: str, mend: bool) -> str:
    scope = f"{counted(audited.follow_ups, 'follow-up')}, {counted(audited.runs, 'run')} looked at"
    if not audited.findings:
        return f"All promises are kept: {scope}."
    rows = [
        (_coloured(it), _short(it), local_time(it.since.isoformat() if it.since else None, zone), it.about or "-")
        for it in audited.findings
    ]
    heading, *lines = table(("FINDING", "ID", "SINCE", "TASK"), rows, flexible=3).split("\n")
    parts = [heading]
    for line, it in zip(lines, audited.findings, strict=True):
        parts += [line, _indented(plain(it.says)), _indented(_repair(it, mend))]
    parts += [f"… and {count} more that look like {code}" for code, count in audited.more.items()]
    return "\n".join([*parts, f"\n{headline(audited.findings)}: {scope}."])


def _coloured(it: Finding) -> str:
    return click.style(it.code, fg="red" if it.weight is Weight.BROKEN else "yellow")


def _short(it: Finding) -> str:
    name = name_of(it.key)
    return name[:SHORT] if is_id(name) else short_run(name)


def _repair(it: Finding, mend: bool) -> str:
    if mend or it.repair is None:
        return outcome_of(it)
    return f"With --repair: {it.repair.does}."


def _indented(text: str) -> str:
    width = max(terminal_width(), 60)
    return textwrap.fill(text, width, initial_indent="  ", subsequent_indent="  ", break_long_words=False)
