"""The only composition root: it alone knows which adapter stands behind which port, and it alone makes boto3 clients.

What is heavy is imported where it is put together: a login hook that finds nothing due pays for none of it.
"""

from followups.bootstrap.functions import lambda_api, lambda_auditor, lambda_reporter, lambda_runner, lambda_sweeper
from followups.bootstrap.laptop import DEFAULT_SENDER, laptop_api, laptop_parts, laptop_store, laptop_user
from followups.bootstrap.operator import operator, region_of, request_signer
from followups.bootstrap.services import waiting_client

__all__ = [
    "DEFAULT_SENDER", "lambda_api", "lambda_auditor", "lambda_reporter", "lambda_runner", "lambda_sweeper", "laptop_api",
    "laptop_parts", "laptop_store", "laptop_user", "operator", "region_of", "request_signer", "waiting_client",
]  # fmt: skip
