"""What an operator's commands speak to AWS with: credentials of their own, as the AWS command line finds them."""

from typing import TYPE_CHECKING, Any

from followups.installation import Installation

if TYPE_CHECKING:
    from followups.adapters.operator import Operator
    from followups.adapters.sigv4 import Sign


def request_signer(it: Installation) -> "Sign | None":
    """Gives what signs requests to the installation, or None where they are not signed. Raises NoAccess, ConfigError."""
    if it.region is None:
        return None
    from botocore.exceptions import NoCredentialsError

    from followups.adapters.operator import asking
    from followups.adapters.sigv4 import signer

    with asking("credentials"):
        credentials = _aws_session(it).get_credentials()
        if credentials is None:
            raise NoCredentialsError()
    return signer(credentials, it.region)


def operator(it: Installation) -> "Operator":
    """Gives the stack of an installation, as its operator sees it. Raises NoAccess, ConfigError."""
    from botocore.config import Config

    from followups.adapters.operator import Operator, asking

    with asking("credentials"):
        session = _aws_session(it)
    # An operator waits for a whole sweep, and rather asks once more than gives up.
    settings = Config(connect_timeout=5, read_timeout=70, retries={"total_max_attempts": 3, "mode": "standard"})
    return Operator(lambda service: session.client(service, config=settings), it.stack or "")


def region_of(profile: str | None) -> str | None:
    """Gives the AWS region that the profile, or the environment, names. Raises NoAccess."""
    from followups.adapters.operator import asking

    with asking("region"):
        region: str | None = _aws_session(Installation(api_url="", profile=profile)).region_name
    return region


def _aws_session(it: Installation) -> Any:
    import boto3

    return boto3.Session(profile_name=it.profile, region_name=it.region)
