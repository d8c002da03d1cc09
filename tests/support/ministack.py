"""ministack, AWS on this machine: a server for tests, from its own environment `.tools/ministack` (see the Makefile)."""

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.cfn import ROOT

PYTHON = ROOT / ".tools/ministack/bin/python"
_STARTS, _READY_S = 3, 30.0
#: Past any proxy that this machine is told to use.
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@contextmanager
def ministack(folder: Path, **more: str) -> Iterator[str]:
    """Gives the URL of a server that is ready. Its log and what else it writes lie in `folder`; it ends with the test.
    `more` is set in its environment."""
    if not PYTHON.exists():
        raise FileNotFoundError(f"{PYTHON} is not there; `make .tools/ministack/.done` makes it")
    for _ in range(_STARTS):
        port = free_port()
        with (folder / f"ministack-{port}.log").open("wb") as log:
            process = subprocess.Popen(
                [PYTHON, "-m", "ministack"], cwd=folder, env=_environ(folder, port) | more, stdin=subprocess.DEVNULL,
                stdout=log, stderr=subprocess.STDOUT,
                preexec_fn=_end_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509 - no threads yet
            )  # fmt: skip
            try:
                # Somebody else may have taken the port meanwhile: then this one ends, and the next try has another port.
                if _is_ready(process, port):
                    yield f"http://127.0.0.1:{port}"
                    return
            finally:
                _stop(process)
    raise RuntimeError(f"ministack did not start; its logs are in {folder}")


def _environ(folder: Path, port: int) -> dict[str, str]:
    # Nothing of ours is handed on: neither credentials nor settings. Unasked, it would also listen on every interface.
    mine = {"BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port), "IOT_MTLS_ENABLED": "0", "SFTP_ENABLED": "0"}
    quiet = {"LOG_LEVEL": "WARNING", "HOME": str(folder), "TMPDIR": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    return {"PATH": os.environ.get("PATH", os.defpath)} | mine | quiet


def free_port() -> int:
    """Gives a port of the loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _is_ready(process: "subprocess.Popen[bytes]", port: int) -> bool:
    """Waits until the server answers; says no if it ended instead."""
    until = time.monotonic() + _READY_S
    while process.poll() is None and time.monotonic() < until:
        try:
            with DIRECT.open(f"http://127.0.0.1:{port}/_ministack/health", timeout=5):
                return True
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.02)
    return False


def _stop(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _end_with_parent() -> None:
    # A test process that is killed cannot stop its server: the kernel does (prctl PR_SET_PDEATHSIG is 1).
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)
