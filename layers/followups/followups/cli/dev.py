"""`followups dev`: the whole product on this laptop, until Ctrl-C."""

import sys
import threading
from typing import Any

import click

from followups import bootstrap
from followups.adapters.local import SystemClock
from followups.cli.ending import Ending, end_quietly
from followups.cli.run_due import print_run
from followups.cli.shell import Session, refuse_inside_run, with_session
from followups.domain.errors import StoreError
from followups.handlers import Context, Event
from followups.local.runtime import Runtime
from followups.local.server import HOST, ApiServer


@click.command("dev")
@click.option("--port", type=click.IntRange(0, 65_535), default=8080, show_default=True, help="0 takes a free one.")
@with_session
def dev_(session: Session, port: int) -> None:
    """Serve the HTTP API on 127.0.0.1 and run what is due, each second, until Ctrl-C."""
    refuse_inside_run(session, "dev")
    session.only_here("dev", "on AWS everything runs already")
    env, settings, clock = session.environment, session.settings, SystemClock()
    store = bootstrap.laptop_store(env.home)

    # Agents are told where the API is, so it has its port before anything is run.
    def answer(event: Event, context: Context) -> dict[str, Any]:
        return api(event, context)

    server = ApiServer(port, answer, user=bootstrap.laptop_user(), now=clock.now)
    root = f"http://{HOST}:{server.server_address[1]}"
    api = bootstrap.laptop_api(env.home, settings, store=store, callback=root)
    parts = bootstrap.laptop_parts(env, settings, store=store, clock=clock, callback=root)
    ending = Ending()
    with Runtime(parts, on_run=lambda run: print_run(session, run)) as runtime:
        threading.Thread(target=server.serve_forever, daemon=True, name="followups-http").start()
        session.say(f"Followups at {root}, a tick each second. Ctrl-C ends.")
        try:
            _tick_for_ever(runtime, ending)
        except KeyboardInterrupt:
            session.say("")
            end_quietly(session, runtime)
        finally:
            server.shutdown()
            server.server_close()
    session.say("Ended; what is scheduled waits in the store.")


def _tick_for_ever(runtime: Runtime, ending: Ending) -> None:
    trouble = ""
    while True:
        try:
            with ending.held():
                runtime.tick()
            if trouble:
                sys.stderr.write("followups: the store answers again\n")
            trouble = ""
        except (StoreError, OSError) as error:
            # A full disk, a locked file or too many open ones passes; the same trouble is told once.
            if str(error) != trouble:
                sys.stderr.write(f"followups: {error}; trying on\n")
            trouble = str(error)
        runtime.rest()
