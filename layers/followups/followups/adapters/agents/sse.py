"""Server-sent events: a stream of bytes cut into the data of its events (WHATWG HTML, 9.2.6)."""

import re

_LINE_END = re.compile(rb"\r\n|\n|\r")
_BOM = b"\xef\xbb\xbf"


class Events:
    """Takes a stream piece by piece, cut anywhere, and gives the data of each event that is complete.

    Of one line and of one event's data at most `limit` bytes are kept: who sends never decides how much memory it takes.
    Names, ids and retry times of events are passed over: nothing here comes back to a stream.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._line = bytearray()
        self._data: list[bytes] = []
        self._size = 0
        self._first = True
        self._after_cr = False

    def take(self, piece: bytes) -> list[str]:
        """Gives the data of the events that end in this piece."""
        if not piece:
            return []
        if self._after_cr and piece.startswith(b"\n"):
            piece = piece[1:]  # the second half of a line's end that was cut in two
        self._after_cr = piece.endswith(b"\r")
        first, *others = _LINE_END.split(piece)
        self._more(first)
        ended = []
        for part in others:
            ended += self._end_line()
            self._more(part)
        return ended

    def rest(self) -> list[str]:
        """Gives the data of an event that the stream's end left open. The standard drops it; but whoever calls this knows
        that the stream is whole, and many servers forget the last blank line."""
        return self._end_line() + self._end_event()

    def _more(self, part: bytes) -> None:
        self._line += part[: self._limit - len(self._line)]

    def _end_line(self) -> list[str]:
        line, self._line = bytes(self._line), bytearray()
        if self._first:
            line, self._first = line.removeprefix(_BOM), False
        if not line:
            return self._end_event()
        name, _, value = line.partition(b":")
        if name == b"data" and self._size < self._limit:
            value = value.removeprefix(b" ")[: self._limit - self._size]
            self._data.append(value)
            self._size += len(value) + 1
        return []

    def _end_event(self) -> list[str]:
        data, self._data, self._size = self._data, [], 0
        return [b"\n".join(data).decode("utf-8", "replace")] if data else []
