"""The command line of the backend: TorchServe with its workflow, with or without the REST edge in front of it.

    python -m backend serve [--background]    start; with --background return when ready
    python -m backend status                  the stages' workers, as JSON; exit status 0 when ready
    python -m backend stop                    end what was started

`backend.supervisor` keeps it all running, and in the background `backend.guard` the supervisor. With `--gateway-port`
it runs the edge, too, whose settings then come from environment variables; `python -m gateway serve --help` lists them.
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from backend import management
from backend.guard import Guarded, guard, spawn
from backend.instance import end_what_is_left
from backend.run_lock import holder_of, holding, only_user
from backend.settings import HIGHEST_BASE, HOME, Ports, Settings, own_root, taken_ports
from backend.supervisor import is_ready, last_lines, supervise
from backend.torchserve import STOP_S
from photorestore.folders import make_private
from photorestore.logs import log_as_json

logger = logging.getLogger(__name__)

ROOT_VARIABLE = "PHOTORESTORE_WORKSPACE"
POLL_S = 0.5


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line; return the exit status."""
    given = _parser().parse_args(arguments)
    ports = Ports() if given.port_base is None else Ports.from_base(given.port_base)
    run_dir, root = given.run_dir.resolve(), given.workspace_root or own_root(given.run_dir)
    settings = Settings(
        given.home.resolve(), run_dir, root.absolute(), ports, given.gateway_port, is_guarded=given.guarded
    )
    match given.command:
        case "stop":
            return _stop(settings, given.drain_s)
        case "status":
            return _status(settings)
    os.umask(0o077)  # inherited by all processes: for pictures, logs, and the classes that Java runs
    if given.background:
        return _serve_in_background(settings, given.drain_s)
    log_as_json(sys.stderr)
    if given.command == "guard":
        words = ["serve", "--guarded", "--after-another", *_words(settings, given.drain_s)]
        guard(settings, lambda: spawn(settings, words))
        return 0
    return _serve(settings, given.drain_s, is_second=given.after_another)


def _parser() -> argparse.ArgumentParser:
    root = os.environ.get(ROOT_VARIABLE)
    parser = argparse.ArgumentParser(prog="python -m backend", description="The model-serving backend.")
    parser.add_argument("command", choices=("serve", "stop", "status", "guard"))
    parser.add_argument("--background", action="store_true", help="return when it is ready")
    parser.add_argument("--home", type=Path, default=HOME, help="folder with model_store and configuration")
    parser.add_argument(
        "--run-dir", type=Path, default=HOME / ".run", help="folder for logs and temporary files"
    )
    parser.add_argument(
        "--workspace-root",
        type=Path,
        default=Path(root) if root else None,
        help=f"folder of pictures in work; default: ${ROOT_VARIABLE}, else one of the run directory's own",
    )
    parser.add_argument(
        "--port-base", type=_port_base, help="first of six ports; default: 8080 to 8082, 7070, 7071"
    )
    parser.add_argument(
        "--gateway-port", type=_port, help="run the REST edge, too, and let it listen here; default: no"
    )
    parser.add_argument(
        "--drain-s", type=_seconds, default=60.0, help="how long requests in flight are waited for at the end"
    )
    parser.add_argument("--guarded", action="store_true", help=argparse.SUPPRESS)  # by --background
    parser.add_argument("--after-another", action="store_true", help=argparse.SUPPRESS)  # by a guard
    return parser


def _port(text: str) -> int:
    return _whole(text, 65535)


def _port_base(text: str) -> int:
    return _whole(text, HIGHEST_BASE)


def _whole(text: str, most: int) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= most:
        raise argparse.ArgumentTypeError(f"{text!r}; expected a whole number from 1 to {most}")
    return int(text)


def _seconds(text: str) -> float:
    expected = argparse.ArgumentTypeError(f"{text!r}; expected a number of at least 0")
    try:
        seconds = float(text)
    except ValueError:
        raise expected from None
    if not 0 <= seconds < math.inf:
        raise expected
    return seconds


def _serve(settings: Settings, drain_s: float, *, is_second: bool = False) -> int:
    """Run an instance; a second supervisor goes on with what the first has left."""
    settings.run_dir.mkdir(parents=True, exist_ok=True)
    try:
        make_private(settings.workspace_root)
    except OSError as error:
        print(error, file=sys.stderr)
        return 1
    stopping = _stop_signal()
    with holding(settings.pid_file) as is_only, only_user(settings.workspace_root) as has_root:
        if not is_only:
            print("already running", file=sys.stderr)
            return 1
        if not has_root:
            print(f"another instance uses {settings.workspace_root}: give --workspace-root", file=sys.stderr)
            return 1
        if not is_second:
            end_what_is_left(settings, drain_s)
        if taken := [] if is_second else taken_ports(settings):
            print(f"ports in use: {taken}", file=sys.stderr)
            return 1
        settings.root_file.write_text(f"{settings.workspace_root}\n")
        words = ["guard", *_words(settings, drain_s)]
        guarded = Guarded(settings, lambda: spawn(settings, words)) if settings.is_guarded else None
        status = supervise(settings, stopping, drain_s, lambda: print(_usage(settings), flush=True), guarded)
        if stopping.is_set():
            settings.stopped_file.touch()
        return status


def _serve_in_background(settings: Settings, drain_s: float) -> int:
    if holder_of(settings.pid_file) is None:
        settings.run_dir.mkdir(parents=True, exist_ok=True)
        for file in (settings.run_dir / "ready", settings.stopped_file):
            file.unlink(missing_ok=True)
        start = settings.log_file.stat().st_size if settings.log_file.exists() else 0
        started = spawn(settings, ["serve", "--guarded", *_words(settings, drain_s)])
        while not (settings.run_dir / "ready").exists():
            if started.poll() is not None:
                print(last_lines(settings.log_file, start), file=sys.stderr)
                return 1
            time.sleep(POLL_S)
    print(_usage(settings))
    return 0


def _words(settings: Settings, drain_s: float) -> list[str]:
    """Return the command-line options of an instance."""
    return [
        *("--home", str(settings.home)),
        *("--run-dir", str(settings.run_dir)),
        *("--workspace-root", str(settings.workspace_root)),
        *("--drain-s", str(drain_s)),
        *_port_arguments(settings),
    ]


def _port_arguments(settings: Settings) -> list[str]:
    ports, port = settings.ports, settings.gateway_port
    base = [] if ports == Ports() else ["--port-base", str(ports.inference)]
    return base if port is None else [*base, "--gateway-port", str(port)]


def _stop(settings: Settings, drain_s: float) -> int:
    files = (settings.pid_file, settings.guard_file)
    if not any(map(holder_of, files)):
        end_what_is_left(settings, drain_s)
        print("not running")
        return 0
    settings.stopped_file.touch()  # for the guard, if the supervisor has just died
    if pid := holder_of(settings.pid_file):
        os.kill(pid, signal.SIGTERM)
    until = time.monotonic() + 2 * drain_s + 4 * STOP_S
    while alive := [pid for file in files if (pid := holder_of(file))]:
        if time.monotonic() > until:
            print(f"process {alive[0]} does not end", file=sys.stderr)
            return 1
        time.sleep(POLL_S / 5)
    end_what_is_left(settings, drain_s)
    print("stopped")
    return 0


def _status(settings: Settings) -> int:
    stages = management.nodes(settings)
    document = {
        "ready": is_ready(settings, stages),
        "url": settings.url,
        "workspace_root": str(settings.workspace_root),
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
