"""`followups worker` as a process: killed, interrupted, without a server; and what it says. (Its engine: test_worker.)"""

import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from followups import bootstrap
from followups.domain.changes import Swap
from followups.domain.entities import FollowUp
from followups.domain.ids import follow_up_key
from tests.support.laptop import Laptop
from tests.support.processes import is_alive, killed, served, until

#: `make races` runs it: it waits for other processes.
pytestmark = pytest.mark.slow

EVERY = ("--every", "0.2")


@contextmanager
def working(laptop: Laptop, *command: str, options: tuple[str, ...] = (), **more: str) -> Iterator["subprocess.Popen[str]"]:
    """Gives a worker of @w that has asked for work: from then on runs are started."""
    process = laptop.start("worker", "--agent", "@w", *EVERY, *options, "--command", *command, **more)
    with killed(process):
        assert process.stderr is not None and "Working for @w, asking every 0.2 s at" in process.stderr.readline()
        yield process


@pytest.fixture(autouse=True)
def agent(laptop: Laptop) -> None:
    register(laptop)


def register(laptop: Laptop, **more: Any) -> None:
    laptop.client.agent("@w", "PUT", {"kind": "worker", **more})


def make(laptop: Laptop, task: str = "Check", **more: Any) -> str:
    """Gives the id of a new follow-up that may start at once."""
    made = str(laptop.client.create({"agent": "@w", "task": task, "due": "7d", **more}, None).body["id"])
    laptop.client.of(made, "/run", "POST")
    return made


def start(laptop: Laptop, task: str = "Check") -> str:
    """Gives the id of one whose run waits for a worker."""
    made = make(laptop, task)
    # A worker may be so quick that its run has ended by then.
    assert laptop.here("run-due").stdout in ("1 under way; nothing has ended.\n", "Nothing was run.\n")
    return made


def runs(laptop: Laptop, made: str) -> list[dict[str, Any]]:
    """Gives the runs, oldest first."""
    return list(reversed(laptop.client.of(made, "/runs").body["runs"]))


def noted(path: Path, count: int = 1) -> list[int]:
    """Waits for so many lines of a number; gives them."""
    until(lambda: path.exists() and path.read_text().count("\n") >= count)
    return [int(line) for line in path.read_text().split()]


def end_lease(laptop: Laptop, made: str) -> None:
    """Lets the run's lease be over, as it is five minutes after its worker was heard of last."""
    store = bootstrap.laptop_store(laptop.home)
    old = store.get(FollowUp, follow_up_key(bootstrap.laptop_user(), made))
    assert old is not None and old.lease_until is not None and old.lease_until - datetime.now(UTC) > timedelta(minutes=4)
    past = datetime.now(UTC).replace(microsecond=0)
    new = replace(old, lease_until=past, wake_at=past, heard_at=past, version=old.version + 1, write_id="lease over")
    store.commit(Swap(old, new))


# What it does


def test_a_run_is_done_and_said(laptop: Laptop) -> None:
    with working(laptop, "sh", "-c", "cat >/dev/null; echo all is well", options=("--once",)) as worker:
        made = start(laptop, "Look at it")
        out, err = worker.communicate(timeout=30)
    name = f"{made[:8]}-1"
    assert (worker.returncode, out, err) == (0, f"{name}  succeeded - all is well\n", f"{name}  Look at it …\n")
    assert laptop.status(made) == "done"
    laptop.here("run-due")
    assert len(laptop.mails()) == 1


def test_json_is_a_line_for_each_run(laptop: Laptop) -> None:
    process = laptop.start("--json", "worker", "--agent", "@w", *EVERY, "--command", "echo", "well")
    with killed(process):
        until(lambda: laptop.client.agent("@w").body["worker_seen_at"])
        assert process.stdout is not None
        made, lines = [], []
        for _ in range(2):
            made.append(start(laptop))
            lines.append(json.loads(process.stdout.readline()))
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=30) == ("", "")
    assert [it["run_id"] for it in lines] == [f"run-{it}-000001" for it in made]
    assert {(it["result"], it["summary"], it["told"]) for it in lines} == {("succeeded", "well", True)}


