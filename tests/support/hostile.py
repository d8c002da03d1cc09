"""What searches feed to parsers: any JSON, and what is nearly right."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from hypothesis import strategies as st

#: Characters that parsers trip over, beside any other.
ODD = "\x00\x1b\x7f\x85\xa0\xad\u0660\u0667\u200b\u2028\u202e\u3000\ud800\udfff\ufeff\uff17😀 \t\r\n"
ODD += "\\'\"`$%&#?;:,.+-*/=_@<>(){}[]0179azAZ"
any_text = st.text(max_size=60) | st.text(st.sampled_from(ODD), max_size=20)
json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from([0, -1, 2**31, 2**63, 10**40]) | st.floats() | any_text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(any_text, inner, max_size=3),
    max_leaves=6,
)


@st.composite
def nearly(draw: st.DrawFn, right: st.SearchStrategy[str]) -> str:
    """Gives a right text with one to three places changed: cut out, doubled, replaced, something put between."""
    text = draw(right)
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 3)))
        put = draw(st.sampled_from(["", text[start:end] * 2]) | st.text(st.sampled_from(ODD), min_size=1, max_size=3))
        text = text[:start] + put + text[end:]
    return text


@st.composite
def spoiled(draw: st.DrawFn, right: Any) -> Any:
    """Gives a right JSON document with one to three of its nodes replaced by anything, taken out, or put in."""
    document = right
    for _ in range(draw(st.integers(1, 3))):
        document = _spoil(draw, document)
    return document


def _spoil(draw: st.DrawFn, node: Any) -> Any:
    if not isinstance(node, dict | list) or not node or draw(st.integers(0, 5)) == 0:
        return draw(json_values)
    keys = list(node) if isinstance(node, dict) else list(range(len(node)))
    key = draw(st.sampled_from(keys))
    changed = dict(node) if isinstance(node, dict) else list(node)
    how = draw(st.integers(0, 5))
    if how == 0:
        del changed[key]
    elif how == 1 and isinstance(changed, dict):
        changed[draw(any_text)] = draw(json_values)
    else:
        changed[key] = _spoil(draw, node[key])
    return changed


@contextmanager
def in_time(seconds: float = 1.0) -> Iterator[None]:
    """Fails if what is inside takes the processor longer: its own time, so that a busy machine changes nothing."""
    start = time.thread_time()
    yield
    assert time.thread_time() - start < seconds
