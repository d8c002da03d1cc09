"""`followups create`."""

import re
from typing import Any

import click

from followups.cli.client import Reply
from followups.cli.shell import SHORT, Session, facts, is_terminal, short_run, status, until, with_session
from followups.cli.timing import policies, understood, until_met

_AGENT = re.compile(r"@?[A-Za-z0-9_.-]+", re.ASCII)
LATE_HELP = "When it cannot start at its time: run_once (the default), skip, or run_within 6h."


@click.command("create", context_settings={"ignore_unknown_options": False})
@click.argument("words", nargs=-1, metavar="AGENT TASK [MESSAGE] WHEN")
@click.option("--to", "agent", metavar="AGENT", help="The agent, instead of the first word.")
@click.option("--message", metavar="TEXT", help="More for the agent: a prompt, or a checklist's lines.")
@click.option("--due", metavar="WHEN", help="The time, instead of the last word.")
@click.option("--report-to", metavar="ADDRESS", help="Where the report goes.")
@click.option("--timezone", metavar="ZONE", help="IANA zone in which WHEN is read, like Europe/Berlin.")
@click.option("--max-attempts", type=click.IntRange(1, 10), help="Attempts for each occurrence (the agent's default).")
@click.option("--late", metavar="POLICY", help=LATE_HELP)
@click.option("--stagger", metavar="TIME", help="Spread the starts of many over this time, like 10m.")
@click.option("--replace-key", metavar="NAME", help="Your name for it: it takes the place of the open one of that name.")
@click.option("--done-when", metavar="TEXT", help="When it is a success, in words: `met` ends also a recurrence.")
@click.option("--retry-until-met", metavar="WAITS", help="How long to wait after each look, like 1d,2d,4d.")
@click.option("--give-up-at", metavar="WHEN", help="No look is planned after this: a time, or a span after WHEN, like 2w.")
@click.option("--key", metavar="KEY", help="Idempotency key: the same key never makes a second follow-up.")
@with_session
def create_(
    session: Session, words: tuple[str, ...], agent: str | None, message: str | None, due: str | None, key: str | None,
    **more: str | int | None,
) -> None:  # fmt: skip
    """Have an agent do a task later.

    \b
    followups create @disk "Check disk space" 7d
    followups create @disk "Check disk space" "Is / above 80 %?" "every monday at 9"
    followups create @disk "Check disk space in 3 hours"
    followups create "Check disk space" --to @disk --due "last friday of every month"
    followups create @checklist "Site is up" "https://example.com 200" "in 5 minutes" \\
        --done-when "all checks hold" --retry-until-met 5m,10m,1h

    WHEN is a time like 7d, "in 3 hours", "tomorrow at 9" or 2026-12-01T14:00, or says how often: daily, "every other
    friday at 9", "weekdays at 9am until 2027-03-01". Without it, the task says it at its end. `followups preview` shows
    what a WHEN means.
    """
    body: dict[str, Any] = _assign(words, {"agent": agent, "message": message, "due": due})
    body |= {name: value for name, value in more.items() if value is not None}
    reply = session.client.create(body, key)
    session.show(reply.body, lambda: describe(reply))
    if session.is_local and is_terminal():
        session.say(click.style("It runs while `followups dev` runs, or at the next `followups run-due`.", dim=True))


def describe(reply: Reply) -> str:
    """Gives what was made in words: read back, so that a misunderstanding shows at once."""
    made = reply.body
    word = "Scheduled" if reply.status == 201 else f"Made before, and {status(made['status'])} now:"
    head = f"{word} {click.style(made['id'][:SHORT], bold=True)}: {made['agent']} {made['task']}"
    pairs = [
        ("due", f"{made['due_local']} ({until(made['due_at'])})"),
        ("repeats", made["repeats"]),
        *understood(made),
        *policies(made),
        *until_met(made),
        ("message", made["message"] or None),
        ("report to", made["report_to"]),
        ("made by", f"run {short_run(made['parent'])}" if made["parent"] else None),
    ]
    return head + "\n" + facts(pairs)


def _assign(words: tuple[str, ...], named: dict[str, str | None]) -> dict[str, str]:
    """Gives the fields: what is not named by an option is taken from the words in order, a message only if one is left
    over. One word less than is needed: the task says the time as well."""
    body = {name: value for name, value in named.items() if value is not None}
    order = [name for name in ("agent", "task", "message", "due") if name not in body]
    needed = [name for name in order if name != "message"]
    names_agent = "agent" in body or (words and _AGENT.fullmatch(words[0]))
    if "due" in needed and len(words) == len(needed) - 1 and names_agent:
        return body | dict(zip([name.replace("task", "text") for name in needed[:-1]], words, strict=True))
    if len(words) == len(needed):
        order = needed
    if len(words) != len(order):
        expected = " ".join(f"[{name.upper()}]" if name == "message" else name.upper() for name in order)
        expected = expected.replace("DUE", "WHEN")
        hint = "; put a task of several words in quotes" if len(words) > len(order) else ""
        raise click.UsageError(f"{len(words)} words where {expected} was expected{hint}")
    return body | dict(zip(order, words, strict=True))
