"""Trying an agent: one run of a test, waited for."""

import time
from dataclasses import replace
from datetime import timedelta
from typing import Any

import click

from followups import bootstrap
from followups.adapters.local import SystemClock
from followups.cli.run_record import record
from followups.cli.shell import SHORT, Session, status
from followups.domain.status import CLOSED

_PAUSE_S = 0.5
_SOONEST_S = 0.05
_GOOD = ("succeeded", "attention")


def try_agent(session: Session, name: str, body: dict[str, Any]) -> int:
    """Runs the task now through the runner, and prints what came of it; gives the exit code."""
    made = session.client.once(None, lambda key: session.client.agent(name, "POST", body, "/test", headers=key)).body
    session.say(click.style(f"Trying {name} as {made['id'][:SHORT]} …", dim=True))
    try:
        _run_here(session, made["id"]) if session.is_local else _wait(session, made["id"])
    except KeyboardInterrupt as stop:
        hint = f"it goes on; `followups show {made['id'][:SHORT]}` tells what came of it"
        raise KeyboardInterrupt(hint) from stop
    run = session.client.of(made["id"], "/runs").body["runs"][0]
    whole = session.client.call("GET", f"/v1/runs/{run['id']}").body
    session.show(whole, lambda: _said(whole))
    return 0 if whole["outcome"] in _GOOD else 1


def _said(run: dict[str, Any]) -> str:
    return f"{status(run['outcome'])}: {run['summary']}\n{record(run)}\n\n{run['report_text']}".rstrip()


def _wait(session: Session, follow_up_id: str) -> None:
    told = ""
    while (it := session.client.of(follow_up_id).body)["status"] not in CLOSED:
        told = _tell(session, it, told)
        time.sleep(_PAUSE_S)


def _tell(session: Session, it: dict[str, Any], told: str) -> str:
    """Says what it waits for, once for each reason."""
    said = it["blocked"]["reason"] if it["blocked"] else (it["run"] or {}).get("progress") or ""
    if said and said != told:
        session.say(click.style(f"{said} …", dim=True))
    return str(said)


def _run_here(session: Session, follow_up_id: str) -> None:
    """Runs this one here, unless a `followups dev` is faster; nothing else that is due is touched."""
    from followups.local.runtime import Runtime
    from followups.usecases.sweep import claim_now

    env, clock = session.environment, SystemClock()
    parts = bootstrap.laptop_parts(env, session.settings, store=bootstrap.laptop_store(env.home), clock=clock)
    world = replace(parts.world, limits=replace(parts.world.limits, claim_at_birth=True))
    owner, told = bootstrap.laptop_user(), ""
    with Runtime(parts, on_run=lambda _run: None) as runtime:
        while (old := world.follow_up(owner, follow_up_id)) is not None and not old.is_closed:
            claim_now(world, old)
            if not runtime.drain(timeout_s=_SOONEST_S) or old.is_closed:
                continue
            told = _tell(session, session.client.of(follow_up_id).body, told)
            clock.sleep(timedelta(seconds=_PAUSE_S))
