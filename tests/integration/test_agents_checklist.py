"""The checklist against the real machine: files, sockets, a web server, commands."""

import contextlib
import os
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from followups.adapters.agents.checklist import ChecklistAgent
from followups.adapters.agents.command import CommandAgent
from followups.domain.contract import Done
from followups.domain.status import Outcome, Verdict
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
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def mute() -> Iterator[socket.socket]:
    """A socket that takes connections and says nothing of its own."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield listening


def check(agent: ChecklistAgent, *lines: str, seconds: float = 10, done_when: str | None = None) -> Done:
    call = agent_call([], prompt="\n".join(lines), kind="checklist", seconds=seconds)
    return agent.start(replace(call, request=call.request | {"done_when": done_when}))


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


def test_a_file_at_home(agent: ChecklistAgent) -> None:
    done = check(agent, "file ~/. exists", "file ~/no/such/file is missing", "disk ~ <= 100%")
    assert done.outcome is Outcome.SUCCEEDED, done.report


def test_what_surely_is_not_there_is_missing(agent: ChecklistAgent, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    done = check(agent, f"file {tmp_path}/file/x is missing", f"file {tmp_path}/link is missing", "file / exists")
    assert done.outcome is Outcome.SUCCEEDED, done.report


@pytest.mark.parametrize("stamp", [-(2**40), 0, START.timestamp() + 60, 2**40, 2**60])
def test_any_time_of_a_file_has_an_age(agent: ChecklistAgent, tmp_path: Path, stamp: float) -> None:
    shm = Path("/dev/shm")  # keeps times that others clamp
    path = (shm if shm.is_dir() else tmp_path) / f"followups-test-{os.getpid()}"
    path.touch()
    try:
        os.utime(path, (0, stamp))
        done = check(agent, f"file {path} {'newer' if stamp > 0 else 'older'} than 1d")
    finally:
        path.unlink()
    assert done.outcome is Outcome.SUCCEEDED, done.report


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("http http://a..b/ is 200", "label"),
        ("file ~no-such-user/x exists", "home directory"),
        ("file '/a\0b' exists", "null "),
        ("command 'a\0b'", "null byte"),
        (f"file /{'x' * 300} is missing", "too long"),
        ("disk /no/such/folder < 50%", "No such file"),
        ("http http://[::1%25no-such-card]:80/ is 200", ""),
        ("command /etc/passwd", "Permission denied"),
    ],
)
def test_what_cannot_be_checked_does_not_hold(agent: ChecklistAgent, line: str, said: str) -> None:
    done = check(agent, line, "disk / <= 100%")
    assert done.outcome is Outcome.ATTENTION
    assert done.report.startswith(f"NO  {line}: cannot be checked: ")
    assert said in done.report
    assert "\nok  disk" in done.report


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
        assert (
            "no answer: Connection refused" in check(agent, f"http http://127.0.0.1:{free.getsockname()[1]}/ is 200").report
        )


def test_port_and_http_over_ipv6(agent: ChecklistAgent) -> None:
    try:
        listening = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("no IPv6 here")
    with listening:
        port = listening.getsockname()[1]
        threading.Thread(target=_answer_one, args=(listening, 2, b"HTTP/1.0 204 No\r\n\r\n"), daemon=True).start()
        done = check(agent, f"port [::1]:{port} open", f"http http://[::1]:{port} is 204")
    assert done.outcome is Outcome.SUCCEEDED, done.report


@pytest.mark.parametrize("answer", [b"", b"SSH-2.0-x\r\n", b"HTTP/1.1 abc\r\n\r\n", b"HTTP/1.1 200 " + b"x" * 100_000])
def test_what_answers_no_http_does_not_hold(agent: ChecklistAgent, mute: socket.socket, answer: bytes) -> None:
    threading.Thread(target=_answer_one, args=(mute, 1, answer), daemon=True).start()
    done = check(agent, f"http http://127.0.0.1:{mute.getsockname()[1]}/ is 200")
    assert done.outcome is Outcome.ATTENTION
    assert "answered no HTTP" in done.report or "no answer: Connection reset" in done.report


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


def test_what_the_deadline_cut_off_neither_holds_nor_not(agent: ChecklistAgent) -> None:
    done = check(agent, "disk / > 100%", "command sleep 5", seconds=0.2)
    assert (done.outcome, done.summary) == (Outcome.TIMED_OUT, "Out of time: 1 of 2 checks were not finished.")
    assert "--  command sleep 5: stopped, out of time" in done.report
    assert "NO  disk / > 100%" in done.report


@pytest.mark.parametrize("drips", [False, True])
def test_a_server_that_dawdles_is_not_waited_for(agent: ChecklistAgent, mute: socket.socket, drips: bool) -> None:
    if drips:
        threading.Thread(target=_drip, args=(mute,), daemon=True).start()
    start = time.monotonic()
    done = check(agent, f"http http://127.0.0.1:{mute.getsockname()[1]}/ is 200", seconds=0.3)
    assert time.monotonic() - start < 1
    assert done.outcome is Outcome.TIMED_OUT


def test_a_port_that_does_not_answer_in_time_is_not_called_closed(agent: ChecklistAgent) -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        with socket.create_connection(full.getsockname()):
            done = check(agent, f"port 127.0.0.1:{full.getsockname()[1]} closed", seconds=0.3)
    assert done.outcome is Outcome.TIMED_OUT, done.report


def test_a_shutdown_ends_it_as_unknown_at_once(tmp_path: Path) -> None:
    command = CommandAgent(tmp_path / "runs", environ=dict(os.environ))
    agent = ChecklistAgent(ManualClock(), command)
    timer = threading.Timer(0.2, command.stop_all)
    timer.start()
    start = time.monotonic()
    done = check(agent, "disk / <= 100%", "command sleep 5", "command sleep 5")
    assert time.monotonic() - start < 1
    assert done.outcome is Outcome.UNKNOWN
    assert done.report.startswith("ok  disk")
    assert check(agent, "disk / <= 100%").outcome is Outcome.UNKNOWN


def test_a_command_line_speaks_on_the_runs_account(tmp_path: Path) -> None:
    environ = dict(os.environ) | {"FOLLOWUPS_SMTP_URL": "smtp://u:secret@h"}
    agent = ChecklistAgent(ManualClock(), CommandAgent(tmp_path / "runs", environ=environ))
    done = check(agent, "command sh -c 'echo $FOLLOWUPS_RUN_ID $FOLLOWUPS_RUN_TOKEN ${FOLLOWUPS_SMTP_URL-none}'")
    assert "exit code 0, run-" in done.report
    assert done.report.endswith(" token none")


def test_commands_are_refused_where_there_are_none(tmp_path: Path) -> None:
    done = check(ChecklistAgent(ManualClock(), None), "command true")
    assert (done.outcome, "laptop only" in done.summary) == (Outcome.FAILED, True)


ALL = "all checks hold"


@pytest.mark.parametrize(
    ("lines", "verdict", "evidence"),
    [
        (("disk / <= 100%", "file / exists"), Verdict.MET, "2 of 2 checks hold."),
        (("disk / <= 100%", "disk / > 100%", "file / is missing"), Verdict.NOT_MET, "disk / > 100%: "),
        (("disk /no/such/folder < 50%",), Verdict.CANNOT_TELL, "disk /no/such/folder < 50%: cannot be checked: No such"),
        (("disk / <= 100%", "command no-such-thing"), Verdict.CANNOT_TELL, "command no-such-thing: cannot be checked"),
        (("command no-such-thing", "disk / > 100%"), Verdict.NOT_MET, "disk / > 100%: "),
        (("command false",), Verdict.NOT_MET, "command false: exit code 1"),
        (("http http://nobody.invalid/ is 200",), Verdict.CANNOT_TELL, "http http://nobody.invalid/ is 200: cannot be"),
    ],
)  # fmt: skip
def test_a_verdict_goes_by_the_checks(
    agent: ChecklistAgent, lines: tuple[str, ...], verdict: Verdict, evidence: str
) -> None:
    done = check(agent, *lines, done_when=ALL)
    assert (done.verdict, done.evidence[: len(evidence)]) == (verdict, evidence)
    assert done.outcome is (Outcome.SUCCEEDED if verdict is Verdict.MET else Outcome.ATTENTION)
    plain = check(agent, *lines)
    assert (plain.verdict, plain.evidence, plain.outcome) == (None, "", done.outcome)


def test_what_answers_wrongly_or_not_at_all_is_seen_not_to_hold(agent: ChecklistAgent, web: str) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        dead = f"http http://127.0.0.1:{free.getsockname()[1]}/ is 200"
        done = check(agent, dead, f"http {web}/none is 200", f"http {web}/?a=b is 200", done_when=ALL)
        secure = check(agent, f"http {web.replace('http', 'https')}/ is 200", done_when=ALL)
    assert done.verdict is secure.verdict is Verdict.NOT_MET
    assert done.evidence == f"{dead}: no answer: Connection refused\nhttp {web}/none is 200: status 404"


def test_out_of_time_nobody_can_tell(agent: ChecklistAgent) -> None:
    done = check(agent, "disk / > 100%", "command sleep 5", seconds=0.2, done_when=ALL)
    assert (done.outcome, done.verdict) == (Outcome.TIMED_OUT, Verdict.CANNOT_TELL)
    assert done.evidence == "Out of time: 1 of 2 checks were not finished."


def _answer_one(listening: socket.socket, count: int, answer: bytes) -> None:
    for _ in range(count):
        connection, _ = listening.accept()
        with connection, contextlib.suppress(OSError):
            connection.settimeout(2)
            if connection.recv(4096):
                connection.sendall(answer)


def _drip(listening: socket.socket) -> None:
    connection, _ = listening.accept()
    with connection, contextlib.suppress(OSError):
        for _ in range(40):
            connection.send(b"H")
            time.sleep(0.05)
