"""No cascades on the deployed stack: functions that each make five follow-ups that are due now, with their run's token, and
try to fire the sweeper. IAM is enforced, as on AWS. What happened is told by a record that the functions write.

What an agent makes is due in five minutes at the soonest. The test does not wait for them: an operator says `run`, which no
agent may.
"""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from followups.domain import ids
from tests.e2e.running import Running, wait_for
from tests.e2e.site import site
from tests.support.cascading import DO_NOT, Record, deep, spent

pytestmark = pytest.mark.slow

#: In the function's own folder there is nothing but this; what it needs of AWS the runtime has.
GREEDY = """
import fcntl, http.client, json, os, time, urllib.parse
import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import ClientError

RECORD, ROOT, SWEEPER, AT_ONCE = {record!r}, {root!r}, {sweeper!r}, {at_once}

def note(run, what, **more):
    with open(RECORD, "a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(json.dumps(dict(run=run, what=what, **more)) + "\\n")

def create(event, number):
    body = json.dumps(dict(agent=event["agent"], task=f"Child {{number}}", due="in 1 second"))
    url = urllib.parse.urlsplit(ROOT)
    request = AWSRequest("POST", f"{{ROOT}}/v1/follow-ups", data=body, headers={{"Content-Type": "application/json"}})
    request.headers["Followups-Run-Token"] = event["run_token"]
    session = boto3.Session()
    SigV4Auth(session.get_credentials(), "execute-api", session.region_name).add_auth(request)
    connection = http.client.HTTPConnection("127.0.0.1", url.port, timeout=30)
    connection.request("POST", "/v1/follow-ups", body, dict(request.headers) | {{"Host": url.netloc}})
    answer = connection.getresponse()
    said = json.loads(answer.read())
    if answer.status == 201:
        return 0, ""
    return answer.status, f"{{said['code']}}: {{said['detail']}}. {{said['hint']}} {{said['retryable']}}"

def fire():
    try:
        boto3.client("lambda").invoke(FunctionName=SWEEPER, Payload=b"{{}}")
    except ClientError as error:
        return 1, str(error)
    return 0, ""

def handler(event, context):
    run = event["run_id"]
    note(run, "began", agent=event["agent"])
    until = time.monotonic() + 10
    while open(RECORD).read().count('"began"') < AT_ONCE and time.monotonic() < until:
        time.sleep(0.05)
    for number in range(5):
        code, said = create(event, number)
        note(run, "create", code=code, said=said)
    code, said = fire()
    note(run, "fire", code=code, said=said)
    note(run, "ended")
    return "asked for five"
"""


@dataclass(frozen=True)
class Scene:
    """How the cascade is tried: agents at once, over all and of each agent; descendants of a root; the agents' names."""

    cap: int
    slots: int
    budget: int
    #: Two, so that the cap of all holds where that of each does not.
    agents: tuple[str, str]


ACCIDENT = Scene(5, 3, 3, ("one", "other"))
#: As the template has them; nobody has said how many of an agent may run at once.
DEFAULTS = Scene(5, 5, 20, ("more", "most"))


class Cascade:
    """The stack, the five, and what comes of them."""

    def __init__(self, running: Running, scene: Scene, record: Path) -> None:
        self.running, self.scene, self.path = running, scene, record
        there = running.there
        # An hour has its runs: another guard, which must not be what holds here.
        there.deploy(GlobalCap=str(scene.cap), MaxDescendants=str(scene.budget), RunnerTimeout="60", RunsPerHour="0")
        for name in scene.agents:
            self._add(name)
        self.roots = [
            running.say("create", f"@{scene.agents[number % 2]}", f"Root {number}", "in 1 second")["id"]
            for number in range(5)
        ]

    def _add(self, name: str) -> None:
        """Registers a function that may ask the API, and nothing else."""
        there, sweeper = self.running.there, self.running.there.resource("SweeperFunction")
        code = GREEDY.format(record=str(self.path), root=there.api_root, sweeper=sweeper, at_once=self.scene.cap)
        arn = there.agent(name, code)
        asks = {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": "*"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [asks]})
        there.client("iam").put_role_policy(RoleName=f"{there.stack}-{name}", PolicyName="asks", PolicyDocument=document)
        self.running.say("agents", "add", f"@{name}", "--max-concurrency", str(self.scene.slots), "--lambda", arn)

    def all(self) -> list[dict[str, Any]]:
        """Gives all that is of the five, and the five."""
        return [it for it in self.running.say("list", "--all")["follow_ups"] if it["root"] in self.roots]

    def play(self, seconds: float) -> None:
        """Lets all run that is made, until nothing is open any more. An operator does not wait for the ticks either."""

        def over() -> bool:
            self.running.say("run-due")
            opened = [it for it in self.all() if it["status"] not in ("done", "failed")]
            for it in opened:
                if it["status"] == "scheduled" and it["depth"] and it["blocked"] is None:
                    early = datetime.fromisoformat(it["due_at"]) - datetime.fromisoformat(it["created_at"])
                    assert early >= timedelta(minutes=5)
                    self.running.laptop.here("run", it["id"], **self.running.there.environ)
            return not opened

        wait_for(over, seconds=seconds, pause=3)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with site(tmp_path_factory.mktemp("aws"), enforced=True) as there:
        there.deploy()
        yield Running(there, there.laptop())


@pytest.mark.parametrize("scene", [pytest.param(ACCIDENT, id="3/3/5"), pytest.param(DEFAULTS, id="defaults")])
def test_functions_that_make_agents_come_to_an_end(running: Running, tmp_path: Path, scene: Scene) -> None:
    cascade = Cascade(running, scene, tmp_path / "record")
    cascade.play(900)
    record, made = Record.read(cascade.path), cascade.all()
    at_once, of_one = record.at_once()
    assert at_once == scene.cap, "the cap was reached, and held"
    assert of_one <= scene.slots
    ran = [ids.parse_run_id(it["run"]) for it in record.of("began")]
    assert sorted(it[0] for it in ran if it) == sorted(it["id"] for it in made), "each ran once"
    assert Counter(it["root"] for it in made) == dict.fromkeys(cascade.roots, 1 + scene.budget)
    assert {it["status"] for it in made} == {"done"}
    # Of a small budget the roots take all, unless one of their children is quicker.
    assert max(it["depth"] for it in made) in ((2,) if scene.budget > 5 else (1, 2))

    assert all(it["code"] and "not authorized to perform: lambda:InvokeFunction" in it["said"] for it in record.of("fire"))
    refused = record.refused()
    reasons = {f"cascade_budget: {spent(scene.budget)}", f"cascade_depth: {deep(2)}"}
    assert {said for each in refused.values() for said in each} <= {f"{it}. {DO_NOT} False" for it in reasons}
    assert sum(map(len, refused.values())) == len(made) * 5 - scene.budget * 5
    texts = [" ".join(it.text.split()) for it in running.there.mails()]
    for run in (it["run"] for it in record.of("began")):
        [text] = [it for it in texts if f" Run {run} " in it]
        told = record.told(run)
        assert told in text if told else "Refused" not in text
