"""`followups agents`: the registry."""

import shlex
import shutil
from pathlib import Path
from typing import Any

import click

from followups.cli.shell import Session, facts, table, until, with_session
from followups.domain.targets import LONGEST_S

TARGETED = ("lambda", "agentcore", "states", "https", "person")


class TakesCommand(click.Command):
    """Everything after `--command` is the agent's argument vector, as given: options in it are not ours."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if "--command" in args:
            at = args.index("--command")
            ctx.meta["followups.argv"] = tuple(args[at + 1 :])
            args = args[:at]
        return super().parse_args(ctx, args)

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        names = "".join(f" {it.make_metavar(ctx)}" for it in self.params if isinstance(it, click.Argument))
        formatter.write_usage(ctx.command_path, f"[OPTIONS]{names} --command PROGRAM [ARGUMENT]...")


@click.group("agents")
def agents_() -> None:
    """Register, list, try and remove the agents that follow-ups may name."""


@agents_.command("add", cls=TakesCommand)
@click.argument("name")
@click.option("--timeout", type=click.IntRange(1, LONGEST_S), help="Seconds for one run.  [default: 600]")
@click.option("--max-concurrency", type=click.IntRange(1, 100), default=1, show_default=True, help="Runs at once.")
@click.option(
    "--rerun", type=click.Choice(["never", "safe"]), default="never", show_default=True,
    help="Whether a run that broke off without a result may simply be run again.",
)  # fmt: skip
@click.option("--max-attempts", type=click.IntRange(1, 10), default=3, show_default=True, help="Attempts when it fails.")
@click.option("--lambda", metavar="ARN", help="A Lambda function, on AWS.")
@click.option("--agentcore", metavar="ARN", help="An AgentCore runtime or harness, on AWS.")
@click.option("--states", metavar="ARN", help="A Step Functions state machine, on AWS.")
@click.option("--https", metavar="URL", help="A webhook. `agents secret` shows what it checks our signatures with.")
@click.option("--worker", is_flag=True, help="An agent that `followups worker` runs, wherever that is.")
@click.option("--person", metavar="ADDRESS", help="A person, who gets the task as a reminder; no agent runs.")
@click.option("--mode", type=click.Choice(["sync", "async", "durable"]), help="How --lambda or --agentcore is called.")
@with_session
@click.pass_context
def add(
    context: click.Context, /, session: Session, name: str, timeout: int | None, worker: bool, mode: str | None, **more: Any
) -> None:
    """Register an agent, or change one. --command comes last: all behind it is the command.

    \b
    followups agents add @disk --command df -h /
    followups agents add @backup --timeout 60 --rerun safe --command ./check-backup.sh
    followups agents add @backup --lambda arn:aws:lambda:eu-central-1:123456789012:function:check-backup
    followups agents add @review --https https://agents.example.com/review
    """
    targets = {kind: target for kind in TARGETED if (target := more.pop(kind)) is not None}
    body = _what_runs(list(context.meta.get("followups.argv", ())), targets, worker) | more
    body |= {field: value for field, value in (("timeout_s", timeout), ("mode", mode)) if value is not None}
    it = session.client.agent(with_at(name), "PUT", body).body
    session.show(it, lambda: f"Registered {it['name']}: {_runs(it)}")


def _what_runs(command: list[str], targets: dict[str, str], worker: bool) -> dict[str, Any]:
    ways = [*targets, *(["worker"] if worker else []), *(["command"] if command else [])]
    if len(ways) > 1:
        raise click.UsageError(f"say what runs once: --{' or --'.join(ways)}")
    if not ways:
        raise click.UsageError("say what runs, at the end: --command PROGRAM [ARGUMENT]...")
    if worker:
        return {"kind": "worker"}
    if command:
        return {"kind": "command", "command": [program(command[0]), *command[1:]]}
    return {"kind": ways[0], "target": targets[ways[0]]}


def _runs(it: dict[str, Any]) -> str:
    usual = {"worker": "by `followups worker`", "person": "a reminder to whom it reports"}
    what = (
        it["target"] or shlex.join(it["command"]) or usual.get(it["kind"], "built in: each line of the message is a check")
    )
    return f"{what} ({it['mode']})" if it["mode"] else what


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
    it = session.client.agent(with_at(name)).body
    pairs = [
        ("kind", it["kind"]),
        ("command", shlex.join(it["command"]) or None),
        ("calls", it["target"]),
        ("mode", it["mode"]),
        ("disabled", it["disabled"]),
        ("worker seen", until(it["worker_seen_at"]) if it["worker_seen_at"] else None),
        ("timeout", f"{it['timeout_s']} s"),
        ("at once", str(it["max_concurrency"])),
        ("rerun", it["rerun"]),
        ("attempts", str(it["max_attempts"])),
    ]
    session.show(it, lambda: f"{click.style(it['name'], bold=True)}\n{facts(pairs)}")


@agents_.command("disable")
@click.argument("name")
@click.argument("why", required=False)
@with_session
def disable(session: Session, name: str, why: str | None) -> None:
    """Take an agent out of use: what names it waits, and says so. What runs runs on."""
    it = session.client.agent(with_at(name), "POST", {"reason": why} if why else None, "/disable").body
    session.show(it, lambda: f"Disabled {it['name']}: what names it waits until `followups agents enable {it['name']}`")


@agents_.command("enable")
@click.argument("name")
@with_session
def enable(session: Session, name: str) -> None:
    """Take an agent back into use."""
    it = session.client.agent(with_at(name), "POST", None, "/enable").body
    session.show(it, lambda: f"Enabled {it['name']}: what waits for it starts soon")


@agents_.command("secret")
@click.argument("name")
@with_session
def secret(session: Session, name: str) -> None:
    """Print what a webhook checks our signatures with (Standard Webhooks). Keep it as you keep passwords."""
    it = session.client.agent(with_at(name), suffix="/secret").body
    session.show(it, lambda: str(it["secret"]))


@agents_.command("test")
@click.argument("name")
@click.argument("task")
@click.argument("message", required=False)
@click.option("--done-when", metavar="TEXT", help="When it is a success, in words: the agent is asked for a verdict.")
@with_session
def test(session: Session, name: str, task: str, message: str | None, done_when: str | None) -> int:
    """Try an agent: run TASK now, as it would run when it is due, and print its report. Nothing is mailed."""
    from followups.cli.trying import try_agent  # `agents list` does not wait for it.

    body = {"task": task} | ({"message": message} if message else {}) | ({"done_when": done_when} if done_when else {})
    return try_agent(session, with_at(name), body)


@agents_.command("remove")
@click.argument("name")
@with_session
def remove(session: Session, name: str) -> None:
    """Remove an agent. What still names it fails at its time, and its report says so."""
    gone = session.client.agent(with_at(name), "DELETE").body
    session.show(gone, lambda: f"Removed {gone['name']}")


def _list(found: list[dict[str, Any]]) -> str:
    rows = [
        (it["name"], it["kind"], str(it["max_concurrency"]), it["rerun"], f"{it['timeout_s']} s",
         _use(it), _runs(it))
        for it in found
    ]  # fmt: skip
    return table(("NAME", "KIND", "AT ONCE", "RERUN", "TIMEOUT", "", "RUNS"), rows, flexible=6)


def _use(it: dict[str, Any]) -> str:
    return click.style("disabled", fg="yellow") if it["disabled"] else ""


def with_at(name: str) -> str:
    return name if name.startswith("@") else f"@{name}"


def program(program: str) -> str:
    """Gives the program as it will be found from any folder. Raises UsageError if there is none: better now than in a
    week."""
    if shutil.which(program) is None:
        raise click.UsageError(f"there is no program {program!r} that can be run; --command takes PROGRAM [ARGUMENT]...")
    return str(Path(program).absolute()) if "/" in program else program
