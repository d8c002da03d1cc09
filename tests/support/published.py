"""The published agent contract: its schemas, as docs/contract has them, and a request that we send."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import jsonschema_rs

from followups.domain.briefing import agent_request
from tests.support import things
from tests.support.clock import START

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"


def schema(name: str) -> dict[str, Any]:
    """Gives the schema of the `request` or the `answer`, which is one by JSON Schema's own rules."""
    found: dict[str, Any] = json.loads((ROOT / f"docs/contract/{name}.v1.json").read_text())
    jsonschema_rs.meta.validate(found)
    return found


REQUEST = jsonschema_rs.Draft202012Validator(schema("request"), validate_formats=True)
ANSWER = jsonschema_rs.Draft202012Validator(schema("answer"), validate_formats=True)


def request(**fields: Any) -> dict[str, Any]:
    """Gives what the agent of a follow-up with those fields is told."""
    live = things.follow_up(fence=7, attempt=1, **fields)
    return agent_request(live, now=START, deadline=START + timedelta(minutes=10))
