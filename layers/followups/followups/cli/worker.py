"""`followups worker`: runs an agent here that cannot be called from where its follow-ups are."""

import os
import re
import secrets
import socket
import time
from typing import TYPE_CHECKING

import click

from followups import bootstrap
from followups.adapters.local import SystemClock
from followups.cli.agents import TakesCommand, program, with_at
from followups.cli.client import Problem, Unreachable
from followups.cli.shell import Session, refuse_inside_run, short_run, status, with_session
from followups.domain.entities import Agent
from followups.domain.ids import agent_key

if TYPE_CHECKING:
    from followups.local.worker import Worked, Worker

_LONGEST_PAUSE_S = 60.0


@click.command("worker", cls=TakesCommand)
@click.option("--agent", "name", required=True, metavar="NAME", help="The agent, registered with `agents add --worker`.")
@click.option("--every", type=click.FloatRange(0.2, 300), default=5.0, show_default=True, help="Seconds between two asks.")
@click.option("--once", is_flag=True, help="End after one run.")
@with_session
@click.pass_context
def worker_(context: click.Context, session: Session, name: str, every: float, once: bool) -> None:
    """Ask for an agent's runs and run them here, one after the other, until Ctrl-C.

    What runs is the command behind --command, which comes last; without one, the command that this laptop has registered
    under the agent's name.

    \b
    followups worker --agent @assistant --command claude -p
    """
    from followups import config
    from followups.adapters.agents.command import CommandAgent
    from followups.local.reaper import Reaper
    from followups.local.worker import Worker

    refuse_inside_run(session, "worker")
    agent, env = with_at(name), session.environment
    command = _command(context, session, agent)
    reaper = Reaper()
    runner = CommandAgent(
        env.home / "runs", environ=config.environment(), on_start=reaper.started, on_end=reaper.ended
    )  # fmt: skip
    worker = Worker(
        session.client, agent, command, runner, name=_name(), now=SystemClock().now, say=session.say
    )  # fmt: skip
    session.say(f"Working for {agent}: asking every {every:g} s. Ctrl-C ends.")
    try:
        _work(session, worker, every, once)
    except KeyboardInterrupt:
        session.say("Ended. A run that was in hand is told of as broken off, when its lease is over.")
        raise
    finally:
        runner.stop_all()
        reaper.close()


def _work(session: Session, worker: "Worker", every: float, once: bool) -> None:
    pause, told = every, ""
    while True:
        try:
            request = worker.ask()
            pause, told = every, ""
        except (Unreachable, Problem) as error:
            if isinstance(error, Problem) and error.status < 500 and error.status != 429:
                raise
            if str(error) != told:
                session.say(f"{error}; asking on")
            pause, told, request = min(_LONGEST_PAUSE_S, 2 * pause), str(error), None
        if request is None:
            time.sleep(pause)
            continue
        session.say(f"{short_run(request['run_id'])}  {request['task']} …")
        it = worker.work(request)
        _show(session, it)
        if once:
            return


def _show(session: Session, it: "Worked") -> None:
    document = {"run_id": it.run_id, "result": it.word, "summary": it.summary}
    session.show(document, lambda: f"{short_run(it.run_id)}  {status(it.word)} - {it.summary}")


def _command(context: click.Context, session: Session, agent: str) -> tuple[str, ...]:
    given = tuple(context.meta.get("followups.argv", ()))
    if given:
        return (program(given[0]), *given[1:])
    path = session.environment.home / "followups.db"
    registered = bootstrap.laptop_store(session.environment.home).get(Agent, agent_key(agent)) if path.exists() else None
    if registered is None or not registered.command:
        raise click.UsageError(
            f"this laptop has no command registered as {agent}: say it at the end, --command PROGRAM [ARGUMENT]..."
        )
    return registered.command


def _name() -> str:
    host = re.sub(r"[^A-Za-z0-9_.-]", "-", socket.gethostname())[:30]
    return f"{host}-{os.getpid()}-{secrets.token_hex(4)}"
