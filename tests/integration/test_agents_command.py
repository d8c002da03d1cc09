"""The command target with real processes: what it is told, how it ends, and that all of it ends."""

import fcntl
import os
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from followups.adapters.agents.command import CommandAgent
from followups.adapters.leases import FileLeases
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
        ("kill -9 $$", Outcome.UNKNOWN, "killed by SIGKILL. It may or may not have done its work"),
        ("true", Outcome.SUCCEEDED, "said nothing"),
        ('echo \'{"outcome": "attention", "summary": "look"}\'', Outcome.ATTENTION, "look"),
        ('echo \'{"outcome": "great"}\'', Outcome.UNKNOWN, "none of"),
        ("printf 'a\\377\\000b\\033[31mred'", Outcome.SUCCEEDED, "red"),
        ("exec <&-; sleep 0.05; echo unread", Outcome.SUCCEEDED, "unread"),
        ("exec >&- 2>&-; sleep 0.1; exit 4", Outcome.FAILED, "exited with 4."),
        ("kill -TERM $$", Outcome.UNKNOWN, "killed by SIGTERM"),
        ("kill -40 $$", Outcome.UNKNOWN, "killed by signal 40"),
        ("echo all done; kill -9 $$", Outcome.UNKNOWN, "killed by SIGKILL"),
        ('echo \'{"outcome": "succeeded"}\'; exit 1', Outcome.FAILED, "exited with 1"),
        ('echo \'{"outcome": "failed"}\'; echo bye', Outcome.UNKNOWN, "broken JSON"),
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


@pytest.mark.parametrize("program", ["/no/such/program", "no-such-program", "/etc/passwd", "/", "a\0b", "\ud800"])
def test_what_cannot_be_started_is_a_failure(target: CommandAgent, program: str) -> None:
    done = target.start(agent_call([program]))
    assert done.outcome is Outcome.FAILED
    assert program in done.summary


def test_a_message_larger_than_a_pipe_blocks_nobody(target: CommandAgent) -> None:
    call = _shell("sleep 0.1; echo never read")
    done = target.start(replace(call, request=call.request | {"prompt": "x" * 1_000_000}))
    assert done.outcome is Outcome.SUCCEEDED
    whole = replace(_shell("wc -c"), request=call.request | {"prompt": "x" * 1_000_000})
    assert int(target.start(whole).summary) > 1_000_000


@pytest.mark.slow
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


def test_a_group_of_its_own_saves_no_descendant(target: CommandAgent, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    script = f"timeout 60 sh -c 'echo $$ >> {pids}; sleep 60' & echo $! >> {pids}; wait"
    assert target.start(_shell(script, seconds=0.4)).outcome is Outcome.TIMED_OUT
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


@pytest.mark.slow
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


def test_a_folder_whose_name_is_no_utf_8_is_named_as_text(tmp_path: Path) -> None:
    runs = tmp_path / os.fsdecode(b"\xff")
    done = CommandAgent(runs, environ=dict(os.environ)).start(_shell("head -c 400000 /dev/zero | tr '\\0' x"))
    assert done.output_ref is not None and done.output_ref.encode().decode().startswith(f"{tmp_path}/\ufffd/run-")


def test_little_output_makes_no_file(target: CommandAgent, tmp_path: Path) -> None:
    assert target.start(_shell("echo little")).output_ref is None
    assert not (tmp_path / "runs").exists()


def test_what_is_cut_says_so_and_shows_the_end_of_stderr(target: CommandAgent) -> None:
    noise = "head -c 400000 /dev/zero | tr '\\0'"
    done = target.start(_shell(f"{noise} x; {noise} e >&2; echo >&2; echo the reason >&2; exit 1"))
    assert "[cut here: the output has 400,000 bytes; all of it is kept beside the report]" in done.report
    assert done.report.endswith("e\nthe reason")
    assert len(done.report) <= 256 * 1024
    assert len(done.summary) <= 200


def test_what_could_not_be_kept_is_not_said_to_be(target: CommandAgent, tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("in the way")
    done = target.start(_shell("head -c 400000 /dev/zero | tr '\\0' x"))
    assert (done.outcome, done.output_ref) == (Outcome.SUCCEEDED, None)
    assert "the rest could not be kept" in done.report


def test_a_full_disk_costs_the_file_and_not_the_run(target: CommandAgent, tmp_path: Path) -> None:
    call = _shell("head -c 400000 /dev/zero | tr '\\0' x")
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / f"{call.run_id}.out").symlink_to("/dev/full")
    done = target.start(call)
    assert (done.outcome, done.output_ref) == (Outcome.SUCCEEDED, None)
    assert "the rest could not be kept" in done.report


@pytest.mark.parametrize(("size", "said"), [(400_000, "no luck"), (5_000_000, "broken JSON")])
def test_a_long_answer_is_not_mistaken_for_a_report(target: CommandAgent, size: int, said: str) -> None:
    answer = f"dict(outcome='failed', summary='no luck', report_md='x' * {size})"
    done = target.start(agent_call([sys.executable, "-c", f"import json; print(json.dumps({answer}))"]))
    assert (done.outcome, said in done.summary) == (Outcome.FAILED if size < 1_000_000 else Outcome.UNKNOWN, True)
    if size < 4 * 1024 * 1024:
        assert done.report == "x" * size, "whole: who stores it cuts it"
    else:
        assert len(done.report) <= 256 * 1024 and "[cut here" in done.report[-200:]
    assert done.output_ref is not None and Path(done.output_ref).stat().st_size > size


def test_memory_is_bounded(tmp_path: Path) -> None:
    program = """
import os, sys
from pathlib import Path
from followups.adapters.agents.process import Processes
def peak():
    return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])
processes, before = Processes(), peak()
command = ["sh", "-c", "head -c 50000000 /dev/zero | tee /dev/stderr"]
processes.run(command, stdin=b"", environ=os.environ, seconds=20, spill=Path(sys.argv[1]))
print(peak() - before)
"""
    grown = subprocess.run([sys.executable, "-c", program, tmp_path / "out"], capture_output=True, check=True).stdout
    assert int(grown) < 8_000, "KB"


def test_runs_at_the_same_time_keep_to_themselves(target: CommandAgent) -> None:
    scripts = [_shell(f"sleep 0.4; cat >/dev/null; echo {n}; echo err{n} >&2; exit {n}") for n in range(1, 5)]
    with ThreadPoolExecutor() as pool:
        start = time.monotonic()
        reports = [done.report for done in pool.map(target.start, scripts)]
    assert time.monotonic() - start < 1.4
    assert reports == [f"{n}\n\nstderr:\nerr{n}" for n in range(1, 5)]


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
    start = time.monotonic()
    assert target.start(_shell("sleep 60")).outcome is Outcome.UNKNOWN
    assert time.monotonic() - start < 1


@pytest.mark.slow
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
