"""`followups demo`: the main job, end to end, on a store of its own."""

from dataclasses import replace
from datetime import timedelta

import click

from followups import bootstrap
from followups.adapters.local import SystemClock
from followups.cli.client import Client, InProcess
from followups.cli.create import describe
from followups.cli.shell import Session, refuse_inside_run, with_session
from followups.domain.entities import Run
from followups.local.runtime import Runtime

_CHECKS = """disk / < 99%
file {config} exists
port 127.0.0.1:1 closed"""
_LIMIT_S = 12


@click.command("demo")
@with_session
def demo_(session: Session) -> None:
    """Show the main job: say it, wait, the agent runs, the report arrives."""
    refuse_inside_run(session, "demo")
    home = session.environment.home / "demo"
    env = replace(session.environment, home=home, api_url=None, smtp_url=None)
    clock = SystemClock()
    store = bootstrap.laptop_store(home)
    client = Client(InProcess(bootstrap.laptop_api(home, session.settings), bootstrap.laptop_user(), clock.now), None)
    message = _CHECKS.format(config=home / "followups.db")
    session.say("1. Say it: an agent, a task, and when.")
    body = {"agent": "@checklist", "task": "Check this machine", "message": message, "due": "in 3 seconds"}
    reply = client.create(body, None)
    session.say(describe(reply))
    session.say("\n2. Wait. The ticker looks each second, claims what is due, and the agent runs.")
    ran: list[Run] = []
    parts = bootstrap.laptop_parts(env, session.settings, store=store, clock=clock)
    with Runtime(parts, on_run=ran.append) as runtime:
        end = clock.now() + timedelta(seconds=_LIMIT_S)
        while not ran and clock.now() < end:
            runtime.tick()
            clock.sleep(timedelta(seconds=0.5))
        runtime.drain()
    if not ran:
        raise click.ClickException(f"the demo's follow-up did not run within {_LIMIT_S} s")
    report = client.call("GET", f"/v1/runs/{ran[0].id}/report").body
    mail = home / "outbox" / str(report["run"]["report"]["note"])
    session.say("\n3. The report arrives.\n")
    session.show(report | {"mail": str(mail)}, f"Subject: {report['subject']}\n\n{report['text']}".rstrip)
    session.say(f"\nThe mail: {mail}")
