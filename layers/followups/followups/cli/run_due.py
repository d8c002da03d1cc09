"""`followups run-due`: runs what is due, and ends. By hand, from cron or a login hook; safe to run many at once.

Light on purpose: nothing of agents or mail is imported until something is due, and nothing of the API or AWS at all.
"""

import json
import time
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from followups import bootstrap
from followups.adapters.local import SystemClock
from followups.cli.ending import Ending, end_quietly
from followups.cli.shell import SHORT, Session, refuse_inside_run, status, with_session
from followups.domain.entities import Run
from followups.domain.errors import Invalid

if TYPE_CHECKING:
    from followups.local.runtime import Parts

_PAUSE_S = 0.2
#: So often what waits is asked for, and nothing of it starts, before it is left to the next `run-due`.
_TRIES = 3
#: A long line is told of this often.
_TELL_S = 2.0
#: With more than that, times before and after it would be none of the calendar.
_FURTHEST = timedelta(days=36_525)


@click.command("run-due")
@click.option("--at", metavar="INSTANT", help="Act as if it were this time, like 2026-12-01T09:00Z: for trying things out.")
@with_session
def run_due_(session: Session, at: str | None) -> None:
    """Run what is due now, send the reports, and end.

    On an installation on AWS it lets the sweeper look at once, with your own credentials, and does not wait for the runs.
    """
    refuse_inside_run(session, "run-due")
    if not session.is_local:
        _sweep_there(session, at)
        return
    clock = SystemClock(_shift(at) if at else timedelta(0))
    env = session.environment
    ran: list[Run] = []
    nothing = "Nothing is due."
    if (env.home / "followups.db").exists():
        store = bootstrap.laptop_store(env.home)
        from followups.local.due import runs_under_way, something_to_do

        if something_to_do(store, clock):
            parts = bootstrap.laptop_parts(env, session.settings, store=store, clock=clock)
            ran = _work(session, parts)
            stopped = parts.world.control()
            if stopped.stopped:
                session.say(f"Stopped by an operator ({stopped.reason or 'no reason given'}): nothing new starts.")
            live = runs_under_way(parts.world)
            nothing = f"{live} under way; nothing has ended." if live else "Nothing was run."
    _summary(session, ran, nothing)


def _sweep_there(session: Session, at: str | None) -> None:
    from followups.cli.operate import stack_of

    if at is not None:
        raise click.UsageError("--at works on this laptop's store only; on AWS the sweeper has a clock of its own")
    swept = stack_of(session, "run-due").sweep()
    said = ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in swept.items())
    session.show({"swept": swept}, lambda: f"The sweeper looked: {said or 'nothing is due'}.")


def print_run(session: Session, run: Run) -> None:
    """Says in a line how a run ended."""
    if session.as_json:
        return
    again = "" if run.final else ", will be tried again"
    name = f"{run.follow_up_id[:SHORT]}-{run.fence}"
    click.echo(f"{name}  {run.agent} {run.task}: {status(run.outcome.value)}{again} - {run.summary}")


def _work(session: Session, parts: "Parts") -> list[Run]:
    from followups.local.due import is_work_waiting, runs_under_way, work_waiting
    from followups.local.runtime import SOONEST_TICK_S, Runtime

    ran: list[Run] = []
    told = float("-inf")
    idle = ran_when_idle = 0

    def note(run: Run) -> None:
        ran.append(run)
        print_run(session, run)

    ending = Ending()
    with Runtime(parts, on_run=note) as runtime:
        try:
            while True:
                with ending.held():
                    claimed = runtime.tick()["claimed"]
                if claimed and time.monotonic() - told >= _TELL_S:
                    told = time.monotonic()
                    words = f"{len(ran)} have run, going on …" if ran else f"Running {claimed} …"
                    session.say(click.style(words, dim=True))
                # A slot that falls free is used at once, whatever else still runs.
                if not runtime.drain(timeout_s=SOONEST_TICK_S):
                    runtime.rest()
                    continue
                if not is_work_waiting(parts.world):
                    break
                # What waits behind another process's run is that process's to go on with: it looks when its run ends.
                if runs_under_way(parts.world):
                    count = work_waiting(parts.world)
                    session.say(f"{count} due, behind runs that are under way; their turn comes when those have ended.")
                    return ran
                idle, ran_when_idle = 0 if len(ran) > ran_when_idle else idle + 1, len(ran)
                if idle == _TRIES:
                    break
                if not claimed or idle:
                    parts.world.clock.sleep(timedelta(seconds=_PAUSE_S))
        except KeyboardInterrupt:
            end_quietly(session, runtime)
            raise
    _say_what_waits(session, parts)
    return ran


def _say_what_waits(session: Session, parts: "Parts") -> None:
    """Says why what is due was not started, though slots are free: its agent is out of use, or has no room."""
    from followups.local.due import refused

    for reason, count in refused(parts.world).items():
        session.say(f"{count} due {'waits' if count == 1 else 'wait'}: {reason}.")


def _summary(session: Session, ran: list[Run], nothing: str) -> None:
    runs: list[dict[str, Any]] = [
        {"id": run.id, "agent": run.agent, "task": run.task, "outcome": run.outcome.value, "summary": run.summary}
        for run in ran
    ]
    if session.as_json:
        click.echo(json.dumps({"ran": runs}, indent=2, ensure_ascii=False))
    elif not ran:
        click.echo(nothing)


def _shift(text: str) -> timedelta:
    try:
        moment = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
    except ValueError as error:
        raise Invalid("invalid_instant", f"{text[:40]!r} is no instant; write one like 2026-12-01T09:00Z") from error
    if moment.tzinfo is None:
        raise Invalid("timezone_required", f"{text[:40]!r} names no zone; write it with Z or an offset")
    shift = moment - datetime.now(moment.tzinfo)
    if abs(shift) > _FURTHEST:
        raise Invalid("invalid_instant", f"{text[:40]!r} is more than 100 years off; write one like 2026-12-01T09:00Z")
    return shift
