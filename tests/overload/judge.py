"""What became of a laptop's overload, and what of it is not as promised."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from followups.adapters.sqlite import SQLiteStore
from followups.domain.entities import FollowUp, Run
from followups.domain.status import Outcome, ReportStatus, Status
from tests.overload.figures import spread
from tests.support.laptop import Laptop

#: What is asked of it, generously: the machine may be busy with other things too.
_API_MS, _TICK_MS, _FIRST_S, _PEAK_MB = 5_000, 30_000, 15, 200
_TOLD = 20


def judge(laptop: Laptop, accepted: list[str], note: Path, started: datetime) -> dict[str, Any]:
    """Takes the ids in the order of their time, the agents' own notes, and when `followups dev` was started. Gives figures,
    and under `broken` what did not hold."""
    ours, runs, broken, claims = set(accepted), list[Run](), list[str](), 0
    store = SQLiteStore(laptop.home / "followups.db")
    for it in store.everything():
        if isinstance(it, Run) and it.follow_up_id in ours:
            runs.append(it)
            if (it.outcome, it.report_status, it.final) != (Outcome.SUCCEEDED, ReportStatus.SENT, True):
                broken.append(f"{it.id} is {it.outcome}, its report {it.report_status}")
        elif isinstance(it, FollowUp) and it.id in ours:
            claims += it.fence
            if it.status is not Status.DONE:
                broken.append(f"{it.id} is {it.status}")
    store.close()
    outcomes = Counter(run.follow_up_id for run in runs)
    broken += [f"{it} has {outcomes[it]} outcomes" for it in accepted if outcomes[it] != 1]
    ran = Counter(note.read_text().splitlines() if note.exists() else ())
    broken += [f"{it} ran {times} times" for it, times in ran.items() if times != 1]
    noting = {run.id for run in runs if run.agent == "@note"}
    if ran.keys() != noting:
        broken.append(f"{len(noting)} runs were recorded of an agent that ran {len(ran)} times")
    if (mails := len(laptop.mails())) != len(runs):
        broken.append(f"{mails} reports lie in the outbox for {len(runs)} runs")
    return {
        "outcomes": len(outcomes), "agents_ran": ran.total(), "mails": mails,
        "claims_per_run": round(claims / max(1, len(runs)), 2), **_course(runs, accepted, started),
        "broken": broken[:_TOLD],
    }  # fmt: skip


def _course(runs: list[Run], accepted: list[str], started: datetime) -> dict[str, Any]:
    """Gives when the first one started, how often ticks claimed (each gives its own time to all that it claims), and by how
    many places one started out of its turn among those of its agent."""
    first = min((run.started_at for run in runs if run.started_at), default=None)
    ticks = sorted({run.claimed_at for run in runs if run.claimed_at})
    place, furthest = {it: number for number, it in enumerate(accepted)}, 0
    for agent in {run.agent for run in runs}:
        line = sorted((run for run in runs if run.agent == agent), key=lambda run: run.started_at or run.finished_at)
        due = {run.id: number for number, run in enumerate(sorted(line, key=lambda run: place[run.follow_up_id]))}
        furthest = max(furthest, *(abs(number - due[run.id]) for number, run in enumerate(line)))
    return {
        "first_start_s": round((first - started).total_seconds(), 2) if first else None, "claiming_ticks": len(ticks),
        "between_ticks": spread([(later - sooner).total_seconds() for sooner, later in pairwise(ticks)]),
        "furthest_out_of_turn": furthest,
    }  # fmt: skip


def over_bounds(figures: dict[str, Any]) -> Iterator[str]:
    """Gives what went over a bound."""
    if figures["api_refused"]:
        yield f"the API refused {figures['api_refused']} requests: {figures['api_refusals']}"
    for name, it in figures["api"].items():
        if it.get("p99_ms", 0) > _API_MS:
            yield f"{name}: one in a hundred took {it['p99_ms']} ms"
    if figures["peak_rss_mb"] > _PEAK_MB:
        yield f"it took {figures['peak_rss_mb']} MB"
    if figures["between_ticks"].get("max_ms", 0) > _TICK_MS:
        yield f"{figures['between_ticks']['max_ms']} ms passed between two ticks that claimed"
    if max(figures["tick_s"]) > _TICK_MS / 1000:
        yield f"a tick took {max(figures['tick_s'])} s"
    if figures["first_start_s"] is None or figures["first_start_s"] > _FIRST_S:
        yield f"the first started after {figures['first_start_s']} s"
    if figures["furthest_out_of_turn"] > 8 * figures["cap"]:
        yield f"one started {figures['furthest_out_of_turn']} places out of its turn"
