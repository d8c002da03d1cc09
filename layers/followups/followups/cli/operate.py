"""`followups logs` and `redrive`: what an operator of an installation on AWS needs at night."""

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from followups import bootstrap
from followups.cli.shell import Session, find_run, refuse_inside_run, with_session
from followups.domain.errors import ConfigError
from followups.domain.messages import Message, read_message
from followups.domain.text import plain

if TYPE_CHECKING:
    from followups.adapters.operator import Line, Operator

#: Dead letter queue -> the queue that its messages come from, by the stack's outputs.
_QUEUES = {"StartDeadLettersUrl": "StartQueueUrl", "ReportDeadLettersUrl": "ReportQueueUrl"}
#: What stands in every line, or is what was asked for.
_DULL = frozenset({"message", "level", "location", "timestamp", "service", "xray_trace_id", "run_id"})


@click.command("logs")
@click.argument("run")
@click.option("--days", type=click.IntRange(1, 365), default=7, show_default=True, help="How far back to look.")
@with_session
def logs_(session: Session, run: str, days: int) -> None:
    """Show what the functions on AWS logged of a run: claim, start, finish, report. RUN is as in `followups runs`.

    The logs have names only, never a task's text or a report.
    """
    operator = stack_of(session, "logs")
    run_id = find_run(session, run)
    session.say(f"Looking through the logs of {days} day{'s' if days > 1 else ''} …")
    lines = operator.logs(run_id, datetime.now(UTC) - timedelta(days=days))
    document = {
        "run": run_id,
        "lines": [{"at": it.at.isoformat(), "function": it.function, **dict(it.message)} for it in lines],
    }
    session.show(document, lambda: "\n".join(map(_line, lines)) or f"Nothing is logged of {run_id} in that time.")


@click.command("redrive")
@click.option("--dry-run", is_flag=True, help="Only show what lies there.")
@with_session
def redrive_(session: Session, dry_run: bool) -> None:
    """Send the dead letters on AWS once more: messages that killed their function again and again.

    Safe at any time: a message whose claim is no longer the latest is dropped. What is no message of ours stays.
    """
    refuse_inside_run(session, "redrive")
    operator = stack_of(session, "redrive")
    moved: list[dict[str, Any]] = []
    for dead, queue in _QUEUES.items():
        left = []
        for letter in operator.dead_letters(dead):
            message = read_message(letter.body)
            word = "left" if dry_run or message is None else "sent again"
            if word == "sent again":
                operator.send_again(letter, dead=dead, queue=queue)
            else:
                left.append(letter)
            run = message.run_id if message else None
            moved.append({"queue": dead.removesuffix("Url"), "run": run, "body": letter.body, "did": word})
            session.say(f"{word}: {_named(message, letter.body)}")
        # Not before all are seen: given back sooner, they would come again.
        for letter in left:
            operator.give_back(letter, dead=dead)
    session.show({"letters": moved}, lambda: _summary(moved, dry_run))


def stack_of(session: Session, command: str) -> "Operator":
    """Gives the stack that this laptop is logged in to. Raises ConfigError if it is to none."""
    there = session.installation
    if there is None or there.stack is None:
        why = "FOLLOWUPS_API_URL is an address only" if there else "this laptop is not logged in"
        raise ConfigError([f"{command} works on a stack on AWS, and {why}: `followups login --stack NAME`"])
    return bootstrap.operator(there)


def _named(message: Message | None, body: str) -> str:
    return f"{message.kind} of {message.run_id}" if message else f"no message of ours ({plain(body)[:60]!r})"


def _summary(moved: list[dict[str, Any]], dry_run: bool) -> str:
    if not moved:
        return "No dead letters."
    again = sum(it["did"] == "sent again" for it in moved)
    return f"{len(moved)} dead letters" if dry_run else f"{again} of {len(moved)} dead letters sent again"


def _line(it: "Line") -> str:
    told = {name: value for name, value in it.message.items() if name not in _DULL}
    more = "  ".join(f"{name}={value if isinstance(value, str) else json.dumps(value)}" for name, value in told.items())
    at = f"{it.at:%Y-%m-%d %H:%M:%S}.{it.at.microsecond // 1000:03d}Z"
    return plain(f"{at}  {it.function:<8}  {it.message.get('message', '')}  {more}".rstrip())
