"""Commands that only look: list, show, runs, report."""

import re
from typing import Any

import click

from followups.cli.history import history
from followups.cli.shell import (
    SHORT,
    Session,
    cut,
    facts,
    find_follow_up,
    find_run,
    local_time,
    short_run,
    status,
    table,
    terminal_width,
    until,
    with_session,
)
from followups.cli.timing import behind, is_past, pause_end, planned, policies, until_met
from followups.domain.hearing import WAITING
from followups.domain.status import Status

#: What is a run's name, and no follow-up's.
_RUN = re.compile(r"(?:run-)?[a-z2-7]{1,26}-[0-9]{1,6}", re.ASCII)
#: From this width on there is room to say how far off a time is.
_WIDE = 96
#: A long rule must not leave a task without room.
_REPEATS = 32
_STATUSES = ["open", "closed", "all", *(s.value for s in Status)]


@click.command("list")
@click.option("--all", "every", is_flag=True, help="Closed ones too.")
@click.option("--status", "wanted", type=click.Choice(_STATUSES), default="open", help="Only these.", show_default=True)
@with_session
def list_(session: Session, every: bool, wanted: str) -> None:
    """List follow-ups: open ones, soonest first."""
    found = session.client.pages("all" if every else wanted)
    session.show({"follow_ups": found}, lambda: _list(found))
    control = session.client.call("GET", "/v1/control").body
    if control["stopped"]:
        why = control["reason"] or "no reason given"
        session.say(
            click.style(f"Stopped by an operator ({why}): nothing starts until `followups resume --all`.", fg="yellow")
        )


def _list(found: list[dict[str, Any]]) -> str:
    if not found:
        return "Nothing is scheduled."
    wide, live = terminal_width() >= _WIDE, [it for it in found if it["run"]]
    rows = [
        (
            it["id"][:SHORT],
            status(it["status"]),
            it["agent"],
            it["task"],
            _when(it, wide, live),
            cut(_repeats(it), _REPEATS),
        )
        for it in found
    ]
    return table(("ID", "STATUS", "AGENT", "TASK", "DUE", "REPEATS"), rows, flexible=3)


def _repeats(it: dict[str, Any]) -> str:
    if it["test"]:
        return "a test"
    return str(it["repeats"] or ("until met" if it["retry_until_met"] else "once"))


def _when(it: dict[str, Any], wide: bool, live: list[dict[str, Any]]) -> str:
    if it["closed_at"]:
        ended = local_time(it["closed_at"], it["timezone"])
        return f"closed {ended if wide else ended[4:]}"
    if it["run"] and it["run"]["target_id"] == WAITING:
        return "waits for a worker"
    if it["run"]:
        return f"running since {local_time(it['run']['started_at'], it['timezone'])[-5:]}"
    if (why := behind(it, lambda: live)) is not None:
        return cut(f"waits: {why}", 44 if wide else 22)
    if it["attempt"] and it["status"] == "scheduled" and not is_past(it["starts_at"]):
        return f"tries again {until(it['starts_at'])}"
    start = local_time(planned(it), it["timezone"])
    return f"{start} ({until(planned(it))})" if wide else start


@click.command("show")
@click.argument("name", metavar="ID|RUN")
@click.option("--timeline", is_flag=True, help="A run, and what happened when: RUN, or ID for its latest.")
@with_session
def show_(session: Session, name: str, timeline: bool) -> None:
    """Show one follow-up, with its past and coming occurrences, or a run of it. ID may be shortened."""
    if timeline or _RUN.fullmatch(name.strip()):
        _show_run(session, name, timeline)
        return
    follow_up_id = find_follow_up(session, name)
    it = session.client.of(follow_up_id).body
    told = session.client.of(follow_up_id, "/runs").body
    waits = None if session.as_json else behind(it, lambda: session.client.pages("running"))
    session.show(it | {"runs": told["runs"], "coming": told["coming"]}, lambda: _show(it, told, waits))


def _show_run(session: Session, name: str, timeline: bool) -> None:
    from followups.cli.run_record import show_live, show_run

    start = name.strip().removeprefix("run-").partition("-")[0]
    it = session.client.of(find_follow_up(session, start)).body
    wanted = name.strip().rpartition("-")[2].lstrip("0") if _RUN.fullmatch(name.strip()) else None
    if it["run"] and wanted in (None, it["run"]["id"].rpartition("-")[2].lstrip("0")):
        session.show(it["run"], lambda: show_live(it, timeline=timeline))
        return
    run = session.client.call("GET", f"/v1/runs/{find_run(session, name)}").body
    session.show(run, lambda: show_run(run, it["timezone"], timeline=timeline))


