"""What stands behind the ports on a laptop."""

import getpass
import json
import sys
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from followups import config
from followups.adapters.local import NoLeases, NoQueue, SystemChance, SystemClock, secret_keys
from followups.adapters.output_files import OutputFiles
from followups.config import LaptopConfig, LaptopEnvironment
from followups.domain.errors import StoreError
from followups.handlers import Handler
from followups.ports import AgentTarget, Clock, Leases, Ledger, Queue, Store
from followups.usecases.world import Limits, World

if TYPE_CHECKING:
    from followups.local.runtime import Parts

#: On a laptop a tick is cheap: nothing is claimed ahead, and who is refused looks again soon.
_LAPTOP_LIMITS = Limits(look_ahead=timedelta(0), blocked_s=(1.0, 5.0), claims_at_once=0, reports_at_once=50)
DEFAULT_SENDER = "followups@localhost"


def laptop_user() -> str:
    """Gives the owner of what is made on this laptop: the user's login name."""
    return getpass.getuser()


def laptop_store(home: Path) -> Ledger:
    """Gives the laptop's store, made if there is none. Raises StoreCorrupt, StoreError."""
    return store_at(home / "followups.db")


def store_at(path: Path) -> Ledger:
    """Gives the store in a file, made if there is none, and its folder too. Raises StoreCorrupt, StoreError."""
    from followups.adapters.sqlite import SQLiteStore

    home = path.parent
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise StoreError(f"{home} cannot be made: {error.strerror}; set FOLLOWUPS_HOME to a folder of yours") from error
    return SQLiteStore(path)


def laptop_api(home: Path, settings: LaptopConfig, *, store: Store | None = None, callback: str | None = None) -> Handler:
    """Gives the API's handler over the laptop's store, for the command line and for `followups dev`, which serves it at
    `callback`.

    Who has opened the store already gives it: writers of one store stand in one line, those of two get in each other's way.
    """
    from followups.api.app import api
    from followups.api.service import Service

    world = _laptop_world(home, store or laptop_store(home), NoQueue(), NoLeases(), settings, SystemClock(), callback)
    service = Service(
        world=world, secrets=secret_keys(home / "secret"), default_timezone=settings.timezone, allow_commands=True,
    )  # fmt: skip
    return api(service, log=_bug_log)


def laptop_parts(
    env: LaptopEnvironment, settings: LaptopConfig, *, store: Store, clock: Clock, callback: str | None = None
) -> "Parts":
    """Gives the laptop's engine: the handlers over its store, its agents and its mail. `callback` is where agents find
    the API, if it is served."""
    from followups.adapters.agents.checklist import ChecklistAgent
    from followups.adapters.agents.command import CommandAgent
    from followups.adapters.agents.https import HttpsAgent
    from followups.adapters.agents.person import PersonAgent
    from followups.adapters.agents.worker import WorkerAgent
    from followups.adapters.leases import FileLeases
    from followups.handlers.queue import reporter, runner
    from followups.handlers.sweeper import sweeper
    from followups.local.runtime import LocalQueue, Parts

    queue, leases = LocalQueue(), FileLeases(env.home / "locks")
    world = _laptop_world(env.home, store, queue, leases, settings, clock, callback)
    keys = secret_keys(env.home / "secret")
    command = CommandAgent(
        env.home / "runs", environ=config.environment(), inherit_fds=(leases.fd,), on_start=leases.register
    )
    targets: dict[str, AgentTarget] = {
        "command": command, "checklist": ChecklistAgent(clock, command), "person": PersonAgent(), "worker": WorkerAgent(),
        "https": HttpsAgent(keys, clock),
    }  # fmt: skip
    return Parts(
        world=world,
        queue=queue,
        leases=leases,
        sweeper=sweeper(world),
        runner=runner(world, targets, keys, log=_stderr_log),
        reporter=reporter(world, _laptop_mailer(env, settings), log=_stderr_log),
        stop_agents=command.stop_all,
    )


def _laptop_world(
    home: Path, store: Store, queue: Queue, leases: Leases, settings: LaptopConfig, clock: Clock, callback: str | None
) -> World:
    limits = replace(
        _LAPTOP_LIMITS, global_cap=settings.cap, runs_per_hour=settings.runs_per_hour, max_open=settings.max_open,
        max_depth=settings.max_depth, max_descendants=settings.max_descendants, callback=callback,
    )  # fmt: skip
    return World(
        store=store, queue=queue, clock=clock, chance=SystemChance(), leases=leases, limits=limits,
        outputs=OutputFiles(home / "runs"),
    )  # fmt: skip


def _laptop_mailer(env: LaptopEnvironment, settings: LaptopConfig) -> Any:
    from followups.adapters.outbox import OutboxMailer
    from followups.adapters.smtp import SmtpMailer

    sender = settings.sender or DEFAULT_SENDER
    default_to = settings.report_to or f"{laptop_user()}@localhost"
    if env.smtp_url:
        return SmtpMailer(env.smtp_url, sender=sender, default_to=default_to)
    return OutboxMailer(env.home / "outbox", sender=sender, default_to=default_to)


def _bug_log(word: str, facts: Mapping[str, Any]) -> None:
    # What the store refuses the answer says already.
    if word == "bug":
        _stderr_log(word, facts)


def _stderr_log(word: str, facts: Mapping[str, Any]) -> None:
    if word in ("bug", "store_error", "bad_message"):
        sys.stderr.write(f"followups: {word} {json.dumps(facts, default=str)}\n")
