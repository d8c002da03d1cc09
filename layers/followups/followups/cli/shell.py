"""What the commands share: the session, the ways to print, and names that are short enough to type."""

import json
import os
import re
import shutil
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property, wraps
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import click

from followups import bootstrap, config, installation
from followups.adapters.local import SystemClock
from followups.cli.client import Client, InProcess, Problem
from followups.config import LaptopConfig, LaptopEnvironment
from followups.domain import ids
from followups.domain.errors import Forbidden
from followups.domain.zones import known_zone
from followups.installation import Installation

if TYPE_CHECKING:
    from followups.adapters.sigv4 import Sign

F = TypeVar("F", bound=Callable[..., Any])
SHORT = 8
COLOURS = {
    "done": "green", "succeeded": "green", "sent": "green", "delivered": "green", "met": "green",
    "not_met": "yellow", "cannot_tell": "yellow",
    "running": "cyan", "claimed": "cyan", "cancelling": "yellow", "paused": "yellow", "attention": "yellow",
    "failed": "red", "timed_out": "red", "unknown": "red", "bounced": "red",
    "cancelled": "bright_black", "skipped": "bright_black", "none": "bright_black",
}  # fmt: skip


@dataclass
class Session:
    """One call of the command: where it speaks to, and how it prints."""

    as_json: bool = False

    @cached_property
    def environment(self) -> LaptopEnvironment:
        return config.read_environment(config.environment())

    @cached_property
    def settings(self) -> LaptopConfig:
        return config.read_laptop_config(self.environment.home, config.environment())

    @cached_property
    def installation(self) -> Installation | None:
        """The installation that this call speaks to; None is this laptop."""
        env = self.environment
        if env.api_url is not None:
            return Installation(api_url=env.api_url, region=_region_of(env.api_url))
        return None if env.here else installation.read(env.home)

    @property
    def is_local(self) -> bool:
        return self.installation is None

    def only_here(self, command: str, otherwise: str) -> None:
        """Refuses a command that works on this laptop's store only. Raises UsageError, which says what to do instead."""
        if not self.is_local:
            raise click.UsageError(
                f"{command} works on this laptop's store; set FOLLOWUPS_API_URL to nothing for it ({otherwise})"
            )

    @cached_property
    def client(self) -> Client:
        env, there = self.environment, self.installation
        if env.run_id and not env.run_token:
            # Without it, what an agent asks for would be asked for in the person's name.
            detail = (
                f"this is inside run {env.run_id}, and its FOLLOWUPS_RUN_TOKEN is gone: an agent asks with its run's token"
            )
            raise Forbidden("not_inside_a_run", detail)
        if there is not None:
            from followups.cli.http import Http

            return Client(Http(there.api_url, sign=self._sign(there)), env.run_token)
        handler = bootstrap.laptop_api(env.home, self.settings)
        return Client(InProcess(handler, bootstrap.laptop_user(), SystemClock().now), env.run_token)

    def _sign(self, there: Installation) -> "Sign | None":
        token = self.environment.access_token
        if token is None:
            return bootstrap.request_signer(there)
        return lambda _method, _url, headers, _body: {**headers, "Authorization": f"Bearer {token}"}

    def show(self, document: Any, text: Callable[[], str]) -> None:
        """Prints the document with --json, else the text for people."""
        click.echo(json.dumps(document, indent=2, ensure_ascii=False) if self.as_json else text())

    def say(self, text: str) -> None:
        """Talks to the person, on stderr; a program that reads JSON is not talked to."""
        if not self.as_json:
            click.echo(text, err=True)


def refuse_inside_run(
    session: Session, command: str, why: str = "an agent may create follow-ups but never fires them"
) -> None:
    """Refuses what no agent may do inside a run, above all to fire follow-ups: the first version's cascade.
    Raises Forbidden."""
    run_id = session.environment.run_id
    if run_id or session.environment.run_token:
        where = f"run {run_id}" if run_id else "a run"
        raise Forbidden("not_inside_a_run", f"`{command}` was called inside {where}; {why}")


def _region_of(url: str) -> str | None:
    """Gives the region of an API Gateway's own address; requests to it are signed."""
    found = re.search(r"\.execute-api\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?$", urlsplit(url).hostname or "")
    return found[1] if found else None


def with_session(command: F) -> F:
    """Gives a command its Session, and `--json`, on whichever side of the command's name it stands."""

    @click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
    @click.pass_context
    @wraps(command)
    def wrapped(context: click.Context, /, *args: Any, as_json: bool, **kwargs: Any) -> Any:
        session = context.find_object(Session)
        assert session is not None, "the group makes the session"
        session.as_json = session.as_json or as_json
        return context.invoke(command, session, *args, **kwargs)

    return wrapped  # type: ignore[return-value]


