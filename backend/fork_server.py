"""Fork a worker for each launcher that asks for one; see `backend.launcher` for what it sends and is answered."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from backend.launcher import DECLINED, FORKED, LENGTH_BYTES, SOCKET

RECEIVE_S = 5.0
"""How long a launcher may take to send its order."""


@dataclass(frozen=True, slots=True)
class Order:
    """The worker that a launcher asks for.

    Attributes:
        words: its script and the arguments.
        environment: all its variables.
        folder: where it runs: the unpacked archive.
        streams: descriptors of its standard input, output and error output.
    """

    words: list[str]
    environment: dict[str, str]
    folder: str
    streams: list[int]


def listen(folder: Path) -> socket.socket:
    """Return a socket that listens in a folder, in place of any other; the process goes to that folder."""
    os.chdir(folder)
    listener = socket.socket(socket.AF_UNIX)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(SOCKET)
    listener.bind(SOCKET)
    listener.listen(64)
    return listener


def can_fork() -> bool:
    """Return whether no thread is left once threads that end at a fork have done so."""
    if (pid := os.fork()) == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    threads = os.listdir("/proc/self/task")
    if len(threads) > 1:
        print(f"{len(threads)} threads run: no worker is forked", file=sys.stderr, flush=True)
    return len(threads) == 1


def serve(listener: socket.socket, run: Callable[[Order], int], *, is_able: bool = True) -> None:
    """Fork a worker for each launcher that connects, and tell it the worker's exit status.

    Args:
        run: runs a worker in the forked process, and returns its exit status.
        is_able: False declines all.
    """
    woken, waker = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
    workers: dict[int, socket.socket] = {}
    with selectors.DefaultSelector() as selector:
        selector.register(listener, selectors.EVENT_READ)
        selector.register(woken, selectors.EVENT_READ)
        while True:
            ready = [key.fileobj for key, _ in selector.select()]
            if woken in ready:
                os.read(woken, 4096)
                _tell_ended(workers)
            if listener not in ready:
                continue
            connection, _ = listener.accept()
            order = _receive(connection) if is_able else None
            pid = _fork() if order is not None else None
            if order is not None and pid == 0:
                signal.set_wakeup_fd(-1)
                for other in (listener, *workers.values()):
                    other.close()
                _become_worker(order, connection, run)
            for stream in order.streams if order is not None else ():
                os.close(stream)
            if pid is None:
                _answer(connection, DECLINED)
                connection.close()
            else:
                workers[pid] = connection


def _fork() -> int | None:
    """Fork; return None where the machine lacks memory or processes."""
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        return os.fork()
    except OSError:
        traceback.print_exc()
        return None


def _become_worker(order: Order, connection: socket.socket, run: Callable[[Order], int]) -> None:
    """Run a worker, and end with it, or with its launcher. Never returns."""
    status = 1
    try:
        for number in (signal.SIGCHLD, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        Path("/proc/self/comm").write_text("worker")
        _answer(connection, FORKED)
        connection.settimeout(None)
        threading.Thread(target=_end_with_launcher, args=(connection,), daemon=True).start()
        status = run(order)
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(status)


def _end_with_launcher(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.recv(1)
    os._exit(1)


def _tell_ended(workers: dict[int, socket.socket]) -> None:
    """Tell the launchers of all workers that have ended how they did."""
    for pid in list(workers):
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            connection, code = workers.pop(pid), os.waitstatus_to_exitcode(status)
            _answer(connection, b"%d\n" % (code if code >= 0 else 128 - code))
            connection.close()


def _answer(connection: socket.socket, answer: bytes) -> None:
    with contextlib.suppress(OSError):  # the launcher has ended
        connection.sendall(answer)


def _receive(connection: socket.socket) -> Order | None:
    """Return what a launcher sends, None if it does not send all of it."""
    connection.settimeout(RECEIVE_S)
    streams: list[int] = []
    try:
        head, streams, _, _ = socket.recv_fds(connection, LENGTH_BYTES, 3)
        message = _read(connection, int.from_bytes(_read(connection, LENGTH_BYTES, head), "big"))
        return Order(**json.loads(message), streams=streams)
    except (OSError, ValueError, TypeError):
        for stream in streams:
            os.close(stream)
        return None


def _read(connection: socket.socket, length: int, head: bytes = b"") -> bytes:
    while len(head) < length:
        part = connection.recv(length - len(head))
        if not part:
            raise OSError("the launcher has ended")
        head += part
    return head
