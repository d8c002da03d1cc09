"""What `followups show` draws: past and coming occurrences, one line each, oldest first."""

from datetime import datetime, timedelta
from typing import Any

import click

from followups.cli.shell import COLOURS, local_time, short_run, status, table, until
from followups.domain.late import WIDEST
from followups.domain.walltime import duration

#: So many of the past are drawn; `followups runs` lists all.
_PAST = 10
#: Sooner than this is the normal course of things.
_ON_TIME = timedelta(seconds=90)
_MARKS = {"succeeded": "●", "attention": "▲", "skipped": "○", "cancelled": "○", "running": "◐"}
_HEADINGS = ("", "DUE", "STARTED", "OUTCOME", "RUN", "SUMMARY")
Row = tuple[str, str, str, str, str, str]


def history(told: dict[str, Any], it: dict[str, Any]) -> str:
    """Takes the answer about a follow-up's runs, and the follow-up; gives the drawing, empty if there is none."""
    rows: list[Row] = []
    zone = it["timezone"]
    for run in reversed(told["runs"][:_PAST]):
        rows += _past(run, zone)
    if live := told["live"]:
        since = f"since {local_time(live['started_at'], zone)}"
        rows.append((_mark("running"), local_time(it["due_at"], zone), since, status("running"), short_run(live["id"]), ""))
    for number, time in enumerate(told["coming"]):
        held = _held(it) if number == 0 else None
        rows.append(("·", local_time(time["utc"], zone), held or until(time["utc"]), "", "", ""))
    text = table(_HEADINGS, rows, flexible=5) if rows else ""
    if (more := len(told["runs"]) - _PAST) > 0:
        text += "\n" + click.style(f"{more} earlier runs: `followups runs` lists them", dim=True)
    return text


def _past(run: dict[str, Any], zone: str) -> list[Row]:
    outcome = status(run["outcome"]) + ("" if run["final"] else ", will retry")
    due, name = local_time(run["due_at"], zone), short_run(run["id"])
    rows: list[Row] = [(_mark(run["outcome"]), due, _started(run, zone), outcome, name, run["summary"])]
    if run["missed"]:
        what = "skipped too" if run["outcome"] == "skipped" else "made up for by it"
        last = local_time(run["missed_until"], zone) if run["missed_until"] else ""
        rows.append((_mark("skipped"), last, f"{run['missed']} missed", click.style(what, dim=True), "", ""))
    return rows


def _held(it: dict[str, Any]) -> str | None:
    """Gives what keeps the next one from starting at its time."""
    if it["status"] == "paused":
        return "paused"
    return f"put off to {local_time(it['snoozed_to'], it['timezone'])}" if it["snoozed_to"] else None


def _started(run: dict[str, Any], zone: str) -> str:
    if run["started_at"] is None:
        return "never"
    planned = datetime.fromisoformat(run["planned_at"])
    late = datetime.fromisoformat(run["started_at"]) - planned
    again = f"attempt {run['attempt']}, " if run["attempt"] > 1 else ""
    if late < -_ON_TIME:
        return f"{again}by hand, {local_time(run['started_at'], zone)}"
    if run["planned_at"] > run["due_at"] and planned - datetime.fromisoformat(run["due_at"]) > WIDEST:
        again += f"put off to {local_time(run['planned_at'], zone)}, "
    return f"{again}{duration(late)} late" if late > _ON_TIME else f"{again}on time"


def _mark(outcome: str) -> str:
    return click.style(_MARKS.get(outcome, "✕"), fg=COLOURS.get(outcome))
