"""What TorchServe starts in place of Python: it has a worker forked by the template, and stands for it.

    python -IS launcher.py PYTHON FOLDER SCRIPT [ARGUMENT ...]

It imports next to nothing, so that it costs milliseconds. The template (`backend.template`) listens on a socket in
FOLDER. It is sent the script's arguments, environment, folder and standard streams, and forks; then the launcher
becomes a shell that waits for the worker's exit status. Either ends when the other does, however that ends, by the
connection that both hold. Where there is no template, or it declines, the launcher becomes PYTHON with the script, as
if it were not there.
"""

import array
import json
import os
import socket
import sys
import time

SOCKET = "workers.sock"
"""Name of the template's socket. It is addressed from within its folder, since paths of sockets must be short."""
SCRIPT = "model_service_worker.py"
"""TorchServe's worker; whatever else it may run is run by Python itself."""
FORKED, DECLINED = b"+\n", b"-\n"
"""Answers: the first is sent by the worker itself, as soon as there is one."""
LENGTH_BYTES = 4
CONNECT_S = 10.0
"""How long a template is waited for that does not listen, or dies: its supervisor starts another one."""
ANSWER_S = 60.0
"""How long a template is waited for that listens, but has not imported everything yet; TorchServe waits two minutes."""
WAIT = 'read -r status; exit "${status:-1}"'


def main(arguments: list[str]) -> None:
    """Become a shell that waits for a forked worker, or Python."""
    python, folder, *words = arguments
    if words and os.path.basename(words[0]) == SCRIPT:  # noqa: PTH119 - pathlib is slow to import
        connection = hand_over(folder, words)
        if connection is not None:
            os.dup2(connection.fileno(), 0)
            os.execv("/bin/sh", ["sh", "-c", WAIT, *words])  # noqa: S606
    os.execv(python, [python, *words])  # noqa: S606


def hand_over(folder: str, words: list[str]) -> "socket.socket | None":
    """Have a worker forked; return the connection to it, or None if Python is to be started."""
    order = {"words": words, "environment": dict(os.environ), "folder": os.getcwd()}  # noqa: PTH109
    message = json.dumps(order).encode()
    until = time.monotonic() + CONNECT_S
    while time.monotonic() < until:
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(ANSWER_S)
        answer = _ask(connection, folder, message)
        if answer == FORKED:
            connection.settimeout(None)
            return connection
        connection.close()
        if answer == DECLINED:
            return None
        time.sleep(0.1)
    return None


def _ask(connection: socket.socket, folder: str, message: bytes) -> bytes:
    """Return the template's answer: nothing if there is no template, `DECLINED` if it takes too long."""
    try:
        _connect(connection, folder)
        _send(connection, message)
        return connection.recv(len(FORKED))
    except TimeoutError:
        return DECLINED
    except OSError:
        return b""


def _connect(connection: socket.socket, folder: str) -> None:
    here = os.open(".", os.O_RDONLY)
    try:
        os.chdir(folder)
        connection.connect(SOCKET)
    finally:
        os.fchdir(here)
        os.close(here)


def _send(connection: socket.socket, message: bytes) -> None:
    """Send a message behind its length, which the standard streams go along with."""
    streams = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0, 1, 2]))]
    connection.sendmsg([len(message).to_bytes(LENGTH_BYTES, "big")], streams)
    connection.sendall(message)


if __name__ == "__main__":
    main(sys.argv[1:])
