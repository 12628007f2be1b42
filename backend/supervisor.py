"""The supervisor of one instance: TorchServe with its workflow, with or without the REST edge in front of it.

It waits until every stage has its workers, keeps the processes of the instance running (`backend.instance`) and sweeps
abandoned workspaces. At the end it waits for requests in flight, then stops everything. In the background it keeps a
guard, which starts it again when it dies itself (`backend.guard`).
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from backend import management
from backend.edge import is_ready as is_edge_ready
from backend.guard import Guarded
from backend.instance import Instance
from backend.log_rotation import bound
from backend.settings import Settings
from photorestore.housekeeping import GRACE_S, count_awaited, sweep
from photorestore.serving.management import Node

logger = logging.getLogger(__name__)

START_S = 600.0
"""How long a start may take."""
LOOK_EVERY_S = 0.5
SWEEP_EVERY_S = 2.0
POLL_S = 0.5
LOGS = ("console.log", "gateway.log", "template.log")
"""Logs of what TorchServe, the edge and the template print, over all their starts."""
BOUND_LOGS = (*LOGS, "backend.log")
"""Logs that are bounded here; see `log_rotation`."""
SENDING_S = 2.0
"""Time allowed for the last answers to reach their callers after the pipeline has delivered them."""


def supervise(
    settings: Settings,
    stopping: threading.Event,
    drain_s: float,
    on_ready: Callable[[], None],
    guarded: Guarded | None = None,
) -> int:
    """Run one instance until `stopping` is set or it fails; return the exit status.

    Args:
        drain_s: seconds that requests in flight are waited for at the end.
        on_ready: called once, when the instance has become ready.
        guarded: keeps a guard of this supervisor; None where something else starts it again.
    """
    ready_file = settings.run_dir / "ready"
    for file in (ready_file, settings.restarts_file):
        file.unlink(missing_ok=True)
    files = {name: settings.run_dir / name for name in LOGS}
    starts = {name: file.stat().st_size if file.exists() else 0 for name, file in files.items()}
    instance = Instance(settings, drain_s)
    try:
        if not _wait_ready(instance, stopping):
            if stopping.is_set():
                return 0
            for name, start in starts.items():
                print(last_lines(settings.run_dir / name, start), file=sys.stderr)
            return 1
        ready_file.write_text(settings.url)
        on_ready()
        if not _watch(instance, stopping, guarded):
            return 1
        instance.stop_edge()
        _drain(settings.workspace_root, drain_s)
        return 0
    finally:
        ready_file.unlink(missing_ok=True)
        instance.stop()
        # Nobody is left to fetch delivered results, so their grace is over, too.
        sweep(settings.workspace_root, time.monotonic() + GRACE_S)


def _wait_ready(instance: Instance, stopping: threading.Event) -> bool:
    """Wait until the workflow, its workers and the edge are ready; return False on failure or when stopping.

    What ends before it was ready is not restarted.
    """
    settings, until = instance.settings, time.monotonic() + START_S
    while not stopping.wait(POLL_S):
        problem = instance.registration.error or instance.ended
        if not problem and time.monotonic() > until:
            problem = f"it takes more than {START_S:g} s"
        if problem:
            logger.error("not ready; the logs are in %s: %s", settings.run_dir / "logs", problem)
            return False
        instance.keep_template_up()
        instance.register()
        is_registered = instance.registration.ident is not None and not instance.registration.is_alive()
        if is_registered and is_ready(settings, management.nodes(settings)):
            return True
    return False


def _watch(instance: Instance, stopping: threading.Event, guarded: Guarded | None) -> bool:
    """Keep everything running until `stopping` is set; return False if that failed."""
    swept = time.monotonic()
    while not stopping.wait(LOOK_EVERY_S):
        if not instance.keep_up():
            return False
        if guarded is not None:
            guarded.keep_up()
        if time.monotonic() - swept > SWEEP_EVERY_S:
            swept = time.monotonic()
            sweep(instance.settings.workspace_root)
            for name in BOUND_LOGS:
                bound(instance.settings.run_dir / name)
    return True


def is_ready(settings: Settings, stages: Sequence[Node]) -> bool:
    """Return whether every stage has its workers, and the edge, if there is one, reports ready."""
    has_workers = all(node.is_ready for node in stages)
    return has_workers and (settings.gateway_port is None or is_edge_ready(settings))


def _drain(root: Path, drain_s: float) -> None:
    """Wait for requests in flight, which TorchServe would drop, and then for their answers to be sent."""
    until = time.monotonic() + drain_s
    idle_since = time.monotonic()
    while time.monotonic() < min(until, idle_since + SENDING_S):
        time.sleep(POLL_S)
        if count_awaited(root):
            idle_since = time.monotonic()


def last_lines(log: Path, start: int, count: int = 30) -> str:
    """Return the last lines of a log behind its first `start` bytes; empty if there are none."""
    if not log.exists():
        return ""
    added = log.read_bytes()[start:].decode(errors="replace")
    return "\n".join(added.splitlines()[-count:])
