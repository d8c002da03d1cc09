"""Which installation on AWS this laptop speaks to: what `followups login` has written down, in `<home>/installation.json`.

No secret is in it: who signs is found anew each time, where the AWS tools keep their credentials.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from followups import config
from followups.domain.errors import ConfigError

FILE = "installation.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class Installation:
    """An installation, and how this laptop speaks to it."""

    #: Root of its HTTP API, without a slash at the end.
    api_url: str
    #: Name of its CloudFormation stack; None if only the API's address is known.
    stack: str | None = None
    #: The AWS region that requests are signed for; None if they are not signed.
    region: str | None = None
    #: The AWS profile whose credentials sign; None is the default one.
    profile: str | None = None


def read(home: Path) -> Installation | None:
    """Gives what this laptop has logged in to, or None. Raises ConfigError for a file that is none of ours."""
    path = home / FILE
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        it = Installation(**found)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        raise ConfigError([f"{path} cannot be read ({error}): log in again with `followups login --stack NAME`"]) from error
    config.check_api_url(it.api_url, f"{path}: api_url")
    return it


def write(home: Path, it: Installation) -> None:
    """Remembers the installation. Raises ConfigError if that cannot be written down, or its address is not safe."""
    config.check_api_url(it.api_url, "the stack's output ApiUrl")
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        config.replace_file(home / FILE, json.dumps(asdict(it), indent=2) + "\n")
    except OSError as error:
        raise ConfigError([f"{home / FILE} cannot be written ({error}): nothing was changed"]) from error


def forget(home: Path) -> bool:
    """Forgets it; says whether there was one. Raises ConfigError."""
    try:
        (home / FILE).unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise ConfigError([f"{home / FILE} cannot be removed ({error})"]) from error
    return True
