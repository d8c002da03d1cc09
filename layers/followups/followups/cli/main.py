"""The `followups` command: its group, and the one place where errors become a line and an exit code.

Exit codes: 0 done, 1 failed, 2 usage or refused input, 4 no access, 130 interrupted.
"""

import importlib
import io
import json
import os
import sys
from typing import Any

import click

from followups import __version__
from followups.cli.client import Problem, Unreachable
from followups.cli.shell import Session, wants_colour
from followups.domain.errors import ConfigError, FollowupsError, NoAccess, Refused

#: Command -> module that holds it. A module is imported when its command is called: a login hook pays for one.
_COMMANDS = {
    "create": "create", "preview": "preview", "list": "look", "show": "look", "runs": "look", "report": "look",
    "edit": "change", "delete": "change", "pause": "change", "resume": "change",
    "snooze": "change", "run": "change", "retry": "change",
    "tree": "trees", "stop-tree": "trees", "worker": "worker",
    "agents": "agents", "config": "configure", "import": "importing",
    "run-due": "run_due", "dev": "dev", "audit": "audit", "doctor": "doctor", "demo": "demo",
    "login": "login", "logout": "login", "logs": "operate", "redrive": "operate",
}  # fmt: skip


class _Lazy(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _COMMANDS:
            return None
        module = importlib.import_module(f"followups.cli.{_COMMANDS[cmd_name]}")
        command: click.Command = getattr(module, cmd_name.replace("-", "_") + "_")
        return command


@click.command(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="followups")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_context
def cli(context: click.Context, as_json: bool) -> None:
    """Run AI agents later: say it once, it happens once, and a report arrives.

    \b
    followups agents add @disk --command df -h /
    followups create @disk "Check disk space" 7d
    followups dev
    """
    context.obj = Session(as_json=as_json)
    context.color = wants_colour()


def main() -> None:
    """Runs the command and exits."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that lacks a character shows a ?
    sys.exit(_run(sys.argv[1:]))


def _run(arguments: list[str]) -> int:
    as_json = "--json" in arguments
    try:
        left = cli.main(args=arguments, prog_name="followups", standalone_mode=False)
        if sys.stdout is not None:  # it may be closed (`>&-`)
            sys.stdout.flush()
    except click.exceptions.Exit as leave:
        return leave.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return 2
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx else "followups"
        said = error.format_message()
        line = f"{said if said.endswith('...') else said.removesuffix('.')}; see `{command} --help`"
        return _fail({"code": "usage", "detail": line}, line, 2, as_json)
    except click.ClickException as error:
        return _fail({"code": "failed", "detail": error.format_message()}, error.format_message(), 1, as_json)
    except (click.Abort, KeyboardInterrupt) as stop:
        # What is to be known of what was under way; click puts an abort of its own in its place.
        if told := str(stop.__cause__ or stop):
            click.echo(f"followups: {told}", err=True)
        return 130
    except (BrokenPipeError, SystemExit):
        # The reader has gone (`| head`): click turns that into an exit of its own, the only one there is. What Python
        # flushes at its end must not complain either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except Problem as error:
        return _fail(error.body, _with_hint(error, error.body.get("hint")), _exit_code(error.status), as_json)
    except Refused as error:
        body, line = {"code": error.code, "detail": error.detail}, _with_hint(error, error.hint)
        return _fail(body, line, _exit_code(error.http_status), as_json)
    except ConfigError as error:
        code = 4 if isinstance(error, NoAccess) else 2
        return _fail({"code": "config_error", "detail": str(error)}, str(error), code, as_json)
    except Unreachable as error:
        return _fail({"code": "unreachable", "detail": str(error)}, f"unreachable: {error}", 1, as_json)
    except FollowupsError as error:
        return _fail({"code": "failed", "detail": str(error)}, str(error), 1, as_json)
    return left if isinstance(left, int) else 0  # click gives back what a command left with (its Exit)


def _with_hint(error: Exception, hint: object) -> str:
    """Gives what was refused and what to do instead: an agent that calls the command reads this one line."""
    return f"{str(error).rstrip('.')}. {hint}" if hint and isinstance(hint, str) else str(error)


def _fail(problem: dict[str, Any], line: str, code: int, as_json: bool) -> int:
    if as_json:
        click.echo(json.dumps(problem, indent=2, ensure_ascii=False))
    click.echo(f"followups: {' '.join(line.split())}", err=True)
    return code


def _exit_code(status: int) -> int:
    if status in (401, 403):
        return 4
    return 2 if 400 <= status < 500 and status != 429 else 1