def test_over_http_to_a_followups_dev(laptop: Laptop) -> None:
    dev, url = served(laptop)
    with killed(dev), working(laptop, "sh", "-c", "cat", options=("--once",), FOLLOWUPS_API_URL=url) as worker:
        made = make(laptop)
        out, _ = worker.communicate(timeout=30)
    assert (worker.returncode, "succeeded" in out, laptop.status(made)) == (0, True, "done")
    [run] = runs(laptop, made)
    # Who has a server to call is told where.
    told = json.loads(laptop.client.call("GET", f"/v1/runs/{run['id']}").body["report_text"])
    assert told["callback"]["heartbeat"] == f"{url}/v1/runs/{run['id']}/heartbeat"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--command", "true"), 2, "Missing option '--agent'"),
        (("--agent", "@nobody", "--command", "true"), 2, "there is no agent @nobody"),
        (("--agent", "@checklist", "--command", "true"), 2, "@checklist is a checklist agent, which is called"),
        (("--agent", "@w", "--command", "no-such-program"), 2, "no-such-program"),
        (("--agent", "@w"), 2, "this laptop has no command registered as @w"),
        (("--agent", "@w", "--every", "0", "--command", "true"), 2, "0.2<=x<=60"),
        (("--agent", "@w", "--command=true"), 2, "without a ="),
    ],
)
def test_what_it_refuses(laptop: Laptop, words: tuple[str, ...], code: int, said: str) -> None:
    done = laptop.here("worker", *words)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (code, "", 1)
    assert said in done.stderr


def test_no_worker_inside_a_run(laptop: Laptop) -> None:
    done = laptop.here("worker", "--agent", "@w", "--command", "true", FOLLOWUPS_RUN_ID="run-x")
    assert (done.returncode, "not_inside_a_run" in done.stderr) == (4, True)


# How it ends


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_who_waits_for_work_ends_cleanly(laptop: Laptop, number: signal.Signals) -> None:
    with working(laptop, "true") as worker:
        worker.send_signal(number)
        out, err = worker.communicate(timeout=30)
    assert (worker.returncode, out, err.strip()) == (0, "", "Ended.")


def test_the_run_in_hand_is_waited_for(laptop: Laptop, tmp_path: Path) -> None:
    pid, go = tmp_path / "pid", tmp_path / "go"
    with working(laptop, "sh", "-c", f"echo $$ >> {pid}; while [ ! -e {go} ]; do sleep 0.02; done; echo well") as worker:
        made, other = start(laptop), make(laptop, "Another")
        noted(pid)
        worker.send_signal(signal.SIGINT)
        assert worker.stderr is not None
        assert [worker.stderr.readline() for _ in range(2)][1] == "Waiting for the run to end; Ctrl-C again stops it.\n"
        go.touch()
        out, err = worker.communicate(timeout=30)
    assert (worker.returncode, out, err.strip()) == (0, f"{made[:8]}-1  succeeded - well\n", "Ended.")
    assert [laptop.status(it) for it in (made, other)] == ["done", "scheduled"]


