"""The process's environment, and a laptop's settings.

Nothing else reads `os.environ`. The command line starts with this module, so it imports the standard library only; the
settings of the Lambda functions are models in `lambda_settings`.

A laptop's variables: `FOLLOWUPS_HOME` (where it keeps everything), `FOLLOWUPS_SMTP_URL` (who sends the reports instead of
the outbox folder), `FOLLOWUPS_API_URL` (talk to this installation; set to nothing, to the local file), and, given to each
agent that is started, `FOLLOWUPS_RUN_TOKEN` and `FOLLOWUPS_RUN_ID`. What stays is in `<home>/config.json`.
"""

import fcntl
import json
import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from followups.domain.addresses import is_address
from followups.domain.errors import ConfigError, Invalid, NoAccess
from followups.domain.zones import find_zone, known_zone

CONFIG_FILE = "config.json"
MAX_CAP = 100
MAX_RUNS_PER_HOUR = 100_000
MAX_OPEN = 1_000_000
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def environment() -> Mapping[str, str]:
    """Gives the process's environment variables."""
    return os.environ


@dataclass(frozen=True, kw_only=True, slots=True)
class LaptopEnvironment:
    """What the environment says to a command on a laptop, checked."""

    home: Path
    #: `smtp://` or `smtps://`, with user and password if need be; None puts reports into the outbox folder.
    smtp_url: str | None = field(default=None, repr=False)
    #: Root of an installation's HTTP API, without a slash at the end; None means what this laptop has logged in to, if
    #: anything, and else the local file.
    api_url: str | None = None
    #: Whether the local file is asked for (`FOLLOWUPS_API_URL` set to nothing), whatever this laptop has logged in to.
    here: bool = False
    #: An access token for an installation that asks for JWTs.
    access_token: str | None = field(default=None, repr=False)
    #: What an agent's commands are said with: on its run's account.
    run_token: str | None = field(default=None, repr=False)
    run_id: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class LaptopConfig:
    """What a person has set on this laptop, and the defaults for the rest."""

    #: Where reports go that name no address of their own.
    report_to: str | None = None
    sender: str | None = None
    #: IANA zone in which times are read that name none.
    timezone: str
    #: Agents alive at once, 1 to 100.
    cap: int = 2
    #: Runs that may be started in an hour; 0: as many as there are.
    runs_per_hour: int = 0
    #: Follow-ups that may be open; 0: as many as there are.
    max_open: int = 1_000
    #: Generations of follow-ups that agents may make below a person's, and how many of them in one tree.
    max_depth: int = 2
    max_descendants: int = 20


def read_environment(environ: Mapping[str, str]) -> LaptopEnvironment:
    """Gives what the environment says to a command on a laptop. Raises ConfigError with all that is wrong,
    and NoAccess if the installation's address is among it."""
    problems, unsafe = [], []
    smtp_url = environ.get("FOLLOWUPS_SMTP_URL", "").strip() or None
    if smtp_url and not _is_url(smtp_url, ("smtp", "smtps")):
        # Not repeated here: it may hold a password.
        problems.append(
            "FOLLOWUPS_SMTP_URL is not a mail server's address: write smtp://host:25 or smtps://user:password@host"
        )
    api_url = environ.get("FOLLOWUPS_API_URL", "").strip().rstrip("/") or None
    if api_url and (problem := _api_url_problem(api_url)):
        unsafe.append(f"FOLLOWUPS_API_URL is {api_url!r}, {problem}")
    if problems or unsafe:
        raise (NoAccess if unsafe else ConfigError)(problems + unsafe)
    return LaptopEnvironment(
        home=laptop_home(environ), smtp_url=smtp_url, api_url=api_url,
        access_token=environ.get("FOLLOWUPS_ACCESS_TOKEN", "").strip() or None,
        here=not environ.get("FOLLOWUPS_API_URL", "-").strip(),
        run_token=environ.get("FOLLOWUPS_RUN_TOKEN") or None, run_id=environ.get("FOLLOWUPS_RUN_ID") or None,
    )  # fmt: skip


def check_api_url(url: object, name: str) -> None:
    """Takes an installation's address and what it is called. Raises NoAccess for one that may not be spoken to."""
    if problem := _api_url_problem(url) if isinstance(url, str) else "which is no text":
        raise NoAccess([f"{name} is {url!r}, {problem}"])


def _api_url_problem(url: str) -> str | None:
    if not _is_api_url(url):
        return "which is no web address: write the stack's output ApiUrl"
    if urlsplit(url).scheme == "http" and not _is_loopback(str(urlsplit(url).hostname)):
        return "which is not encrypted: write https:// (http:// is for localhost)"
    return None


def _is_loopback(host: str) -> bool:
    # Names under localhost are the loopback's too (RFC 6761 §6.3).
    return host in _LOOPBACK or host.endswith(".localhost")


def laptop_home(environ: Mapping[str, str]) -> Path:
    """Gives the folder of a laptop's Followups: `FOLLOWUPS_HOME`, or the user's data folder. It need not exist.
    Raises ConfigError for that of a user whom there is not."""
    if named := environ.get("FOLLOWUPS_HOME"):
        try:
            return Path(named).expanduser().absolute()
        except RuntimeError as error:
            raise ConfigError([f"FOLLOWUPS_HOME is {named!r}, and there is no such user: name a folder"]) from error
    # Here, because a Lambda function imports this module too and has no platformdirs.
    import platformdirs

    return platformdirs.user_data_path("followups", appauthor=False)


