"""What the tests of jobs share."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx

from gateway.jobs.records import ENDED
from tests.edge import make_picture
from tests.local_servers import answering

KEYED: dict[str, Any] = {"Idempotency-Key": "a"}


async def submit(
    edge: httpx.AsyncClient, query: str = "stages=", seed: int = 0, **headers: Any
) -> dict[str, Any]:
    answer = await edge.post(f"/v1/jobs?{query}", content=make_picture(seed=seed), headers=headers)
    assert answer.status_code in (200, 202), answer.text
    assert answer.headers["location"] == answer.json()["links"]["self"]
    return answer.json()


async def look(edge: httpx.AsyncClient, job: dict[str, Any], **headers: str) -> dict[str, Any]:
    return (await edge.get(job["links"]["self"], headers=headers)).json()


async def wait(edge: httpx.AsyncClient, job: dict[str, Any], *states: str) -> dict[str, Any]:
    """The job, once it is in one of these states; by default, once it has ended."""
    async with asyncio.timeout(30):
        while (now := await look(edge, job))["state"] not in (states or ENDED):  # noqa: ASYNC110 - asked for by HTTP
            await asyncio.sleep(0.01)
    return now


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


async def emptied(folder: Path) -> None:
    """Files go after the record that needed them."""
    async with asyncio.timeout(30):
        while names(folder):  # noqa: ASYNC110 - files tell nobody
            await asyncio.sleep(0.01)


async def ready(client: httpx.AsyncClient) -> None:
    """Wait until an edge in a process of its own is ready."""
    async with asyncio.timeout(60):
        while True:
            try:
                if (await client.get("/readyz")).is_success:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.02)


SECRET = b"0123456789abcdef"


class ReceiverServer(ThreadingHTTPServer):
    """What a receiver answers, and what it has got: path, headers and body of each request."""

    statuses: deque[int]
    got: list[tuple[str, dict[str, str], bytes]]
    url: str


class Receiver(BaseHTTPRequestHandler):
    server: ReceiverServer

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((self.path, dict(self.headers), body))
        self.send_response(self.server.statuses.popleft() if self.server.statuses else 204)
        self.send_header("Location", f"http://127.0.0.1:{self.server.server_port}/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_POST  # noqa: N815

    def log_message(self, *_: object) -> None:
        """Be quiet."""


@contextlib.contextmanager
def receiving(*statuses: int, port: int = 0) -> Iterator[ReceiverServer]:
    """A receiver that answers so, then 204."""
    with ReceiverServer(("127.0.0.1", port), Receiver) as server:
        server.statuses, server.got = deque(statuses), []
        server.url = f"http://127.0.0.1:{server.server_port}/told?album=7"
        with answering(server):
            yield server


class HostServer(ThreadingHTTPServer):
    """Files at a host by their path, what it answers first, and the queries and headers that it has got."""

    statuses: deque[int]
    files: dict[str, bytes]
    got: list[tuple[str, str, dict[str, str]]]
    url: str


class Host(BaseHTTPRequestHandler):
    server: HostServer

    def do_GET(self) -> None:
        content = self.server.files.get(self._path())
        status = self._status() or (404 if content is None else 200)
        self._answer(status, content if status == 200 else None)

    def do_PUT(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        path, status = self._path(), self._status() or 200
        if status == 200:
            self.server.files[path] = content
        self._answer(status, b"")

    def _path(self) -> str:
        self.server.got.append((self.command, self.path, dict(self.headers)))
        return self.path.partition("?")[0]

    def _status(self) -> int:
        return self.server.statuses.popleft() if self.server.statuses else 0

    def _answer(self, status: int, content: bytes | None) -> None:
        self.send_response(status)
        self.send_header("ETag", '"given"')
        self.send_header("Location", self.server.url)
        self.send_header("Content-Length", str(len(content or b"")))
        self.end_headers()
        self.wfile.write(content or b"")

    def log_message(self, *_: object) -> None:
        """Be quiet."""


@contextlib.contextmanager
def hosting(**files: bytes) -> Iterator[HostServer]:
    """A host of files that takes more of them."""
    with HostServer(("127.0.0.1", 0), Host) as server:
        server.statuses, server.got = deque(), []
        server.files = {f"/{name}": content for name, content in files.items()}
        server.url = f"http://127.0.0.1:{server.server_port}"
        with answering(server):
            yield server
