"""SQS batches: to the runner, and to the reporter.

Every message is acknowledged, also one whose handling failed: the sweeper owns liveness, and a message that came back
hours later would be stale. What a bug raises goes back as a partial failure, so that the dead letter queue shows it.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from followups.domain.errors import StoreError
from followups.domain.messages import Message, read_message
from followups.handlers import Context, Event, Handler, Log, silent
from followups.ports import AgentTarget, Mailer
from followups.usecases.report import send_report
from followups.usecases.run import Crew, run
from followups.usecases.world import World


def runner(world: World, targets: Mapping[str, AgentTarget], secrets: Sequence[bytes], *, log: Log = silent) -> Handler:
    """Gives the handler of start messages. `targets` are the agent targets by kind, the first of `secrets` signs run
    tokens."""

    def start(message: Message, context: Context) -> dict[str, Any]:
        remaining = timedelta(milliseconds=context.get_remaining_time_in_millis())
        crew = Crew(targets=targets, secret=secrets[0])
        ran = run(world, crew, message, remaining=remaining)
        facts: dict[str, Any] = {"result": ran.word} | ({"agent": ran.agent} if ran.agent else {})
        if ran.outcome is not None:
            facts |= {"outcome": ran.outcome.value, "final": ran.final}
        if ran.late is not None:
            facts["late_s"] = round(max(0.0, ran.late.total_seconds()), 3)
        return facts

    return _consumer("start", start, log)


def reporter(world: World, mailer: Mailer, *, log: Log = silent) -> Handler:
    """Gives the handler of report messages."""
    return _consumer("report", lambda message, _context: {"result": send_report(world, mailer, message)}, log)


def _consumer(kind: str, work: Callable[[Message, Context], dict[str, Any]], log: Log) -> Handler:
    def handle(event: Event, context: Context) -> dict[str, Any]:
        failures = []
        for record in _records(event):
            message = read_message(str(record.get("body", "")))
            if message is None or message.kind != kind:
                log("bad_message", {"message_id": record.get("messageId")})
                continue
            facts = {"run_id": message.run_id, "kind": kind}
            try:
                log("handled", facts | work(message, context))
            except StoreError as error:
                log("store_error", facts | {"error": str(error)})
            except Exception as error:  # noqa: BLE001 - the outermost edge: one message's bug is not the batch's
                log("bug", facts | {"error": repr(error)})
                failures.append({"itemIdentifier": record.get("messageId")})
        return {"batchItemFailures": failures}

    return handle


def _records(event: object) -> list[Mapping[str, Any]]:
    """Gives a batch's records. What is no batch has one that says nothing: it is counted as a bad message."""
    records = event.get("Records", []) if isinstance(event, Mapping) else None
    return [it if isinstance(it, Mapping) else {} for it in (records if isinstance(records, list) else [None])]
