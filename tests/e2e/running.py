"""A deployed stack with a client that talks to it."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from tests.e2e.site import Mail, Site, site
from tests.support.laptop import Laptop

HELLO = """
def handler(event, context):
    assert event["v"] == 1 and event["run_token"].startswith("fr2.")
    return {"outcome": "succeeded", "summary": "looked at " + event["task"], "report_md": "all is well"}
"""
SLOW = "import time\ndef handler(event, context):\n    time.sleep(3)\n    return 'done'\n"
ENDLESS = "import time\ndef handler(event, context):\n    time.sleep(60)\n"
#: Calls back, as one does whose work goes on elsewhere.
CALLER = """
import http.client, json, urllib.parse
def say(event, what, body):
    url = urllib.parse.urlsplit(event["callback"][what])
    connection = http.client.HTTPConnection("127.0.0.1", url.port, timeout=30)
    headers = {"Host": url.netloc, "Content-Type": "application/json", "Followups-Run-Token": event["run_token"]}
    connection.request("POST", url.path, json.dumps(body), headers)
    answer = connection.getresponse()
    return answer.status, answer.read().decode()
def handler(event, context):
    print(say(event, "heartbeat", {}), say(event, "progress", {"message": "1 of 2"}))
    usage = {"model": "none", "input_tokens": 7, "output_tokens": 3, "cost_usd": 4e-05}
    result = {"outcome": "succeeded", "summary": "called back", "verdict": "not_met", "evidence": "two of three"}
    print(say(event, "complete", result | {"usage": usage}))
"""
NIGHT = {
    "StartAt": "Work",
    "States": {
        "Work": {"Type": "Wait", "Seconds": 5, "Next": "Tell"},
        "Tell": {"Type": "Pass", "Result": {"outcome": "succeeded", "summary": "the night is over"}, "End": True},
    },
}
#: Agents at once, over all, in the stack that the tests deploy.
CAP = 2
T = TypeVar("T")


class Running:
    """The stack, and what was begun on it: each test waits for its own."""

    def __init__(self, there: Site, laptop: Laptop) -> None:
        self.there, self.laptop = there, laptop
        self.begun: dict[str, Any] = {}

    def say(self, *words: str) -> Any:
        """Says a command on the laptop that is logged in, and gives its JSON document."""
        done = self.laptop.here("--json", *words, **self.there.environ)
        assert done.returncode == 0, f"followups {words}: {done.stderr}"
        return json.loads(done.stdout)

    def ended(self, follow_up_id: str, seconds: float) -> dict[str, Any]:
        """Gives the follow-up once it has ended."""

        def ask() -> dict[str, Any] | None:
            it = self.say("show", follow_up_id)
            return it if it["status"] in ("done", "failed", "cancelled") else None

        return wait_for(ask, seconds=seconds)

    def mail_of(self, task: str) -> Mail:
        """Gives the one mail whose subject has these words, once SES has it."""

        def ask() -> list[Mail]:
            return [it for it in self.there.mails() if task in it.subject]

        [mail] = wait_for(ask, seconds=60)
        return mail


@contextmanager
def deployed(folder: Path, *, enforced: bool) -> Iterator[Running]:
    """Deploys the stack and begins what takes its time; `enforced` lets IAM refuse what no policy allows."""
    with site(folder, enforced=enforced) as there:
        there.deploy(GlobalCap=str(CAP), RunnerTimeout="10")
        it = Running(there, there.laptop())
        for name, code, concurrency in (("hello", HELLO, 1), ("slow", SLOW, 6), ("endless", ENDLESS, 1)):
            it.say("agents", "add", f"@{name}", "--max-concurrency", str(concurrency), "--lambda", there.agent(name, code))
        # The longest first; what waits for a minute's tick waits meanwhile.
        it.begun["tick"] = it.say("create", "@hello", "By the tick", "in 125 seconds")
        it.begun["endless"] = it.say("create", "@endless", "Outlasts its runner", "in 1 second")
        it.begun["cancelled"] = it.say("create", "@hello", "Cancelled in time", "in 70 seconds")
        it.begun["at once"] = it.say("create", "@hello", "At once", "in 1 second")
        _begin_long_runs(it)
        yield it


def _begin_long_runs(it: Running) -> None:
    """They hold their slots for a while: what is to run at once comes before them."""
    there = it.there
    it.say("agents", "add", "@caller", "--mode", "async", "--lambda", there.agent("caller", CALLER))
    it.say("agents", "add", "@night", "--states", there.machine("night", NIGHT))
    it.say("agents", "add", "@desk", "--worker")
    it.begun["worker"] = it.say("create", "@desk", "Water the plants", "in 60 seconds")
    it.begun["machine"] = it.say("create", "@night", "Work through the night", "in 60 seconds")
    called = ("--done-when", "all three are there")
    it.begun["caller"] = it.say("create", "@caller", "Call me back", "in 60 seconds", *called)


def wait_for(ask: Callable[[], T], *, seconds: float, pause: float = 1.0) -> T:
    """Asks until there is an answer that is something; fails after so many seconds."""
    end = time.monotonic() + seconds
    while not (answer := ask()):
        assert time.monotonic() < end, f"nothing came of {ask} within {seconds} s"
        time.sleep(pause)
    return answer
