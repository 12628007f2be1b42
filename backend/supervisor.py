"""The supervisor: TorchServe with its workflow, with or without the REST edge before it, from their start to their end.

It registers the workflow, waits until every stage has its workers, sweeps workspaces that nobody waits for, lets
requests in flight end, and takes TorchServe with it when it goes. With an edge it starts either again when it dies, but
not for ever: see `backend.supervised`.
"""

from __future__ import annotations

import contextlib
import json
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from backend import management
from backend.edge import Edge
from backend.edge import is_ready as is_edge_ready
from backend.log_rotation import bound
from backend.settings import Settings
from backend.supervised import GaveUp, SupervisedProcess, say
from backend.torchserve import TorchServe
from photorestore.housekeeping import GRACE_S, count_awaited, sweep
from photorestore.serving.management import Node

START_S = 600.0
"""How long a start may take before it is given up."""
LOOK_EVERY_S = 2.0
POLL_S = 0.5
LOGS = ("console.log", "gateway.log")
"""What TorchServe and the edge print, from all their starts; see `log_rotation`."""
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
    for file in (ready_file, settings.restarts_file, *(settings.run_dir / name for name in LOGS)):
        file.unlink(missing_ok=True)
    instance = Instance(settings, drain_s)
    try:
        if not _wait_ready(instance, stopping):
            return 0 if stopping.is_set() else 1
        ready_file.write_text(settings.url)
        on_ready()
        if not _watch(instance, stopping):
            return 1
        instance.stop_edge()
        _drain(settings.workspace_root, drain_s)
        return 0
    finally:
        ready_file.unlink(missing_ok=True)
        instance.stop_edge()
        instance.server.process.stop()
        # Nobody is left to fetch what was delivered.
        sweep(settings.workspace_root, time.monotonic() + GRACE_S)


class Instance:
    """TorchServe, its workflow, and the REST edge where there is one.

    Attributes:
        registration: of the workflow with the TorchServe that runs now.
    """

    def __init__(self, settings: Settings, drain_s: float) -> None:
        self.settings = settings
        self.server = SupervisedProcess("TorchServe", lambda: TorchServe(settings))
        self.registration = Registration(settings)
        self.edge = (
            None
            if settings.gateway_port is None
            else SupervisedProcess("the REST edge", lambda: Edge(settings, drain_s))
        )
        self._note_restarts()

    @property
    def has_ended(self) -> bool:
        """Whether something that ought to run does not."""
        return self.server.has_ended or (self.edge is not None and self.edge.has_ended)

    def register(self) -> None:
        """Begin to register the workflow as soon as TorchServe answers."""
        if self.registration.ident is None and management.answers(self.settings):
            self.registration.start()

    def keep_up(self) -> None:
        """Start again what has ended; callers can wait, for the edge tells them that it is not ready.

        Raises:
            GaveUp: it has ended too often; or there is no edge, and whoever runs the container starts it again.
        """
        if self.edge is None and self.server.has_ended:
            raise GaveUp("TorchServe has ended")
        if self.registration.error is not None and not self.server.has_ended:
            say(str(self.registration.error))
            self.server.process.stop()
        if self.server.keep_up():
            self.registration = Registration(self.settings)
            self._note_restarts()
        if self.edge is not None and self.edge.keep_up():
            self._note_restarts()
        self.register()

    def stop_edge(self) -> None:
        """Let the edge answer what is in flight, and end it."""
        if self.edge is not None:
            self.edge.process.stop()

    def _note_restarts(self) -> None:
        """Let the edge's metrics know; a disk that is full is no reason to end."""
        if self.edge is not None:
            counts = {"edge": self.edge.restarts, "torchserve": self.server.restarts}
            with contextlib.suppress(OSError):
                self.settings.restarts_file.write_text(json.dumps(counts))


def _wait_ready(instance: Instance, stopping: threading.Event) -> bool:
    """Register the workflow, wait for its workers and the edge; False when that failed or is not wanted any more.

    What does not come up at all is not started again.
    """
    settings, until = instance.settings, time.monotonic() + START_S
    while not stopping.wait(POLL_S):
        error = instance.registration.error
        if instance.has_ended or error is not None or time.monotonic() > until:
            for log in LOGS:
                print(last_lines(settings.run_dir / log), file=sys.stderr)
            print(error or "", f"the logs are in {settings.run_dir / 'logs'}", file=sys.stderr)
            return False
        instance.register()
        is_registered = instance.registration.ident is not None and not instance.registration.is_alive()
        if is_registered and is_ready(settings, management.nodes(settings)):
            return True
    return False


def _watch(instance: Instance, stopping: threading.Event) -> bool:
    """Keep all running until `stopping` is set; False when that failed."""
    while not stopping.wait(LOOK_EVERY_S):
        sweep(instance.settings.workspace_root)
        for name in LOGS:
            bound(instance.settings.run_dir / name)
        try:
            instance.keep_up()
        except GaveUp as error:
            say(str(error))
            return False
    return True


def is_ready(settings: Settings, stages: Sequence[Node]) -> bool:
    """Whether every stage has its workers and the edge, if there is one, says so, too."""
    has_workers = all(node.is_ready for node in stages)
    return has_workers and (settings.gateway_port is None or is_edge_ready(settings))


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
            management.register(self.settings)
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
