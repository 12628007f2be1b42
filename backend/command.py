"""The command line of the backend: TorchServe with its workflow, with or without the REST edge in front of it.

    python -m backend serve [--background]    start; with --background return when ready
    python -m backend status                  the stages' workers, as JSON; exit status 0 when ready
    python -m backend stop                    end what was started

`backend.supervisor` keeps it all running. With `--gateway-port` it runs the edge, too, whose settings then come from
environment variables; `python -m gateway serve --help` lists them.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from backend import management
from backend.run_lock import only_instance, running_pid
from backend.settings import HOME, Ports, Settings, taken_ports
from backend.supervisor import is_ready, last_lines, supervise
from backend.torchserve import STOP_S
from photorestore.folders import make_private
from photorestore.workspace import default_root

POLL_S = 0.5


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line; return the exit status."""
    given = _parser().parse_args(arguments)
    ports = Ports() if given.port_base is None else Ports.from_base(given.port_base)
    folders = (given.home.resolve(), given.run_dir.resolve(), given.workspace_root.absolute())
    settings = Settings(*folders, ports, given.gateway_port)
    if given.command == "serve":
        os.umask(0o077)  # inherited by all processes: for pictures, logs, and the classes that Java runs
        serve = _serve_in_background if given.background else _serve
        return serve(settings, given.drain_s)
    return _stop(settings, given.drain_s) if given.command == "stop" else _status(settings)


def _parser() -> argparse.ArgumentParser:
    root = os.environ.get("PHOTORESTORE_WORKSPACE")
    parser = argparse.ArgumentParser(prog="python -m backend", description="The model-serving backend.")
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
    try:
        make_private(settings.workspace_root)
    except OSError as error:
        print(error, file=sys.stderr)
        return 1
    with only_instance(settings) as is_only:
        taken = taken_ports(settings)
        if not is_only or taken:
            print(f"ports in use: {taken}" if is_only else "already running", file=sys.stderr)
            return 1
        return supervise(settings, _stop_signal(), drain_s, lambda: print(_usage(settings), flush=True))


def _serve_in_background(settings: Settings, drain_s: float) -> int:
    if running_pid(settings) is None:
        settings.run_dir.mkdir(parents=True, exist_ok=True)
        (settings.run_dir / "ready").unlink(missing_ok=True)
        started = _spawn(settings, drain_s)
        while not (settings.run_dir / "ready").exists():
            if started.poll() is not None:
                print(last_lines(settings.run_dir / "backend.log"), file=sys.stderr)
                return 1
            time.sleep(POLL_S)
    print(_usage(settings))
    return 0


def _spawn(settings: Settings, drain_s: float) -> subprocess.Popen[bytes]:
    with (settings.run_dir / "backend.log").open("wb") as log:
        return subprocess.Popen(
            [
                *(sys.executable, "-m", "backend", "serve"),
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
    pid = running_pid(settings)
    if pid is None:
        print("not running")
        return 0
    os.kill(pid, signal.SIGTERM)
    until = time.monotonic() + 2 * drain_s + 4 * STOP_S
    while running_pid(settings) == pid:
        if time.monotonic() > until:
            print(f"process {pid} does not end", file=sys.stderr)
            return 1
        time.sleep(POLL_S / 5)
    print("stopped")
    return 0


def _status(settings: Settings) -> int:
    stages = management.nodes(settings)
    document = {
        "ready": is_ready(settings, stages),
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


def _stop_signal() -> threading.Event:
    """Return an event that SIGTERM and SIGINT set."""
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    return stopping
