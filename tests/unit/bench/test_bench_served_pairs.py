import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil
import pytest
import requests

from bench import served_pairs
from bench.served_pairs import Case, Served

WORK_S = 0.03
"""Processor time of an answer; the kernel counts in hundredths of a second."""


class Answering(ThreadingHTTPServer):
    """A stand-in for a service, which keeps what was asked of it in a list that others share."""

    def __init__(self, name: str, asked: list[str], status: int = 200) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                asked.append(name)
                until = time.thread_time() + WORK_S
                while time.thread_time() < until:
                    pass
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def served(self) -> Served:
        return Served(psutil.Process(), f"http://127.0.0.1:{self.server_port}")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setattr(served_pairs, "made_once", lambda _h, _w: b"a picture")
    monkeypatch.setattr(served_pairs, "SETTLES_S", 0)
    return []


@pytest.fixture
def sides(asked: list[str]) -> Iterator[tuple[Served, Served]]:
    with Answering("old", asked) as old, Answering("new", asked) as new:
        yield old.served, new.served
        old.shutdown()
        new.shutdown()


def test_services_take_turns_after_one_request_each(sides: tuple[Served, Served], asked: list[str]) -> None:
    cpu, wall = served_pairs.compare(*sides, Case(served_pairs.one, 3))
    assert asked == ["old", "new", *("old", "new"), *("new", "old"), *("old", "new")]
    assert (cpu.pairs, wall.pairs) == (3, 3)


def test_eight_requests_are_sent_for_a_round(sides: tuple[Served, Served], asked: list[str]) -> None:
    served_pairs.eight_at_once(sides[0])
    assert asked == ["old"] * 8


def test_a_request_that_fails_ends_the_comparison(asked: list[str]) -> None:
    with Answering("broken", asked, status=503) as broken:
        with pytest.raises(requests.HTTPError):
            served_pairs.one(broken.served)
        broken.shutdown()


def test_a_service_is_named_by_run_directory_and_address(tmp_path: Path) -> None:
    process = psutil.Process()
    (tmp_path / "pid").write_text(f"{process.pid}\n")
    served = Served.from_words(f"{tmp_path}=http://127.0.0.1:8100")
    assert (served.supervisor, served.url) == (process, "http://127.0.0.1:8100")
    assert served.memory_mb() >= process.memory_full_info().uss / served_pairs.MB / 2
    with pytest.raises(FileNotFoundError):
        Served.from_words(f"{tmp_path / 'none'}=http://127.0.0.1:8100")
