"""`followups doctor`: is everything as it must be? Each line is a check, with the command that mends it."""

from dataclasses import asdict

import click

from followups.cli.shell import Session, with_session
from followups.domain.checkup import Check


@click.command("doctor")
@with_session
def doctor_(session: Session) -> None:
    """Look whether everything works, here or on the AWS installation that this laptop is logged in to.

    Nothing is changed. Each line is a check; below one that failed stands the command that mends it. Exit code 1 says that
    one failed; a warning alone does not.
    """
    checks: list[Check] = []
    if session.is_local:
        from followups.cli import doctor_here as place
    else:
        from followups.cli import doctor_aws as place  # type: ignore[no-redef]
    for check in place.checks(session):
        checks.append(check)
        if not session.as_json:
            click.echo(_line(check))
    failed = sum(it.ok is False for it in checks)
    if session.as_json:
        session.show({"healthy": not failed, "checks": [asdict(it) for it in checks]}, str)
    else:
        warnings = sum(it.ok is None for it in checks)
        click.echo(f"\n{len(checks)} checks, {failed} failed, {warnings} warning{'s' if warnings != 1 else ''}.")
    if failed:
        raise click.exceptions.Exit(1)


def _line(it: Check) -> str:
    mark, colour = {True: ("ok", "green"), None: ("warn", "yellow"), False: ("FAIL", "red")}[it.ok]
    line = f"{click.style(f'{mark:<4}', fg=colour)}  {it.name:<12}  {it.says}"
    return line if it.ok or not it.mend else f"{line}\n{'':<20}{click.style('mend: ' + it.mend, bold=True)}"
