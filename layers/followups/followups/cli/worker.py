"""`followups worker`: runs an agent here that cannot be called from where its follow-ups are."""

import json
import os
import re
import secrets
import socket
import time
from typing import TYPE_CHECKING, Any

import click

from followups import bootstrap
from followups.adapters.local import SystemClock
from followups.cli.agents import TakesCommand, program, with_at
from followups.cli.client import Problem, Unreachable
from followups.cli.shell import Session, refuse_inside_run, short_run, status, with_session
from followups.domain.entities import Agent
from followups.domain.ids import agent_key

if TYPE_CHECKING:
    from followups.adapters.agents.command import CommandAgent
    from followups.cli.ending import Ending
    from followups.local.reaper import Reaper
    from followups.local.worker import Worked, Worker

_LONGEST_PAUSE_S = 60.0


@click.command("worker", cls=TakesCommand, usage="--agent NAME [OPTIONS] [--command PROGRAM [ARGUMENT]...]")
@click.option("--agent", "name", required=True, metavar="NAME", help="The agent, registered with `agents add --worker`.")
@click.option("--every", type=click.FloatRange(0.2, 60), default=5.0, show_default=True, help="Seconds between two asks.")
@click.option("--once", is_flag=True, help="End after one run.")
@with_session
@click.pass_context
def worker_(context: click.Context, session: Session, name: str, every: float, once: bool) -> int:
    """Ask for an agent's runs and run them here, one after the other, until Ctrl-C.

    What runs is the command behind --command, which comes last; without one, the command that this laptop has registered
    under the agent's name. With --json it prints a line for each run.

    \b
    followups worker --agent @assistant --command claude -p
    """
    from followups.cli.ending import Ending

    refuse_inside_run(session, "worker")
    agent = with_at(name)
    command = _command(context, session, agent)
    ending = Ending()
    worker, runner, reaper = _worker(session, agent, command, ending)
    try:
        return _work(session, worker, reaper, ending, every, once)
    except KeyboardInterrupt:
        if worker.in_hand is None:
            session.say("Ended.")
            return 0
        hint = f"{short_run(worker.in_hand)} was stopped; it ends as unknown when its lease is over, in 5 minutes"
        raise KeyboardInterrupt(hint) from None
    finally:
        runner.stop_all()
        reaper.close()


def _worker(
    session: Session, agent: str, command: tuple[str, ...], ending: "Ending"
) -> tuple["Worker", "CommandAgent", "Reaper"]:
    from followups import config
    from followups.adapters.agents.command import CommandAgent
    from followups.local.reaper import Reaper
    from followups.local.worker import Person, Worker

    reaper = Reaper()
    runs = session.environment.home / "runs"
    runner = CommandAgent(runs, environ=config.environment(), on_start=reaper.started, on_end=reaper.ended)
    person = Person(say=session.say, ending=lambda: ending.came)
    worker = Worker(session.client, agent, command, runner, name=_name(), clock=SystemClock(), person=person)
    return worker, runner, reaper


def _work(
    session: Session, worker: "Worker", reaper: "Reaper", ending: "Ending", every: float, once: bool
) -> int:  # fmt: skip
    asking = _Asking(session, worker, every)
    while True:
        if (request := asking.ask()) is None:
            continue
        session.say(f"{short_run(request['run_id'])}  {request['task']} …")
        # Its end is waited for; a second signal breaks into it.
        with ending.held(), reaper.watching(request["run_id"]):
            it = worker.work(request)
            _show(session, it)
        if once:
            return 0 if it.told else 1


class _Asking:
    """Asks for work again and again, and less often while there is no answer."""

    def __init__(self, session: Session, worker: "Worker", every: float) -> None:
        self._session, self._worker, self._every = session, worker, every
        self._pause, self._trouble, self._welcome = every, "", False

    def ask(self) -> dict[str, Any] | None:
        """Gives a run, or None after a pause. Raises what will not pass."""
        from followups.local.worker import may_pass

        try:
            request = self._worker.ask()
        except (Unreachable, Problem) as error:
            if not may_pass(error):
                raise
            if str(error) != self._trouble:
                self._session.say(f"{error}; asking on")
            self._trouble, self._pause = str(error), min(_LONGEST_PAUSE_S, 2 * self._pause)
            time.sleep(self._pause)
            return None
        if not self._welcome:
            self._greet()
        elif self._trouble:
            self._session.say("There is an answer again.")
        self._pause, self._trouble = self._every, ""
        if request is None:
            time.sleep(self._pause)
        return request

    def _greet(self) -> None:
        self._welcome = True
        there = self._session.installation
        where = there.api_url if there else "this laptop's store, where runs start while `followups dev` runs"
        self._session.say(f"Working for {self._worker.agent}, asking every {self._every:g} s at {where}. Ctrl-C ends.")


def _show(session: Session, it: "Worked") -> None:
    if session.as_json:
        document = {"run_id": it.run_id, "result": it.word, "summary": it.summary, "told": it.told}
        click.echo(json.dumps(document, ensure_ascii=False))
        return
    click.echo(f"{short_run(it.run_id)}  {status(it.word)} - {it.summary}")


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
