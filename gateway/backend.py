"""Runs the model-serving backend: TorchServe with its workflow, looked after, with or without the REST edge before it.

    python -m gateway.backend serve [--background]    start; with --background return when ready
    python -m gateway.backend status                  the stages' workers, as JSON; exit status 0 when ready
    python -m gateway.backend stop                    end what was started

The supervisor registers the workflow, waits until every stage has its workers, sweeps workspaces that nobody
waits for, lets requests in flight end on SIGTERM, and takes TorchServe with it when it goes. With `--gateway-port`
it runs the REST edge before TorchServe as well, and starts TorchServe again when it dies. `python -m gateway serve
--help` says how the edge is set up; from here by environment variables.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from gateway import torchserve
from gateway.front import Front, is_ready
from gateway.torchserve import Ports, Settings, TorchServe
from gateway.workflow import Node
from photorestore.workspace import GRACE_S, ID_PATTERN, default_root, sweep

START_S = 600.0
"""How long a start may take before it is given up."""
LOOK_EVERY_S = 2.0
POLL_S = 0.5
SENDING_S = 2.0
"""How long the last answers may take from their delivery to the caller."""
HOME = Path(__file__).resolve().parents[1]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line; gives the exit status."""
    given = _parser().parse_args(arguments)
    ports = Ports() if given.port_base is None else Ports.from_base(given.port_base)
    folders = (given.home.resolve(), given.run_dir.resolve(), given.workspace_root.resolve())
    settings = Settings(*folders, ports, given.gateway_port)
    if given.command == "serve":
        serve = _serve_in_background if given.background else _serve
        return serve(settings, given.drain_s)
    return _stop(settings, given.drain_s) if given.command == "stop" else _status(settings)


def _parser() -> argparse.ArgumentParser:
    root = os.environ.get("PHOTORESTORE_WORKSPACE")
    parser = argparse.ArgumentParser(
        prog="python -m gateway.backend", description="The model-serving backend."
    )
    parser.add_argument("command", choices=("serve", "stop", "status"))
    parser.add_argument("--background", action="store_true", help="return when it is ready")
    parser.add_argument("--home", type=Path, default=HOME, help="folder with model_store and configuration")
    parser.add_argument(
        "--run-dir", type=Path, default=HOME / ".run", help="folder for logs and temporary files"
    )
    parser.add_argument("--workspace-root", type=Path, default=Path(root) if root else default_root())
    parser.add_argument("--port-base", type=int, help="first of six ports; default: 8080 to 8082, 7070, 7071")
    parser.add_argument(
        "--gateway-port", type=int, help="run the REST edge, too, and let it listen here; default: no"
    )
    parser.add_argument(
        "--drain-s", type=float, default=60.0, help="how long requests in flight are waited for at the end"
    )
    return parser


def _serve(settings: Settings, drain_s: float) -> int:
    settings.run_dir.mkdir(parents=True, exist_ok=True)
    settings.workspace_root.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _only_instance(settings) as is_only:
        taken = torchserve.taken_ports(settings.ports, settings.gateway_port)
        if not is_only or taken:
            print(f"ports in use: {taken}" if is_only else "already running", file=sys.stderr)
            return 1
        return _supervise(settings, _stop_signal(), drain_s)


def _supervise(settings: Settings, stopping: threading.Event, drain_s: float) -> int:
    ready_file = settings.run_dir / "ready"
    ready_file.unlink(missing_ok=True)
    server = TorchServe(settings)
    front = None if settings.gateway_port is None else Front(settings, drain_s)
    try:
        if not _wait_ready(settings, server, front, stopping):
            return 0 if stopping.is_set() else 1
        ready_file.write_text(settings.url)
        print(_usage(settings), flush=True)
        while not stopping.wait(LOOK_EVERY_S):
            sweep(settings.workspace_root)
            ended = _what_ended(server, front)
            if ended is not None:
                print(f"{ended} has ended", file=sys.stderr, flush=True)
            if (
                ended is server and front is not None
            ):  # callers can wait: the edge tells them that it is not ready
                server.stop()
                server = TorchServe(settings)
                ended = None if _wait_ready(settings, server, front, stopping) else server
            if ended is not None and not stopping.is_set():
                return 1
        if front is not None:
            front.stop()
        _drain(settings.workspace_root, drain_s)
        return 0
    finally:
        ready_file.unlink(missing_ok=True)
        if front is not None:
            front.stop()
        server.stop()
        sweep(settings.workspace_root, time.time() + GRACE_S)  # nobody is left to fetch what was delivered


def _what_ended(server: TorchServe, front: Front | None) -> TorchServe | Front | None:
    """What ought to run and does not, if anything."""
    if server.has_ended():
        return server
    return front if front is not None and front.has_ended() else None


def _wait_ready(
    settings: Settings, server: TorchServe, front: Front | None, stopping: threading.Event
) -> bool:
    """Register the workflow, wait for its workers and the edge; False when that failed or is not wanted any more."""
    until = time.monotonic() + START_S
    registration = Registration(settings)
    while not stopping.wait(POLL_S):
        has_ended = _what_ended(server, front) is not None
        if has_ended or registration.error is not None or time.monotonic() > until:
            print(_last_lines(settings.run_dir / "console.log"), registration.error or "", file=sys.stderr)
            print(_last_lines(settings.run_dir / "gateway.log"), file=sys.stderr)
            print(f"the logs are in {settings.run_dir / 'logs'}", file=sys.stderr)
            return False
        if registration.ident is None:
            if torchserve.answers(settings):
                registration.start()
        elif not registration.is_alive() and _is_ready(settings, torchserve.nodes(settings)):
            return True
    return False


