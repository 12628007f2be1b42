"""Requests to TorchServe's management interface, before a server in its place."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from backend import management
from backend.settings import HOME, Ports, Settings
from photorestore.options import STAGES
from photorestore.serving.management import Node


class Server(ThreadingHTTPServer):
    """Answers as it is told to, and keeps what it was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: dict[str, tuple[int, object]] = {}
        self.asked: list[str] = []


class Handler(BaseHTTPRequestHandler):
    server: Server

    def answer(self) -> None:
        self.server.asked.append(f"{self.command} {self.path}")
        status, document = self.server.answers.get(self.server.asked[-1], (404, {"code": 404}))
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        self.answer()

    def do_POST(self) -> None:
        self.answer()

    def log_message(self, *_: object) -> None:
        """Tests are quiet."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def settings(server: Server, tmp_path: Path) -> Settings:
    port = server.server_address[1]
    return Settings(HOME, tmp_path, tmp_path, Ports(inference=port, management=port))


REGISTRATION = "POST /workflows?url=restore.war&workflow_name=restore"


def test_a_workflow_is_registered_unless_it_is_there(server: Server, settings: Settings) -> None:
    server.answers = {REGISTRATION: (200, {"status": "registered"})}
    management.register(settings)
    assert server.asked == ["GET /workflows/restore", REGISTRATION]
    server.asked.clear()
    server.answers["GET /workflows/restore"] = (200, [{}])
    management.register(settings)
    assert server.asked == ["GET /workflows/restore"]


def test_a_refused_registration_says_what_torchserve_said(server: Server, settings: Settings) -> None:
    server.answers = {REGISTRATION: (500, {"message": "no such archive"})}
    with pytest.raises(RuntimeError, match=r"was not registered: .*no such archive"):
        management.register(settings)


def test_torchserve_is_up_when_it_answers(server: Server, settings: Settings) -> None:
    assert not management.is_up(settings)
    server.answers["GET /ping"] = (200, {"status": "Healthy"})
    assert management.is_up(settings)


def described(*statuses: str, wanted: int = 2) -> list[dict[str, object]]:
    workers = [{"id": str(number), "status": status} for number, status in enumerate(statuses)]
    return [{"maxWorkers": wanted, "workers": workers, "jobQueueStatus": {"pendingRequests": 3}}]


def test_stages_are_as_torchserve_describes_them(server: Server, settings: Settings) -> None:
    server.answers = {
        "GET /models/restore__preprocess": (200, described("READY", "READY")),
        "GET /models/restore__denoise": (200, described("READY", "UNLOADING")),
        "GET /models/restore__scratch": (200, described(wanted=0)),
    }
    found = {node.stage: node for node in management.nodes(settings)}
    assert tuple(found) == STAGES
    assert found["preprocess"] == Node("preprocess", 2, 2, 3)
    assert found["denoise"] == Node("denoise", 1, 2, 3)
    assert [stage for stage, node in found.items() if node.is_ready] == ["preprocess"]
    assert found["face"] == Node("face")
