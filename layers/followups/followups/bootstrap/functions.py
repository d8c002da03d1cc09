"""What stands behind the ports in the Lambda functions."""

from collections.abc import Sequence
from datetime import timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from followups import config
from followups.adapters.local import NoLeases, NoQueue, SystemChance, SystemClock
from followups.handlers import Handler
from followups.ports import AgentTarget, Queue
from followups.usecases.world import Limits, World

if TYPE_CHECKING:
    from followups.handlers.telemetry import Telemetry


def lambda_api() -> Handler:
    """Gives the API function's handler. Raises ConfigError naming each variable that is wrong."""
    from followups.api.app import api
    from followups.api.routes import load_writes
    from followups.api.service import Place, Service
    from followups.lambda_settings import ApiSettings

    load_writes()
    settings = ApiSettings.load(config.environment())
    queue = _sqs(settings.start_queue_url, None)
    limits = Limits(look_ahead=timedelta(seconds=settings.look_ahead_seconds), claim_at_birth=True)
    service = Service(
        world=_aws_world(settings.table, settings.shards, queue, limits),
        secrets=_signing_keys(settings.token_secret_arn),
        default_timezone=settings.default_timezone,
        allow_commands=False,
        place=Place(settings.region, settings.longest_run),
        recipients=settings.allowed_recipients,
    )
    telemetry = _telemetry("api")
    return telemetry.around(api(service, log=telemetry.log))


def lambda_sweeper() -> Handler:
    """Gives the sweeper function's handler. Raises ConfigError."""
    from followups.handlers.sweeper import sweeper
    from followups.lambda_settings import SweeperSettings

    settings = SweeperSettings.load(config.environment())
    queue = _sqs(settings.start_queue_url, settings.report_queue_url)
    limits = Limits(global_cap=settings.global_cap, look_ahead=timedelta(seconds=settings.look_ahead_seconds))
    world = _aws_world(settings.table, settings.shards, queue, limits)
    telemetry = _telemetry("sweeper")
    return telemetry.around(sweeper(world, log=telemetry.log, again=timedelta(seconds=5)))


def lambda_runner() -> Handler:
    """Gives the runner function's handler. Raises ConfigError."""
    from followups.adapters.agents.checklist import ChecklistAgent
    from followups.adapters.agents.lambda_ import LambdaAgent
    from followups.adapters.s3 import S3Outputs
    from followups.handlers.queue import runner
    from followups.lambda_settings import RunnerSettings, reserve

    settings = RunnerSettings.load(config.environment())
    limits = Limits(
        global_cap=settings.global_cap,
        runs_per_hour=settings.runs_per_hour,
        reserve=timedelta(seconds=reserve(settings.runner_timeout)),
        lease_margin=timedelta(seconds=settings.lease_margin_seconds),
    )
    world = _aws_world(settings.table, settings.shards, _sqs(None, settings.report_queue_url), limits)
    outputs = S3Outputs(_client("s3"), settings.output_bucket)
    targets: dict[str, AgentTarget] = {
        "checklist": ChecklistAgent(SystemClock(), None), "lambda": LambdaAgent(waiting_client, keep=outputs.keep),
    }  # fmt: skip
    telemetry = _telemetry("runner")
    return telemetry.around(runner(world, targets, _signing_keys(settings.token_secret_arn), log=telemetry.log))


def lambda_reporter() -> Handler:
    """Gives the reporter function's handler. Raises ConfigError."""
    from followups.adapters.ses import SesMailer
    from followups.handlers.queue import reporter
    from followups.lambda_settings import ReporterSettings

    settings = ReporterSettings.load(config.environment())
    world = _aws_world(settings.table, settings.shards, NoQueue(), Limits())
    mailer = SesMailer(
        _client("sesv2", attempts=1), sender=settings.sender, default_to=settings.report_to,
        configuration_set=settings.configuration_set,
    )  # fmt: skip
    telemetry = _telemetry("reporter")
    return telemetry.around(reporter(world, mailer, log=telemetry.log))


def lambda_auditor() -> Handler:
    """Gives the auditor function's handler. Raises ConfigError."""
    from followups.adapters.dynamodb import DynamoDBStore
    from followups.adapters.ses import SesMailer
    from followups.handlers.auditor import auditor
    from followups.lambda_settings import AuditorSettings

    settings = AuditorSettings.load(config.environment())
    mailer = SesMailer(
        _client("sesv2", attempts=1), sender=settings.sender, default_to=settings.report_to,
        configuration_set=settings.configuration_set,
    )  # fmt: skip
    store, telemetry = DynamoDBStore(_client("dynamodb"), settings.table, shards=settings.shards), _telemetry("auditor")
    handler = auditor(
        store, mailer, SystemClock(), SystemChance(), global_cap=settings.global_cap, runs_per_hour=settings.runs_per_hour,
        log=telemetry.log,
    )  # fmt: skip
    return telemetry.around(handler)


def _aws_world(table: str, shards: int, queue: Queue, limits: Limits) -> World:
    from followups.adapters.dynamodb import DynamoDBStore

    store = DynamoDBStore(_client("dynamodb"), table, shards=shards)
    return World(store=store, queue=queue, clock=SystemClock(), chance=SystemChance(), leases=NoLeases(), limits=limits)


def _sqs(start_url: str | None, report_url: str | None) -> Queue:
    from followups.adapters.sqs import SqsQueue

    return SqsQueue(_client("sqs"), start_url, report_url)


def _signing_keys(secret_arn: str) -> Sequence[bytes]:
    from followups.adapters.signing_keys import SigningKeys
    from followups.lambda_settings import signing_key

    return SigningKeys(_client("secretsmanager"), secret_arn, now=SystemClock().now, check=signing_key)


def _client(service: str, *, attempts: int = 3) -> Any:
    import boto3
    from botocore.config import Config

    retries = {"total_max_attempts": attempts, "mode": "standard"}
    # Shorter than any function's timeout: what does not answer must leave time to say so.
    return boto3.client(service, config=Config(connect_timeout=5, read_timeout=10, retries=retries))


@lru_cache(maxsize=4)
def waiting_client(seconds: int) -> Any:
    """Gives a client that waits for an agent that long, and asks once. Agents of one installation have few timeouts."""
    import boto3
    from botocore.config import Config

    # What is quiet for minutes must not be dropped by what lies between; and an agent asked twice has run twice.
    config_ = Config(
        connect_timeout=5, read_timeout=seconds, tcp_keepalive=True, retries={"total_max_attempts": 1, "mode": "standard"}
    )
    return boto3.client("lambda", config=config_)


def _telemetry(function: str) -> "Telemetry":
    from followups.handlers.telemetry import Telemetry

    return Telemetry(function, namespace=config.environment().get("POWERTOOLS_METRICS_NAMESPACE", "Followups"))
