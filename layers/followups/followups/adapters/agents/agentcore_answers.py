"""What AgentCore's agents say, read to its end: a runtime's stream of bytes, a harness's stream of events."""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from botocore.exceptions import EventStreamError

from followups.adapters.agents.sse import Events
from followups.domain.contract import Done, Usage, goes_on, read_answer
from followups.domain.errors import AgentUncertain
from followups.domain.status import Outcome
from followups.domain.text import first_line, plain

#: What is kept of an answer, in bytes or characters. What comes behind it is read, so that the end is known, and dropped.
LIMIT = 4 * 1024 * 1024
_CUT = f"\n[cut here: the agent said more than {LIMIT // 1024 // 1024} MB]\n"
_OUTCOME_KEY = re.compile(r'"outcome"\s*:')
#: A model that is asked for JSON likes to set it as code (CommonMark, 4.5).
_FENCED = re.compile(r"\A\s*```[a-zA-Z]*\n(.*)\n```\s*\Z", re.DOTALL)
#: Reasons of a harness's model to stop that mean that it has said what it has to say.
_WHOLE = ("end_turn", "stop_sequence")
_STOPPED = {
    "tool_use": "it asks for a tool that its caller is to run, and Followups runs none",
    "max_iterations_exceeded": "it has made as many rounds as it may",
    "max_tokens": "the model may write no more",
    "max_output_tokens_exceeded": "the model may write no more",
    "model_context_window_exceeded": "the model can read no more",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Said:
    """An answer that is over: its text, and why it is a failure, if its sender says that it is one."""

    text: str
    failed: str | None = None
    outcome: Outcome = Outcome.FAILED
    usage: Usage | None = None

    def done(self) -> Done:
        """Gives how the run ended."""
        done = read_answer(self.text, failed=self.failed)
        if self.failed is None and self.text.endswith(_CUT) and _is_answer(self.text):
            why = f"The agent answered with more than {LIMIT // 1024 // 1024} MB of JSON, which is not read."
            done = replace(done, outcome=Outcome.UNKNOWN, summary=why)
        return replace(done, outcome=self.outcome if self.failed else done.outcome, usage=done.usage or self.usage)


def of_runtime(pieces: Iterable[bytes], content_type: str) -> Said:
    """Takes the body of a runtime's answer, in pieces, and its type. Gives what it says.

    JSON text is taken out of its quotes. A stream of events is an answer by the contract if its last event's data is one;
    else all that it says is the report: data that are JSON strings run on, others have a line each.
    """
    media = content_type.partition(";")[0].strip().lower()
    if media == "text/event-stream":
        return _of_events(pieces)
    kept, size = bytearray(), 0
    for piece in pieces:
        size += len(piece)
        kept += piece[: LIMIT - len(kept)]
    text = kept.decode("utf-8", "replace")
    if size > LIMIT:
        return Said(text=text + _CUT)
    return Said(text=text if media.startswith("text/") else _unquoted(text))


def _of_events(pieces: Iterable[bytes]) -> Said:
    events, talk, last = Events(LIMIT), _Talk(), ""
    for data in _data(events, pieces):
        if data.strip() == "[DONE]":  # the end mark of those who speak as OpenAI's API does: it says nothing
            continue
        last = _unquoted(data)
        if last is data:
            talk.line(data)
        else:
            talk.run_on(last)
    if _is_answer(last):
        return Said(text=last)
    return Said(text=talk.text(), failed=_broke_off(last))


def _data(events: Events, pieces: Iterable[bytes]) -> Iterator[str]:
    for piece in pieces:
        yield from events.take(piece)
    yield from events.rest()


def of_harness(events: Iterable[dict[str, Any]]) -> Said:
    """Takes a harness's events. Gives what its model said: the last message if that is an answer by the contract, else all
    of them. Raises AgentUncertain if the stream ends before the harness does, or the service fails."""
    talk, message, stop, usage, mine = _Talk(), _Talk(), None, None, True
    try:
        for event in events:
            if "messageStart" in event:
                mine = event["messageStart"].get("role") != "user"  # the user's are results of tools
                message = _Talk() if mine else message
            text = event.get("contentBlockDelta", {}).get("delta", {}).get("text")
            if text and mine:
                talk.run_on(text)
                message.run_on(text)
            if "contentBlockStop" in event:
                talk.paragraph()
                message.paragraph()
            stop = event.get("messageStop", {}).get("stopReason", stop)
            usage = _usage(event) or usage
    except EventStreamError as error:
        about = error.response.get("Error", {})
        code, why = str(about.get("Code", "")), first_line(plain(str(about.get("Message", ""))))
        if code not in ("runtimeClientError", "validationException"):
            # The service's own trouble: its harness may be at work behind it.
            raise AgentUncertain(f"the harness's stream ended with {code}: {why}") from error
        return Said(text=talk.text(), failed=f"The harness broke off with {code}: {why}", usage=usage)
    if stop is None:
        raise AgentUncertain("the harness's stream ended before its message")
    return _stopped(talk.text(), message.text(), str(stop), usage)


def _stopped(all_of_it: str, last: str, stop: str, usage: Usage | None) -> Said:
    fenced = _FENCED.match(last)
    answer = fenced[1] if fenced else last
    if stop in _WHOLE:
        return Said(text=answer if _is_answer(answer) else all_of_it, usage=usage)
    if stop == "timeout_exceeded":
        failed = "The harness ended the run at its own time limit."
        return Said(text=all_of_it, failed=failed, outcome=Outcome.TIMED_OUT, usage=usage)
    why = _STOPPED.get(stop, "it did not come to the end of its answer")
    return Said(text=all_of_it, failed=f"The harness stopped with {stop}: {why}.", usage=usage)


class _Talk:
    """Text that grows, up to the limit."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._size = 0
        self._cut = False
        self._ends = "\n\n"

    def run_on(self, text: str) -> None:
        room = LIMIT - self._size
        self._cut = self._cut or len(text) > room
        text = text[:room]
        if text:
            self._parts.append(text)
            self._size += len(text)
            self._ends = (self._ends + text[-2:])[-2:]

    def line(self, text: str) -> None:
        if not self._ends.endswith("\n"):
            self.run_on("\n")
        self.run_on(text + "\n")

    def paragraph(self) -> None:
        missing = 2 - len(self._ends) + len(self._ends.rstrip("\n"))
        self.run_on("\n" * missing)

    def text(self) -> str:
        return "".join(self._parts).strip() + (_CUT if self._cut else "")


def _unquoted(text: str) -> str:
    """Gives the text that a JSON string holds, nothing for null, and whatever else as it is."""
    inner = text.strip()
    if inner == "null":
        return ""
    if not inner.startswith('"'):
        return text
    try:
        value = json.loads(inner, strict=False)
    except ValueError:
        return text
    return value if isinstance(value, str) else text


def _object(text: str) -> dict[str, Any] | None:
    try:
        body = json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None


def _is_answer(text: str) -> bool:
    """Says whether a text is an answer by the contract, or begins as one and is broken: that is the contract's to judge."""
    if goes_on(text):
        return True
    if not text.lstrip("\ufeff \t\r\n").startswith("{") or not _OUTCOME_KEY.search(text):
        return False
    body = _object(text.lstrip("\ufeff"))
    return body is None or "outcome" in body


def _broke_off(last: str) -> str | None:
    """Gives why a runtime's stream is a failure: AgentCore's own library ends it with such an event if the agent raises."""
    body = _object(last) if last.lstrip().startswith("{") else None
    if body is None or "error" not in body or "error_type" not in body:
        return None
    return f"The agent broke off with {first_line(plain(str(body['error_type'])), 60)}: {plain(str(body['error']))}"


def _usage(event: dict[str, Any]) -> Usage | None:
    said = event.get("metadata", {}).get("usage", {})
    if "inputTokens" not in said and "outputTokens" not in said:
        return None
    return Usage(input_tokens=said.get("inputTokens"), output_tokens=said.get("outputTokens"))
