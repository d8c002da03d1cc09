"""A worker's engine with real commands, over a wire that breaks where a test says: nothing is done twice, nothing lost."""

import json
import os
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from followups import bootstrap
from followups.adapters.agents.command import CommandAgent
from followups.adapters.local import SystemClock
from followups.cli.client import Client, InProcess, Problem, Unreachable
from followups.config import LaptopConfig
from followups.local.worker import Person, Worked, Worker
from followups.ports import Clock
from tests.support.clock import ManualClock
from tests.support.contract import Checked
from tests.support.laptop import Laptop
from tests.support.processes import until
from tests.support.wire import LOST, UNHEARD, Fault, Wire

#: `make races` runs it: it waits for other processes.
pytestmark = pytest.mark.slow


class Hurried(ManualClock):
    """Each look at it takes ten seconds."""

    def now(self) -> datetime:
        self.advance(seconds=10)
        return super().now()


class Desk:
    """A laptop with a worker agent, and workers of it in this process."""

    def __init__(self, laptop: Laptop, runs: Path) -> None:
        self.laptop, self._runs = laptop, runs
        handler = bootstrap.laptop_api(laptop.home, LaptopConfig(timezone="UTC"))
        self.wire = Wire(Checked(InProcess(handler, bootstrap.laptop_user(), SystemClock().now)))
        self.client = Client(self.wire, None)
        self.said: list[str] = []
        self.clock = ManualClock(datetime.now(UTC))

    def register(self, **more: Any) -> None:
        self.client.agent("@w", "PUT", {"kind": "worker", **more})

    def worker(
        self, *command: str, name: str = "desk-1", clock: Clock | None = None, ending: Callable[[], bool] = lambda: False
    ) -> Worker:
        runner = CommandAgent(self._runs, environ=dict(os.environ))
        return Worker(
            self.client, "@w", command, runner, name=name, clock=clock or self.clock,
            person=Person(say=self.said.append, ending=ending), beat=timedelta(seconds=0.05),
        )  # fmt: skip

    def start(self, worker: Worker, **more: Any) -> str:
        """Gives the id of a new follow-up whose run waits for a worker: one has to be there first."""
        assert worker.ask() is None
        made = str(self.client.create({"agent": "@w", "task": "Check", "due": "7d", **more}, None).body["id"])
        self.client.of(made, "/run", "POST")
        self.laptop.here("run-due")
        assert self.laptop.status(made) == "running"
        return made

    def work(self, worker: Worker) -> Worked:
        request = worker.ask()
        assert request is not None
        return worker.work(request)

    def runs(self, made: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.client.of(made, "/runs").body["runs"]
        return found


@pytest.fixture
def desk(laptop: Laptop, tmp_path: Path) -> Iterator[Desk]:
    it = Desk(laptop, tmp_path / "runs")
    it.register()
    yield it


def shell(script: str) -> tuple[str, ...]:
    return ("sh", "-c", script)


def test_a_run_is_worked_at_and_told(desk: Desk) -> None:
    worker = desk.worker(*shell('cat; echo; echo "$FOLLOWUPS_RUN_ID $FOLLOWUPS_RUN_TOKEN"'))
    made = desk.start(worker, message="all of it")
    it = desk.work(worker)
    assert (it.word, it.told, worker.in_hand) == ("succeeded", True, None)
    [run] = desk.runs(made)
    assert (run["outcome"], run["kind"], run["target_id"], desk.laptop.status(made)) == (
        "succeeded", "worker", "worker desk-1", "done",
    )  # fmt: skip
    report = str(desk.client.call("GET", f"/v1/runs/{run['id']}").body["report_text"])
    request, said = report.splitlines()[:2]
    told = json.loads(request)
    assert (told["task"], told["prompt"], told["run_id"], "run_token" in told) == ("Check", "all of it", run["id"], False)
    assert said.startswith(f"{run['id']} fr2.")
    assert worker.ask() is None


def test_what_the_contract_has_is_told_whole(desk: Desk) -> None:
    answer = {
        "outcome": "attention", "summary": "half", "report_md": "é" * 100_000, "verdict": "not_met", "evidence": "I looked",
        "usage": {"model": "m", "input_tokens": 7, "output_tokens": 9, "cost_usd": 5_000_000},
    }  # fmt: skip
    (path := desk.laptop.home / "answer").write_text(json.dumps(answer))
    worker = desk.worker("cat", str(path))
    made = desk.start(worker, done_when="all is there")
    assert desk.work(worker).word == "attention"
    [run] = desk.runs(made)
    assert (run["verdict"], run["evidence"], run["summary"]) == ("not_met", "I looked", "half")
    # A sum that is beyond belief costs the sum, not the result.
    assert run["usage"] == {"model": "m", "input_tokens": 7, "output_tokens": 9, "cost_usd": None}
    assert desk.client.call("GET", f"/v1/runs/{run['id']}").body["report_text"] == "é" * 100_000


def test_a_report_of_any_size_and_characters_is_taken(desk: Desk) -> None:
    (path := desk.laptop.home / "long").write_text("\N{SNOWMAN}" * 500_000)
    worker = desk.worker("cat", str(path))
    made = desk.start(worker)
    assert desk.work(worker).told
    assert "[cut here" in desk.client.call("GET", f"/v1/runs/{desk.runs(made)[0]['id']}").body["report_text"]


def test_one_that_failed_is_tried_again(desk: Desk) -> None:
    worker = desk.worker(*shell("echo no luck >&2; exit 3"))
    made = desk.start(worker)
    it = desk.work(worker)
    assert (it.word, it.summary) == ("failed", "The agent exited with 3: no luck")
    assert (desk.runs(made)[0]["final"], desk.laptop.status(made)) == (False, "scheduled")


def test_what_died_is_told_as_unknown_and_never_run_again(desk: Desk, tmp_path: Path) -> None:
    worker = desk.worker(*shell(f"echo x >> {tmp_path}/ran; kill -9 $$"))
    made = desk.start(worker)
    it = desk.work(worker)
    assert (it.word, it.told) == ("unknown", True)
    assert it.summary == "The agent was killed by SIGKILL. It may or may not have done its work."
    assert worker.ask() is None and desk.worker("true", name="desk-2").ask() is None
    assert ((tmp_path / "ran").read_text(), desk.laptop.status(made)) == ("x\n", "failed")
    assert [(it["outcome"], it["final"]) for it in desk.runs(made)] == [("unknown", True)]


def test_a_run_whose_handing_out_was_not_heard_is_given_again(desk: Desk) -> None:
    worker = desk.worker("echo", "well")
    made = desk.start(worker)
    desk.wire.faults["work"] = [UNHEARD]
    with pytest.raises(Unreachable):
        worker.ask()
    assert desk.worker("true", name="desk-2").ask() is None
    assert desk.work(worker).word == "succeeded"
    assert len(desk.runs(made)) == 1


@pytest.mark.parametrize("faults", [[LOST], [UNHEARD], [500, 429, UNHEARD, LOST, 503]])
def test_a_completion_that_was_not_heard_is_told_again(desk: Desk, faults: list[Fault]) -> None:
    worker = desk.worker("echo", "well")
    made = desk.start(worker)
    desk.wire.faults["complete"] = list(faults)
    it = desk.work(worker)
    assert (it.word, it.told) == ("succeeded", True)
    assert len({*desk.wire.bodies("complete")}) == 1 and len(desk.wire.bodies("complete")) == len(faults) + 1
    assert desk.clock.slept == [timedelta(seconds=5)] * len(faults)
    assert [run["outcome"] for run in desk.runs(made)] == ["succeeded"]
    assert all(said.endswith("; it is told again") for said in desk.said)


def test_it_tells_until_the_deadline_and_no_longer(desk: Desk) -> None:
    desk.register(timeout_s=60)
    worker = desk.worker("echo", "well")
    made = desk.start(worker)
    desk.wire.faults["complete"] = [LOST] * 100
    it = desk.work(worker)
    assert (it.word, it.told, it.summary) == ("not taken", False, "the cable is out")
    assert 12 <= len(desk.wire.bodies("complete")) <= 14
    assert desk.laptop.status(made) == "running"


def test_who_has_spoken_for_itself_has_said_it(desk: Desk) -> None:
    """The command may call back: its own word counts."""
    worker = desk.worker("echo", "well")
    made = desk.start(worker)
    request = worker.ask()
    assert request is not None
    desk.client.of_run(request["run_id"], "/complete", request["run_token"], {"outcome": "attention"})
    it = worker.work(request)
    assert (it.told, "the first word counts" in it.summary) == (False, True)
    assert [run["outcome"] for run in desk.runs(made)] == ["attention"]


def test_a_cancel_stops_the_command_is_told_at_once_and_the_worker_works_on(desk: Desk) -> None:
    worker = desk.worker("sleep", "60", clock=SystemClock())
    made = desk.start(worker)
    request = worker.ask()
    assert request is not None
    desk.client.of(made, method="DELETE")
    assert desk.laptop.status(made) == "cancelling"
    desk.wire.faults["heartbeat"] = [LOST, 500]
    it = worker.work(request)
    assert (it.word, it.told) == ("cancelled", True)
    assert (desk.laptop.status(made), desk.runs(made)[0]["outcome"]) == ("cancelled", "cancelled")
    assert [said.partition(";")[2] for said in desk.said] == [" the run goes on"] * 2
    assert worker.ask() is None
    other = desk.start(worker)
    request = worker.ask()
    assert request is not None and other in request["run_id"]


def test_a_run_that_is_over_is_stopped(desk: Desk, tmp_path: Path) -> None:
    worker = desk.worker("sleep", "60", clock=SystemClock())
    desk.start(worker)
    request = worker.ask()
    assert request is not None
    desk.client.of_run(request["run_id"], "/complete", request["run_token"], {"outcome": "failed"})
    it = worker.work(request)
    assert (it.word, it.told, "It was stopped." in it.summary) == ("over", False, True)
    assert worker.ask() is None


@pytest.mark.parametrize("fault", [LOST, 503, 403])
def test_a_command_ends_with_its_lease_where_nobody_is_heard_of(desk: Desk, fault: Fault) -> None:
    """Another worker may be given the run then: two at once would be one too many."""
    desk.register(timeout_s=86_400)
    worker = desk.worker("sleep", "60", clock=Hurried(datetime.now(UTC)))
    made = desk.start(worker)
    request = worker.ask()
    assert request is not None
    desk.wire.faults["heartbeat"] = [fault] * 1_000
    it = worker.work(request)
    assert (it.word, it.told) == ("lost", False)
    assert it.summary.startswith("The run could not be kept for 4 min ")
    assert desk.laptop.status(made) == "running"


def test_one_that_is_heard_of_goes_on_beyond_a_lease(desk: Desk, tmp_path: Path) -> None:
    desk.register(timeout_s=86_400)
    clock = Hurried(datetime.now(UTC))
    worker = desk.worker(*shell(f"while [ ! -e {tmp_path}/go ]; do sleep 0.02; done; echo well"), clock=clock)
    made = desk.start(worker)
    request = worker.ask()
    assert request is not None
    begun = clock.now()
    found: list[Worked] = []
    thread = threading.Thread(target=lambda: found.append(worker.work(request)))
    thread.start()
    until(lambda: clock.now() - begun > timedelta(minutes=20))
    (tmp_path / "go").touch()
    thread.join(20)
    assert [it.word for it in found] == ["succeeded"] and len(desk.wire.bodies("heartbeat")) > 10
    assert desk.laptop.status(made) == "done"


def test_who_wants_to_end_is_told_what_is_waited_for(desk: Desk) -> None:
    worker = desk.worker("sleep", "0.2", ending=lambda: True)
    desk.start(worker)
    assert desk.work(worker).word == "succeeded"
    assert desk.said == ["Waiting for the run to end; Ctrl-C again stops it."]


def test_a_disabled_agent_hands_nothing_out_and_what_runs_is_told_all_the_same(desk: Desk) -> None:
    worker = desk.worker("echo", "well")
    made = desk.start(worker)
    request = worker.ask()
    assert request is not None
    desk.client.agent("@w", "POST", None, "/disable")
    assert worker.ask() is None
    assert worker.work(request).word == "succeeded"
    assert desk.laptop.status(made) == "done"


def test_an_agent_that_is_gone_has_no_work(desk: Desk) -> None:
    worker = desk.worker("true")
    desk.client.agent("@w", "DELETE")
    with pytest.raises(Problem, match="there is no agent @w"):
        worker.ask()