def _show(it: dict[str, Any], told: dict[str, Any], waits: str | None) -> str:
    zone, live = it["timezone"], it["run"]
    since = local_time(it["blocked"]["since"] if it["blocked"] else it["starts_at"] or it["due_at"], zone)
    pairs = [
        ("id", it["id"]),
        ("status", status(it["status"]) + pause_end(it) + (f" - {it['reason']}" if it["reason"] else "")),
        ("agent", it["agent"]),
        ("message", it["message"] or None),
        ("due", None if it["closed_at"] else f"{it['due_local']} ({until(it['due_at'])}), typed {it['due']!r}"),
        ("repeats", it["repeats"]),
        ("put off to", local_time(it["snoozed_to"], zone) if it["snoozed_to"] else None),
        ("next try", local_time(it["starts_at"], zone) if it["starts_at"] not in _planned(it) else None),
        *policies(it),
        ("attempt", f"{it['attempt']} of {it['max_attempts']}" if it["attempt"] else None),
        ("waits", f"{waits}, since {since}" if waits else None),
        ("running", f"{short_run(live['id'])} since {local_time(live['started_at'], zone)}" if live else None),
        ("progress", live["progress"] if live else None),
        ("last", status(it["last_outcome"]) if it["last_outcome"] else None),
        *until_met(it),
        ("verdict", status(it["last_verdict"]) if it["last_verdict"] else None),
        ("test", "a try of the agent: nothing is mailed" if it["test"] else None),
        ("report to", it["report_to"]),
        ("made by", f"run {short_run(it['parent'])}, {it['depth']} below {it['root'][:SHORT]}" if it["parent"] else None),
        ("goes by", it["replace_key"]),
        ("replaced by", it["replaced_by"] if it["status"] != "cancelled" else None),
        ("created", local_time(it["created_at"], zone)),
        ("closed", local_time(it["closed_at"], zone) if it["closed_at"] else None),
    ]
    text = f"{click.style(it['task'], bold=True)}\n{facts(pairs)}"
    drawn = history(told, it)
    return f"{text}\n\n{drawn}" if drawn else text


def _planned(it: dict[str, Any]) -> tuple[str | None, ...]:
    """Gives the times at which it starts as planned: no word is lost about these."""
    return (None, it["due_at"], it["snoozed_to"])


@click.command("runs")
@click.argument("name", metavar="ID")
@with_session
def runs_(session: Session, name: str) -> None:
    """List the runs of a follow-up, newest first."""
    follow_up_id = find_follow_up(session, name)
    found = session.client.of(follow_up_id, "/runs").body
    zone = session.client.of(follow_up_id).body["timezone"]
    session.show(found, lambda: _runs(found["runs"], zone, found["live"]))


def _runs(found: list[dict[str, Any]], zone: str, live: dict[str, Any] | None = None) -> str:
    rows = []
    if live:
        rows.append((short_run(live["id"]), "-", local_time(live["started_at"], zone)[4:], status("running"), "-", ""))
    for it in found:
        outcome = status(it["outcome"]) + ("" if it["final"] else ", will retry")
        report = status(it["report"]["status"])
        due, started = local_time(it["due_at"], zone)[4:], local_time(it["started_at"], zone)[4:] or "-"
        rows.append((short_run(it["id"]), due, started, outcome, report, it["summary"]))
    if not rows:
        return "It has not run yet."
    return table(("RUN", "DUE", "STARTED", "OUTCOME", "REPORT", "SUMMARY"), rows, flexible=5)


@click.command("report")
@click.argument("name", metavar="RUN")
@click.option("--html", is_flag=True, help="As HTML, as the mail has it.")
@with_session
def report_(session: Session, name: str, html: bool) -> None:
    """Print the report of a run: RUN as `runs` shows it, or a follow-up's ID for its latest."""
    run_id = find_run(session, name)
    body = session.client.call("GET", f"/v1/runs/{run_id}/report").body
    session.show(body, lambda: body["html"] if html else f"{body['subject']}\n\n{body['text']}".rstrip())
    sent = body["run"]["report"]
    if session.is_local and sent["note"] and sent["status"] == "sent":
        mail = session.environment.home / "outbox" / sent["note"]
        session.say(click.style(f"mail: {mail}", dim=True) if mail.exists() else f"mail: sent as {sent['note']}")
    elif sent["status"] != "none":
        session.say(f"mail: {sent['status']}" + (f" ({sent['note']})" if sent["note"] else ""))
