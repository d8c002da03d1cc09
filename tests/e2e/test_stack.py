"""The deployed stack as a client sees it: from the API to the mail, by real ticks, twice: with IAM open and enforced."""

import json
import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from followups.domain.messages import Message
from tests.e2e.site import REPORT_TO, Mail, Site, build, site, wait_for
from tests.support.laptop import Laptop

pytestmark = pytest.mark.slow

HELLO = """
def handler(event, context):
    assert event["v"] == 1 and event["run_token"].startswith("fr1.")
    return {"outcome": "succeeded", "summary": "looked at " + event["task"], "report_md": "all is well"}
"""
SLOW = "import time\ndef handler(event, context):\n    time.sleep(3)\n    return 'done'\n"
ENDLESS = "import time\ndef handler(event, context):\n    time.sleep(60)\n"
CAP = 2


class Running:
    """The stack, and what was begun on it: each test waits for its own."""

    def __init__(self, there: Site, laptop: Laptop) -> None:
        self.there, self.laptop = there, laptop
        self.begun: dict[str, Any] = {}

    def say(self, *words: str) -> Any:
        return self.there.call(self.laptop, *words)

    def ended(self, follow_up_id: str, seconds: float) -> dict[str, Any]:
        """Gives the follow-up once it has ended."""

        def ask() -> dict[str, Any] | None:
            it = self.say("show", follow_up_id)
            return it if it["status"] in ("done", "failed", "cancelled") else None

        return wait_for(ask, seconds=seconds)

    def mail_of(self, task: str) -> Mail:
        def ask() -> list[Mail]:
            return [it for it in self.there.mails() if task in it.subject]

        [mail] = wait_for(ask, seconds=60)
        return mail


@pytest.fixture(scope="module", params=["open", "enforced"])
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    build()
    with site(tmp_path_factory.mktemp("aws"), enforced=request.param == "enforced") as there:
        there.deploy(GlobalCap=str(CAP), RunnerTimeout="10")
        it = Running(there, there.laptop())
        for name, code, concurrency in (("hello", HELLO, 1), ("slow", SLOW, 6), ("endless", ENDLESS, 1)):
            it.say("agents", "add", f"@{name}", "--max-concurrency", str(concurrency), "--lambda", there.agent(name, code))
        # The longest first; what waits for a minute's tick waits meanwhile.
        it.begun["tick"] = it.say("create", "@hello", "By the tick", "in 125 seconds")
        it.begun["endless"] = it.say("create", "@endless", "Outlasts its runner", "in 1 second")
        it.begun["cancelled"] = it.say("create", "@hello", "Cancelled in time", "in 70 seconds")
        it.begun["at once"] = it.say("create", "@hello", "At once", "in 1 second")
        yield it


def test_what_is_due_soon_is_claimed_at_birth_run_and_reported(running: Running) -> None:
    made = running.begun["at once"]
    assert made["status"] == "claimed"
    assert running.ended(made["id"], 30)["status"] == "done"
    mail = running.mail_of("At once")
    assert (mail.to, mail.subject) == ([REPORT_TO], "[Followups] succeeded: At once - looked at At once")
    assert "all is well" in mail.text and "all is well" in mail.html


def test_what_is_cancelled_within_the_look_ahead_never_runs(running: Running) -> None:
    made = running.begun["cancelled"]
    assert made["status"] == "claimed"
    assert running.say("delete", made["id"])["status"] == "cancelled"


def test_never_more_agents_than_the_cap(running: Running) -> None:
    made = [running.say("create", "@slow", f"Slow {number}", "in 1 second") for number in range(6)]
    runs = []
    for it in made:
        running.ended(it["id"], 120)
        runs += running.say("runs", it["id"])["runs"]
    assert len(runs) == 6
    spans = [(datetime.fromisoformat(it["started_at"]), datetime.fromisoformat(it["finished_at"])) for it in runs]
    assert max(sum(start <= moment < end for start, end in spans) for moment, _ in spans) <= CAP


def test_a_later_one_is_claimed_by_a_minutes_tick(running: Running) -> None:
    made = running.begun["tick"]
    assert made["status"] == "scheduled", "it is due after the look-ahead"
    assert running.ended(made["id"], 200)["status"] == "done"
    [run] = running.say("runs", made["id"])["runs"]
    assert run["lateness"] < 10
    running.mail_of("By the tick")


def test_an_agent_that_outlasts_its_runner_is_unknown_and_reported(running: Running) -> None:
    ended = running.ended(running.begun["endless"]["id"], 200)
    assert (ended["status"], ended["last_outcome"]) == ("failed", "unknown")
    running.mail_of("Outlasts its runner")


def test_what_was_cancelled_has_not_run(running: Running) -> None:
    made = running.begun["cancelled"]
    due = datetime.fromisoformat(made["due_at"]).timestamp()
    time.sleep(max(0.0, due + 5 - time.time()))
    assert running.say("show", made["id"])["status"] == "cancelled"
    assert running.say("runs", made["id"])["runs"] == []
    assert not [it for it in running.there.mails() if "Cancelled in time" in it.subject]


def test_a_dead_letter_is_shown_and_sent_again(running: Running) -> None:
    stale = Message("start", "nobody", "a" * 26, 1).to_json()
    running.there.client("sqs").send_message(QueueUrl=running.there.outputs["StartDeadLettersUrl"], MessageBody=stale)
    assert [it["did"] for it in running.say("redrive")["letters"]] == ["sent again"]
    done = running.laptop.here("logs", "run-" + "a" * 26 + "-000001", **running.there.environ)
    assert done.returncode == 0


def test_the_auditor_finds_nothing(running: Running) -> None:
    answer = running.there.client("lambda").invoke(FunctionName=running.there.outputs["AuditorFunctionName"], Payload=b"{}")
    audited = json.loads(answer["Payload"].read())
    assert audited["broken"] == 0, audited


def test_doctor_finds_all_well(running: Running) -> None:
    done = running.laptop.here("doctor", **running.there.environ)
    assert done.returncode == 0, done.stdout
