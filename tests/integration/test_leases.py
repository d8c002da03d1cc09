"""Leases with real processes: over when the holder and all its agents are gone, and not before."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from followups.adapters.leases import FileLeases

#: A holder that starts an agent and waits; the agent keeps what it inherits, or closes it as ssh does.
HOLDER = """
import subprocess, sys, time
from pathlib import Path
from followups.adapters.leases import FileLeases
leases = FileLeases(Path(sys.argv[1]))
keep = "" if sys.argv[2] == "keeps" else "import os; os.closerange(3, 100);"
agent = subprocess.Popen(
    [sys.executable, "-c", keep + "import time; time.sleep(60)"], pass_fds=(leases.fd,), start_new_session=True,
    stdout=subprocess.DEVNULL,
)
leases.register(agent.pid)
print(leases.holder, agent.pid, flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("agent", ["keeps", "closes"])
def test_a_lease_is_over_when_the_last_process_is_gone(tmp_path: Path, agent: str) -> None:
    leases = FileLeases(tmp_path)
    process = subprocess.Popen([sys.executable, "-c", HOLDER, tmp_path, agent], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    holder, pid = process.stdout.readline().split()
    assert not leases.surely_over(holder, "run")
    leases.put_down(holder)
    os.kill(int(pid), 0)
    time.sleep(0.2)  # the agent closes what it closes
    process.kill()
    process.communicate()
    assert not leases.surely_over(holder, "run"), "its agent is alive"
    leases.sweep_files()

    leases.put_down(holder)

    _until(lambda: leases.surely_over(holder, "run"))
    leases.sweep_files()
    assert [path.name for path in tmp_path.iterdir()] == [f"{leases.holder}.lock"]


def test_of_itself_a_process_knows_what_it_works_at(tmp_path: Path) -> None:
    leases = FileLeases(tmp_path)
    with leases.working("run-1"):
        assert not leases.surely_over(leases.holder, "run-1")
        assert leases.surely_over(leases.holder, "run-2")
    assert leases.surely_over(leases.holder, "run-1")
    other = FileLeases(tmp_path)
    assert not other.surely_over(leases.holder, "run-1")
    leases.close()
    assert other.surely_over(leases.holder, "run-1")


def test_a_number_that_is_another_process_s_by_now_is_not_killed(tmp_path: Path) -> None:
    leases = FileLeases(tmp_path)
    stranger = subprocess.Popen(["sleep", "60"], start_new_session=True)
    try:
        (tmp_path / "gone.lock").write_text(f"999999 1\n{stranger.pid} 1\n")
        assert leases.surely_over("gone", "run")
        leases.put_down("gone")
        assert stranger.poll() is None
    finally:
        os.killpg(stranger.pid, signal.SIGKILL)
        stranger.wait()


def _until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)
