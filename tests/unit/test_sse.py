"""Server-sent events, by the examples and rules of WHATWG HTML 9.2.6."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from followups.adapters.agents.sse import Events


def _read(stream: bytes, *cuts: int) -> list[str]:
    events, said, edges = Events(1_000), [], [0, *sorted(cuts), len(stream)]
    for start, end in pairwise(edges):
        said += events.take(stream[start:end])
    return said + events.rest()


@pytest.mark.parametrize(
    ("stream", "said"),
    [
        (b"", []),
        (b"data: YHOO\ndata: +2\ndata: 10\n\n", ["YHOO\n+2\n10"]),
        (b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n",
         ["first event", "second event", " third event"]),
        (b"data\n\ndata\ndata\n\ndata:", ["", "\n", ""]),
        (b"event: x\n\nretry: 5\n\n", []),
        (b"data: a\r\n\r\ndata: b\r\rdata: c\n\n", ["a", "b", "c"]),
        (b"\xef\xbb\xbfdata: a\n\n", ["a"]),
        (b"data: a", ["a"]),
        (b"data: \xff\xe2\x82\xac\n\n", ["\ufffd\u20ac"]),
        (b"database: a\nDATA: b\n\n", []),
    ],
)  # fmt: skip
def test_the_data_of_each_event(stream: bytes, said: list[str]) -> None:
    assert _read(stream) == said
    assert _read(stream, *range(1, len(stream))) == said


@given(st.lists(st.sampled_from([b"data: x", b"data:", b": c", b"\r", b"\n", b"\r\n"]), max_size=12), st.data())
def test_how_a_stream_is_cut_changes_nothing(parts: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(parts)
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=5))
    assert _read(stream, *cuts) == _read(stream)


def test_no_event_takes_more_memory_than_it_may() -> None:
    events = Events(10)
    for _ in range(1_000):
        assert events.take(b"data: 123456\ndata:" + b"x" * 100) == []
    [data] = events.rest()
    assert len(data) <= 12
