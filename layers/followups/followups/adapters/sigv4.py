"""Requests to the installation's API, signed with AWS credentials (AWS Signature Version 4, service `execute-api`)."""

from collections.abc import Callable, Mapping
from typing import Any

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest

#: Takes method, URL, headers and body of a request; gives all headers that it is to be sent with.
Sign = Callable[[str, str, Mapping[str, str], bytes | None], dict[str, str]]


def signer(credentials: Any, region: str) -> Sign:
    """Takes botocore credentials, which renew themselves, and a region; gives what signs a request."""

    def sign(method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> dict[str, str]:
        request = AWSRequest(method=method, url=url, headers=dict(headers), data=body)
        SigV4Auth(credentials.get_frozen_credentials(), "execute-api", region).add_auth(request)
        return dict(request.headers.items())

    return sign
