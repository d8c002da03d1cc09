"""`kill -9` of `followups dev`, with real processes: started again, each follow-up ends in one recorded outcome."""

import email
import email.policy
import os
import signal
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.laptop import ROOT, Laptop
from tests.support.processes import dev, killed, until
from tests.support.smtp import smtp_server


def make(laptop: Laptop, agent: str, task: str) -> str:
    """Gives the id of a new follow-up that may start at once."""
    made = laptop.client.create({"agent": agent, "task": task, "due": "7d"}, None).body["id"]
    laptop.client.of(made, "/run", "POST")
    return str(made)


def run_due(laptop: Laptop, *, minutes: int, **more: str) -> None:
    """Runs what is due some minutes later: back-off and the lease of a report take that long."""
    at = datetime.now(UTC) + timedelta(minutes=minutes)
    assert laptop.here("run-due", "--at", f"{at:%Y-%m-%dT%H:%M:%SZ}", **more).returncode == 0


def runs(laptop: Laptop, id_: str) -> list[dict[str, Any]]:
    """Gives the follow-up's runs, oldest first."""
    return list(reversed(laptop.client.of(id_, "/runs").body["runs"]))


def final(laptop: Laptop, id_: str) -> dict[str, Any]:
    """Gives the one run that ended the follow-up, when its report is out: as one mail, in the outbox."""
    assert laptop.status(id_) in ("done", "failed")
    [run] = [it for it in runs(laptop, id_) if it["final"]]
    assert run["report"]["status"] == "sent"
    [mail] = [it for it in laptop.mails() if it.name.endswith(f"-{id_[:8]}-{int(run['id'][-6:])}.eml")]
    assert mail.name == run["report"]["note"]
    return run


@pytest.mark.slow
def test_killed_while_agents_run(laptop: Laptop, tmp_path: Path) -> None:
    log, go = tmp_path / "log", tmp_path / "go"
    # The numbers of the agents' processes are noted, to kill one as a machine that crashes does.
    script = f'echo "$FOLLOWUPS_RUN_ID $$" >> {log}; while [ ! -e {go} ]; do sleep 0.02; done; echo well'
    laptop.add_agent("@once", "sh", "-c", script)
    laptop.add_agent("@safe", "sh", "-c", script, rerun="safe", max_concurrency=2)
    laptop.add_agent("@quick", "true")
    laptop.here("config", "cap", "4")
    lives, safe, crashes = (
        make(laptop, "@once", "Lives on"),
        make(laptop, "@safe", "Again"),
        make(laptop, "@safe", "Crashes"),
    )

    def started() -> dict[str, list[int]]:
        lines = [line.split() for line in (log.read_text().splitlines() if log.exists() else [])]
        return {id_: [int(pid) for run, pid in lines if id_ in run] for id_ in (lives, safe, crashes)}

    with killed(dev(laptop)) as first:
        until(lambda: all(started().values()))
        first.kill()
        first.communicate()
        # Agents outlive their process: none of them is ended or started again before it is gone.
        os.killpg(started()[crashes][0], signal.SIGKILL)
        with killed(dev(laptop)) as second:
            quick = make(laptop, "@quick", "Shows that it ticks")
            until(lambda: laptop.status(quick) == "done")
            assert [laptop.status(it) for it in (lives, safe, crashes)] == ["running", "running", "running"]
            # They all held one lock: it is told that it was dropped when the last of them is gone.
            go.touch()
            until(lambda: [laptop.status(it) for it in (lives, safe, crashes)] == ["failed", "scheduled", "scheduled"])
            until(lambda: runs(laptop, lives)[0]["report"]["status"] == "sent")
            second.send_signal(signal.SIGINT)
            out, err = second.communicate(timeout=20)
    assert (second.returncode, "Traceback" in out + err) == (0, False)
    run_due(laptop, minutes=10)

    assert final(laptop, lives)["outcome"] == "unknown"
    assert [it["outcome"] for it in runs(laptop, safe)] == ["unknown", "succeeded"]
    assert final(laptop, safe)["attempt"] == final(laptop, crashes)["attempt"] == 2
    assert {id_: len(pids) for id_, pids in started().items()} == {lives: 1, safe: 2, crashes: 2}
    assert len(laptop.mails()) == 4


