"""`make test-api`: schemathesis asks a running `followups dev` all that its OpenAPI document says of it, and more.

SEED and EXAMPLES (cases for each operation and phase) are environment variables. The last line of the output is JSON.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.request import urlopen

from followups.adapters.local import secret_keys
from followups.bootstrap import laptop_user
from followups.domain.ids import parse_run_id
from followups.domain.lineage import RunToken, sign_run
from tests.support.laptop import ROOT, Laptop

TOOL = ROOT / ".tools/schemathesis/bin"
CONFIG = ROOT / "tests/api/schemathesis.toml"
_PATIENCE_S = 20


@contextmanager
def served(laptop: Laptop, log: Path) -> Iterator[str]:
    """Runs `followups dev` on a free port and gives its address. It is stopped by its process id, whatever happens."""
    programs = laptop.home / "bin"
    programs.mkdir(parents=True)
    for name in ("true", "false", "sleep"):
        (programs / name).symlink_to(str(shutil.which(name)))
    with log.open("w") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "followups", "dev", "--port", "0"], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=stderr, env=laptop.environ(PATH=str(programs)),
        )  # fmt: skip
    try:
        yield first_address(process, log)
        assert process.poll() is None, f"the server ended with {process.returncode}"
    finally:
        stop(process)


def stop(process: "subprocess.Popen[bytes]") -> None:
    """Asks the server to end, then not to wait for its agent, then ends it."""
    for ending in (signal.SIGINT, signal.SIGINT, signal.SIGKILL):
        process.send_signal(ending)
        try:
            process.wait(_PATIENCE_S if ending == signal.SIGKILL else 3)
        except subprocess.TimeoutExpired:
            continue
        return


def first_address(process: "subprocess.Popen[bytes]", log: Path) -> str:
    """Gives the address that the server names once it listens."""
    until = time.monotonic() + _PATIENCE_S
    while process.poll() is None and time.monotonic() < until:
        for word in log.read_text().split():
            if word.startswith("http://"):
                return word.rstrip(",")
        time.sleep(0.05)
    raise SystemExit(f"followups dev did not start: {log.read_text()}")


def run_of(laptop: Laptop, agent: str, *, live: bool) -> tuple[str, str]:
    """Has an agent do something now; gives the follow-up and its run, once that is in progress or has ended."""
    made = laptop.client.create({"agent": agent, "task": f"Try {agent}", "due": "in 1 second"}, None).body["id"]
    until = time.monotonic() + _PATIENCE_S
    while time.monotonic() < until:
        runs = laptop.client.of(made, "/runs").body
        if run := runs["live"] if live else next(iter(runs["runs"]), None):
            return made, run["id"]
        time.sleep(0.1)
    raise SystemExit(f"{agent} did not run")


def token_of(run_id: str, home: Path) -> str:
    named = parse_run_id(run_id)
    assert named
    return sign_run(RunToken(laptop_user(), *named, datetime.now(UTC) + timedelta(days=1)), secret_keys(home / "secret")[0])


def ask(url: str, laptop: Laptop, folder: Path, *, seed: int, examples: int) -> bool:
    """Validates the document and runs schemathesis; says whether it found nothing. Both tell what they do on stdout."""
    laptop.add_agent("@true", "true")
    laptop.add_agent("@sleeper", "sleep", "3000", timeout_s=3_600, max_concurrency=2)
    laptop.client.agent("@desk", "PUT", {"kind": "worker"})
    laptop.client.agent("@hook", "PUT", {"kind": "https", "target": "https://agent.example.com/run"})
    _, ended = run_of(laptop, "@true", live=False)
    (kept, live), (_, ending) = (run_of(laptop, "@sleeper", live=True) for _ in range(2))
    told = {
        "RUN": ended, "KEEP": f"{kept} @true @desk @hook", "NOTES": str(folder / "notes"), "LIVE": live, "ENDING": ending,
        "LIVE_TOKEN": token_of(live, laptop.home), "ENDING_TOKEN": token_of(ending, laptop.home),
    }  # fmt: skip
    environ = os.environ | {f"FOLLOWUPS_TEST_{name}": value for name, value in told.items()} | {"NO_COLOR": "1"}
    document = folder / "openapi.json"
    with urlopen(f"{url}/openapi.json") as answer:
        document.write_bytes(answer.read())
    asked = [
        "--config-file", str(CONFIG.relative_to(ROOT)), "run", str(document), "--url", url, "--checks", "all",
        "--continue-on-failure", "--seed", str(seed), "--max-examples", str(examples),
        "--report-json-path", str(folder / "report.json"),
    ]  # fmt: skip
    if subprocess.run([TOOL / "openapi-spec-validator", document]).returncode:
        raise SystemExit("what the server answers at /openapi.json is no OpenAPI document")
    return subprocess.run([TOOL / "schemathesis", *asked], cwd=ROOT, env=environ).returncode == 0


def number(name: str, usual: int) -> int:
    """Gives a whole number from the environment."""
    text = os.environ.get(name) or str(usual)
    if not text.isdecimal() or int(text) < 1:
        raise SystemExit(f"{name} is a whole number from 1, like {name}={usual}; not {text!r}")
    return int(text)


def main() -> int:
    # Whoever ends this ends the server too.
    for ending in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, lambda *_: sys.exit(143))
    seed, examples = number("SEED", 1), number("EXAMPLES", 20)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="followups-api-") as name:
        folder = Path(name)
        laptop, log, notes = Laptop(folder / "home"), folder / "server.log", folder / "notes"
        notes.touch()
        with served(laptop, log) as url:
            clean = ask(url, laptop, folder, seed=seed, examples=examples)
            # What it left behind is still read, and answered as promised.
            stored = laptop.client.pages("all")
        bugs = [line for line in log.read_text().splitlines() if line.startswith("followups: ")]
        report = json.loads((folder / "report.json").read_text())
        excused = Counter(notes.read_text().split())
    cases = report["test_cases"]
    print("\n".join(bugs), end="\n" if bugs else "", file=sys.stderr)
    summary = {
        "operations": report["operations"]["tested"], "cases": cases["generated"], "failures": cases["unique_failures"],
        "bugs": len(bugs), "excused": dict(excused), "follow_ups": len(stored), "seed": seed, "examples": examples,
        "seconds": round(time.monotonic() - began),
    }  # fmt: skip
    print(json.dumps(summary))
    return 0 if clean and not bugs else 1


if __name__ == "__main__":
    sys.exit(main())
