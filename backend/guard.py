"""The guard of a supervisor in the background, so that neither dies alone.

A supervisor that is killed takes TorchServe and the edge with it; its guard starts another one. The supervisor starts a
guard whenever there is none. Each knows of the other by the lock of a file in the run directory, which the kernel gives
up for who dies. Where something else starts the supervisor again, as systemd does, there is no guard.
"""

from __future__ import annotations

import logging
import subprocess
import sys
import time
from collections.abc import Callable

from backend.run_lock import holder_of, holding
from backend.settings import HOME, Settings
from backend.supervised import Waits

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 0.5


class Guarded:
    """Keeps a guard beside the supervisor of this process.

    Args:
        start: starts a guard.
    """

    def __init__(self, settings: Settings, start: Callable[[], subprocess.Popen[bytes]]) -> None:
        self._settings = settings
        self._start = start
        self._started: subprocess.Popen[bytes] | None = None

    def keep_up(self) -> None:
        """Start a guard if there is none. Never waits."""
        is_starting = self._started is not None and self._started.poll() is None
        if not is_starting and holder_of(self._settings.guard_file) is None:
            logger.info("a guard is started")
            self._started = self._start()


def guard(settings: Settings, start: Callable[[], subprocess.Popen[bytes]]) -> None:
    """Start the supervisor of a run directory whenever it has died, until the instance is told to end.

    Args:
        start: starts a supervisor.
    """
    with holding(settings.guard_file) as is_only:
        waits, started = Waits(), None
        while is_only and not settings.stopped_file.exists():
            is_starting = started is not None and started.poll() is None
            if not is_starting and holder_of(settings.pid_file) is None:
                wait_s = waits.next_s()
                logger.warning("the supervisor has died and is started again in %g s", wait_s)
                _wait(settings, wait_s)
                started = None if settings.stopped_file.exists() else start()
            time.sleep(LOOK_EVERY_S)


def spawn(settings: Settings, words: list[str]) -> subprocess.Popen[bytes]:
    """Start a command line of the backend that outlives this process, and logs to `backend.log`."""
    with settings.log_file.open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "backend", *words],
            cwd=HOME,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _wait(settings: Settings, seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until and not settings.stopped_file.exists():
        time.sleep(LOOK_EVERY_S)
