"""`followups import`: brings over what the first version kept in its schedule.json."""

import json
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from followups.adapters.local import SystemClock
from followups.cli import first_version
from followups.cli.client import Client, Problem
from followups.cli.first_version import MAX_BYTES, OldTask
from followups.cli.shell import SHORT, Session, cut, refuse_inside_run, until, with_session
from followups.domain import checklist, when
from followups.domain.errors import FollowupsError, Invalid
from followups.domain.text import first_line, plain
from followups.domain.walltime import format_instant
from followups.domain.zones import find_zone

#: What was due in the past is due now.
_NOW = "in 1 second"
#: One that waits for the user's word is made with this, so that no tick is faster than its pause.
_SOON = "in 5 minutes"
_PROGRESS_S = 1.0
_FIELDS = {"agent": "recipient", "due": "due_date"}


@dataclass(frozen=True, kw_only=True, slots=True)
class _Plan:
    """What is to become of a task of the first version."""

    old: OldTask
    #: The create request; None for one that stays behind.
    body: dict[str, Any] | None
    #: Its time in words; for an overdue one, now.
    due: str = ""
    #: Whether it waits for the user's word, since it may have run already and its agent may not simply run again.
    hold: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class _Became:
    """What became of it. `result` is imported, paused or skipped."""

    old: OldTask
    result: str
    why: str
    #: The follow-up, as the API answers it; None for one that stayed behind, and in a dry run.
    made: dict[str, Any] | None = None
    due_now: bool = False


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help="Show what would happen, and write nothing.")
@click.option("--timezone", metavar="ZONE", help="IANA zone in which the file's dates are read (default: yours).")
@with_session
def import_(session: Session, file: Path, dry_run: bool, timezone: str | None) -> None:
    """Bring over the first version's FILE, its schedule.json.

    What is pending comes over; a day without a time means 09:00, and what was due in the past is due now. What the first
    version was dispatching may have run already: it comes over paused, unless its agent is registered with --rerun safe.
    What is completed stays behind. A file with anything wrong in it changes nothing. Importing it again changes nothing
    either: what came over is known until 90 days after it has ended.
    """
    refuse_inside_run(session, "import", "a person brings a file over, an agent creates its own follow-ups")
    tasks, unknown = first_version.read(_bytes(file))
    zone = find_zone(session.settings.timezone if timezone is None else timezone).key
    plans = [_plan(task, zone, SystemClock().now()) for task in tasks]
    if any(plan.body for plan in plans):
        plans = _with_agents(session, plans)
    if unknown:
        session.say(f"Not known and left out: {', '.join(unknown[:20])}.")
    became = _bring_all(session, plans, dry_run)
    counts = {word: sum(it.result == word for it in became) for word in ("imported", "paused", "skipped")}
    session.show(
        {"file": str(file), "dry_run": dry_run, "tasks": [_document(it) for it in became]} | counts,
        lambda: _summary(became, counts, dry_run),
    )


def _bytes(file: Path) -> bytes:
    try:
        with file.open("rb") as stream:
            return stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise first_version.wrong(f"{file} cannot be read: {error.strerror}") from error


def _plan(old: OldTask, zone: str, at: datetime) -> _Plan:
    """Gives what is to become of a task, all checked that a create request would be. Raises Invalid."""
    if old.status == "completed":
        return _Plan(old=old, body=None)
    due, words = old.due, ""
    try:
        words = format_instant(when.parse(due, at=at, timezone=zone).due_at, zone)
    except Invalid as error:
        if error.code != "due_in_past":
            raise old.wrong("due_date", error.detail) from error
        due = _NOW
    body = {"agent": old.recipient, "task": old.task, "message": old.message, "due": due, "timezone": zone}
    _check(old, body)
    return _Plan(old=old, body=body, due=words)


def _check(old: OldTask, body: dict[str, Any]) -> None:
    # The API's own models: what it would refuse in the middle of a file is refused before anything is written.
    from pydantic import ValidationError

    from followups.api.request import MAX_BODY
    from followups.api.schemas import CreateFollowUp

    try:
        CreateFollowUp.model_validate(body)
    except ValidationError as error:
        first = error.errors()[0]
        field = str(first["loc"][0])
        raise old.wrong(_FIELDS.get(field, field), first["msg"]) from error
    if len(json.dumps(body)) > MAX_BODY:  # as the client sends it, in ASCII
        raise old.wrong("message", f"with its task it has more than the {MAX_BODY // 1024} KB that a follow-up may have")


def _with_agents(session: Session, plans: list[_Plan]) -> list[_Plan]:
    """Gives the plans when each agent is known. Raises Invalid naming every agent that is not."""
    agents = {it["name"]: it for it in session.client.call("GET", "/v1/agents").body["agents"]}
    lost = [it for it in plans if it.body and it.old.recipient not in agents]
    # What came over before needs its agent no more to be left alone.
    lost = [it for it in lost if session.client.made_with(it.old.key) is None]
    if missing := sorted({it.old.recipient for it in lost}):
        lines = " and ".join(f"`followups agents add {name} --command PROGRAM [ARGUMENT]...`" for name in missing)
        detail = f"of the tasks {len(lost)} are for agents that are not registered; nothing was imported. First say {lines}"
        raise Invalid("unknown_agent", detail)
    return [_with_agent(plan, agents.get(plan.old.recipient)) if plan.body else plan for plan in plans]


def _with_agent(plan: _Plan, agent: dict[str, Any] | None) -> _Plan:
    old, body = plan.old, plan.body
    assert body is not None
    if agent and agent["kind"] == "checklist":
        try:
            checklist.parse(old.message, allow_commands=True)
        except Invalid as error:
            raise old.wrong("message", error.detail) from error
    hold = old.status == "dispatching" and not (agent and agent["rerun"] == "safe")
    if hold and not plan.due:
        body = body | {"due": _SOON}
    return _Plan(old=old, body=body, due=plan.due, hold=hold)