#: Where it is killed, whether its agent is `rerun: safe`, how it ends, how often its agent ran, in how many attempts.
WINDOWS = [
    ("after claimed", False, "succeeded", 1, 1),
    ("before running", False, "succeeded", 1, 1),
    ("after running", False, "unknown", 0, 1),
    ("after running", True, "succeeded", 1, 2),
    ("before done", False, "unknown", 1, 1),
    ("before done", True, "succeeded", 2, 2),
    ("after done", False, "succeeded", 1, 1),
    ("before sent", False, "succeeded", 1, 1),
]


def test_killed_between_any_two_writes(laptop: Laptop, tmp_path: Path) -> None:
    log = tmp_path / "log"
    script = f"echo $FOLLOWUPS_RUN_ID >> {log}"
    laptop.add_agent("@once", "sh", "-c", script, max_concurrency=10)
    laptop.add_agent("@safe", "sh", "-c", script, max_concurrency=10, rerun="safe")
    laptop.here("config", "cap", "10")
    ids: dict[tuple[str, bool, str, int, int], str] = {}
    command = [sys.executable, "-m", "tests.support.stuck", str(laptop.home)]
    with killed(subprocess.Popen(command, cwd=ROOT, env=laptop.environ(), stdout=subprocess.PIPE, text=True)) as stuck:
        assert stuck.stdout is not None
        # The report of the last of them goes out, and no other; the tick itself stops at the first.
        for wave in (WINDOWS[-1:], WINDOWS[1:-1], WINDOWS[:1]):
            ids |= {it: make(laptop, "@safe" if it[1] else "@once", it[0]) for it in wave}
            assert Counter(stuck.stdout.readline().strip() for _ in wave) == Counter(it[0] for it in wave)
    statuses = [laptop.status(ids[it]) for it in WINDOWS]
    assert statuses == ["claimed", "claimed", *["running"] * 4, "done", "done"]
    assert len(laptop.mails()) == 1, "one was handed over, and not noted"

    with killed(dev(laptop)) as again:
        retried = [ids[it] for it in WINDOWS if it[4] == 2]
        until(lambda: all(laptop.status(id_) in ("done", "failed") or id_ in retried for id_ in ids.values()))
        until(lambda: [laptop.status(id_) for id_ in retried] == ["scheduled"] * 2)
        assert again.poll() is None
    for minutes in (10, 20):
        run_due(laptop, minutes=minutes)

    ran = Counter(line[4:30] for line in log.read_text().split())
    for window in WINDOWS:
        _, _, outcome, times, attempts = window
        run = final(laptop, ids[window])
        assert (run["outcome"], ran[ids[window]], run["attempt"]) == (outcome, times, attempts), window
    assert len(laptop.mails()) == len(WINDOWS)
    assert laptop.here("run-due", "--at", "2099-01-01T00:00Z").stdout == "Nothing is due.\n"


def test_killed_while_a_mail_server_has_the_report_and_has_not_said_so(laptop: Laptop) -> None:
    laptop.add_agent("@once", "echo", "well")
    with smtp_server() as server:
        server.says = {".": "hang"}
        id_ = make(laptop, "@once", "Report it")
        with killed(dev(laptop, FOLLOWUPS_SMTP_URL=server.url)):
            until(lambda: server.mails)
        [run] = runs(laptop, id_)
        assert (laptop.status(id_), run["report"]["status"]) == ("done", "sending")
        server.says = {}
        for minutes in (2, 10, 20):
            assert len(server.mails) == 1, "it is in doubt for three minutes, and then tried again after a pause"
            run_due(laptop, FOLLOWUPS_SMTP_URL=server.url, minutes=minutes)
    [run] = runs(laptop, id_)
    assert (run["outcome"], run["report"]["status"], run["report"]["tries"]) == ("succeeded", "sent", 2)
    # It is the one window in which a mail is sent twice; its reader can tell.
    first, second = (email.message_from_bytes(mail, policy=email.policy.default) for mail in server.mails)
    assert first["Message-ID"] == second["Message-ID"]
