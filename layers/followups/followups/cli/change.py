"""Commands that change a follow-up: edit, delete, pause, resume, snooze, run, retry."""

from typing import Any

import click

from followups.cli.create import LATE_HELP, describe
from followups.cli.shell import SHORT, Session, facts, find_follow_up, local_time, status, until, with_session
from followups.cli.timing import due, pause_end, understood, until_met


@click.command("edit")
@click.argument("name", metavar="ID")
@click.option("--task", metavar="TEXT", help="A new task.")
@click.option("--message", metavar="TEXT", help="A new message.")
@click.option("--due", metavar="WHEN", help="A new time.")
@click.option("--timezone", metavar="ZONE", help="The IANA zone in which the new time is read.")
@click.option("--report-to", metavar="ADDRESS", help="A new address for its reports.")
@click.option("--max-attempts", type=click.IntRange(1, 10), help="Attempts for each occurrence.")
@click.option("--late", metavar="POLICY", help=LATE_HELP)
@click.option("--done-when", metavar="TEXT", help="When it is a success, in words.")
@click.option("--retry-until-met", metavar="WAITS", help="How long to wait after each look, like 1d,2d,4d.")
@click.option("--give-up-at", metavar="WHEN", help="No look is planned after this: a time, or a span after its own.")
@with_session
def edit_(session: Session, name: str, **fields: Any) -> None:
    """Change what is named, and nothing else."""
    patch = {field: value for field, value in fields.items() if value is not None}
    if not patch:
        names = ", --".join(name.replace("_", "-") for name in fields)
        raise click.UsageError(f"say what to change: --{names}")
    follow_up_id = find_follow_up(session, name)
    etag = session.client.of(follow_up_id).headers["etag"]
    path = f"/v1/follow-ups/{follow_up_id}"
    it = session.client.call("PATCH", path, patch, headers={"If-Match": etag}).body
    session.show(it, lambda: _changed(it, patch))


def _changed(it: dict[str, Any], patch: dict[str, Any]) -> str:
    said = f"Changed {it['id'][:SHORT]}: {it['agent']} {it['task']}, due {due(it)}"
    more = [("repeats", it["repeats"]), *understood(it)] if "due" in patch else []
    more += [("when late", it["late"].replace("_", " "))] if "late" in patch else []
    more += until_met(it) if {"done_when", "retry_until_met", "give_up_at"} & set(patch) else []
    more = [pair for pair in more if pair[1] is not None]
    return f"{said}\n{facts(more)}" if more else said


@click.command("delete")
@click.argument("name", metavar="ID")
@with_session
def delete_(session: Session, name: str) -> None:
    """Cancel a follow-up. Its history stays."""
    reply = session.client.of(find_follow_up(session, name), method="DELETE")
    it = reply.body
    named = f"{it['id'][:SHORT]}: {it['agent']} {it['task']}"
    session.show(it, lambda: f"Cancelled {named}" if reply.status == 200 else f"Cancelled when its run has ended, {named}")


@click.command("pause")
@click.argument("name", metavar="[ID]", required=False)
@click.option("--all", "everything", is_flag=True, help="The kill switch: start nothing until `resume --all`.")
@click.option("--until", "end", metavar="WHEN", help='Until when, or how long: 3d, "monday 9am" (else until resumed).')
@click.option("--reason", metavar="TEXT", help="Why; it is shown wherever somebody wonders.")
@with_session
def pause_(session: Session, name: str | None, everything: bool, end: str | None, reason: str | None) -> None:
    """Pause a follow-up until it is resumed or the pause is over, or everything with --all."""
    _one_or_all(name, everything)
    if everything and end is not None:
        raise click.UsageError("--until goes with one ID; `followups resume --all` ends a pause of everything")
    if everything:
        body = {"stopped": True} | ({"reason": reason} if reason else {})
        it = session.client.call("PUT", "/v1/control", body).body
        session.show(it, lambda: "Stopped: nothing starts until `followups resume --all`. What runs runs on.")
        return
    body = {field: value for field, value in (("reason", reason), ("until", end)) if value}
    it = session.client.of(find_follow_up(session, name or ""), "/pause", "POST", body).body
    session.show(it, lambda: f"Paused {it['id'][:SHORT]}{pause_end(it)}: {it['agent']} {it['task']}")


@click.command("resume")
@click.argument("name", metavar="[ID]", required=False)
@click.option("--all", "everything", is_flag=True, help="Turn the kill switch off.")
@with_session
def resume_(session: Session, name: str | None, everything: bool) -> None:
    """Resume a paused follow-up at its own time, or everything with --all."""
    _one_or_all(name, everything)
    if everything:
        it = session.client.call("PUT", "/v1/control", {"stopped": False}).body
        session.show(it, lambda: "Resumed: what is due starts with the next tick.")
        return
    it = session.client.of(find_follow_up(session, name or ""), "/resume", "POST").body
    session.show(it, lambda: f"Resumed {it['id'][:SHORT]}: {it['agent']} {it['task']}, due {due(it)}")


@click.command("snooze")
@click.argument("name", metavar="ID")
@click.argument("words", nargs=-1, required=True, metavar="TIME")
@with_session
def snooze_(session: Session, name: str, words: tuple[str, ...]) -> None:
    """Put a follow-up off: by 3d, counted from its time or from now if that has passed, or until "monday 9am".

    A repeating one keeps its times: the one that comes next is put off, and what comes until then is missed, which its
    report tells.
    """
    body = {"until": " ".join(words)}
    it = session.client.of(find_follow_up(session, name), "/snooze", "POST", body).body
    session.show(it, lambda: _snoozed(it))


def _snoozed(it: dict[str, Any]) -> str:
    to = f"{local_time(it['snoozed_to'], it['timezone'])} {it['timezone']} ({until(it['snoozed_to'])})"
    return f"Put off {it['id'][:SHORT]} to {to}: {it['agent']} {it['task']}"


@click.command("run")
@click.argument("name", metavar="ID")
@with_session
def run_(session: Session, name: str) -> None:
    """Run a follow-up now. A repeating one keeps its times."""
    it = session.client.of(find_follow_up(session, name), "/run", "POST").body
    session.show(it, lambda: f"{it['id'][:SHORT]} is next: {it['agent']} {it['task']} ({status(it['status'])})")
    _say_when_it_starts(session)


@click.command("retry")
@click.argument("name", metavar="ID")
@click.option("--key", metavar="KEY", help="Idempotency key; without one, each is tried again once.")
@with_session
def retry_(session: Session, name: str, key: str | None) -> None:
    """Try one again that ended without its work done: a new one like it, due now. The old one stays in the history."""
    path = f"/v1/follow-ups/{find_follow_up(session, name)}/retry"
    made = session.client.call("POST", path, headers={"Idempotency-Key": key} if key else None)
    session.show(made.body, lambda: describe(made))
    _say_when_it_starts(session)


def _say_when_it_starts(session: Session) -> None:
    if session.is_local:
        session.say(click.style("It starts with `followups dev`'s next tick, or with `followups run-due`.", dim=True))


def _one_or_all(name: str | None, everything: bool) -> None:
    if (name is None) != everything:
        raise click.UsageError("name one ID, or say --all")
