"""What watches over a worker: with real processes, whatever the worker came to say before it died."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.processes import is_alive, until

pytestmark = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="this system has no /proc")

#: Works at a run: starts a process of it and one of another, notes what it is told to, and waits, or comes to its end.
WORKER = """
import os, subprocess, sys, time
from followups.local.reaper import Reaper
reaper, run = Reaper(), f"run-{os.getpid()}"  # another for each test: the watch looks around for a moment longer
def start(run):
    environ = os.environ | {"FOLLOWUPS_RUN_ID": run}
    return subprocess.Popen(["sleep", "60"], env=environ, start_new_session=True, stdout=subprocess.DEVNULL).pid
def work():
    ours, other = start(run), start("run-other")
    if sys.argv[1] != "unnoted":
        reaper.started(ours)
    print(os.getpid(), ours, other, flush=True)
    if sys.argv[1] != "ended":
        time.sleep(60)
    reaper.ended(ours)
with reaper.watching(run):
    work()
print("ended", flush=True)
time.sleep(60)
"""


@pytest.fixture
def worker(request: pytest.FixtureRequest) -> Iterator[tuple["subprocess.Popen[str]", int, int]]:
    """Gives the worker, and the numbers of the processes of its run and of another's."""
    process = subprocess.Popen([sys.executable, "-c", WORKER, request.param], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    _, ours, other = map(int, process.stdout.readline().split())
    try:
        yield process, ours, other
    finally:
        for number in (process.pid, ours, other):
            if is_alive(number):
                os.kill(number, signal.SIGKILL)
        process.communicate()


@pytest.mark.parametrize("worker", ["noted", "unnoted"], indirect=True)
def test_what_belongs_to_its_run_goes_with_it(worker: tuple["subprocess.Popen[str]", int, int]) -> None:
    """It may die between a start and the word of it."""
    process, ours, other = worker
    assert is_alive(ours) and is_alive(other)
    process.kill()
    until(lambda: not is_alive(ours), seconds=10)
    assert is_alive(other), "that is another's"


@pytest.mark.parametrize("worker", ["ended"], indirect=True)
def test_what_a_run_has_left_on_purpose_lives_on(worker: tuple["subprocess.Popen[str]", int, int]) -> None:
    process, ours, _ = worker
    assert process.stdout is not None and process.stdout.readline() == "ended\n"
    watch = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    process.kill()
    until(lambda: not any(is_alive(int(it)) for it in watch if int(it) not in worker[1:]), seconds=10)
    assert is_alive(ours)
