"""People who ask without a pause: creates that are repeated with their key until they are accepted, and some changes."""

import http.client
import json
import random
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from time import monotonic, sleep
from typing import Any

from followups.cli.client import Client, Problem, Reply, Transport, Unreachable, lower
from tests.soak import marks

#: What is asked for is due soon, so that minutes are enough; some of it later, so that a line waits.
_DUES = ("in 1 second",) * 8 + ("in 2 seconds", "in 3 seconds", "in 8 seconds", "in 20 seconds")
_PATIENCE_S = 60.0
#: Creates through the command itself, where there is one; half a second each.
_BY_COMMAND = 0.02
_AGAIN, _CANCEL, _PAUSE = 0.1, 0.04, 0.03


class Loopback:
    """The transport to an API on a loopback port that may be killed at any moment."""

    def __init__(self, port: int) -> None:
        self._port = port

    def send(self, method: str, target: str, headers: dict[str, str], body: bytes | None) -> Reply:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=20)
        try:
            connection.request(method, target, body, headers)
            answer = connection.getresponse()
            return Reply(answer.status, lower(dict(answer.getheaders())), json.loads(answer.read()))
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise Unreachable(f"port {self._port}: {error!r}") from error
        finally:
            connection.close()


class Asks:
    """What is asked, and what was answered.

    `agents` are names and how often each is named, `transports` gives the APIs that there are just now, and `command`
    creates by the command line: it gives the new follow-up, or None if it was killed.
    """

    def __init__(
        self, *, seed: int, people: int, agents: Mapping[str, int], transports: Callable[[], Sequence[Transport]],
        command: Callable[[dict[str, str], str], dict[str, Any] | None] | None = None,
    ) -> None:  # fmt: skip
        self._seed = seed
        self._agents = agents
        self._transports = transports
        self._command = command
        self._ends = threading.Event()
        # Daemons: who waits for an answer must not hold up Ctrl-C.
        self._threads = [threading.Thread(target=self._person, args=(n,), daemon=True) for n in range(people)]
        #: By idempotency key: the ids of all answers.
        self.accepted: dict[str, set[str]] = {}
        #: By id: when the answer came that it is cancelled.
        self.cancelled: dict[str, float] = {}
        self.counts: Counter[str] = Counter()
        #: What no API may answer, in words.
        self.oddities: list[str] = []
        #: Set while enough waits already.
        self.enough = threading.Event()

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        """Asks for nothing new; what was begun is asked until there is an answer."""
        self._ends.set()

    @property
    def asking(self) -> bool:
        return any(thread.is_alive() for thread in self._threads)

    def agent(self, luck: random.Random) -> str:
        """Names an agent."""
        return luck.choices(list(self._agents), list(self._agents.values()))[0]

    def create(self, luck: random.Random, body: dict[str, str], key: str) -> str | None:
        """Creates, and asks again with the same key until there is an answer; gives the id."""
        self.accepted.setdefault(key, set())
        made = self._insist(luck, lambda client: self._create_once(client, luck, body, key), f"create {key}")
        if made is None:
            return None
        self.accepted[key].add(made["id"])
        return str(made["id"])

    def _person(self, number: int) -> None:
        luck = random.Random(f"{self._seed} person {number}")
        asked = 0
        while not self._ends.is_set():
            if self.enough.is_set():
                sleep(0.05)
                continue
            asked += 1
            key = f"{self._seed}-{number}-{asked}"
            body = {
                "agent": self.agent(luck), "task": f"Task {key}", "due": luck.choice(_DUES), "timezone": "UTC",
            }  # fmt: skip
            name = self.create(luck, body, key)
            if name is None:
                continue
            if luck.random() < _AGAIN:
                self.create(luck, body, key)
            roll = luck.random()
            if roll < _CANCEL:
                self._cancel(luck, name)
            elif roll < _CANCEL + _PAUSE:
                self._pause(luck, name)
            sleep(luck.uniform(0, 0.1))

    def _create_once(self, client: Client, luck: random.Random, body: dict[str, str], key: str) -> dict[str, Any]:
        if self._command is not None and luck.random() < _BY_COMMAND:
            made = self._command(body, key)
            self.counts["by command"] += 1
            if made is None:
                raise Unreachable("the command was killed")
            return made
        reply = client.create(body, key)
        self.counts["replays"] += reply.headers.get("idempotent-replayed") == "true"
        return reply.body

    def _cancel(self, luck: random.Random, name: str) -> None:
        sleep(luck.uniform(0, 2.5))
        answer = self._insist(luck, lambda client: client.of(name, method="DELETE").body, f"cancel {name}")
        if answer is not None and answer.get("status") == "cancelled":
            self.cancelled.setdefault(name, marks.now())
            self.counts["cancelled"] += 1

    def _pause(self, luck: random.Random, name: str) -> None:
        if self._insist(luck, lambda client: client.of(name, "/pause", "POST", {}).body, f"pause {name}"):
            sleep(luck.uniform(0, 0.5))
            self._insist(luck, lambda client: client.of(name, "/resume", "POST", {}).body, f"resume {name}")
            self.counts["paused"] += 1

    def _insist(self, luck: random.Random, ask: Callable[[Client], dict[str, Any]], what: str) -> dict[str, Any] | None:
        """Asks, now here, now there, until there is an answer; None for one that says it is too late."""
        until = monotonic() + _PATIENCE_S
        while monotonic() < until:
            try:
                return ask(Client(luck.choice(self._transports()), None))
            except (Unreachable, IndexError):
                self.counts["asked again"] += 1
            except Problem as problem:
                if problem.status == 409:
                    return None
                if problem.status != 503:
                    self.oddities.append(f"{what}: {problem.status} {problem}")
                    return None
                self.counts["503"] += 1
            sleep(luck.uniform(0.02, 0.2))
        self.oddities.append(f"{what}: there was no answer for {_PATIENCE_S:.0f} s")
        return None