def _bring_all(session: Session, plans: list[_Plan], dry_run: bool) -> list[_Became]:
    """Brings the tasks over in the file's order and says each; what it did stays done if it cannot go on."""
    became: list[_Became] = []
    said_at = time.monotonic()
    try:
        for plan in plans:
            became.append(_look(session.client, plan) if dry_run else _bring(session.client, plan))
            if not session.as_json:
                click.echo(_line(became[-1], dry_run))
            if time.monotonic() - said_at >= _PROGRESS_S:
                said_at = time.monotonic()
                session.say(click.style(f"{len(became)} of {len(plans)} …", dim=True))
    except (FollowupsError, KeyboardInterrupt):
        session.say(f"{len(became)} of {len(plans)} tasks were handled. Import the file again to go on; none comes twice.")
        raise
    return became


def _bring(client: Client, plan: _Plan) -> _Became:
    """Makes the follow-up, unless an import has made it before. Raises Problem, Unreachable."""
    if plan.body is None:
        return _left_behind(plan.old)
    try:
        reply = _create(client, plan)
        made, is_new = reply.body, reply.status == 201
    except Problem as problem:
        # Its key is known from another request: when it was not overdue yet, or was read in another zone.
        known = client.made_with(plan.old.key) if problem.body.get("code") == "idempotency_key_reused" else None
        if known is None:
            raise
        made, is_new = known, False
    if not is_new and not _is_half_done(plan, made):
        return _known(plan.old, made)
    if plan.hold:
        reason = "the first version had started it, so it may have run already"
        made = client.of(made["id"], "/pause", "POST", {"reason": reason}).body
    return _came(plan, made)


def _create(client: Client, plan: _Plan) -> Any:
    assert plan.body is not None
    try:
        return client.create_once(plan.body, plan.old.key)
    except Problem as problem:
        if problem.body.get("code") != "due_in_past":
            raise
        # Its time came while others were brought over.
        return client.create_once(plan.body | {"due": _SOON if plan.hold else _NOW}, plan.old.key)


def _look(client: Client, plan: _Plan) -> _Became:
    """Gives what `_bring` would do."""
    if plan.body is None:
        return _left_behind(plan.old)
    made = client.made_with(plan.old.key)
    return _known(plan.old, made) if made and not _is_half_done(plan, made) else _came(plan, None)


def _is_half_done(plan: _Plan, made: dict[str, Any]) -> bool:
    """Says whether an import was interrupted between its create and its pause; nobody has touched it since."""
    return plan.hold and made["version"] == 1 and made["status"] == "scheduled"


def _left_behind(old: OldTask) -> _Became:
    when_ = f" on {old.completed_date}" if old.completed_date else ""
    return _Became(old=old, result="skipped", why=f"the first version completed it{when_}")


def _known(old: OldTask, made: dict[str, Any]) -> _Became:
    return _Became(old=old, result="skipped", why=f"imported before as {made['id'][:SHORT]}, {made['status']}", made=made)


def _came(plan: _Plan, made: dict[str, Any] | None) -> _Became:
    old, id_ = plan.old, made["id"][:SHORT] if made else "ID"
    if made and plan.due:
        due = f"due {made['due_local']} ({until(made['due_at'])})"
    else:
        due = f"due {plan.due}" if plan.due else f"due now: it was due {old.due_date}"
    if old.status != "dispatching":
        return _Became(old=old, result="imported", why=due, made=made, due_now=not plan.due)
    started = f" at {old.dispatch_started[:16].replace('T', ' ')}" if old.dispatch_started else ""
    ran = f"the first version had started it{started}, so it may have run already"
    if plan.hold:
        then = f"`followups resume {id_}` runs it, `followups delete {id_}` drops it"
        return _Became(old=old, result="paused", why=f"{ran}; {then}", made=made)
    why = f"{due}; {ran}, and {old.recipient} may run again (--rerun safe)"
    return _Became(old=old, result="imported", why=why, made=made, due_now=not plan.due)


def _line(it: _Became, dry_run: bool) -> str:
    old = it.old
    what = f"{old.recipient} {cut(first_line(plain(old.task)), 60)}"
    start = cut(first_line(plain(old.id)), 36)
    if it.result == "skipped":
        return click.style(f"{start}  skipped: {what} - {it.why}", dim=True)
    id_ = click.style(it.made["id"][:SHORT], bold=True) if it.made else ""
    word = "would be imported" if dry_run else f"imported as {id_}"
    return f"{start}  {word}{', paused' if it.result == 'paused' else ''}: {what} - {it.why}"


def _summary(became: list[_Became], counts: dict[str, int], dry_run: bool) -> str:
    came = counts["imported"] + counts["paused"]
    if not came:
        return "Nothing changed: each task came over before, or was completed." if became else "The file has no tasks."
    parts = [f"{'Would import' if dry_run else 'Imported'} {came}"]
    parts += [f"({counts['paused']} paused)"] if counts["paused"] else []
    text = " ".join(parts) + f", skipped {counts['skipped']}."
    if now := sum(it.due_now for it in became):
        text += f" Due now: {now}; `followups dev` or `followups run-due` starts {'it' if now == 1 else 'them'}."
    return text


def _document(it: _Became) -> dict[str, Any]:
    keys = ("id", "status", "agent", "task", "due_at", "due_local")
    return {
        "old_id": it.old.id,
        "old_status": it.old.status,
        "result": it.result,
        "why": it.why,
        "follow_up": {key: it.made[key] for key in keys} if it.made else None,
    }
