"""An import that is interrupted, raced, or late, over HTTP: it comes over once all the same."""

import fcntl
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from followups import bootstrap
from followups.adapters.local import NoLeases, NoQueue, SystemChance, SystemClock
from followups.api.app import api
from followups.api.service import Service
from followups.config import LaptopConfig
from followups.handlers import Handler
from followups.local.server import ApiServer
from followups.usecases.world import World
from tests.support.laptop import Laptop
from tests.support.old_file import FILE, TASK, stored, writer


@pytest.fixture
def old(laptop: Laptop) -> Callable[..., str]:
    return writer(laptop)


@contextmanager
def served(handler: Handler) -> Iterator[str]:
    """Serves an API on the loopback; gives what FOLLOWUPS_API_URL takes."""
    server = ApiServer(0, handler, user=bootstrap.laptop_user(), now=SystemClock().now)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def dropping(handler: Handler, suffix: str, number: int, *, after: bool) -> Handler:
    """Gives the handler, but hangs up at its POST with that number to that path, before or after it is done."""
    left = [number]

    def handle(event: Any, context: Any) -> Any:
        http = event["requestContext"]["http"]
        counted = http["method"] == "POST" and http["path"].endswith(suffix)
        left[0] -= counted
        result = handler(event, context) if after or not counted or left[0] else None
        if counted and not left[0]:
            raise ConnectionError
        return result

    return handle


@pytest.mark.parametrize("after", [False, True], ids=["lost request", "lost answer"])
@pytest.mark.parametrize(("suffix", "number"), [("/follow-ups", 2), ("/pause", 1)])
def test_an_import_that_was_interrupted_is_completed_by_the_next(
    laptop: Laptop, old: Callable[..., str], suffix: str, number: int, after: bool
) -> None:
    file, handler = old(*FILE), bootstrap.laptop_api(laptop.home, LaptopConfig(timezone="UTC"))
    with served(dropping(handler, suffix, number, after=after)) as url:
        broken = laptop.here("import", file, FOLLOWUPS_API_URL=url)
        assert broken.returncode == 1
        handled = len(broken.stdout.splitlines())
        assert f"{handled} of 5 tasks were handled. Import the file again to go on" in broken.stderr
        assert "--key" not in broken.stderr
        again = laptop.here("import", file, FOLLOWUPS_API_URL=url)
    assert again.returncode == 0
    assert len(again.stdout.splitlines()) == 6
    found = stored(laptop)
    assert sorted(found) == ["Check backup health", "Read the log", "Send the digest", "Verify bridge"]
    assert found["Send the digest"]["status"] == "paused"


def test_a_killed_import_is_completed_by_the_next(laptop: Laptop, old: Callable[..., str]) -> None:
    file = old(*(TASK | {"id": str(number), "task": f"Task {number}"} for number in range(60)))
    process = laptop.start("import", file)
    assert process.stdout is not None
    # A pipe that takes fewer lines than there are tasks, and is not read: it is killed in the middle, however fast it is.
    fcntl.fcntl(process.stdout, fcntl.F_SETPIPE_SZ, 4_096)
    assert os.read(process.stdout.fileno(), 10)
    process.kill()
    process.communicate()
    half = len(stored(laptop))
    assert 0 < half < 60
    done = laptop.here("import", file)
    assert len(stored(laptop)) == 60
    assert done.stdout.count("imported before") == half


def test_a_task_whose_time_comes_while_it_is_brought_over_is_due_now(laptop: Laptop, old: Callable[..., str]) -> None:
    soon = f"{datetime.now(UTC) + timedelta(minutes=30):%Y-%m-%dT%H:%M:%SZ}"
    world = World(
        store=bootstrap.laptop_store(laptop.home), queue=NoQueue(), clock=SystemClock(timedelta(hours=1)),
        chance=SystemChance(), leases=NoLeases(),
    )  # fmt: skip
    service = Service(world=world, secrets=(b"x" * 32,), default_timezone="UTC", allow_commands=True)
    with served(api(service)) as url:
        done = laptop.here("import", old(TASK | {"due_date": soon}), FOLLOWUPS_API_URL=url)
    assert (done.returncode, done.stdout.count("imported as")) == (0, 1)
    assert stored(laptop)[TASK["task"]]["due"] == "in 1 second"


def test_two_imports_at_once_bring_it_over_once(laptop: Laptop, old: Callable[..., str]) -> None:
    handler = bootstrap.laptop_api(laptop.home, LaptopConfig(timezone="UTC"))

    def handle(event: Any, context: Any) -> Any:
        if event["requestContext"]["http"]["method"] == "POST" and event["rawPath"] == "/v1/follow-ups":
            # Another import, in another zone, is always a little faster.
            rival = event["body"].replace("Europe/Berlin", "Asia/Tokyo")
            assert handler(event | {"body": rival}, context)["statusCode"] == 201
        return handler(event, context)

    with served(handle) as url:
        done = laptop.here("import", old(*FILE), FOLLOWUPS_API_URL=url)
    assert (done.returncode, done.stdout.count("imported before as")) == (0, 3)
    found = stored(laptop)
    assert {it["timezone"] for it in found.values()} == {"Asia/Tokyo"}
    assert (len(found), found["Send the digest"]["status"]) == (4, "paused")


def test_an_answer_that_breaks_off_is_said_in_a_line(laptop: Laptop) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{")

        threading.Thread(target=answer, daemon=True).start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        said = laptop.here("list", FOLLOWUPS_API_URL=url)
    assert (said.returncode, said.stderr.count("\n")) == (1, 1)
    assert "did not answer" in said.stderr