def _is_ready(settings: Settings, stages: Sequence[Node]) -> bool:
    """Whether every stage has its workers and the edge, if there is one, says so, too."""
    has_workers = all(node.is_ready for node in stages)
    return has_workers and (settings.gateway_port is None or is_ready(settings))


class Registration(threading.Thread):
    """Registers the workflow beside the supervisor, which must stay able to stop.

    Attributes:
        error: why it failed, or None.
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__(daemon=True)
        self.settings = settings
        self.error: Exception | None = None

    def run(self) -> None:
        """Register; called by `start`."""
        try:
            torchserve.register(self.settings)
        except Exception as error:  # noqa: BLE001 - the supervisor reports it
            self.error = error


def _drain(root: Path, drain_s: float) -> None:
    """Let requests in flight end: TorchServe drops them when it stops. An answer is sent after its delivery."""
    until = time.monotonic() + drain_s
    idle_since = time.monotonic()
    while time.monotonic() < min(until, idle_since + SENDING_S):
        time.sleep(POLL_S)
        if _in_flight(root):
            idle_since = time.monotonic()


def _in_flight(root: Path) -> int:
    """Workspaces that somebody waits for."""
    waiting = (entry for entry in root.iterdir() if ID_PATTERN.match(entry.name))
    return sum(
        not (entry / "done").exists() and int(entry.name.split("-")[0]) > time.time() for entry in waiting
    )


def _serve_in_background(settings: Settings, drain_s: float) -> int:
    if _running_pid(settings) is None:
        settings.run_dir.mkdir(parents=True, exist_ok=True)
        (settings.run_dir / "ready").unlink(missing_ok=True)
        started = _spawn(settings, drain_s)
        while not (settings.run_dir / "ready").exists():
            if started.poll() is not None:
                print(_last_lines(settings.run_dir / "backend.log"), file=sys.stderr)
                return 1
            time.sleep(POLL_S)
    print(_usage(settings))
    return 0


def _spawn(settings: Settings, drain_s: float) -> subprocess.Popen[bytes]:
    with (settings.run_dir / "backend.log").open("wb") as log:
        return subprocess.Popen(
            [
                *(sys.executable, "-m", "gateway.backend", "serve"),
                *("--home", str(settings.home)),
                *("--run-dir", str(settings.run_dir)),
                *("--workspace-root", str(settings.workspace_root)),
                *("--drain-s", str(drain_s)),
                *_port_arguments(settings),
            ],
            cwd=HOME,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _port_arguments(settings: Settings) -> list[str]:
    ports, port = settings.ports, settings.gateway_port
    base = [] if ports == Ports() else ["--port-base", str(ports.inference)]
    return base if port is None else [*base, "--gateway-port", str(port)]


def _stop(settings: Settings, drain_s: float) -> int:
    pid = _running_pid(settings)
    if pid is None:
        print("not running")
        return 0
    os.kill(pid, signal.SIGTERM)
    until = time.monotonic() + 2 * drain_s + 4 * torchserve.STOP_S
    while _running_pid(settings) == pid:
        if time.monotonic() > until:
            print(f"process {pid} does not end", file=sys.stderr)
            return 1
        time.sleep(POLL_S / 5)
    print("stopped")
    return 0


def _status(settings: Settings) -> int:
    stages = torchserve.nodes(settings)
    document = {
        "ready": _is_ready(settings, stages),
        "url": settings.url,
        "stages": [asdict(node) for node in stages],
    }
    print(json.dumps(document, indent=2))
    return 0 if document["ready"] else 1


def _usage(settings: Settings) -> str:
    if settings.gateway_port is not None:
        return (
            f"photorestore is ready. Restore a picture:\n"
            f"    curl -sS --data-binary @old.jpg -o restored.jpg {settings.url}\n"
            f"All options: {settings.url.removesuffix('/v1/restore')}/docs"
        )
    return (
        f"photorestore is ready. Restore a picture:\n"
        f"    curl -sS -T old.jpg -o restored.jpg {settings.url}\n"
        f"A problem comes as a JSON document in place of the picture."
    )


@contextlib.contextmanager
def _only_instance(settings: Settings) -> Iterator[bool]:
    """Hold the lock of the run directory; False when another process holds it."""
    with (settings.run_dir / "pid").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield True


def _running_pid(settings: Settings) -> int | None:
    """The supervisor of this run directory: the process that holds its lock."""
    try:
        with (settings.run_dir / "pid").open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return None
    except BlockingIOError:
        return int((settings.run_dir / "pid").read_text() or 0) or None
    return None


def _stop_signal() -> threading.Event:
    """Set by SIGTERM and SIGINT."""
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    return stopping


def _last_lines(log: Path, count: int = 30) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-count:]) if log.exists() else ""


if __name__ == "__main__":
    sys.exit(main())