def machine_timezone(environ: Mapping[str, str], root: Path = Path("/")) -> str:
    """Gives the IANA zone that the machine is set to, UTC if none can be told. `root` is the file system's.

    `/etc/localtime` comes before `/etc/timezone`: it is what the C library reads, and the other is often stale.
    """
    named = environ.get("TZ")
    if named == "":
        return "UTC"  # as the C library reads it (POSIX.1 §8.3)
    guesses: tuple[Callable[[], str], ...] = (
        lambda: named or "",
        lambda: str((root / "etc/localtime").readlink()),
        lambda: (root / "etc/timezone").read_text(encoding="utf-8"),
    )
    for guess in guesses:
        try:
            name = guess().strip().removeprefix(":").rpartition("zoneinfo/")[2]
            return known_zone(name.removeprefix("posix/")).key
        except (OSError, ValueError):
            continue
    return "UTC"


def read_laptop_config(home: Path, environ: Mapping[str, str]) -> LaptopConfig:
    """Gives the laptop's settings; defaults where there is no file. Raises ConfigError for one that is wrong."""
    return _config(_stored(home / CONFIG_FILE), environ)


def write_laptop_config(home: Path, environ: Mapping[str, str], changes: Mapping[str, object]) -> LaptopConfig:
    """Sets what `changes` names, None back to its default; gives the settings then. All or nothing, also in a power cut.

    Only what a person has set is kept in the file: a laptop that travels keeps the default zone of where it is. Raises
    ConfigError for a wrong value, and for a file that cannot be read: it is never overwritten.
    """
    path = home / CONFIG_FILE
    if problems := _problems(changes):
        raise ConfigError(problems)
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        with _locked(home / f"{CONFIG_FILE}.lock"):
            kept = {name: value for name, value in {**_stored(path), **changes}.items() if value is not None}
            replace_file(path, json.dumps(kept, indent=2) + "\n")
    except OSError as error:
        raise ConfigError([f"{path} cannot be written ({error}): nothing was changed"]) from error
    return _config(kept, environ)


def _config(stored: Mapping[str, Any], environ: Mapping[str, str]) -> LaptopConfig:
    return LaptopConfig(**{"timezone": machine_timezone(environ), **stored})


def _stored(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            [f"{path} cannot be read ({error}): mend it, or move it away to start with the defaults"]
        ) from error
    try:
        stored = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError([f"{path} is not JSON ({error}): mend it, or move it away to start with the defaults"]) from error
    if not isinstance(stored, dict):
        raise ConfigError(
            [f'{path} holds no JSON object: write one like {{"report_to": "you@example.com"}}, or move it away']
        )
    if problems := _problems(stored):
        raise ConfigError([f"{path}: {problem}" for problem in problems])
    return {name: value for name, value in stored.items() if value is not None}


def _check_address(value: object) -> str | None:
    return None if isinstance(value, str) and is_address(value) else "write one plain address like you@example.com"


def _check_zone(value: object) -> str | None:
    try:
        find_zone(value if isinstance(value, str) else "")
    except Invalid as error:
        return error.detail
    return None


def _whole(least: int, most: int, also: str = "") -> Callable[[object], str | None]:
    def check(value: object) -> str | None:
        fits = type(value) is int and least <= value <= most
        return None if fits else f"write a whole number from {max(1, least)} to {most}{also}"

    return check


_CHECKS: dict[str, Callable[[object], str | None]] = {
    "report_to": _check_address,
    "sender": _check_address,
    "timezone": _check_zone,
    "cap": _whole(1, MAX_CAP),
    "runs_per_hour": _whole(0, MAX_RUNS_PER_HOUR, ", or 0 for no limit"),
    "max_open": _whole(0, MAX_OPEN, ", or 0 for no limit"),
    "max_depth": _whole(0, 10, ", or 0 for none"),
    "max_descendants": _whole(1, 100),
}


def _problems(settings: Mapping[str, object]) -> list[str]:
    problems = []
    for name, value in settings.items():
        if (check := _CHECKS.get(name)) is None:
            problems.append(f"{name[:40]!r} is no setting: known are {', '.join(_CHECKS)}")
        elif value is not None and (right := check(value)):
            problems.append(f"{name} is {repr(value)[:60]}: {right}")
    return problems


def _is_api_url(text: str) -> bool:
    # Paths are put behind it, so it may have no query or fragment; what is no ASCII no request line can hold.
    return _is_url(text, ("https", "http")) and text.isascii() and text.isprintable() and not set(text) & {"?", "#"}


def _is_url(text: str, schemes: tuple[str, ...]) -> bool:
    try:
        url = urlsplit(text)
        port_fits = url.port is None or url.port > 0
    except ValueError:
        return False
    return url.scheme in schemes and bool(url.hostname) and port_fits and not any(c.isspace() for c in text)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def replace_file(path: Path, text: str) -> None:
    """Puts the text where the file is, all or nothing, also in a power cut. Raises OSError."""
    fresh = path.with_name(f"{path.name}.{secrets.token_hex(4)}.new")
    try:
        with fresh.open("x", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
