"""A built function under Lambda's Runtime Interface Emulator, which SAM brings along: the real runtime API, no Docker."""

import json
import os
import signal
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.running import wait_for
from tests.e2e.site import ARCH, BUILT, REGION
from tests.support.cfn import ROOT
from tests.support.ministack import DIRECT, free_port

_PYTHON = ROOT / ".tools/rie/bin/python"


@dataclass(frozen=True, slots=True)
class Emulator:
    """One function, which takes one call at a time."""

    url: str
    log: Path
    process: "subprocess.Popen[bytes]"

    def invoke(self, event: Any) -> tuple[int, Any]:
        """Calls the function; gives the HTTP status and the answer, as a document where it is one."""
        request = urllib.request.Request(
            f"{self.url}/2015-03-31/functions/function/invocations", json.dumps(event).encode()
        )
        try:
            with DIRECT.open(request, timeout=60) as answer:
                status, text = answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            status, text = error.code, error.read().decode()
        try:
            return status, json.loads(text)
        except json.JSONDecodeError:
            return status, text

    def runtime(self) -> int:
        """Gives the process that the function's code runs in; 0 if there is none."""
        found = subprocess.run(["pgrep", "-P", str(self.process.pid)], capture_output=True, text=True).stdout.split()
        return int(found[0]) if found else 0


@contextmanager
def emulator(function: str, environ: dict[str, str], folder: Path, *, timeout: int = 29) -> Iterator[Emulator]:
    """Gives a function of the built template; it may take `timeout` seconds a call. Ends with the test."""
    port, api = free_port(), free_port()
    rie = next((ROOT / ".tools/sam").glob(f"lib/python3*/site-packages/samcli/local/rapid/aws-lambda-rie-{ARCH}"))
    command = [
        str(rie), "--runtime-interface-emulator-address", f"127.0.0.1:{port}", "--runtime-api-address", f"127.0.0.1:{api}",
        str(_PYTHON), "-m", "awslambdaric", "app.handler",
    ]  # fmt: skip
    lambda_s = {
        "LAMBDA_TASK_ROOT": str(BUILT / function), "PYTHONPATH": str(BUILT / "Layer/python"), "AWS_REGION": REGION,
        "AWS_LAMBDA_FUNCTION_NAME": function, "AWS_LAMBDA_FUNCTION_TIMEOUT": str(timeout), "HOME": str(folder),
    }  # fmt: skip
    log = folder / f"{function}.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, cwd=BUILT / function, env={"PATH": os.environ["PATH"]} | lambda_s | environ, stdin=subprocess.DEVNULL,
            stdout=out, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        try:
            wait_for(lambda: _listens(port, process), seconds=20, pause=0.05)
            yield Emulator(f"http://127.0.0.1:{port}", log, process)
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _listens(port: int, process: "subprocess.Popen[bytes]") -> bool:
    assert process.poll() is None, "the emulator ended"
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
