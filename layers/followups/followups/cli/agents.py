"""`followups agents`: the registry."""

import shlex
import shutil
from pathlib import Path
from typing import Any

import click

from followups.cli.shell import Session, facts, table, with_session


class _TakesCommand(click.Command):
    """Everything after `--command` is the agent's argument vector, as given: options in it are not ours."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if "--command" in args:
            at = args.index("--command")
            ctx.meta["followups.argv"] = tuple(args[at + 1 :])
            args = args[:at]
        return super().parse_args(ctx, args)

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        formatter.write_usage(ctx.command_path, "[OPTIONS] NAME --command PROGRAM [ARGUMENT]...")


@click.group("agents")
def agents_() -> None:
    """Register, list and remove the agents that follow-ups may name."""


@agents_.command("add", cls=_TakesCommand)
@click.argument("name")
@click.option("--timeout", type=click.IntRange(1, 3_600), help="Seconds for one run.  [default: 600]")
@click.option("--max-concurrency", type=click.IntRange(1, 100), default=1, show_default=True, help="Runs at once.")
@click.option(
    "--rerun", type=click.Choice(["never", "safe"]), default="never", show_default=True,
    help="Whether a run that broke off without a result may simply be run again.",
)  # fmt: skip
@click.option("--max-attempts", type=click.IntRange(1, 10), default=3, show_default=True, help="Attempts when it fails.")
@click.option("--lambda", "function", metavar="ARN", help="A Lambda function, on AWS, instead of a command.")
@with_session
@click.pass_context
def add(
    context: click.Context, session: Session, name: str, timeout: int | None, max_concurrency: int, rerun: str,
    max_attempts: int, function: str | None,
) -> None:  # fmt: skip
    """Register a command or a function as an agent, or change one. --command comes last: all behind it is the command.

    \b
    followups agents add @disk --command df -h /
    followups agents add @backup --timeout 60 --rerun safe --command ./check-backup.sh
    followups agents add @backup --lambda arn:aws:lambda:eu-central-1:123456789012:function:check-backup
    """
    body = _what_runs(list(context.meta.get("followups.argv", ())), function) | {
        "max_concurrency": max_concurrency, "rerun": rerun, "max_attempts": max_attempts,
    }  # fmt: skip
    if timeout is not None:
        body["timeout_s"] = timeout
    it = session.client.agent(_with_at(name), "PUT", body).body
    session.show(it, lambda: f"Registered {it['name']}: {_runs(it)}")


def _what_runs(command: list[str], function: str | None) -> dict[str, Any]:
    if command and function:
        raise click.UsageError("say what runs once: --command PROGRAM [ARGUMENT]... or --lambda ARN")
    if function:
        return {"kind": "lambda", "target": function}
    if not command:
        raise click.UsageError("say what runs, at the end: --command PROGRAM [ARGUMENT]...")
    return {"kind": "command", "command": [_program(command[0]), *command[1:]]}


def _runs(it: dict[str, Any]) -> str:
    return it["target"] or shlex.join(it["command"])


@agents_.command("list")
@with_session
def list_(session: Session) -> None:
    """List all agents."""
    found = session.client.call("GET", "/v1/agents").body
    session.show(found, lambda: _list(found["agents"]))


@agents_.command("show")
@click.argument("name")
@with_session
def show(session: Session, name: str) -> None:
    """Show one agent."""
    it = session.client.agent(_with_at(name)).body
    pairs = [
        ("kind", it["kind"]),
        ("command", shlex.join(it["command"]) or None),
        ("function", it["target"]),
        ("timeout", f"{it['timeout_s']} s"),
        ("at once", str(it["max_concurrency"])),
        ("rerun", it["rerun"]),
        ("attempts", str(it["max_attempts"])),
    ]
    session.show(it, lambda: f"{click.style(it['name'], bold=True)}\n{facts(pairs)}")


@agents_.command("remove")
@click.argument("name")
@with_session
def remove(session: Session, name: str) -> None:
    """Remove an agent. What still names it fails at its time, and its report says so."""
    gone = session.client.agent(_with_at(name), "DELETE").body
    session.show(gone, lambda: f"Removed {gone['name']}")


def _list(found: list[dict[str, Any]]) -> str:
    rows = [
        (it["name"], it["kind"], str(it["max_concurrency"]), it["rerun"], f"{it['timeout_s']} s",
         _runs(it) or "built in: each line of the message is a check")
        for it in found
    ]  # fmt: skip
    return table(("NAME", "KIND", "AT ONCE", "RERUN", "TIMEOUT", "RUNS"), rows, flexible=5)


def _with_at(name: str) -> str:
    return name if name.startswith("@") else f"@{name}"


def _program(program: str) -> str:
    """Gives the program as it will be found from any folder. Raises UsageError if there is none: better now than in a
    week."""
    if shutil.which(program) is None:
        raise click.UsageError(f"there is no program {program!r} that can be run; --command takes PROGRAM [ARGUMENT]...")
    return str(Path(program).absolute()) if "/" in program else program
