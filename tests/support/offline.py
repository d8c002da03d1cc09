"""The events that a function may be tried with, and the environment in which it needs no account."""

import json
from pathlib import Path

from tests.support.cfn import ROOT

EVENTS = ROOT / "events"
OFFLINE: dict[str, dict[str, str]] = json.loads((EVENTS / "offline.json").read_text(encoding="utf-8"))


def offline(function: str, folder: Path) -> dict[str, str]:
    """Gives the environment of `events/offline.json` for a function, with its store in a folder."""
    return OFFLINE[function] | {"FOLLOWUPS_STORE": f"sqlite:{folder / 'followups.db'}"}
