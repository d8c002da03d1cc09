"""`followups agents`: the registry."""

import shlex
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import click

from followups.cli.shell import Session, facts, table, until, with_session
from followups.domain.targets import LONGEST_S
from followups.domain.walltime import duration

TARGETED = ("lambda", "agentcore", "states", "https", "person")
#: From so many seconds on a span is told in greater units.
_MINUTES = 3_600
#: What is to be done before an agent of that kind works.
_NEXT = {
    "worker": "Start its worker: followups worker --agent {0} --command PROGRAM [ARGUMENT]...",
    "https": "It checks our signatures with what `followups agents secret {0}` prints.",
}


class TakesCommand(click.Command):
    """Everything after `--command` is the agent's argument vector, as given: options in it are not ours."""

    def __init__(self, *args: Any, usage: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._usage = usage
        # For the help alone: what is parsed has none, unless it was written in a way that cannot be meant.
        self.params.insert(0, click.Option(
            ["--command"], metavar="PROGRAM [ARGUMENT]...", expose_value=False, callback=_no_equals,
            help="A program, which gets the task as JSON on stdin. Comes last: all behind it is its own.",
        ))  # fmt: skip

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if "--command" in args:
            at = args.index("--command")
            ctx.meta["followups.argv"] = tuple(args[at + 1 :])
            args = args[:at]
        return super().parse_args(ctx, args)

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        formatter.write_usage(ctx.command_path, self._usage)


def _no_equals(context: click.Context, _option: click.Parameter, value: str | None) -> None:
    if value is not None:
        raise click.UsageError("write --command PROGRAM [ARGUMENT]..., without a =, at the end", context)


@click.group("agents")
def agents_() -> None:
    """Register, list, try and remove the agents that follow-ups may name."""


@agents_.command("add", cls=TakesCommand, usage="[OPTIONS] NAME WHAT-RUNS")
@click.argument("name")
@click.option("--worker", is_flag=True, help="What `followups worker` runs, wherever that is.")
@click.option("--https", metavar="URL", help="A webhook. `agents secret` shows what it checks our signatures with.")
@click.option("--person", metavar="ADDRESS", help="A person, who gets the task as a reminder; no agent runs.")
@click.option("--lambda", metavar="ARN", help="A Lambda function (on AWS, as the next two).")
@click.option("--agentcore", metavar="ARN", help="An AgentCore runtime or harness.")
@click.option("--states", metavar="ARN", help="A Step Functions state machine.")
@click.option("--mode", type=click.Choice(["sync", "async", "durable"]), help="How --lambda or --agentcore is called.")
@click.option(
    "--timeout", metavar="SECONDS", type=click.IntRange(1, LONGEST_S), help="For one run, up to 7 days (default: 600)."
)
@click.option(
    "--max-concurrency", metavar="COUNT", type=click.IntRange(1, 100), default=1, show_default=True, help="Runs at once."
)
@click.option(
    "--rerun", type=click.Choice(["never", "safe"]), default="never", show_default=True,
    help="Whether a run that broke off without a result may simply be run again.",
)  # fmt: skip
@click.option(
    "--max-attempts", metavar="COUNT", type=click.IntRange(1, 10), default=3, show_default=True,
    help="Attempts when it fails.",
)  # fmt: skip
@with_session
@click.pass_context
def add(
    context: click.Context, /, session: Session, name: str, timeout: int | None, worker: bool, mode: str | None, **more: Any
) -> None:
    """Register an agent, or replace one: what is not named is as for a new one.

    WHAT-RUNS is one of --command, --worker, --https, --person, --lambda, --agentcore and --states.

    \b
    followups agents add @disk --command df -h /
    followups agents add @backup --timeout 60 --rerun safe --command ./check-backup.sh
    followups agents add @backup --lambda arn:aws:lambda:eu-central-1:123456789012:function:check-backup
    followups agents add @review --https https://agents.example.com/review
    """
    targets = {kind: target for kind in TARGETED if (target := more.pop(kind)) is not None}
    body = _what_runs(list(context.meta.get("followups.argv", ())), targets, worker) | more
    body |= {field: value for field, value in (("timeout_s", timeout), ("mode", mode)) if value is not None}
    old = next((it for it in session.client.call("GET", "/v1/agents").body["agents"] if it["name"] == with_at(name)), None)
    it = session.client.agent(with_at(name), "PUT", body).body
    session.show(it, lambda: f"Replaced {it['name']}: {_runs(it)}" if old else f"Registered {it['name']}: {_runs(it)}")
    if old and (reset := _reset(old, it)):
        session.say(click.style(f"Before it had {', '.join(reset)}.", dim=True))
    if (hint := _NEXT.get(it["kind"])) is not None:
        session.say(click.style(hint.format(it["name"]), dim=True))


def _reset(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """Gives what an agent was registered with before, where that is otherwise now: nobody loses a setting unseen."""
    names = {"timeout_s": "timeout", "max_concurrency": "max-concurrency", "rerun": "rerun", "max_attempts": "max-attempts"}
    other = [f"--{option} {old[name]}" for name, option in names.items() if old[name] != new[name]]
    return [*([f"`{_runs(old)}`"] if _runs(old) != _runs(new) else []), *other]


def _what_runs(command: list[str], targets: dict[str, str], worker: bool) -> dict[str, Any]:
    ways = [*targets, *(["worker"] if worker else []), *(["command"] if command else [])]
    if len(ways) > 1:
        raise click.UsageError(f"an agent is one of these, not several: --{', --'.join(ways)}")
    if not ways:
        raise click.UsageError("say what runs: --command PROGRAM [ARGUMENT]... at the end, or --worker, --https URL, …")
    if worker:
        return {"kind": "worker"}
    if command:
        return {"kind": "command", "command": [program(command[0]), *command[1:]]}
    return {"kind": ways[0], "target": targets[ways[0]]}


def _runs(it: dict[str, Any]) -> str:
    """Gives in words what runs."""
    target = it["target"]
    what = {
        "command": shlex.join(it["command"]),
        "worker": f"run by `followups worker --agent {it['name']}`",
        "person": f"reminds {target or 'whom it reports to'}",
        "checklist": "each line of the message is a check",
    }.get(it["kind"], target or "")
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
    seen = until(it["worker_seen_at"]) if it["worker_seen_at"] else "never: nothing is started until one is there"
    pairs = [
        ("kind", it["kind"] + (" (built in)" if it["builtin"] else "")),
        ("runs", _runs(it)),
        ("disabled", it["disabled"]),
        ("worker seen", seen if it["kind"] == "worker" else None),
        ("timeout", _span(it["timeout_s"])),
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
    """Take an agent out of use: what names it waits. What runs runs on, and `agents test` tries it still."""
    it = session.client.agent(with_at(name), "POST", {"reason": why} if why else None, "/disable").body
    session.show(it, lambda: f"Disabled {it['name']}: what names it waits until `followups agents enable {it['name']}`.")


@agents_.command("enable")
@click.argument("name")
@with_session
def enable(session: Session, name: str) -> None:
    """Take an agent back into use."""
    it = session.client.agent(with_at(name), "POST", None, "/enable").body
    session.show(it, lambda: f"Enabled {it['name']}: what waits for it starts with the next tick.")


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
    """Try an agent: run TASK now, as it would run when it is due, and print its report. Nothing is mailed.

    It ends with exit code 1 if the run failed. Ctrl-C stops what runs here, and cancels what has not started.
    """
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
        (it["name"], it["kind"], str(it["max_concurrency"]), it["rerun"], _span(it["timeout_s"]), _use(it) + _runs(it))
        for it in found
    ]
    return table(("NAME", "KIND", "AT ONCE", "RERUN", "TIMEOUT", "RUNS"), rows, flexible=5)


def _use(it: dict[str, Any]) -> str:
    return f"disabled: {it['disabled']}; " if it["disabled"] else ""


def _span(seconds: int) -> str:
    return f"{seconds} s" if seconds < _MINUTES else duration(timedelta(seconds=seconds))


def with_at(name: str) -> str:
    return name if name.startswith("@") else f"@{name}"


def program(program: str) -> str:
    """Gives the program as it will be found from any folder. Raises UsageError if there is none: better now than in a
    week."""
    if shutil.which(program) is None:
        raise click.UsageError(f"there is no program {program!r} that can be run; --command takes PROGRAM [ARGUMENT]...")
    return str(Path(program).absolute()) if "/" in program else program
