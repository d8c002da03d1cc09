"""A webhook on the loopback, over TLS, that answers whatever a test gives it, byte for byte; and how it is called."""

import contextlib
import socket
import socketserver
import ssl
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from followups.adapters.agents.https import HttpsAgent
from followups.domain.contract import AgentCall
from tests.support.calls import agent_call
from tests.support.clock import ManualClock

HOST = "agent.example.com"
KEYS = (b"new" * 11, b"old" * 11)
Send = Callable[[bytes], None]
_PEM = serialization.Encoding.PEM


def make_certificate(folder: Path) -> Path:
    """Gives a file with a certificate for HOST, signed by itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name, now = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, HOST)]), datetime.now(UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    path = folder / "server.pem"
    secret = key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(made.public_bytes(_PEM) + secret)
    return path


class Webhook(socketserver.ThreadingTCPServer):
    """Reads a request whole and then says `answer`, or what `answer` does with a function that sends."""

    daemon_threads, allow_reuse_address = True, True

    def __init__(self, certificate: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Request)
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.load_cert_chain(certificate)
        self.tls.sni_callback = lambda _sock, name, _context: self.names.append(name)
        self.answer: bytes | Callable[[Send], None] = said(200, b"")
        #: What was asked for, as (request line, headers, body); the names in TLS; and how many connections there were.
        self.heard: list[tuple[str, dict[str, str], bytes]] = []
        self.names: list[str | None] = []
        self.connections = 0
        self.farewell = self.reset = False
        self.closing = threading.Event()

    def url(self, host: str = HOST, path: str = "/run?x=1") -> str:
        return f"https://{host}:{self.server_address[1]}{path}"

    def handle_error(self, *_: object) -> None:
        pass


class _Request(socketserver.BaseRequestHandler):
    server: Webhook

    def handle(self) -> None:
        self.server.connections += 1
        self.request.settimeout(20)
        with self.server.tls.wrap_socket(self.request, server_side=True) as tls, contextlib.suppress(OSError):
            with tls.makefile("rb") as file:
                line = file.readline().decode().strip()
                pairs = dict(it.decode().strip().split(": ", 1) for it in iter(file.readline, b"\r\n"))
                self.server.heard.append((line, pairs, file.read(int(pairs["Content-Length"]))))
            answer = self.server.answer
            _ = tls.sendall(answer) if isinstance(answer, bytes) else answer(tls.sendall)
            if self.server.farewell:
                tls.unwrap()
            if self.server.reset:
                tls.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def said(status: int, body: bytes, *headers: str) -> bytes:
    """Gives an answer as a server sends it."""
    lines = [f"HTTP/1.1 {status} So", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


@contextmanager
def serving(certificate: Path) -> Iterator[Webhook]:
    """Gives a webhook that answers until the end."""
    with Webhook(certificate) as it:
        thread = threading.Thread(target=it.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield it
        finally:
            it.closing.set()
            it.shutdown()
            thread.join()


def target_for(
    certificate: Path | None, resolve: Callable[[str], Sequence[str]] = lambda _host: ["127.0.0.1"],
    allowed: Callable[[str], bool] = lambda _address: True,
) -> HttpsAgent:  # fmt: skip
    """Gives the target, which finds every name on the loopback and trusts the certificate (None: those of the system)."""
    context = ssl.create_default_context(cafile=certificate) if certificate else None
    return HttpsAgent(KEYS, ManualClock(), resolve=resolve, allowed=allowed, context=context)


def call_of(server: Webhook, seconds: float = 20, *, host: str = HOST, path: str = "/run?x=1") -> AgentCall:
    """Gives a call of the webhook."""
    call = agent_call([], seconds=seconds)
    return replace(call, agent=replace(call.agent, kind="https", target=server.url(host, path)))