def find_follow_up(session: Session, name: str) -> str:
    """Gives the id that a name stands for: an id, or the beginning of one. Raises Problem."""
    name = name.strip().lower()
    if ids.is_id(name):
        return name
    is_start = re.fullmatch(r"[a-z2-7]{1,25}", name) is not None
    found = [it for it in session.client.pages("all") if it["id"].startswith(name)] if is_start else []
    if len(found) == 1:
        return str(found[0]["id"])
    if found:
        several = ", ".join(it["id"][:12] for it in found[:5])
        detail = f"{name!r} begins {len(found)} ids ({several}); type more of it"
        raise Problem(404, {"code": "ambiguous", "detail": detail})
    detail = f"there is no follow-up {name[:60]}; `followups list --all` shows all"
    raise Problem(404, {"code": "not_found", "detail": detail})


def find_run(session: Session, name: str) -> str:
    """Gives the run's id that a name stands for: an id, `ID-3`, or a follow-up's ID for its latest run."""
    name = name.strip()
    if ids.parse_run_id(name):
        return name
    start, _, number = name.removeprefix("run-").partition("-")
    follow_up_id = find_follow_up(session, start)
    if number.isascii() and number.isdigit():
        return ids.run_id(follow_up_id, int(number[:6]))
    runs = session.client.of(follow_up_id, "/runs").body["runs"]
    if not runs:
        detail = f"follow-up {follow_up_id[:SHORT]} has not run yet"
        raise Problem(404, {"code": "not_found", "detail": detail})
    return str(runs[0]["id"])


def short_run(run_id: str) -> str:
    """Gives a run's id as the commands print and take it: `abcdefgh-1`."""
    named = ids.parse_run_id(run_id)
    return f"{named[0][:SHORT]}-{named[1]}" if named else run_id


def status(word: str) -> str:
    """Gives a status or an outcome in its colour."""
    return click.style(word.replace("_", " "), fg=COLOURS.get(word))


def local_time(instant: str | None, zone: str) -> str:
    """Gives an RFC 3339 instant as wall time in the zone."""
    if instant is None:
        return "-"
    return f"{datetime.fromisoformat(instant).astimezone(known_zone(zone)):%a %Y-%m-%d %H:%M}"


def until(instant: str, now: datetime | None = None) -> str:
    """Gives in words how far off an instant is: `in 7 days`, `3 min ago`."""
    seconds = round((datetime.fromisoformat(instant) - (now or datetime.now(UTC))).total_seconds())
    count = abs(seconds)
    for size, name in ((86_400, "day"), (3_600, "hour"), (60, "min"), (1, "s")):
        if count >= 2 * size or size == 1 or (count >= size and size > 60):
            amount = round(count / size)
            word = name if name in ("min", "s") or amount == 1 else f"{name}s"
            return f"in {amount} {word}" if seconds >= 0 else f"{amount} {word} ago"
    return "now"


def table(headings: Sequence[str], rows: Sequence[Sequence[str]], *, flexible: int) -> str:
    """Gives a table that fits the terminal: the column number `flexible` is cut to what is left."""
    width = max(terminal_width(), 60)
    cells = [list(headings), *(list(row) for row in rows)]
    widths = [max(_width(click.unstyle(row[i])) for row in cells) for i in range(len(headings))]
    left = width - sum(w for i, w in enumerate(widths) if i != flexible) - 2 * (len(widths) - 1)
    widths[flexible] = min(widths[flexible], max(left, 12))
    lines = []
    for number, row in enumerate(cells):
        row[flexible] = cut(row[flexible], widths[flexible])
        padded = [cell + " " * (widths[i] - _width(click.unstyle(cell))) for i, cell in enumerate(row)]
        line = "  ".join(padded).rstrip()
        lines.append(click.style(line, dim=True) if number == 0 else line)
    return "\n".join(lines)


def terminal_width() -> int:
    """Gives the columns that there are; 100 where it is no terminal."""
    return shutil.get_terminal_size((100, 24)).columns


def cut(text: str, width: int) -> str:
    """Gives the text in at most `width` columns."""
    if _width(text) <= width:
        return text
    kept = ""
    for character in text:
        if _width(kept + character) > width - 1:
            break
        kept += character
    return kept + "…"


def facts(pairs: Sequence[tuple[str, str | None]]) -> str:
    """Gives aligned `name  value` lines; a value of None is left out, one of several lines stands below itself."""
    shown = [(name, value) for name, value in pairs if value is not None]
    width = max(len(name) for name, _ in shown)
    further = "\n" + " " * (width + 4)
    return "\n".join(
        f"  {click.style(name.ljust(width), dim=True)}  {value.replace(chr(10), further)}" for name, value in shown
    )


def wants_colour() -> bool | None:
    """Says whether colours are refused (https://no-color.org); None leaves it to whether it is a terminal."""
    return False if config.environment().get("NO_COLOR") else None


def _width(text: str) -> int:
    if text.isascii():
        return len(text)
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 0 if unicodedata.combining(c) else 1 for c in text)


def is_terminal() -> bool:
    """Says whether a person sees what is printed."""
    try:
        return os.isatty(1)
    except OSError:
        return False
