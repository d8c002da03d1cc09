"""Commands that change a follow-up: edit, delete, pause, resume, run."""

from typing import Any

import click

from followups.cli.shell import SHORT, Session, find_follow_up, local_time, status, until, with_session


@click.command("edit")
@click.argument("name", metavar="ID")
@click.option("--task", metavar="TEXT", help="A new task.")
@click.option("--message", metavar="TEXT", help="A new message.")
@click.option("--due", metavar="WHEN", help="A new time.")
@click.option("--timezone", metavar="ZONE", help="The IANA zone in which the new time is read.")
@click.option("--report-to", metavar="ADDRESS", help="A new address for its reports.")
@click.option("--max-attempts", type=click.IntRange(1, 10), help="Attempts for each occurrence.")
@with_session
def edit_(session: Session, name: str, **fields: Any) -> None:
    """Change what is named, and nothing else."""
    patch = {field: value for field, value in fields.items() if value is not None}
    if not patch:
        raise click.UsageError("say what to change: --task, --message, --due, --report-to or --max-attempts")
    follow_up_id = find_follow_up(session, name)
    etag = session.client.of(follow_up_id).headers["etag"]
    path = f"/v1/follow-ups/{follow_up_id}"
    it = session.client.call("PATCH", path, patch, headers={"If-Match": etag}).body
    session.show(it, lambda: f"Changed {it['id'][:SHORT]}: {it['agent']} {it['task']}, due {_due(it)}")


@click.command("delete")
@click.argument("name", metavar="ID")
@with_session
def delete_(session: Session, name: str) -> None:
    """Cancel a follow-up. Its history stays."""
    reply = session.client.of(find_follow_up(session, name), method="DELETE")
    it = reply.body
    word = "Cancelled" if reply.status == 200 else "Cancelling, when its run has ended,"
    session.show(it, lambda: f"{word} {it['id'][:SHORT]}: {it['agent']} {it['task']}")


@click.command("pause")
@click.argument("name", metavar="[ID]", required=False)
@click.option("--all", "everything", is_flag=True, help="The kill switch: start nothing until `resume --all`.")
@click.option("--reason", metavar="TEXT", help="Why; it is shown wherever somebody wonders.")
@with_session
def pause_(session: Session, name: str | None, everything: bool, reason: str | None) -> None:
    """Pause a follow-up until it is resumed, or everything with --all."""
    _one_or_all(name, everything)
    if everything:
        body = {"stopped": True} | ({"reason": reason} if reason else {})
        it = session.client.call("PUT", "/v1/control", body).body
        session.show(it, lambda: "Stopped: nothing starts until `followups resume --all`. What runs runs on.")
        return
    body = {"reason": reason} if reason else {}
    it = session.client.of(find_follow_up(session, name or ""), "/pause", "POST", body).body
    session.show(it, lambda: f"Paused {it['id'][:SHORT]}: {it['agent']} {it['task']}")


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
    session.show(it, lambda: f"Resumed {it['id'][:SHORT]}: {it['agent']} {it['task']}, due {_due(it)}")


@click.command("run")
@click.argument("name", metavar="ID")
@with_session
def run_(session: Session, name: str) -> None:
    """Run a follow-up now. A repeating one keeps its times."""
    it = session.client.of(find_follow_up(session, name), "/run", "POST").body
    session.show(it, lambda: f"{it['id'][:SHORT]} is next: {it['agent']} {it['task']} ({status(it['status'])})")
    if session.is_local:
        session.say(click.style("It starts with `followups dev`'s next tick, or with `followups run-due`.", dim=True))


def _one_or_all(name: str | None, everything: bool) -> None:
    if (name is None) != everything:
        raise click.UsageError("name one ID, or say --all")


def _due(it: dict[str, Any]) -> str:
    return f"{local_time(it['due_at'], it['timezone'])} {it['timezone']} ({until(it['due_at'])})"
