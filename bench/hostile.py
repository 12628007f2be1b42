"""One honest caller beside 24 hostile ones, before a real TorchServe. Run it on a machine that does nothing else.

    python -m bench.hostile
    python -m bench.hostile --requests 20

Six callers each send heads byte by byte, do not read their answers, leave after their upload, and have webhooks that
hang; all by one API key, on 127.0.0.1, for as long as the honest caller measures, and ten minutes at most. Wanted: the
honest caller's 99th percentile at most twice what it is alone, and the edge's memory within 64 MB of what it is idle.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import requests

from bench.load import timed, wait_until
from bench.service import Service, made_once, running_service
from bench.statistics import write
from gateway.http.keys import key_line, make_key

OF_EACH_KIND = 6
LONGEST_S = 600.0
"""Hostile callers end after this time in any case."""
PAUSE_S = 1.0
"""Pause of a hostile caller before it begins again."""
UNREAD_BYTES = 8 << 20
"""Size of an answer that nobody reads: more than the system's buffers take."""
WARM_UP = 20
LIVEZ_EVERY_S = 0.2


@dataclass
class Hostile:
    """What the hostile callers work with.

    Attributes:
        hook: where webhooks hang.
        done: how often each kind did what it does.
    """

    service: Service
    key: str
    hook: str
    over: threading.Event = field(default_factory=threading.Event)
    numbers: Iterator[int] = field(default_factory=itertools.count)
    done: dict[str, int] = field(default_factory=dict)

    @property
    def headers(self) -> dict[str, str]:
        """What a request by the hostile callers says of who sends it."""
        return {"Authorization": f"Bearer {self.key}"}

    def connect(self) -> socket.socket:
        """Open a connection to the edge."""
        return socket.create_connection(("127.0.0.1", self.service.port + 6), timeout=10)

    def picture(self, h: int, w: int) -> bytes:
        """Make a picture that nobody has sent before: identical ones would share a run."""
        return made_once(h, w) + b"%d" % next(self.numbers)

    def send(self, line: socket.socket, query: str, picture: bytes) -> None:
        """Send a whole request, whose answer is not read."""
        head = f"POST /v1/restore?{query} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {self.key}\r\n"
        line.sendall(f"{head}Content-Length: {len(picture)}\r\n\r\n".encode() + picture)


def slow_head(hostile: Hostile) -> None:
    """Send a request's head byte by byte."""
    with hostile.connect() as line:
        for byte in b"POST /v1/restore HTTP/1.1\r\n":
            if hostile.over.wait(PAUSE_S):
                return
            line.sendall(bytes([byte]))


def slow_reader(hostile: Hostile) -> None:
    """Ask for a large answer, and read nothing of it until it is cut off."""
    with hostile.connect() as line:
        hostile.send(line, "stages=", hostile.picture(100, 100) + bytes(UNREAD_BYTES))
        hostile.over.wait(30)


def leaving(hostile: Hostile) -> None:
    """Upload a picture, and leave before the answer."""
    with hostile.connect() as line:
        hostile.send(line, "mode=thorough", hostile.picture(700, 700))


def hanging_webhook(hostile: Hostile) -> None:
    """Leave a job whose webhook never answers."""
    url = f"{hostile.service.url}/v1/jobs"
    options = {"stages": "", "webhook": hostile.hook}
    picture = hostile.picture(100, 100)
    requests.post(url, params=options, data=picture, headers=hostile.headers, timeout=30)


KINDS = (slow_head, slow_reader, leaving, hanging_webhook)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--requests", type=int, default=100, help="of the honest caller, alone and beside")
    found = measure(parser.parse_args().requests)
    print(json.dumps(found, indent=1), flush=True)
    write("hostile", {"cores": len(os.sched_getaffinity(0)), "figures": found})


