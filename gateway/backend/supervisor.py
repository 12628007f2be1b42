"""The supervisor: TorchServe with its workflow, with or without the REST edge before it, from their start to their end.

It registers the workflow, waits until every stage has its workers, sweeps workspaces that nobody waits for, lets
requests in flight end, and takes TorchServe with it when it goes. With an edge it starts TorchServe again when it dies.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from gateway.backend import torchserve
from gateway.backend.front import Front
from gateway.backend.front import is_ready as is_front_ready
from gateway.backend.torchserve import Settings, TorchServe
from gateway.workflow import Node
from photorestore.housekeeping import GRACE_S, count_awaited, sweep

START_S = 600.0
"""How long a start may take before it is given up."""
LOOK_EVERY_S = 2.0
POLL_S = 0.5
SENDING_S = 2.0
"""How long the last answers may take from their delivery to the caller."""


def supervise(
    settings: Settings, stopping: threading.Event, drain_s: float, on_ready: Callable[[], None]
) -> int:
    """Run one instance until `stopping` is set or it ends by itself; gives the exit status.

    Args:
        drain_s: how long requests in flight are waited for at the end.
        on_ready: called when restorations will succeed for the first time.
    """
    ready_file = settings.run_dir / "ready"
    ready_file.unlink(missing_ok=True)
    server = TorchServe(settings)
    front = None if settings.gateway_port is None else Front(settings, drain_s)
    try:
        if not _wait_ready(settings, server, front, stopping):
            return 0 if stopping.is_set() else 1
        ready_file.write_text(settings.url)
        on_ready()
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
        sweep(
            settings.workspace_root, time.monotonic() + GRACE_S
        )  # nobody is left to fetch what was delivered


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
            print(last_lines(settings.run_dir / "console.log"), registration.error or "", file=sys.stderr)
            print(last_lines(settings.run_dir / "gateway.log"), file=sys.stderr)
            print(f"the logs are in {settings.run_dir / 'logs'}", file=sys.stderr)
            return False
        if registration.ident is None:
            if torchserve.answers(settings):
                registration.start()
        elif not registration.is_alive() and is_ready(settings, torchserve.nodes(settings)):
            return True
    return False


def is_ready(settings: Settings, stages: Sequence[Node]) -> bool:
    """Whether every stage has its workers and the edge, if there is one, says so, too."""
    has_workers = all(node.is_ready for node in stages)
    return has_workers and (settings.gateway_port is None or is_front_ready(settings))


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
        if count_awaited(root):
            idle_since = time.monotonic()


def last_lines(log: Path, count: int = 30) -> str:
    """The end of a log; empty where there is none."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-count:]) if log.exists() else ""
