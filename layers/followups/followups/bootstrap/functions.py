"""The handlers of the Lambda functions."""

from datetime import timedelta
from typing import TYPE_CHECKING

from followups import config
from followups.adapters.local import NoLeases, NoQueue, SystemChance, SystemClock
from followups.bootstrap.services import services
from followups.handlers import Handler
from followups.ports import AgentTarget, Outputs, Queue, Store
from followups.usecases.world import Limits, NoOutputs, World

if TYPE_CHECKING:
    from followups.handlers.telemetry import Telemetry


def lambda_api() -> Handler:
    """Gives the API function's handler. Raises ConfigError naming each variable that is wrong."""
    from followups.api.app import api
    from followups.api.routes import load_writes
    from followups.api.service import Place, Service
    from followups.lambda_settings import ApiSettings

    load_writes()
    settings, there = ApiSettings.load(config.environment()), services()
    limits = Limits(
        look_ahead=timedelta(seconds=settings.look_ahead_seconds), claim_at_birth=True, max_open=settings.max_open,
        max_depth=settings.max_depth, max_descendants=settings.max_descendants, callback=settings.api_url,
    )  # fmt: skip
    telemetry = _telemetry("api")
    queue = _told(there.queue(settings.start_queue_url, settings.report_queue_url), telemetry)
    service = Service(
        world=_world(there.store(settings.table, settings.shards), queue, limits, there.outputs(settings.output_bucket)),
        secrets=there.keys(settings.token_secret_arn),
        default_timezone=settings.default_timezone,
        allow_commands=False,
        place=Place(settings.region, settings.longest_run),
        recipients=settings.allowed_recipients,
    )
    return telemetry.around(api(service, log=telemetry.log))


def lambda_sweeper() -> Handler:
    """Gives the sweeper function's handler. Raises ConfigError."""
    from followups.handlers.sweeper import sweeper
    from followups.lambda_settings import SweeperSettings

    settings, there = SweeperSettings.load(config.environment()), services()
    limits = Limits(global_cap=settings.global_cap, look_ahead=timedelta(seconds=settings.look_ahead_seconds))
    telemetry = _telemetry("sweeper")
    queue = _told(there.queue(settings.start_queue_url, settings.report_queue_url), telemetry)
    world = _world(there.store(settings.table, settings.shards, sweeps=True), queue, limits)
    return telemetry.around(sweeper(world, log=telemetry.log, again=timedelta(seconds=5)))


def lambda_runner() -> Handler:
    """Gives the runner function's handler. Raises ConfigError."""
    from followups.adapters.agents.checklist import ChecklistAgent
    from followups.adapters.agents.person import PersonAgent
    from followups.adapters.agents.worker import WorkerAgent
    from followups.handlers.queue import runner
    from followups.lambda_settings import RunnerSettings, reserve

    settings, there = RunnerSettings.load(config.environment()), services()
    limits = Limits(
        global_cap=settings.global_cap,
        runs_per_hour=settings.runs_per_hour,
        reserve=timedelta(seconds=reserve(settings.runner_timeout)),
        lease_margin=timedelta(seconds=settings.lease_margin_seconds),
        callback=settings.api_url,
    )
    telemetry = _telemetry("runner")
    queue = _told(there.queue(None, settings.report_queue_url), telemetry)
    outputs = there.outputs(settings.output_bucket)
    world = _world(there.store(settings.table, settings.shards), queue, limits, outputs)
    keys = there.keys(settings.token_secret_arn)
    targets: dict[str, AgentTarget] = {
        "checklist": ChecklistAgent(SystemClock(), None), "person": PersonAgent(), "worker": WorkerAgent(),
        **there.agents(keys),
    }  # fmt: skip
    return telemetry.around(runner(world, targets, keys, log=telemetry.log))


def lambda_reporter() -> Handler:
    """Gives the reporter function's handler. Raises ConfigError."""
    from followups.handlers.queue import reporter
    from followups.lambda_settings import ReporterSettings

    settings, there = ReporterSettings.load(config.environment()), services()
    outputs = there.outputs(settings.output_bucket)
    world = _world(there.store(settings.table, settings.shards), NoQueue(), Limits(), outputs)
    mailer = there.mailer(settings.sender, settings.report_to, settings.configuration_set)
    telemetry = _telemetry("reporter")
    return telemetry.around(reporter(world, mailer, log=telemetry.log))


def lambda_auditor() -> Handler:
    """Gives the auditor function's handler. Raises ConfigError."""
    from followups.handlers.auditor import auditor
    from followups.lambda_settings import AuditorSettings

    settings, there = AuditorSettings.load(config.environment()), services()
    mailer = there.mailer(settings.sender, settings.report_to, settings.configuration_set)
    telemetry = _telemetry("auditor")
    handler = auditor(
        there.store(settings.table, settings.shards), mailer, SystemClock(), SystemChance(),
        global_cap=settings.global_cap, runs_per_hour=settings.runs_per_hour, log=telemetry.log,
    )  # fmt: skip
    return telemetry.around(handler)


def _world(store: Store, queue: Queue, limits: Limits, outputs: Outputs | None = None) -> World:
    return World(
        store=store, queue=queue, clock=SystemClock(), chance=SystemChance(), leases=NoLeases(), limits=limits,
        outputs=outputs or NoOutputs(),
    )  # fmt: skip


def _told(queue: Queue, telemetry: "Telemetry") -> Queue:
    from followups.handlers.telemetry import ToldQueue

    return ToldQueue(queue, telemetry.log)


def _telemetry(function: str) -> "Telemetry":
    from followups.handlers.telemetry import Telemetry

    return Telemetry(function, namespace=config.environment().get("POWERTOOLS_METRICS_NAMESPACE", "Followups"))
