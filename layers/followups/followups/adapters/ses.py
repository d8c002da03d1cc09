"""Reports by Amazon SES (API v2). Acceptance is not delivery: that is told later, by SES's events."""

from email.message import EmailMessage
from typing import Any

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
)

from followups.adapters.mail import build_message, build_notice
from followups.domain.entities import Run
from followups.domain.errors import MailNotSent, MailRefused, MailUncertain
from followups.domain.findings import Notice

#: Surely not sent, and right to try again (SES API v2, SendEmail, Errors).
_NOT_NOW = frozenset(
    {"TooManyRequestsException", "ThrottlingException", "Throttling", "LimitExceededException", "SendingPausedException",
     "RequestExpired", "ExpiredTokenException"}
)  # fmt: skip


class SesMailer:
    """Sends each report with one attempt of the client: SES has no idempotency token, so nothing but us may try again."""

    def __init__(self, client: Any, *, sender: str, default_to: str, configuration_set: str | None = None) -> None:
        self._client = client
        self._sender = sender
        self._default_to = default_to
        self._configuration_set = configuration_set

    def send(self, run: Run) -> str:
        """Gives SES's message id. Raises MailNotSent, MailRefused, MailUncertain."""
        message = build_message(run, sender=self._sender, to=self._default_to)
        return self._send(message, run.report_to or self._default_to)

    def tell(self, notice: Notice) -> str:
        """Sends a notice to where reports go that name no address. Raises MailNotSent, MailRefused, MailUncertain."""
        return self._send(build_notice(notice, sender=self._sender, to=self._default_to), self._default_to)

    def _send(self, message: EmailMessage, to: str) -> str:
        request: dict[str, Any] = {
            "FromEmailAddress": self._sender,
            "Destination": {"ToAddresses": [to]},
            "Content": {"Raw": {"Data": message.as_bytes()}},
        }
        if self._configuration_set:
            request["ConfigurationSetName"] = self._configuration_set
        try:
            return str(self._client.send_email(**request)["MessageId"])
        except ClientError as error:
            raise _translated(error) from error
        except (ConnectTimeoutError, EndpointConnectionError, NoCredentialsError) as error:
            raise MailNotSent(f"SES cannot be reached: {error}") from error
        except BotoCoreError as error:
            raise MailUncertain(f"SES did not answer: {error}") from error


def _translated(error: ClientError) -> MailNotSent | MailRefused | MailUncertain:
    code = error.response.get("Error", {}).get("Code", "")
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    said = f"SES said {code}: {error.response.get('Error', {}).get('Message', '')}"[:300]
    if code in _NOT_NOW or status == 429:
        return MailNotSent(said)
    return MailUncertain(said) if status >= 500 else MailRefused(said)
