"""TorchServe as a process, which is stopped with all its workers."""

from __future__ import annotations

import ctypes
import functools
import os
import shutil
import signal
import subprocess
from collections.abc import Callable

from backend import launch
from backend.java_patches import write_patched_classes
from backend.settings import Settings

STOP_S = 20.0
"""Seconds that TorchServe may take to stop before it is killed."""


class TorchServe:
    """A running TorchServe; its workers are in its process group."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._temp_dir = launch.private_temp_dir(settings.run_dir)
        write_patched_classes(launch.server_jar(), self._temp_dir / launch.PATCHED)
        config = launch.write_config(settings)
        with (settings.run_dir / "console.log").open("ab") as console:
            self._process = subprocess.Popen(
                launch.command(settings, config, self._temp_dir),
                cwd=settings.run_dir,
                env=launch.environment(settings, self._temp_dir),
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=stop_with_parent(),  # noqa: PLW1509 - it takes no lock
            )

    @property
    def pid(self) -> int:
        """Return the id of the Java process, which leads the process group."""
        return self._process.pid

    @property
    def exit_status(self) -> int | None:
        """Return the exit status of the Java process, or None while it runs; see `supervised.Process`."""
        return self._process.poll()

    def stop(self) -> None:
        """End Java and every worker, and delete the temp dir."""
        self._process.terminate()
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            pass
        finally:
            _kill_group(self._process.pid)
            self._process.wait()
            shutil.rmtree(self._temp_dir, ignore_errors=True)


def stop_with_parent() -> Callable[[], None]:
    """Return a function to call in a child, which makes the kernel end it when its parent dies in any way.

    The C library is loaded here, before the fork: in the child of a process with threads that could block for ever.
    """
    pr_set_pdeathsig = 1
    return functools.partial(ctypes.CDLL(None).prctl, pr_set_pdeathsig, signal.SIGTERM)


def _kill_group(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
