"""A wire between a command and its installation that breaks as a test says."""

from followups.cli.client import Reply, Transport, Unreachable

#: What happens to a request: it never gets there, its answer does not come back, or it is refused with a status.
Fault = str | int
LOST, UNHEARD = "lost", "unheard"


class Wire:
    """A transport that breaks as a test says: the next faults of requests whose path ends so."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self.faults: dict[str, list[Fault]] = {}
        self.sent: list[tuple[str, bytes | None]] = []

    def send(self, method: str, target: str, headers: dict[str, str], body: bytes | None) -> Reply:
        end = target.rpartition("/")[2]
        self.sent.append((end, body))
        fault = self.faults[end].pop(0) if self.faults.get(end) else None
        if isinstance(fault, int):
            return Reply(fault, {}, {"code": "trouble", "detail": "not now"})
        if fault == LOST:
            raise Unreachable("the cable is out")
        reply = self._transport.send(method, target, headers, body)
        if fault == UNHEARD:
            raise Unreachable("the cable went out")
        return reply

    def bodies(self, end: str) -> list[bytes | None]:
        return [body for path, body in self.sent if path == end]