def test_a_second_ctrl_c_stops_it_and_its_run_ends_with_its_lease(laptop: Laptop, tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    with working(laptop, "sh", "-c", f"echo $$ >> {pid}; sleep 60") as worker:
        made = start(laptop)
        [command] = noted(pid)
        worker.send_signal(signal.SIGINT)
        assert worker.stderr is not None
        until(lambda: "Ctrl-C again" in worker.stderr.readline())
        worker.send_signal(signal.SIGINT)
        _, err = worker.communicate(timeout=30)
    assert worker.returncode == 130 and "Traceback" not in err
    assert f"followups: {made[:8]}-1 was stopped; it ends as unknown when its lease is over, in 5 minutes\n" in err
    assert not is_alive(command)
    assert laptop.status(made) == "running"


@pytest.mark.parametrize("rerun", ["never", "safe"])
def test_kill_9_takes_the_command_along_and_loses_nothing(laptop: Laptop, tmp_path: Path, rerun: str) -> None:
    register(laptop, rerun=rerun)
    pids = tmp_path / "pids"
    # One process in the command's group, one in a group of its own, as shells and `timeout` make them.
    script = (
        f"timeout 60 sh -c 'echo $$ >> {pids}; sleep 60' & sh -c 'echo $$ >> {pids}; sleep 60' & echo $$ >> {pids}; wait"
    )
    with working(laptop, "sh", "-c", script) as worker:
        made = start(laptop)
        alive = noted(pids, 3)
        assert all(map(is_alive, alive))
        worker.kill()
        worker.communicate()
        until(lambda: not any(map(is_alive, alive)), seconds=5)

    laptop.here("run-due")
    assert (laptop.status(made), laptop.mails()) == ("running", []), "nobody knows yet"
    end_lease(laptop, made)
    laptop.here("run-due")
    [first] = runs(laptop, made)
    assert (first["outcome"], first["target_id"].partition("-")[0][:7]) == ("unknown", "worker ")
    assert "may or may not have done its work" in first["summary"]
    if rerun == "never":
        assert (laptop.status(made), first["report"]["status"], len(laptop.mails())) == ("failed", "sent", 1)
        return
    assert (laptop.status(made), first["final"], laptop.mails()) == ("scheduled", False, [])
    with working(laptop, "echo", "well", options=("--once",)) as second:
        laptop.client.of(made, "/run", "POST")
        laptop.here("run-due")
        assert second.communicate(timeout=30)[0] == f"{made[:8]}-{runs(laptop, made)[-1]['fence']}  succeeded - well\n"
    laptop.here("run-due")
    assert [(it["outcome"], it["attempt"]) for it in runs(laptop, made)] == [("unknown", 1), ("succeeded", 2)]
    assert (laptop.status(made), len(laptop.mails())) == ("done", 1)


def test_a_watch_that_is_killed_is_set_up_anew(laptop: Laptop, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    # It is noted when it is watched over: to set up a watch takes a moment.
    with working(laptop, "sh", "-c", f"sleep 1; echo $$ >> {pids}; exec sleep 60") as worker:
        children = Path(f"/proc/{worker.pid}/task/{worker.pid}/children")
        if not children.exists():
            pytest.skip("this system does not tell whose child a process is")
        [watch] = children.read_text().split()
        os.kill(int(watch), signal.SIGKILL)
        start(laptop)
        [command] = noted(pids)
        worker.kill()
        worker.communicate()
        until(lambda: not is_alive(command), seconds=5)


def test_a_cancel_from_another_terminal_is_heard_within_half_a_minute(laptop: Laptop, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    with working(laptop, "sh", "-c", f"echo $$ >> {pids}; [ $(wc -l < {pids}) = 2 ] || exec sleep 60") as worker:
        made = start(laptop)
        [command] = noted(pids)
        assert laptop.here("delete", made).stdout.startswith("Cancelled when its run has ended, ")
        until(lambda: laptop.status(made) == "cancelled", seconds=60)
        assert not is_alive(command)
        other = start(laptop)
        until(lambda: laptop.status(other) == "done")
        worker.send_signal(signal.SIGINT)
        out, _ = worker.communicate(timeout=30)
    assert [line.split()[1] for line in out.splitlines()] == ["cancelled", "succeeded"]


# The server


def test_it_goes_on_asking_while_there_is_no_server(laptop: Laptop) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    more = {"FOLLOWUPS_API_URL": f"http://127.0.0.1:{port}"}
    with killed(laptop.start("worker", "--agent", "@w", *EVERY, "--once", "--command", "echo", "well", **more)) as worker:
        assert worker.stderr is not None
        assert "did not answer" in (line := worker.stderr.readline()) and line.endswith("; asking on\n")
        dev, _ = served(laptop, port)
        with killed(dev):
            assert "Working for @w" in worker.stderr.readline()
            made = make(laptop)
            out, _ = worker.communicate(timeout=60)
            assert (worker.returncode, "succeeded - well" in out) == (0, True)
            assert laptop.status(made) == "done"


def test_a_result_outlives_its_server(laptop: Laptop, tmp_path: Path) -> None:
    pid, go = tmp_path / "pid", tmp_path / "go"
    script = f"echo $$ >> {pid}; while [ ! -e {go} ]; do sleep 0.02; done; echo well"
    dev, url = served(laptop)
    port = int(url.rpartition(":")[2])
    with killed(dev), working(laptop, "sh", "-c", script, options=("--once",), FOLLOWUPS_API_URL=url) as worker:
        made = make(laptop)
        noted(pid)
        dev.kill()
        dev.communicate()
        go.touch()
        assert worker.stderr is not None
        until(lambda: "; it is told again" in worker.stderr.readline())
        again, _ = served(laptop, port)
        with killed(again):
            out, _ = worker.communicate(timeout=60)
            until(laptop.mails)
    assert (worker.returncode, laptop.status(made)) == (0, "done")
    assert out == f"{made[:8]}-1  succeeded - well\n"
    assert [it["outcome"] for it in runs(laptop, made)] == ["succeeded"]
