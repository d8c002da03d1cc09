"""An agent on Bedrock AgentCore Runtime that goes on and calls back; register it with `--mode async`.

MODEL_ID names a model, or an inference profile, of Bedrock.
"""

import json
import os
import threading
import time
import urllib.error
import urllib.request
from typing import Any

from bedrock_agentcore.runtime import BedrockAgentCoreApp
from strands import Agent
from strands.models import BedrockModel

BEAT_S, PAUSES_S = 60, (1, 5, 25, 125)
#: What the model is told of the request: no token, and no address where one could be used.
TOLD = ("task", "prompt", "scheduled_for", "now", "timezone", "missed", "done_when", "previous_report")

app = BedrockAgentCoreApp()
started: set[str] = set()


@app.entrypoint
def invoke(request: dict[str, Any]) -> dict[str, Any]:
    """Takes the request; gives that the answer will come, or the answer itself where there is nothing to call back."""
    if not request.get("callback"):
        return work(request)
    # A run has a session of its own, but the same run may be told twice.
    if request["run_id"] not in started:
        started.add(request["run_id"])
        # While there is a task, /ping says HealthyBusy: an idle session would be ended after 15 minutes.
        task = app.add_async_task("followup", {"run_id": request["run_id"]})
        threading.Thread(target=go_on, args=(request, task), daemon=True).start()
    return {"pending": True}


def work(request: dict[str, Any]) -> dict[str, Any]:
    """Does the task. Yours goes here."""
    agent = Agent(model=BedrockModel(model_id=os.environ["MODEL_ID"]), callback_handler=None)
    result = agent(json.dumps({name: request.get(name) for name in TOLD}), limits={"turns": 30})
    used, said = result.metrics.accumulated_usage, str(result).strip()
    return {
        "outcome": "succeeded" if said and result.stop_reason == "end_turn" else "failed",
        "summary": said.split("\n", 1)[0][:200] or f"The model stopped: {result.stop_reason}",
        "report_md": said,
        "usage": {
            "model": os.environ["MODEL_ID"], "input_tokens": used["inputTokens"], "output_tokens": used["outputTokens"],
        },
    }  # fmt: skip


def go_on(request: dict[str, Any], task: int) -> None:
    over = threading.Event()
    threading.Thread(target=beat, args=(request, over), daemon=True).start()
    try:
        answer = work(request)
    except Exception as error:  # noqa: BLE001 - whatever it was, a run that ends in silence helps nobody
        answer = {"outcome": "failed", "summary": f"{type(error).__name__}: {error}"[:200]}
    over.set()
    for pause in (*PAUSES_S, 0):
        # The same answer twice is one answer; what is refused stays refused.
        status = post(request, "complete", answer)
        if 0 < status < 500 and status != 429:
            break
        time.sleep(pause)
    app.complete_async_task(task)


def beat(request: dict[str, Any], over: threading.Event) -> None:
    # An agent of your own may also read from the answer whether the run was cancelled.
    while not over.wait(BEAT_S):
        post(request, "heartbeat", {})


def post(request: dict[str, Any], what: str, body: dict[str, Any]) -> int:
    """Gives the status, or 0 if there was no answer."""
    url = request["callback"][what]
    if not url.startswith("https://"):
        return 400
    headers = {"Content-Type": "application/json", "Followups-Run-Token": request["run_token"]}
    call = urllib.request.Request(url, json.dumps(body).encode(), headers)  # noqa: S310 - https only, see above
    try:
        with urllib.request.urlopen(call, timeout=30) as answer:  # noqa: S310
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


if __name__ == "__main__":
    app.run()
