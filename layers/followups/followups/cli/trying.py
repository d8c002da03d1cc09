"""Trying an agent: one run of a test, waited for."""

import time
from datetime import timedelta
from typing import Any

import click

from followups import bootstrap
from followups.adapters.local import SystemClock
from followups.cli.run_record import record
from followups.cli.shell import SHORT, Session, status
from followups.cli.timing import behind
from followups.domain.status import CLOSED

_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 3.0
#: Asked for this often, an agent that is quick is not waited for longer than it takes.
_SOON_S = 0.05
_GOOD = ("succeeded", "attention")


def try_agent(session: Session, name: str, body: dict[str, Any]) -> int:
    """Runs the task now through the runner, and prints what came of it; gives the exit code."""
    made = session.client.once(None, lambda key: session.client.agent(name, "POST", body, "/test", headers=key)).body
    session.say(click.style(f"Trying {name} as {made['id'][:SHORT]} …", dim=True))
    try:
        _run_here(session, made["id"]) if session.is_local else _wait(session, made["id"])
    except KeyboardInterrupt as stop:
        raise KeyboardInterrupt(_broken_off(session, made["id"])) from stop
    found = session.client.of(made["id"], "/runs").body["runs"]
    if not found:
        it = session.client.of(made["id"]).body
        session.show(it, lambda: f"{status(it['status'])}: it was not run")
        return 1
    whole = session.client.call("GET", f"/v1/runs/{found[0]['id']}").body
    session.show(whole, lambda: _said(whole))
    return 0 if whole["outcome"] in _GOOD else 1


def _said(run: dict[str, Any]) -> str:
    head = f"{status(run['outcome'])}: {run['summary']}"
    text = run["report_text"].strip("\n")
    return f"{head}\n{record(run)}" + (f"\n\n{text}" if text and text != run["summary"] else "")


def _broken_off(session: Session, follow_up_id: str) -> str:
    """Takes a test that is not waited for any more; cancels what has not started. Gives what is to be known of it."""
    short = follow_up_id[:SHORT]
    it = session.client.of(follow_up_id).body
    if it["run"]:
        return f"it goes on; `followups show {short}` tells what came of it, `followups delete {short}` cancels it"
    if it["status"] in CLOSED:
        return f"it was stopped; see `followups show {short}`"
    session.client.of(follow_up_id, method="DELETE")
    return "it had not started, and is cancelled"


def _wait(session: Session, follow_up_id: str) -> None:
    told, pause = "", _PAUSE_S
    while (it := session.client.of(follow_up_id).body)["status"] not in CLOSED:
        told = _tell(session, it, told)
        time.sleep(pause)
        pause = min(_LONGEST_PAUSE_S, 1.2 * pause)


def _tell(session: Session, it: dict[str, Any], told: str) -> str:
    """Says what it waits for, once for each reason."""
    said = behind(it, lambda: session.client.pages("running")) or (it["run"] or {}).get("progress") or ""
    if not said and it["status"] == "scheduled":
        control = session.client.call("GET", "/v1/control").body
        why = control["reason"] or "no reason given"
        said = (
            f"stopped by an operator ({why}): nothing starts until `followups resume --all`" if control["stopped"] else ""
        )
    if said and said != told:
        session.say(click.style(f"It waits: {said} …" if not it["run"] else f"{said} …", dim=True))
    return str(said) or told


def _run_here(session: Session, follow_up_id: str) -> None:
    """Runs this one here, unless a `followups dev` is faster; nothing else that is due is touched."""
    from followups.local.runtime import Runtime
    from followups.usecases.sweep import look_now

    env, clock, owner, told = session.environment, SystemClock(), bootstrap.laptop_user(), ""
    parts = bootstrap.laptop_parts(env, session.settings, store=bootstrap.laptop_store(env.home), clock=clock)
    with Runtime(parts, on_run=lambda _run: None) as runtime:
        try:
            while (old := parts.world.follow_up(owner, follow_up_id)) is not None and not old.is_closed:
                look_now(parts.world, old)
                if not runtime.drain(timeout_s=_PAUSE_S):
                    continue
                if (it := session.client.of(follow_up_id).body)["status"] not in CLOSED:
                    told = _tell(session, it, told)
                    # What waits is looked at when its time has come; what another process runs may end at any moment.
                    clock.sleep(timedelta(seconds=_SOON_S if it["run"] else _PAUSE_S))
        except KeyboardInterrupt:
            runtime.stop_agents()
            raise