def measure(count: int) -> dict[str, Any]:
    """Measure the honest caller's latency, `/livez`'s, and the edge's memory, without and with hostile callers."""
    honest_key, hostile_key = make_key(), make_key()
    with tempfile.TemporaryDirectory() as folder, hanging() as hook:
        settings = _settings(Path(folder), {"honest": honest_key, "hostile": hostile_key})
        with running_service(settings) as service:
            ask = partial(_restore, service, honest_key, itertools.count())
            for _ in range(WARM_UP):
                ask()
            edge = edge_of(service)
            idle_bytes = edge.memory_info().rss
            alone = [timed(ask) for _ in range(count)]
            hostile = Hostile(service, hostile_key, hook)
            with at_work(hostile), watched(service, edge) as seen:
                beside = [timed(ask) for _ in range(count)]
    p99 = {name: float(np.percentile(values, 99)) for name, values in (("alone", alone), ("beside", beside))}
    return {
        "hostile_callers": OF_EACH_KIND * len(KINDS),
        "hostile_did": dict(sorted(hostile.done.items())),
        "honest_requests": count,
        "honest_p99_alone_ms": round(1000 * p99["alone"], 1),
        "honest_p99_beside_ms": round(1000 * p99["beside"], 1),
        "honest_p99_ratio": round(p99["beside"] / p99["alone"], 2),
        "honest_median_ratio": round(float(np.median(beside) / np.median(alone)), 2),
        "livez_slowest_ms": round(1000 * max(seen.livez_s), 1),
        "edge_idle_mb": round(idle_bytes / 1e6, 1),
        "edge_most_above_idle_mb": round((max(seen.rss_bytes) - idle_bytes) / 1e6, 1),
    }


def edge_of(service: Service) -> psutil.Process:
    """Find the process of the REST edge."""
    found = [
        child for child in service.supervisor.children() if child.cmdline()[1:4] == ["-m", "gateway", "serve"]
    ]
    (edge,) = found
    return edge


@contextlib.contextmanager
def at_work(hostile: Hostile) -> Iterator[None]:
    """Run hostile callers, who begin before the block and end with it."""
    until = time.monotonic() + LONGEST_S
    threads = [
        threading.Thread(target=_repeat, args=(hostile, act, until))
        for act in KINDS
        for _ in range(OF_EACH_KIND)
    ]
    for thread in threads:
        thread.start()
    try:
        wait_until(lambda: len(hostile.done) == len(KINDS), 60)
        yield
    finally:
        hostile.over.set()
        for thread in threads:
            thread.join()


def _repeat(hostile: Hostile, act: Callable[[Hostile], None], until: float) -> None:
    while time.monotonic() < until and not hostile.over.is_set():
        hostile.done[act.__name__] = hostile.done.get(act.__name__, 0) + 1
        with contextlib.suppress(OSError, requests.RequestException):  # cut off or refused, as is right
            act(hostile)
        hostile.over.wait(PAUSE_S)


@dataclass
class Seen:
    """What was seen of the edge beside the hostile callers."""

    livez_s: list[float] = field(default_factory=list)
    rss_bytes: list[int] = field(default_factory=list)


@contextlib.contextmanager
def watched(service: Service, edge: psutil.Process) -> Iterator[Seen]:
    """Ask `/livez`, and look at the edge's memory, again and again."""
    seen, over = Seen(), threading.Event()

    def watch() -> None:
        while not over.wait(LIVEZ_EVERY_S):
            seen.livez_s.append(timed(lambda: requests.get(f"{service.url}/livez", timeout=30)))
            seen.rss_bytes.append(edge.memory_info().rss)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


@contextlib.contextmanager
def hanging() -> Iterator[str]:
    """Run a server that takes connections and says nothing; gives its URL."""
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"


def _settings(folder: Path, keys: dict[str, str]) -> dict[str, str]:
    """Write keys and a secret; return the settings of a service with keys, jobs and webhooks to this machine."""
    (folder / "keys").write_text("\n".join(key_line(name, key) for name, key in keys.items()))
    (folder / "secret").write_text(make_key())
    return {
        "keys_file": str(folder / "keys"),
        "jobs_dir": str(folder / "jobs"),
        "webhook_hosts": "127.0.0.0/8",
        "webhook_secret_file": str(folder / "secret"),
    }


def _restore(service: Service, key: str, numbers: Iterator[int]) -> None:
    """Ask for a restoration with default options, of a picture that nobody has sent before."""
    picture = made_once(500, 500) + b"honest %d" % next(numbers)
    headers = {"Authorization": f"Bearer {key}"}
    answer = requests.post(f"{service.url}/v1/restore", data=picture, headers=headers, timeout=900)
    answer.raise_for_status()


if __name__ == "__main__":
    main()
