"""AgentCore's protocol on the loopback: a server that answers as it is told, and the frames of a harness's events."""

import json
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from zlib import crc32

import boto3
from botocore.config import Config

from followups.adapters.agents.agentcore import AgentCoreAgent
from followups.domain.contract import AgentCall
from tests.support.calls import agent_call

_ARN = "arn:aws:bedrock-agentcore:eu-central-1:123456789012:"
RUNTIME, HARNESS = _ARN + "runtime/checker-a1B2c3D4e5", _ARN + "harness/checker-a1B2c3D4e5"
ENDPOINT = RUNTIME + "/runtime-endpoint/live"


class Service(ThreadingHTTPServer):
    """Answers each call with `status`, `kind` (its content type), `code` (of an error) and `pieces`, each a chunk of HTTP;
    or does worse, as `fault` says."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Call)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.status, self.kind, self.code, self.fault = 200, "application/json", "", ""
        self.pieces: list[bytes] = []
        self.headers: dict[str, str] = {}
        self.called: list[Called] = []
        self.closing = threading.Event()


class Called:
    def __init__(self, call: "_Call") -> None:
        parts = urlsplit(call.path)
        self.path, self.query = unquote(parts.path), {name: it for name, [it] in parse_qs(parts.query).items()}
        self.headers = {name.lower(): value for name, value in call.headers.items()}
        self.body: Any = json.loads(call.rfile.read(int(call.headers["Content-Length"])) or b"null")
        self.session = self.headers["x-amzn-bedrock-agentcore-runtime-session-id"]


class _Call(BaseHTTPRequestHandler):
    server: Service
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        it = self.server
        it.called.append(Called(self))
        if it.fault == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            return
        if it.fault == "silent":
            it.closing.wait(30)
            return
        self.send_response(it.status)
        for name, value in it.headers.items():
            self.send_header(name, value)
        if it.code:
            self.send_header("X-Amzn-ErrorType", it.code)
        if it.kind:
            self.send_header("Content-Type", it.kind)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            self._stream()
        except ConnectionError:  # nobody listens any more
            self.close_connection = True

    def _stream(self) -> None:
        for piece in self.server.pieces:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        while self.server.fault == "drip" and not self.server.closing.wait(0.05):
            self.wfile.write(b"1\r\n.\r\n")
        if self.server.fault == "half":
            self.close_connection = True
            return
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def agentcore() -> Iterator[Service]:
    """Gives a server that is ready, and ends it and its open answers."""
    with Service() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server
        server.closing.set()
        server.shutdown()
        thread.join()


def target_at(url: str) -> AgentCoreAgent:
    return AgentCoreAgent(lambda seconds: client("bedrock-agentcore", url, seconds))


def client(name: str, url: str, seconds: float = 20) -> Any:
    config = Config(read_timeout=seconds, connect_timeout=5, retries={"total_max_attempts": 1})
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "eu-central-1"}
    return boto3.client(name, endpoint_url=url, config=config, **keys)


def call_of(arn: str = RUNTIME, *, mode: str | None = None, seconds: float = 20) -> AgentCall:
    call = agent_call([], seconds=seconds, prompt="Look twice.")
    return replace(call, agent=replace(call.agent, kind="agentcore", target=arn, mode=mode))


def frame(event: str, payload: dict[str, Any], *, error: bool = False) -> bytes:
    """Gives an event, or an exception, in the framing of AWS's event streams (application/vnd.amazon.eventstream): lengths
    and their checksum, headers, payload, checksum of it all."""
    kind, name = ("exception", ":exception-type") if error else ("event", ":event-type")
    headers = b"".join(
        bytes([len(key)]) + key.encode() + b"\x07" + struct.pack("!H", len(value)) + value.encode()  # 7: a text
        for key, value in ((":message-type", kind), (name, event), (":content-type", "application/json"))
    )
    body = json.dumps(payload).encode()
    start = struct.pack("!II", 16 + len(headers) + len(body), len(headers))
    start += struct.pack("!I", crc32(start))
    whole = start + headers + body
    return whole + struct.pack("!I", crc32(whole))
