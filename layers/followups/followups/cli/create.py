"""`followups create`."""

from typing import Any

import click

from followups.cli.shell import SHORT, Session, facts, is_terminal, until, with_session


@click.command("create", context_settings={"ignore_unknown_options": False})
@click.argument("words", nargs=-1, metavar="AGENT TASK [MESSAGE] WHEN")
@click.option("--to", "agent", metavar="AGENT", help="The agent, instead of the first word.")
@click.option("--message", metavar="TEXT", help="More for the agent: a prompt, or a checklist's lines.")
@click.option("--due", metavar="WHEN", help="The time, instead of the last word.")
@click.option("--report-to", metavar="ADDRESS", help="Where the report goes.")
@click.option("--timezone", metavar="ZONE", help="IANA zone in which WHEN is read, like Europe/Berlin.")
@click.option("--max-attempts", type=click.IntRange(1, 10), help="Attempts for each occurrence (the agent's default).")
@click.option("--key", metavar="KEY", help="Idempotency key: the same key never makes a second follow-up.")
@with_session
def create_(
    session: Session, words: tuple[str, ...], agent: str | None, message: str | None, due: str | None,
    report_to: str | None, timezone: str | None, max_attempts: int | None, key: str | None,
) -> None:  # fmt: skip
    """Have an agent do a task later.

    \b
    followups create @disk "Check disk space" 7d
    followups create @disk "Check disk space" "Is / above 80 %?" weekly
    followups create "Check disk space" --to @disk --due "in 3 hours"

    WHEN is 7d, 1w, "in 3 hours", 2026-12-01 (09:00), 2026-12-01T14:00, daily or weekly.
    """
    body: dict[str, Any] = _assign(words, {"agent": agent, "message": message, "due": due})
    optional = {"report_to": report_to, "timezone": timezone, "max_attempts": max_attempts}
    body |= {name: value for name, value in optional.items() if value is not None}
    made = session.client.create(body, key).body
    session.show(made, lambda: describe(made))
    if session.is_local and is_terminal():
        session.say(click.style("It runs while `followups dev` runs, or at the next `followups run-due`.", dim=True))


def describe(made: dict[str, Any]) -> str:
    """Gives what was made in words: read back, so that a misunderstanding shows at once."""
    head = f"Scheduled {click.style(made['id'][:SHORT], bold=True)}: {made['agent']} {made['task']}"
    pairs = [
        ("due", f"{made['due_local']} ({until(made['due_at'])})"),
        ("repeats", made["repeats"]),
        ("message", made["message"].replace("\n", " / ") or None),
        ("report to", made["report_to"]),
        ("made by", made["parent"]),
        *(("note", note) for note in made["notes"]),
    ]
    return head + "\n" + facts(pairs)


def _assign(words: tuple[str, ...], named: dict[str, str | None]) -> dict[str, str]:
    """Gives the fields: what is not named by an option is taken from the words in order, a message only if one is left
    over."""
    body = {name: value for name, value in named.items() if value is not None}
    order = [name for name in ("agent", "task", "message", "due") if name not in body]
    needed = [name for name in order if name != "message"]
    if len(words) == len(needed):
        order = needed
    if len(words) != len(order):
        expected = " ".join(f"[{name.upper()}]" if name == "message" else name.upper() for name in order)
        expected = expected.replace("DUE", "WHEN")
        hint = "; put a task of several words in quotes" if len(words) > len(order) else ""
        raise click.UsageError(f"{len(words)} words where {expected} was expected{hint}")
    return body | dict(zip(order, words, strict=True))
