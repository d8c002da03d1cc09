"""A run's record as the commands print it, and its timeline."""

from datetime import datetime, timedelta
from typing import Any

import click

from followups.cli.shell import facts, local_time, short_run, status
from followups.domain.walltime import duration

Facts = list[tuple[str, str | None]]


def show_run(run: dict[str, Any], zone: str, *, timeline: bool) -> str:
    """Gives a run that has ended for a person, with what happened when if that is asked."""
    head = f"{click.style(run['task'], bold=True)}: {status(run['outcome'])}"
    parts = [head, f"  {run['summary']}" if run["summary"] else "", record(run)]
    if timeline:
        parts.append("\n" + _timeline(run, zone))
    return "\n".join(part for part in parts if part)


def record(run: dict[str, Any]) -> str:
    """Gives the facts of a run that are no times."""
    refused, late = run["refused"], run["late_result"]
    pairs: Facts = [
        ("run", short_run(run["id"])),
        ("agent", f"{run['agent']} ({run['kind']})" if run["kind"] else run["agent"]),
        ("its id there", run["target_id"]),
        ("attempt", f"{run['attempt']} of {run['max_attempts']}, fence {run['fence']}"),
        ("lateness", _seconds(run["lateness_s"]) if run["lateness_s"] else None),
        ("took", _took(run)),
        ("done when", run["done_when"]),
        ("verdict", status(run["verdict"]) if run["verdict"] else None),
        ("evidence", run["evidence"]),
        ("usage", usage(run["usage"])),
        ("refused", f"{refused['count']} follow-ups that it asked for: {refused['why']}" if refused else None),
        ("came late", f"{status(late['outcome'])}: {late['summary']}" if late else None),
        ("made by", f"run {short_run(run['parent'])}" if run["parent"] else None),
        ("output", run["output"]),
        ("report", status(run["report"]["status"]) if not run["test"] else "a test: nothing is mailed"),
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
    live, zone = it["run"], it["timezone"]
    head = f"{click.style(it['task'], bold=True)}: {status(it['status'])}"
    pairs: Facts = [
        ("run", short_run(live["id"])), ("agent", it["agent"]), ("its id there", live["target_id"]),
        ("attempt", f"{live['attempt']} of {it['max_attempts']}"), ("progress", live["progress"]),
    ]  # fmt: skip
    moments = [
        (it["due_at"], "due"), (live["claimed_at"], "claimed"), (live["started_at"], "started"),
        (live["heard_at"], "its agent was heard of"), (live["deadline_at"], "deadline"),
    ]  # fmt: skip
    return "\n".join([head, facts(pairs), *(["", _lines(moments, zone)] if timeline else [])])


def _timeline(run: dict[str, Any], zone: str) -> str:
    late, report = run["late_result"], run["report"]
    moments = [
        (run["due_at"], "due" + (f", makes up for {run['missed']} more" if run["missed"] else "")),
        (run["planned_at"] if run["planned_at"] != run["due_at"] else None, "to start"),
        (run["claimed_at"], "claimed"),
        (run["started_at"], f"started, {_seconds(run['lateness_s'] or 0)} after its time"),
        (
            run["finished_at"],
            f"ended: {run['outcome'].replace('_', ' ')}" + ("" if run["final"] else ", to be tried again"),
        ),
        (run["deadline_at"], "deadline"),
        (late["at"] if late else None, "its agent answered after all; that is kept as late"),
        (report["at"], f"report {report['status']}" + (f" to {report['to']}" if report["to"] else "")),
        (run["next_at"], "next"),
    ]
    return _lines(moments, zone)


def _lines(moments: list[tuple[str | None, str]], zone: str) -> str:
    found = sorted((datetime.fromisoformat(at), number, at, what) for number, (at, what) in enumerate(moments) if at)
    return "\n".join(f"  {local_time(at, zone)}{at[16:19]}  {what}" for _, _, at, what in found) + f"  ({zone})"


def _took(run: dict[str, Any]) -> str | None:
    if run["started_at"] is None:
        return None
    span = datetime.fromisoformat(run["finished_at"]) - datetime.fromisoformat(run["started_at"])
    return duration(span) if span >= timedelta(0) else None


def _seconds(count: int) -> str:
    return duration(timedelta(seconds=count))
