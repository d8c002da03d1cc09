"""What an agent says of its own run by its token, in the real world and in the model: both must say the same."""

from typing import Any

from followups.domain.contract import AgentCall
from tests.support.api_engine_model import Record
from tests.support.api_expected import LIVE, Answer, Expected, instant
from tests.support.api_steps import Steps

_UNHEARD = ("timed_out", "unknown", "cancelled")
OVER: Answer = (410, "run_over")


def call_back(steps: Steps, call: AgentCall, verb: str, body: dict[str, Any] | None) -> None:
    """`verb` is complete, heartbeat or progress. The agent may say it while its run is live, or long after."""
    it = next(it for it in steps.model.follow_ups if call.run_id.startswith(f"run-{it.id}-"))
    record = next((each for each in it.runs if each.view["id"] == call.run_id), None)
    now = steps.model.now()
    if record is not None and record.forget_at is not None and record.forget_at <= now:
        return  # A store may still have it, or not.
    live = it.view["run"] if it.status in LIVE and it.view["run"]["id"] == call.run_id else None
    expected: Answer = (200, None)
    if verb == "complete":
        assert body is not None
        record, expected = _complete(steps, it, record, live, body)
    elif live is None or it.deadline_at is None or now > it.deadline_at:
        expected = OVER
    else:
        it.change(run=live | {"heard_at": instant(now)} | ({"progress": body["message"]} if body else {}))
    path = f"/v1/runs/{call.run_id}/{verb}"
    # It belongs to nobody but its run: who sends it is not asked.
    answered, headers = steps.ask("nobody", expected, "POST", path, body, followups_run_token=call.token)
    if expected[0] == 200:
        _look(it, record, answered, verb)
        assert headers.get("idempotent-replayed") == ("true" if verb == "complete" and live is None else None)
    steps.collect()


def _look(it: Expected, record: Record | None, answered: Any, verb: str) -> None:
    if verb == "complete":
        assert record is not None
        view = record.view
        told = {"run_id": view["id"]} | {name: view[name] for name in ("outcome", "verdict", "final", "next_at")}
    else:
        run = it.view["run"]
        told = {"run_id": run["id"], "deadline_at": run["deadline_at"], "cancelled": it.status == "cancelling"}
    assert answered == told


def _complete(
    steps: Steps, it: Expected, record: Record | None, live: Any, body: dict[str, Any]
) -> tuple[Record | None, Answer]:
    """The first word counts; what comes after we ended it ourselves is kept beside it."""
    now = steps.model.now()
    if live is not None:
        over = it.deadline_at is not None and now > it.deadline_at
        # Which kind it is, is asked of the registry.
        it.is_lost = it.view["agent"] not in steps.model.agents
        steps.model.ended(it, "timed_out" if over else body["outcome"], None if over else body["summary"])
        record = it.runs[0]
        if not over:
            record.completion = body
            return record, (200, None)
    if record is None:
        return None, OVER
    late = record.view["late_result"]
    if record.view["outcome"] in _UNHEARD and (late or record.completion is None):
        if late is None:
            said = {"outcome": body["outcome"], "summary": body["summary"], "report": body["summary"]}
            record.view["late_result"] = said | {"at": instant(now)}
            record.completion = body
        return record, OVER
    return record, (200, None) if record.completion == body else (409, "already_completed")
