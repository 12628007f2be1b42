"""TorchServe as a process, which is stopped with all its workers."""

from __future__ import annotations

import os
import shutil
import signal
import sys

from backend import launch
from backend.archives import are_for_cpus
from backend.child import Child
from backend.java_patches import write_patched_classes
from backend.settings import Settings

NAME = "torchserve"
"""Name of its note; see `backend.child`."""
STOP_S = 20.0
"""Seconds that TorchServe may take to stop before it is killed."""


class TorchServe:
    """A running TorchServe; its workers are in its process group.

    Args:
        found: one that an earlier supervisor has started; by default another one is started.
    """

    def __init__(self, settings: Settings, found: Child | None = None) -> None:
        self._child = found or _start(settings)

    @property
    def pid(self) -> int:
        """Return the id of the Java process, which leads the process group."""
        return self._child.pid

    @property
    def exit_status(self) -> int | None:
        """Return the exit status of the Java process, or None while it runs; see `supervised.Process`."""
        return self._child.exit_status

    def stop(self) -> None:
        """End Java and every worker, and delete the temp dir."""
        self._child.end(STOP_S)
        _kill_group(self._child.pid)
        if self._child.temp_dir is not None:
            shutil.rmtree(self._child.temp_dir, ignore_errors=True)


def _start(settings: Settings) -> Child:
    temp_dir = launch.private_temp_dir(settings.run_dir)
    write_patched_classes(launch.server_jar(), temp_dir / launch.PATCHED)
    config = launch.write_config(settings)
    is_forking = are_for_cpus(settings.model_store)
    python = launch.write_launcher(settings, temp_dir) if is_forking else sys.executable
    return Child.start(
        settings,
        NAME,
        launch.command(settings, config, temp_dir, python),
        cwd=settings.run_dir,
        environment=launch.environment(settings, temp_dir),
        log=settings.run_dir / "console.log",
        temp_dir=temp_dir,
    )


def _kill_group(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
