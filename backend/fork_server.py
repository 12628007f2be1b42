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
    """Return a socket that listens in a folder, in place of any other; the process goes to that folder.

    It gets its name when it listens, so that nobody who finds it is refused.
    """
    os.chdir(folder)
    listener = socket.socket(socket.AF_UNIX)
    unnamed = Path(f"{SOCKET}.{os.getpid()}")
    unnamed.unlink(missing_ok=True)
    listener.bind(str(unnamed))
    listener.listen(64)
    unnamed.rename(SOCKET)
    return listener


def can_fork() -> bool:
    """Return whether no thread is left once threads that end at a fork have done so."""
    if (pid := os.fork()) == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    threads = len(list(Path("/proc/self/task").iterdir()))
    if threads > 1:
        print(f"{threads} threads run: no worker is forked", file=sys.stderr, flush=True)
    return threads == 1


class ForkServer:
    """Forks a worker for each launcher that connects, and tells it the worker's exit status.

    Args:
        listener: see `listen`.
        run: runs a worker in the forked process, and returns its exit status.
        is_able: False declines all.
    """

    def __init__(self, listener: socket.socket, run: Callable[[Order], int], *, is_able: bool = True) -> None:
        self._listener = listener
        self._run = run
        self._is_able = is_able
        self._workers: dict[int, socket.socket] = {}

    def serve(self) -> None:
        """Serve until the process is ended."""
        woken, waker = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
        with selectors.DefaultSelector() as selector:
            selector.register(self._listener, selectors.EVENT_READ)
            selector.register(woken, selectors.EVENT_READ)
            while True:
                ready = [key.fileobj for key, _ in selector.select()]
                if woken in ready:
                    os.read(woken, 4096)
                    self._tell_ended()
                if self._listener in ready:
                    self._take()

    def _take(self) -> None:
        connection, _ = self._listener.accept()
        order = _receive(connection)
        if order is None:
            connection.close()
            return
        pid = _fork() if self._is_able else None
        if pid == 0:
            self._become_worker(order, connection)
        for stream in order.streams:
            os.close(stream)
        if pid is None:
            _answer(connection, DECLINED)
            connection.close()
        else:
            self._workers[pid] = connection

    def _become_worker(self, order: Order, connection: socket.socket) -> None:
        """Run a worker, and end with it, or with its launcher. Never returns."""
        status = 1
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for other in (self._listener, *self._workers.values()):
                other.close()
            Path("/proc/self/comm").write_text("worker")
            connection.settimeout(None)
            connection.sendall(FORKED)  # fails where the launcher has given up: then another one runs already
            threading.Thread(target=_end_with_launcher, args=(connection,), daemon=True).start()
            status = self._run(order)
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(status)

    def _tell_ended(self) -> None:
        """Tell the launchers of all workers that have ended how they did."""
        for pid in list(self._workers):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                connection, code = self._workers.pop(pid), os.waitstatus_to_exitcode(status)
                _answer(connection, b"%d\n" % (code if code >= 0 else 128 - code))
                connection.close()


def _fork() -> int | None:
    """Fork; return None where the machine lacks memory or processes."""
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        return os.fork()
    except OSError:
        traceback.print_exc()
        return None


def _end_with_launcher(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.recv(1)
    os._exit(1)


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
