"""A run's record as the commands print it, and its timeline."""

from datetime import datetime, timedelta
from typing import Any

import click

from followups.cli.shell import facts, local_time, short_run, status
from followups.domain.hearing import WAITING, WORKER
from followups.domain.walltime import duration

Facts = list[tuple[str, str | None]]
Moments = list[tuple[str | None, str]]


def show_run(run: dict[str, Any], zone: str, *, timeline: bool) -> str:
    """Gives a run that has ended for a person, with what happened when if that is asked."""
    head = f"{click.style(run['task'], bold=True)}: {status(run['outcome'])}"
    parts = [head, f"  {run['summary']}" if run["summary"] else "", record(run)]
    if timeline:
        parts.append(_lines(_moments(run), zone))
    return "\n".join(part for part in parts if part)


def record(run: dict[str, Any]) -> str:
    """Gives the facts of a run that are no times."""
    refused, late = run["refused"], run["late_result"]
    pairs: Facts = [
        ("run", short_run(run["id"])),
        ("agent", f"{run['agent']} ({run['kind']})" if run["kind"] else run["agent"]),
        _target(run["target_id"]),
        ("attempt", f"{run['attempt']} of {run['max_attempts']}" if run["attempt"] else None),
        ("late by", _seconds(run["lateness_s"]) if run["lateness_s"] else None),
        ("took", _took(run)),
        ("done when", run["done_when"]),
        ("verdict", status(run["verdict"]) if run["verdict"] else None),
        ("evidence", run["evidence"]),
        ("usage", usage(run["usage"])),
        ("refused", f"{_count(refused['count'])} that it asked for: {refused['why']}" if refused else None),
        ("came late", f"{status(late['outcome'])}: {late['summary']}" if late else None),
        ("made by", f"run {short_run(run['parent'])}" if run["parent"] else None),
        ("output", run["output"]),
        ("report", _report(run)),
    ]
    return facts(pairs)


def usage(it: dict[str, Any] | None) -> str | None:
    """Gives what the agent says that the run cost, or None."""
    if it is None:
        return None
    counts = (("input_tokens", "tokens in"), ("output_tokens", "tokens out"))
    said = [f"{it[name]:,} {word}" for name, word in counts if it[name] is not None]
    said += [f"${it['cost_usd']}"] if it["cost_usd"] else []
    return ", ".join([*([it["model"]] if it["model"] else []), *said])


def show_live(it: dict[str, Any], *, timeline: bool) -> str:
    """Gives a run that is in progress for a person."""
    live = it["run"]
    head = f"{click.style(it['task'], bold=True)}: {status(it['status'])}"
    pairs: Facts = [
        ("run", short_run(live["id"])), ("agent", it["agent"]), _target(live["target_id"]),
        ("attempt", f"{live['attempt']} of {it['max_attempts']}"), ("progress", live["progress"]),
    ]  # fmt: skip
    moments: Moments = [
        (it["due_at"], "due"), (live["claimed_at"], "claimed"), (live["started_at"], "started"),
        (live["heard_at"], "heard of last"), (live["deadline_at"], "must have ended"),
    ]  # fmt: skip
    return "\n".join([head, facts(pairs), *([_lines(moments, it["timezone"])] if timeline else [])])


def _moments(run: dict[str, Any]) -> Moments:
    late, report = run["late_result"], run["report"]
    again = "" if run["final"] else ", to be tried again"
    return [
        (run["due_at"], "due" + (f", with {run['missed']} more that were missed" if run["missed"] else "")),
        (run["planned_at"] if run["planned_at"] != run["due_at"] else None, "to start"),
        (run["claimed_at"], "claimed"),
        (run["started_at"], f"started, {_seconds(run['lateness_s'])} after its time" if run["lateness_s"] else "started"),
        (run["finished_at"], ("ended: " if run["started_at"] else "ended, never started: ") + _outcome(run) + again),
        # One that was not reached is no event.
        (run["deadline_at"] if _is_past(run) else None, "had to have ended"),
        (late["at"] if late else None, f"its agent answered after all: {late['outcome']}, kept as late" if late else ""),
        (report["at"], f"report {report['status']}" + (f" to {report['to']}" if report["to"] else "")),
        (run["next_at"], "next try" if not run["final"] else "next"),
    ]


def _lines(moments: Moments, zone: str) -> str:
    found = sorted((datetime.fromisoformat(at), number, at, what) for number, (at, what) in enumerate(moments) if at)
    lines = [f"  {local_time(at, zone)}{at[16:19]}  {what}" for _, _, at, what in found]
    return "\n".join(["", click.style(f"  Times in {zone}", dim=True), *lines])


def _is_past(run: dict[str, Any]) -> bool:
    """Says whether the run's deadline came before its end, or what was said of it after that."""
    last = max(run["finished_at"], (run["late_result"] or {}).get("at", ""))
    return bool(run["started_at"] and run["deadline_at"] and run["deadline_at"] <= last)


def _target(name: str | None) -> tuple[str, str | None]:
    """Gives what the agent's target calls the run, if that is a name."""
    if name is not None and name.startswith(WORKER):
        return "worker", name.removeprefix(WORKER)
    return "its id there", None if name == WAITING else name


def _outcome(run: dict[str, Any]) -> str:
    return str(run["outcome"]).replace("_", " ")


def _report(run: dict[str, Any]) -> str | None:
    it = run["report"]
    if run["test"]:
        return "a test: nothing is mailed"
    if it["status"] == "none":
        return None if run["final"] else "none: it is tried again"
    return status(it["status"]) + (f" ({it['note']})" if it["note"] and it["status"] in ("failed", "bounced") else "")


def _took(run: dict[str, Any]) -> str | None:
    if run["started_at"] is None:
        return None
    span = datetime.fromisoformat(run["finished_at"]) - datetime.fromisoformat(run["started_at"])
    # The API tells times to the second.
    return _seconds(round(span.total_seconds())) if span >= timedelta(seconds=1) else "less than a second"


def _count(number: int) -> str:
    return f"{number} follow-up" if number == 1 else f"{number} follow-ups"


def _seconds(count: int) -> str:
    return f"{count} s" if count < 10 else duration(timedelta(seconds=count))
