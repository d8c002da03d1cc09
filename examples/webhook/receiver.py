"""Takes runs as signed webhooks, answers 202, does the work, and calls back, if it can. Standard library only.

FOLLOWUPS_SECRET is what `followups agents secret @name` prints. Put a proxy that speaks TLS in front of it.
"""

import base64
import hashlib
import hmac
import json
import os
import threading
import time
from collections.abc import Callable, Sequence
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

BODY_LIMIT, TOLERANCE_S, PAUSES_S = 1024 * 1024, 300, (1, 5, 25, 125)


def is_signed(secret: str, headers: Any, body: bytes, now: float) -> bool:
    """Says whether the body was signed with the secret in the last five minutes (Standard Webhooks)."""
    stamp = headers.get("webhook-timestamp", "")
    if not stamp.isascii() or not stamp.isdigit() or abs(now - int(stamp)) > TOLERANCE_S:
        return False
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{headers.get('webhook-id', '')}.{stamp}.".encode() + body
    right = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest())
    # There may be several: while a secret is changed, both sign.
    given = [it.partition(",")[2] for it in headers.get("webhook-signature", "").split() if it.startswith("v1,")]
    return any(hmac.compare_digest(right, it.encode()) for it in given)


def work(request: dict[str, Any]) -> dict[str, Any]:
    """Does the task. Yours goes here."""
    return {"outcome": "succeeded", "summary": f"Did: {request['task']}", "report_md": "All is well."}


def call_back(
    request: dict[str, Any], answer: dict[str, Any], *, connect: Callable[..., HTTPConnection] = HTTPSConnection,
    pauses: Sequence[int] = PAUSES_S,
) -> int:  # fmt: skip
    """Posts the answer, and posts it again where nobody knows whether it came: the same answer twice is one answer."""
    url, status = urlsplit(request["callback"]["complete"]), 0
    headers = {"Content-Type": "application/json", "Followups-Run-Token": request["run_token"]}
    for pause in (*pauses, 0):
        try:
            line = connect(url.netloc, timeout=30)
            line.request("POST", url.path + (f"?{url.query}" if url.query else ""), json.dumps(answer), headers)
            status = line.getresponse().status
        except (OSError, HTTPException):
            status = 0
        if 0 < status < 500 and status != 429:
            break
        time.sleep(pause)
    return status


def serve(secret: str, *, port: int = 8080, done: Callable[..., int] = call_back) -> ThreadingHTTPServer:
    """Gives the server, on loopback. `done` takes a request and its answer."""
    seen: set[str] = set()

    def end(request: dict[str, Any]) -> dict[str, Any]:
        try:
            return work(request)
        except Exception as error:  # noqa: BLE001 - whatever it was, a run that ends in silence helps nobody
            return {"outcome": "failed", "summary": f"{type(error).__name__}: {error}"[:200]}

    def begin(request: dict[str, Any]) -> dict[str, Any]:
        if request["callback"] is None:
            # Followups runs on a laptop, which cannot be called: it waits.
            return end(request)
        threading.Thread(target=lambda: done(request, end(request))).start()
        return {"pending": True}

    class Receiver(BaseHTTPRequestHandler):
        timeout = 30

        def do_POST(self) -> None:
            length = self.headers.get("Content-Length", "")
            body = self.rfile.read(int(length)) if length.isdigit() and int(length) <= BODY_LIMIT else b""
            if not is_signed(secret, self.headers, body, time.time()):
                self.send_error(401)
                return
            request = json.loads(body)
            # The same run told twice is one run.
            answer = {"pending": True} if request["run_id"] in seen else None
            seen.add(request["run_id"])
            answer = answer or begin(request)
            self.send_response(202 if "pending" in answer else 200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

    return ThreadingHTTPServer(("127.0.0.1", port), Receiver)


if __name__ == "__main__":
    serve(os.environ["FOLLOWUPS_SECRET"]).serve_forever()
