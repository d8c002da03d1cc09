"""Where an answer by the contract stands in what an agent said: models put it into a fence, programs print lines before."""

import json
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

_OUTCOME_KEY = re.compile(r'"outcome"\s*:')
_OUTCOME_FIRST = re.compile(r'\{\s*"outcome"\s*:')
_OBJECT = re.compile(r"^\{", re.MULTILINE)
_FENCE = re.compile(r"^[ \t]*```[\w-]*[ \t]*$", re.MULTILINE)
#: In so many places an answer is looked for, the last ones: it comes at the end.
_PLACES = 20


def find(text: str) -> tuple[dict[str, Any] | None, str]:
    """Takes what an agent said; gives the JSON object with an `outcome` in it, or None for plain text, and what else it
    said.

    It is the whole text, or the end of it from some line on, or in a fence (```). Raises ValueError or RecursionError for
    what begins as an answer and cannot be read, and for more than one.
    """
    text = text.removeprefix("\ufeff").strip()
    broken: ValueError | RecursionError | None = None
    for start, end in _places(text):
        try:
            # Not strict: scripts put line breaks into strings as they are. A number may have more digits than int() takes.
            body = json.loads(text[start:end], strict=False, parse_int=str, parse_float=str)
        except (ValueError, RecursionError) as error:
            first = _OUTCOME_KEY.search(text, start, end) if start == 0 else _OUTCOME_FIRST.match(text, start, end)
            broken = broken or (error if first else None)
            continue
        if isinstance(body, dict) and "outcome" in body:
            before, behind = _FENCE.sub("", text[:start]).strip(), _FENCE.sub("", text[end:]).strip()
            rest = f"{before}\n\n{behind}".strip()
            if _OUTCOME_KEY.search(rest):
                raise ValueError("there is more than one answer")
            return body, rest
    if broken is not None:
        raise broken
    return None, ""


def _places(text: str) -> Iterator[tuple[int, int]]:
    """Gives from where to where an answer may reach, the whole text first."""
    if text.startswith("{"):
        yield 0, len(text)
    for found in [*_OBJECT.finditer(text)][-_PLACES:]:
        if found.start():
            yield found.start(), len(text)
    fences = [*_FENCE.finditer(text)][-2 * _PLACES :]
    for opening, closing in pairwise(fences):
        start = opening.end() + 1
        if text.startswith("{", start):
            yield start, closing.start()
