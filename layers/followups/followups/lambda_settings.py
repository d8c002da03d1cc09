"""What each Lambda function is told by its environment: one validated model per function.

A field `table` is the variable `FOLLOWUPS_TABLE`. A wrong environment fails at the cold start with one line for each
problem, and never half-starts. template.yaml sets exactly these variables, and a test says so.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from followups.domain.addresses import is_address, is_allowed, is_recipient_pattern
from followups.domain.errors import ConfigError, Invalid
from followups.domain.zones import find_zone

PREFIX = "FOLLOWUPS_"
#: Seconds between two ticks, and how far a machine's clock may be off: bounds are measured in them.
TICK_S = 60
CLOCK_SKEW_S = 30
_SHORTEST_KEY, _FEWEST_CHARACTERS = 32, 10
_SECRET_ARN = re.compile(r"arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:\d{12}:secret:\S+")


def _whole(text: object) -> object:
    # pydantic also reads 2.0, 1_000 and blanks around a number; a setting is written plainly or it is a mistake.
    if isinstance(text, str) and not re.fullmatch(r"-?\d{1,9}", text, re.ASCII):
        raise ValueError("is not a whole number")
    return text


def _address(text: str) -> str:
    if not is_address(text):
        raise ValueError("is not a plain mail address")
    return text


def _patterns(text: object) -> object:
    if not isinstance(text, str):
        return text
    patterns = tuple(part.strip() for part in text.split(","))
    if wrong := [part for part in patterns if not is_recipient_pattern(part)]:
        raise ValueError(f"holds {wrong[0]!r}, which is no address and no pattern")
    return patterns


def _zone(text: str) -> str:
    try:
        return find_zone(text).key
    except Invalid as error:
        raise ValueError("is not an IANA time zone") from error


def _queue_url(text: str) -> str:
    url = urlsplit(text)
    if url.scheme not in ("https", "http") or not url.hostname or not re.fullmatch(r"/\d{12}/[\w-]{1,80}", url.path):
        raise ValueError("is not the URL of an SQS queue")
    return text


def _api_url(text: str) -> str:
    url = urlsplit(text)
    local = url.hostname is not None and (url.hostname == "127.0.0.1" or url.hostname.endswith("localhost"))
    if (url.scheme != "https" and not local) or not url.hostname or url.query or url.fragment:
        raise ValueError("is not the address of an HTTP API")
    return text.rstrip("/")


def _secret_arn(text: str) -> str:
    if not _SECRET_ARN.fullmatch(text):
        raise ValueError("is not the ARN of a Secrets Manager secret")
    return text


def _between(low: int, high: int, what: str) -> Any:
    return Field(ge=low, le=high, description=f"{what}, {low} to {high}")


_Whole = BeforeValidator(_whole)
_QueueUrl = AfterValidator(_queue_url)
_Address = AfterValidator(_address)

#: The vocabulary: each variable's type and what would be right, once.
TableName = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9_.-]{3,255}$", description="the table's name, the stack's output TableName")
]
#: May change both ways: the sweep looks at as many as there ever were (adapters/dynamodb_shards.py).
Shards = Annotated[int, _Whole, _between(1, 256, "the number of partitions of the due index")]
StartQueueUrl = Annotated[
    str, _QueueUrl, Field(description="the URL of the runner's queue, the stack's output StartQueueUrl")
]
ReportQueueUrl = Annotated[
    str, _QueueUrl, Field(description="the URL of the reporter's queue, the stack's output ReportQueueUrl")
]
GlobalCap = Annotated[int, _Whole, _between(1, 100, "how many agents may be alive at once")]
RunsPerHour = Annotated[int, _Whole, _between(0, 100_000, "how many runs one owner may start in an hour, 0 for no limit")]
MaxOpen = Annotated[int, _Whole, _between(0, 1_000_000, "how many follow-ups one owner may have open, 0 for no limit")]
MaxDepth = Annotated[int, _Whole, _between(0, 10, "how many generations of follow-ups agents may make below a person's")]
MaxDescendants = Annotated[int, _Whole, _between(1, 100, "how many follow-ups the agents of one tree may make")]
#: Two ticks at least, so that one lost tick costs nothing; SQS delays a message by 900 s at most.
LookAhead = Annotated[int, _Whole, _between(2 * TICK_S, 900, "how many seconds before its time a follow-up is claimed")]
SecretArn = Annotated[str, AfterValidator(_secret_arn), Field(description="the ARN of the secret that signs run tokens")]
RunnerTimeout = Annotated[int, _Whole, _between(10, 900, "the runner's timeout in seconds")]
LeaseMargin = Annotated[int, _Whole, _between(2 * CLOCK_SKEW_S, 600, "how many seconds a lease outlasts its runner")]
TimeZone = Annotated[
    str, AfterValidator(_zone), Field(description="the IANA time zone for times that name none, like Europe/Berlin")
]
Sender = Annotated[str, _Address, Field(description="the verified address of all reports, like followups@example.com")]
ReportTo = Annotated[str, _Address, Field(description="the address for reports that name none, like ops@example.com")]
ConfigurationSet = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$", description="the SES configuration set that mails are sent with")
]
OutputBucket = Annotated[
    str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", description="the bucket of whole outputs, by its name")
]
ApiUrl = Annotated[str, AfterValidator(_api_url), Field(description="the root of the HTTP API, the stack's output ApiUrl")]
Recipients = Annotated[
    tuple[str, ...], BeforeValidator(_patterns), Field(description="a list like ops@example.com,*@team.example.com")
]
AnyRecipient = Annotated[Literal["no", "i-know"], Field(description="'no', or 'i-know' to allow the recipient '*'")]


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    table: TableName
    shards: Shards

    @classmethod
    def variables(cls) -> list[str]:
        """Gives the names of the environment variables that the function needs."""
        return [PREFIX + name.upper() for name in cls.model_fields]

    @classmethod
    def load(cls, environ: Mapping[str, str]) -> Self:
        """Takes the environment; gives the settings. Raises ConfigError with one line for each problem."""
        given = {name: environ[PREFIX + name.upper()] for name in cls.model_fields if environ.get(PREFIX + name.upper())}
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            raise ConfigError([cls._line(problem, given) for problem in error.errors()]) from error

    @classmethod
    def _line(cls, problem: Any, given: Mapping[str, str]) -> str:
        if not problem["loc"]:
            return str(problem["ctx"]["error"])
        name = str(problem["loc"][0])
        right = cls.model_fields[name].description
        if name not in given:
            return f"{PREFIX}{name.upper()} is not set: it is {right}"
        why = problem["ctx"]["error"] if problem["type"] == "value_error" else "is not allowed"
        return f"{PREFIX}{name.upper()} is {given[name][:80]!r}, which {why}: it is {right}"


class ApiSettings(_Settings):
    """For the function that answers the HTTP API."""

    start_queue_url: StartQueueUrl
    report_queue_url: ReportQueueUrl
    output_bucket: OutputBucket
    max_open: MaxOpen
    max_depth: MaxDepth
    max_descendants: MaxDescendants
    api_url: ApiUrl
    look_ahead_seconds: LookAhead
    token_secret_arn: SecretArn
    default_timezone: TimeZone
    allowed_recipients: Recipients
    allow_any_recipient: AnyRecipient
    runner_timeout: RunnerTimeout

    @property
    def region(self) -> str:
        """The region that the installation is in."""
        return self.token_secret_arn.split(":")[3]

    @property
    def longest_run(self) -> int:
        """The longest timeout in seconds that an agent may be registered with which is waited for."""
        return self.runner_timeout - reserve(self.runner_timeout)

    @model_validator(mode="after")
    def _together(self) -> Self:
        _check_any(self.allowed_recipients, self.allow_any_recipient)
        return self


class SweeperSettings(_Settings):
    """For the function that looks each minute at what needs a look."""

    start_queue_url: StartQueueUrl
    report_queue_url: ReportQueueUrl
    global_cap: GlobalCap
    look_ahead_seconds: LookAhead


class RunnerSettings(_Settings):
    """For the function that runs the agents."""

    report_queue_url: ReportQueueUrl
    output_bucket: OutputBucket
    global_cap: GlobalCap
    runs_per_hour: RunsPerHour
    token_secret_arn: SecretArn
    runner_timeout: RunnerTimeout
    lease_margin_seconds: LeaseMargin
    api_url: ApiUrl


class ReporterSettings(_Settings):
    """For the function that sends the reports."""

    sender: Sender
    report_to: ReportTo
    configuration_set: ConfigurationSet
    output_bucket: OutputBucket
    allowed_recipients: Recipients
    allow_any_recipient: AnyRecipient

    @model_validator(mode="after")
    def _together(self) -> Self:
        _check_any(self.allowed_recipients, self.allow_any_recipient)
        if not is_allowed(self.report_to, self.allowed_recipients):
            raise ValueError(
                f"{PREFIX}REPORT_TO is {self.report_to!r}, which {PREFIX}ALLOWED_RECIPIENTS does not allow: add it there"
            )
        return self


class AuditorSettings(_Settings):
    """For the function that looks each hour at everything, and tells the operator what breaks a promise."""

    global_cap: GlobalCap
    runs_per_hour: RunsPerHour
    sender: Sender
    report_to: ReportTo
    configuration_set: ConfigurationSet


def signing_key(text: str) -> bytes:
    """Takes the secret's value; gives the key that signs run tokens. Raises ConfigError for one that can be guessed."""
    key = text.encode("utf-8", "surrogatepass")
    if len(key) < _SHORTEST_KEY or len(set(text)) < _FEWEST_CHARACTERS:
        raise ConfigError(
            [f"the secret of {PREFIX}TOKEN_SECRET_ARN is too weak: it is at least {_SHORTEST_KEY} random characters"]
        )
    return key


def _check_any(patterns: tuple[str, ...], allow_any: str) -> None:
    if "*" in patterns and allow_any != "i-know":
        raise ValueError(
            f"{PREFIX}ALLOWED_RECIPIENTS is '*', which lets anybody's mail be sent to anybody: name the addresses, or set "
            f"{PREFIX}ALLOW_ANY_RECIPIENT to 'i-know'"
        )


def reserve(runner_timeout: int) -> int:
    """Gives the seconds that a runner of this timeout keeps back for storing the result: 15, or a quarter of it."""
    return min(15, runner_timeout // 4)
