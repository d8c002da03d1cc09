"""The command target with real processes: what it is told, how it ends, and that all of it ends."""

import fcntl
import os
import stat
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from followups.adapters.agents.command import CommandAgent
from followups.adapters.local import FileLeases
from followups.domain.contract import AgentCall, Done
from followups.domain.status import Outcome
from tests.support.calls import agent_call


@pytest.fixture
def target(tmp_path: Path) -> CommandAgent:
    return CommandAgent(tmp_path / "runs", environ=dict(os.environ) | {"FOLLOWUPS_SMTP_URL": "smtp://u:secret@h"})


def test_what_it_is_told(target: CommandAgent) -> None:
    done = target.start(_shell("cat; echo; env | grep ^FOLLOWUPS_; pwd"))
    assert done.outcome is Outcome.SUCCEEDED
    assert '"task": "Check"' in done.report
    assert "FOLLOWUPS_RUN_ID=run-" in done.report
    assert "FOLLOWUPS_RUN_TOKEN=token" in done.report
    assert "secret" not in done.report
    assert str(Path.home()) in done.report


def test_the_vector_is_run_as_given_without_a_shell(target: CommandAgent) -> None:
    done = target.start(agent_call(["echo", "$HOME", "a  b", ";", "false"]))
    assert done.report == "$HOME a  b ; false\n"


@pytest.mark.parametrize(
    ("script", "outcome", "said"),
    [
        ("echo fine", Outcome.SUCCEEDED, "fine"),
        ("echo half; echo no luck >&2; exit 3", Outcome.FAILED, "exited with 3: no luck"),
        ("kill -9 $$", Outcome.FAILED, "killed by SIGKILL"),
        ("true", Outcome.SUCCEEDED, "said nothing"),
        ('echo \'{"outcome": "attention", "summary": "look"}\'', Outcome.ATTENTION, "look"),
        ('echo \'{"outcome": "great"}\'', Outcome.FAILED, "none of"),
        ("printf 'a\\377\\000b\\033[31mred'", Outcome.SUCCEEDED, "red"),
        ("exec <&-; sleep 0.05; echo unread", Outcome.SUCCEEDED, "unread"),
    ],
)
def test_how_it_ends(target: CommandAgent, script: str, outcome: Outcome, said: str) -> None:
    done = target.start(_shell(script))
    assert done.outcome is outcome
    assert said in done.summary
    assert "\x00" not in done.report and "\x1b" not in done.report


def test_a_failure_shows_what_stood_on_stderr(target: CommandAgent) -> None:
    done = target.start(_shell("echo out; echo why >&2; exit 1"))
    assert done.report == "out\n\nstderr:\nwhy"


@pytest.mark.parametrize("program", ["/no/such/program", "/etc/passwd", "/"])
def test_what_cannot_be_started_is_a_failure(target: CommandAgent, program: str) -> None:
    done = target.start(agent_call([program]))
    assert done.outcome is Outcome.FAILED
    assert program in done.summary


def test_a_message_larger_than_a_pipe_blocks_nobody(target: CommandAgent) -> None:
    call = _shell("sleep 0.1; echo never read")
    done = target.start(replace(call, request=call.request | {"prompt": "x" * 1_000_000}))
    assert done.outcome is Outcome.SUCCEEDED


def test_the_whole_group_is_gone_after_the_deadline(target: CommandAgent, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    script = (
        f"trap '' TERM; sh -c 'trap \"\" TERM; echo $$ >> {pids}; sleep 60' & echo $$ >> {pids}; echo begun; wait; sleep 60"
    )
    start = time.monotonic()
    done = target.start(_shell(script, seconds=0.4))
    assert time.monotonic() - start < 4
    assert done.outcome is Outcome.TIMED_OUT
    assert "begun" in done.report
    _all_gone([int(line) for line in pids.read_text().split()])


def test_one_that_heeds_the_request_to_end_is_given_time(target: CommandAgent) -> None:
    done = target.start(_shell("trap 'echo tidied; exit 0' TERM; while :; do sleep 0.05; done", seconds=0.3))
    assert done.outcome is Outcome.TIMED_OUT
    assert "tidied" in done.report


def test_what_is_left_in_the_group_goes_with_its_leader(target: CommandAgent, tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    start = time.monotonic()
    done = target.start(_shell(f"sleep 60 & echo $! > {pid}; echo done"))
    assert done.outcome is Outcome.SUCCEEDED
    assert time.monotonic() - start < 3
    _all_gone([int(pid.read_text())])


def test_a_daemon_that_holds_the_output_open_holds_nobody_up(target: CommandAgent, tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    script = "import os, time\nos.setsid()\nopen(os.environ['PID'], 'w').write(str(os.getpid()))\ntime.sleep(60)"
    start = time.monotonic()
    done = target.start(_shell(f'PID={pid} {sys.executable} -c "{script}" & echo left; sleep 0.3'))
    assert (done.outcome, done.report) == (Outcome.SUCCEEDED, "left\n")
    assert time.monotonic() - start < 4
    os.kill(int(pid.read_text()), 9)


def test_much_output_is_cut_and_kept_whole_beside(target: CommandAgent, tmp_path: Path) -> None:
    done = target.start(_shell("head -c 50000000 /dev/zero | tr '\\0' x"))
    assert done.outcome is Outcome.SUCCEEDED
    assert len(done.report) <= 256 * 1024
    assert "50,000,000 bytes" in done.report
    assert done.output_ref is not None
    whole = Path(done.output_ref)
    assert whole.parent == tmp_path / "runs"
    assert (whole.stat().st_size, stat.S_IMODE(whole.stat().st_mode)) == (50_000_000, 0o600)


def test_little_output_makes_no_file(target: CommandAgent, tmp_path: Path) -> None:
    assert target.start(_shell("echo little")).output_ref is None
    assert not (tmp_path / "runs").exists()


def test_stopping_all_ends_every_run_as_unknown(target: CommandAgent) -> None:
    done: list[Done] = []
    runs = [threading.Thread(target=lambda: done.append(target.start(_shell("sleep 60")))) for _ in range(2)]
    for run in runs:
        run.start()
    time.sleep(0.3)
    target.stop_all()
    for run in runs:
        run.join(timeout=5)
    assert [it.outcome for it in done] == [Outcome.UNKNOWN, Outcome.UNKNOWN]


def test_an_agent_that_outlives_its_parent_holds_the_lease(tmp_path: Path) -> None:
    leases = FileLeases(tmp_path / "locks")
    path = tmp_path / "locks" / f"{leases.holder}.lock"
    target = CommandAgent(tmp_path / "runs", environ=dict(os.environ), inherit_fds=(leases.fd,))
    held: list[bool] = []

    def look() -> None:
        # The parent gives its lock up, as its death would: the agent's own descriptor still holds it.
        os.close(leases.fd)
        held.append(_is_locked(path))

    timer = threading.Timer(0.3, look)
    timer.start()
    target.start(_shell("sleep 0.8"))
    timer.join()
    assert held == [True]
    _until(lambda: not _is_locked(path))


def _shell(script: str, *, seconds: float = 20) -> AgentCall:
    return agent_call(["sh", "-c", script], seconds=seconds)


def _is_locked(path: Path) -> bool:
    with path.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _all_gone(pids: list[int]) -> None:
    assert pids
    _until(lambda: not any(_is_alive(pid) for pid in pids))


def _is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def _until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)
