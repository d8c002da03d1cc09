"""What stands behind agents that run elsewhere: how it is named, and what may be called from here."""

import re

from followups.domain.errors import Invalid

#: A Lambda function's ARN, with an alias or version if one is meant (AWS Lambda API, FunctionName).
FUNCTION = re.compile(
    r"arn:aws[a-z-]{0,12}:lambda:(?P<region>[a-z0-9-]{1,32}):[0-9]{12}:function:[A-Za-z0-9_-]{1,64}(?::[A-Za-z0-9_$-]{1,128})?"
)


def check_region(arn: str, region: str) -> None:
    """Takes a function's ARN and the region that this installation is in. Raises Invalid for a function elsewhere."""
    found = FUNCTION.fullmatch(arn)
    if found is None or found["region"] != region:
        raise Invalid("invalid_target", f"{arn[:120]} is no function in {region}, where agents are called", field="target")
