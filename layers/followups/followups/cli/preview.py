"""`followups preview`: what a time means, before anything is made."""

from typing import Any

import click

from followups.cli.shell import Session, facts, local_time, until, with_session
from followups.cli.timing import notes


@click.command("preview")
@click.argument("words", nargs=-1, required=True, metavar="TEXT")
@click.option("--timezone", metavar="ZONE", help="IANA zone in which it is read, like Europe/Berlin (default: yours).")
@click.option("--at", metavar="INSTANT", help="From when it counts, like 2026-12-01T08:00:00Z (default: now).")
@with_session
def preview_(session: Session, words: tuple[str, ...], timezone: str | None, at: str | None) -> None:
    """Show what a time means, or a sentence with a time at its end. Nothing is written.

    \b
    followups preview "every other friday at 9 until 2027-03-01 except 2026-12-25"
    followups preview "Check backup health weekly" --timezone America/New_York
    """
    body = {"text": " ".join(words)}
    body |= {name: value for name, value in (("timezone", timezone), ("at", at)) if value is not None}
    told = session.client.call("POST", "/v1/preview", body).body
    session.show(told, lambda: _describe(told, from_now=at is None))


def _describe(told: dict[str, Any], *, from_now: bool) -> str:
    sentence = told["understood"][0].upper() + told["understood"][1:]
    pairs = [("task", told["task"]), ("rule", told["rule"]), ("zone", told["timezone"])]
    for number, it in enumerate(told["next"]):
        off = f", {until(it['utc'])}" if from_now else ""
        pairs.append(("next" if number == 0 else "", f"{local_time(it['utc'], told['timezone'])}  ({it['utc']}{off})"))
    pairs += notes(told)
    return f"{click.style(sentence, bold=True)}\n{facts(pairs)}"
