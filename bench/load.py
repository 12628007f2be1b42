"""Put load on a running service: requests at once, again and again, or byte by byte; and ask how it is."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import requests

from bench.service import Service, session

SLOW_UPLOADS = 100
SLOW_BYTES_S = 10
PASSING_QUERY = "stages=&format=jpeg&metadata=strip&timeout=600"


def post(service: Service, picture: bytes) -> requests.Response:
    """Ask the edge for a restoration."""
    return requests.post(f"{service.url}/v1/restore", data=picture, timeout=900)


def restore(service: Service, picture: bytes) -> bytes:
    """Send the picture through the edge to be decoded and encoded, all stages passing."""
    answer = session().post(f"{service.url}/v1/restore?{PASSING_QUERY}", data=picture, timeout=900)
    answer.raise_for_status()
    return answer.content


def at_once(pool: ThreadPoolExecutor, call: Callable[[], object], count: int) -> None:
    """Keep as many calls in flight as the pool has threads, until `count` are done."""
    for future in [pool.submit(call) for _ in range(count)]:
        future.result()


def repeat(call: Callable[[], object], until: float) -> tuple[int, int]:
    """Call again and again until a time of `time.monotonic()`; count how often it worked and how often it raised."""
    worked, raised = 0, 0
    while time.monotonic() < until:
        try:
            call()
            worked += 1
        except Exception as error:  # noqa: BLE001 - any error counts
            print(repr(error), flush=True)
            raised += 1
    return worked, raised


@contextlib.contextmanager
def trickling(service: Service) -> Iterator[None]:
    """Run uploads that send 10 bytes a second for as long as the block runs."""
    head = b"POST /v1/restore HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000000\r\n\r\n"
    over = threading.Event()
    with contextlib.ExitStack() as stack:
        lines = [
            stack.enter_context(socket.create_connection(("127.0.0.1", service.port + 6)))
            for _ in range(SLOW_UPLOADS)
        ]
        for line in lines:
            line.sendall(head)

        def trickle() -> None:
            while not over.wait(1):
                for line in lines:
                    line.sendall(b"\xff" * SLOW_BYTES_S)

        thread = threading.Thread(target=trickle)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


def timed(call: Callable[[], object]) -> float:
    """Return the seconds that a call takes."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def wait_until(condition: Callable[[], bool], seconds: float) -> int:
    """Wait until something is true; return 1 when it came true in time, 0 otherwise."""
    until = time.monotonic() + seconds
    while not (found := condition()) and time.monotonic() < until:
        time.sleep(0.1)
    return int(found)


def metrics(service: Service) -> str:
    """Return what the edge publishes at `/metrics`."""
    return requests.get(f"{service.url}/metrics", timeout=30).text


def in_flight_requests(service: Service) -> float:
    """Return how many requests the edge has in flight."""
    found = re.findall(r"^photorestore_gateway_in_flight_requests (\S+)", metrics(service), re.MULTILINE)
    return sum(map(float, found))


def is_ready(service: Service) -> bool:
    """Return whether the edge is ready."""
    try:
        return requests.get(f"{service.url}/readyz", timeout=30).ok
    except requests.ConnectionError:
        return False
