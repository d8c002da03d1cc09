"""The checklist against the real machine: files, sockets, a web server, commands."""

import os
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from followups.adapters.agents.checklist import ChecklistAgent
from followups.adapters.agents.command import CommandAgent
from followups.domain.contract import Done
from followups.domain.status import Outcome
from tests.support.calls import agent_call
from tests.support.clock import START, ManualClock


@pytest.fixture
def agent(tmp_path: Path) -> ChecklistAgent:
    return ChecklistAgent(ManualClock(), CommandAgent(tmp_path / "runs", environ=dict(os.environ)))


@pytest.fixture
def web() -> Iterator[str]:
    class Pages(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(302 if self.path == "/moved" else 200 if self.path == "/?a=b" else 404)
            self.send_header("Location", "/?a=b")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def check(agent: ChecklistAgent, *lines: str, seconds: float = 10) -> Done:
    return agent.start(agent_call([], prompt="\n".join(lines), kind="checklist", seconds=seconds))


@pytest.mark.parametrize(("comparison", "holds"), [("< 100%", True), ("> 0%", True), ("<= 0%", False), (">= 100%", False)])
def test_disk(agent: ChecklistAgent, comparison: str, holds: bool) -> None:
    done = check(agent, f"disk / {comparison}")
    assert done.outcome is (Outcome.SUCCEEDED if holds else Outcome.ATTENTION)
    assert "% used" in done.report


def test_file(agent: ChecklistAgent, tmp_path: Path) -> None:
    path = tmp_path / "a file"
    path.write_text("x")
    two_hours_ago = START.timestamp() - 7_200
    os.utime(path, (two_hours_ago, two_hours_ago))
    good = check(
        agent, f"file '{path}' exists", f'file "{path}" newer than 3h', f"file '{path}' older than 90m",
        f"file {tmp_path}/none is missing",
    )  # fmt: skip
    assert good.outcome is Outcome.SUCCEEDED, good.report
    assert "changed 2 hours ago" in good.report
    bad = check(
        agent, f"file '{path}' is missing", f"file '{path}' newer than 1h", f"file '{path}' older than 1d",
        f"file {tmp_path}/none exists", f"file {tmp_path}/none newer than 1d",
    )  # fmt: skip
    assert bad.summary.startswith("0 of 5 checks hold; file")
    assert "there is no such file" in bad.report


def test_port(agent: ChecklistAgent) -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        port = listening.getsockname()[1]
        assert check(agent, f"port 127.0.0.1:{port} open").outcome is Outcome.SUCCEEDED
        assert check(agent, f"port localhost:{port} closed").outcome is Outcome.ATTENTION
    done = check(agent, f"port 127.0.0.1:{port} open", f"port [::1]:{port} closed")
    assert done.summary.startswith("1 of 2 checks hold; port 127.0.0.1")


def test_http(agent: ChecklistAgent, web: str) -> None:
    done = check(agent, f"http {web}/?a=b is 200", f"http {web}/moved is 302", f"http {web}/none is 404")
    assert done.outcome is Outcome.SUCCEEDED, done.report
    assert "status 404" in check(agent, f"http {web}/none is 200").summary
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        assert "cannot be checked" in check(agent, f"http http://127.0.0.1:{free.getsockname()[1]}/ is 200").report


def test_command(agent: ChecklistAgent) -> None:
    done = check(
        agent, "command sh -c 'echo well; exit 0'", "command sh -c 'echo ill >&2; exit 2'", "command no-such-thing"
    )
    assert done.outcome is Outcome.ATTENTION
    assert "exit code 0, well" in done.report
    assert "exit code 2, ill" in done.report
    assert "cannot be checked: No such file" in done.report


def test_out_of_time_is_said_of_each_check_that_was_not_made(agent: ChecklistAgent) -> None:
    done = check(agent, "command sleep 5", "disk / < 100%", seconds=0.2)
    assert done.outcome is Outcome.TIMED_OUT
    assert "disk / < 100%: not checked, out of time" in done.report


def test_commands_are_refused_where_there_are_none(tmp_path: Path) -> None:
    done = check(ChecklistAgent(ManualClock(), None), "command true")
    assert (done.outcome, "laptop only" in done.summary) == (Outcome.FAILED, True)
