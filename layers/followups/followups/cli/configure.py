"""`followups config`: what this laptop remembers."""

import click

from followups import config
from followups.adapters.local import rotate_secret
from followups.cli.shell import Session, facts, refuse_inside_run, with_session

_NAMES = {
    "report-to": "report_to", "sender": "sender", "timezone": "timezone", "cap": "cap",
    "runs-per-hour": "runs_per_hour", "max-open": "max_open", "max-depth": "max_depth",
    "max-descendants": "max_descendants",
}  # fmt: skip
_NUMBERS = ("cap", "runs-per-hour", "max-open", "max-depth", "max-descendants")


@click.command("config")
@click.argument("name", metavar="[NAME]", type=click.Choice(list(_NAMES)), required=False)
@click.argument("value", required=False)
@click.option("--unset", is_flag=True, help="Back to the default.")
@click.option(
    "--rotate-secret", "rotate", is_flag=True, help="Sign run tokens with a new key; the one before is still taken."
)
@with_session
def config_(session: Session, name: str | None, value: str | None, unset: bool, rotate: bool) -> None:
    """Show or set this laptop's settings.

    \b
    report-to        where reports go that name no address (default: you, on this machine)
    sender           the address they come from
    timezone         the zone in which times are read that name none (default: the machine's)
    cap              agents alive at once (default: 2)
    runs-per-hour    runs that are started in an hour at most (default: 0, no limit)
    max-open         follow-ups that may be open at once (default: 1000; 0, no limit)
    max-depth        generations of follow-ups that agents may make below yours (default: 2; 0, none)
    max-descendants  how many of them there may be for each of yours (default: 20)
    """
    settings, home = session.settings, session.environment.home
    if rotate or value is not None or unset:
        refuse_inside_run(session, "config", "no agent sets what holds for agents")
    if rotate:
        if name is not None:
            raise click.UsageError("--rotate-secret goes alone")
        rotate_secret(home / "secret")
        session.show(
            {"rotated": True}, lambda: "Signing with a new key. A `followups dev` that runs takes it when it is restarted."
        )
        return
    if name is not None and (value is not None or unset):
        if value is not None and unset:
            raise click.UsageError("give a value or --unset, not both")
        number = name in _NUMBERS and value is not None and value.isascii() and value.isdigit()
        new: object = int(value or "") if number else value
        settings = config.write_laptop_config(home, config.environment(), {_NAMES[name]: new})
    document = {key: getattr(settings, field) for key, field in _NAMES.items()}
    if name is not None:
        document = {name: document[name]}
    default = {"report-to": "you, on this machine", "sender": "followups@localhost"}
    pairs = [(key, str(it) if it is not None else f"({default[key]})") for key, it in document.items()]
    session.show(document, lambda: facts(pairs))
