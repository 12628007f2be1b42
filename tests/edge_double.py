"""A small HTTP server that speaks the contract of the REST edge, and misbehaves when told to."""

from __future__ import annotations

import email
import hashlib
import json
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

from photorestore_client import Retry

QUICK = Retry(tries=4, first_s=0.01, longest_s=0.02)
CONFIDENCE = b"\x89PNG\r\n\x1a\n--how sure"
JPEG = b"\xff\xd8\xff\xe0 restored "


@dataclass
class Seen:
    """A request that came."""

    method: str
    path: str
    query: dict[str, str]
    headers: Message
    body: bytes

    def parts(self) -> dict[str, bytes]:
        """The parts of a form, by name."""
        head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
        message = email.message_from_bytes(head + self.body)
        found: dict[str, bytes] = {}
        for part in message.walk():
            if not part.is_multipart():
                content = part.get_payload(decode=True)
                assert isinstance(content, bytes)
                found[str(part.get_param("name", header="content-disposition"))] = content
        return found


_STAGE = {"running": "running", "succeeded": "ran"}
Misbehaviour = Callable[["Handler"], None]


@dataclass
class Edge:
    """The server and what it has seen.

    Attributes:
        misbehave: what is done to the next requests instead of answering, first come, first served.
        delay_s: how long a restoration takes.
        answer: makes the restored picture.
        capacity: restorations at once; all beyond are refused with 429.
        completed: finished restorations by SHA-256 of the picture.
        jobs: their documents by id, with what they were made of.
        port: to listen on; 0 = any.
    """

    misbehave: deque[Misbehaviour | None] = field(default_factory=deque)
    delay_s: float = 0.0
    answer: Callable[[bytes], bytes] = lambda body: JPEG + hashlib.sha256(body).hexdigest().encode()
    capacity: int = 1000
    retry_after: str = "0"
    seen: list[Seen] = field(default_factory=list)
    completed: Counter[str] = field(default_factory=Counter)
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    connections: int = 0
    metrics: Callable[[], str] = lambda: ""
    in_flight: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    url: str = ""
    port: int = 0

    def __enter__(self) -> Self:
        self.server = Server(("127.0.0.1", self.port), Handler)
        self.server.edge = self
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02})
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


class Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    edge: Edge

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that go away are what the tests are about."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 20
    server: Server

    def setup(self) -> None:
        super().setup()
        with self.server.edge.lock:
            self.server.edge.connections += 1

    def do_POST(self) -> None:
        self.handle_request()

    do_GET = do_POST  # noqa: N815
    do_DELETE = do_POST  # noqa: N815

    def handle_request(self) -> None:
        edge, url = self.server.edge, urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.seen = Seen(self.command, url.path, dict(parse_qsl(url.query)), self.headers, body)
        with edge.lock:
            edge.seen.append(self.seen)
            misbehaviour = edge.misbehave.popleft() if edge.misbehave else None
        if misbehaviour is not None:
            misbehaviour(self)
        elif url.path == "/v1/restore":
            self.restore()
        elif url.path == "/v1/analyze":
            self.send_json(200, {"source": {"format": "png"}, "found": {"scratch": {"share": 0.5}}})
        elif url.path == "/v1/stages":
            self.send_json(200, {"version": "1", "stages": [{"name": "denoise", "version": "2"}]})
        elif url.path == "/metrics":
            self.send(200, edge.metrics().encode(), "text/plain; version=0.0.4")
        elif url.path.startswith("/v1/jobs"):
            self.job(url.path.removeprefix("/v1/jobs").strip("/"))
        else:
            self.problem(404, "not-found")

    def restore(self) -> None:
        edge = self.server.edge
        with edge.lock:
            admitted = edge.in_flight < edge.capacity
            edge.in_flight += admitted
        if not admitted:
            self.problem(429, "busy", **{"Retry-After": edge.retry_after})
            return
        try:
            time.sleep(edge.delay_s)
            etag = f'"{hashlib.sha256(self.seen.body).hexdigest()[:8]}"'
            if self.headers.get("If-None-Match") == etag:
                self.problem(412, "unchanged")
                return
            with edge.lock:
                edge.completed[hashlib.sha256(self.seen.body).hexdigest()] += 1
            headers = {"ETag": etag, "Server-Timing": 'denoise;dur=12.5, deliver;desc="x";dur=3, hops;dur=9'}
            self.send_result(edge.answer(self.seen.body), headers)
        finally:
            with edge.lock:
                edge.in_flight -= 1

    def send_result(self, picture: bytes, headers: dict[str, str]) -> None:
        if self.seen.query.get("return") != "bundle":
            self.send(200, picture, "image/jpeg", **headers)
            return
        parts = [("report", "application/json", b'{"tier": "fast"}'), ("image", "image/jpeg", picture)]
        parts.append(("mask", "image/png", b"\r\n--not the end\r\n\r\n"))
        if "colorize" in self.seen.query:
            parts.append(("confidence", "image/png", CONFIDENCE))
        body = b"".join(
            f'--b0\r\nContent-Disposition: attachment; name="{name}"\r\nContent-Type: {kind}\r\n\r\n'.encode()
            + content
            + b"\r\n"
            for name, kind, content in parts
        )
        self.send(200, body + b"--b0--\r\n", "multipart/mixed; boundary=b0", **headers)

    def job(self, path: str) -> None:
        edge, (name, _, rest) = self.server.edge, path.partition("/")
        if path == "batch":
            orders = json.loads(self.seen.body)["jobs"]
            self.send_json(200, {"jobs": [self.batched(order) for order in orders]})
            return
        if self.command == "POST":
            job = self.enter(self.headers["Idempotency-Key"], self.seen.body)
            self.send_json(202, job, Location=f"/v1/jobs/{job['id']}")
            return
        if name not in edge.jobs:
            self.problem(404, "no-such-job")
            return
        job = edge.jobs[name]
        if self.command == "DELETE":
            job["state"] = "cancelled"
            self.send(204, b"", "")
        elif rest == "result":
            self.send(200, edge.answer(bytes.fromhex(job["picture"])), "image/jpeg")
        else:
            self.send_json(200, job)
            steps = {"queued": "running", "running": job.get("end", "succeeded")}
            job["state"] = steps.get(job["state"], job["state"])
            job["progress"] = {"denoise": _STAGE.get(job["state"], "waiting")}

    def enter(self, key: str, picture: bytes) -> dict[str, Any]:
        edge = self.server.edge
        with edge.lock:
            name = edge.keys.setdefault(key, f"job-{len(edge.keys)}")
            job = edge.jobs.setdefault(name, {"id": name, "state": "queued", "progress": {}})
            job.setdefault("picture", picture.hex())
            return job | {"ahead": len(edge.jobs) - 1, "seconds_left": 7}

    def batched(self, order: dict[str, Any]) -> dict[str, Any]:
        """What came of one job: there is room for `capacity` open ones, and none for those of `no.example`."""
        edge = self.server.edge
        is_open = [job for job in edge.jobs.values() if job["state"] in ("queued", "running")]
        if "no.example" in order["source"]:
            refused = {"type": "urn:photorestore:problem:place-not-allowed", "detail": "no"}
            return {"status": 403, "job": None, "problem": refused}
        if len(is_open) >= edge.capacity:
            refused = {"type": "urn:photorestore:problem:too-many-requests", "detail": "full"}
            return {"status": 429, "job": None, "problem": refused}
        job = self.enter(order["idempotency_key"], order["source"].encode())
        return {"status": 202, "job": job, "problem": None}

    def send_json(self, status: int, document: object, **headers: str) -> None:
        self.send(status, json.dumps(document).encode(), "application/json", **headers)

    def problem(self, status: int, name: str, **headers: str) -> None:
        document = {
            "type": f"urn:photorestore:problem:{name}",
            "status": status,
            "detail": f"why {name}",
            "stage": "preprocess",
        }
        self.send(status, json.dumps(document).encode(), "application/problem+json", **headers)

    def send(self, status: int, body: bytes, content_type: str, **headers: str) -> None:
        self.send_response(status)
        self.send_header("X-Request-Id", self.headers.get("X-Request-Id", "none"))
        if content_type:
            self.send_header("Content-Type", content_type)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def refuse(status: int, name: str, **headers: str) -> Misbehaviour:
    """Answer with a problem document; underscores in names of headers become hyphens."""
    named = {key.replace("_", "-"): value for key, value in headers.items()}
    return lambda handler: handler.problem(status, name, **named)


def drop(handler: Handler) -> None:
    """Close the connection without a word."""
    handler.close_connection = True


def break_off(handler: Handler) -> None:
    """Close the connection in the middle of the picture."""
    handler.send_response(200)
    handler.send_header("Content-Type", "image/jpeg")
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(JPEG)
    handler.close_connection = True


def stall(seconds: float) -> Misbehaviour:
    """Say nothing for a while, then close the connection."""

    def _stall(handler: Handler) -> None:
        time.sleep(seconds)
        handler.close_connection = True

    return _stall


def trickle(handler: Handler) -> None:
    """Send a byte every 20 ms."""
    handler.send_response(200)
    handler.send_header("Content-Type", "image/jpeg")
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.close_connection = True
    for _ in range(1000):
        handler.wfile.write(b"x")
        time.sleep(0.02)


def say(status: int, body: bytes, content_type: str, **headers: str) -> Misbehaviour:
    """Answer with just that."""
    return lambda handler: handler.send(status, body, content_type, **headers)
