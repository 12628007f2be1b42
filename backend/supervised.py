"""A process that is restarted whenever it ends, each time after a longer wait."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

logger = logging.getLogger(__name__)

WITHIN_S = 600.0
"""Restarts of longer ago do not lengthen the wait."""
LONGEST_WAIT_S = 30.0


class Process(Protocol):
    """A process that can be supervised."""

    @property
    def exit_status(self) -> int | None:
        """Return the exit status, or the negative number of the signal that ended it; None while it runs."""
        ...

    def stop(self) -> None:
        """End the process if it still runs, and delete what it leaves."""
        ...


Kind = TypeVar("Kind", bound=Process)


class SupervisedProcess(Generic[Kind]):
    """One process that is restarted when it ends.

    It is never given up: other processes may serve meanwhile, and what ends it, like a full disk, may pass.

    Args:
        name: its name in the log.
        start: starts the process.
        found: one that runs already, in place of the first start.

    Attributes:
        process: the latest process, which may have ended.
        restarts: how often it was restarted.

    Raises:
        OSError: the first start failed.
    """

    def __init__(self, name: str, start: Callable[[], Kind], found: Kind | None = None) -> None:
        self.name = name
        self.process = found or start()
        self.restarts = 0
        self._start = start
        self._waits = Waits()
        self._due: float | None = None

    @property
    def has_ended(self) -> bool:
        """Return whether the process has ended."""
        return self.process.exit_status is not None

    def keep_up(self) -> bool:
        """Restart the process if it has ended and its wait is over; return whether that was done. Never waits."""
        if not self.has_ended:
            return False
        if self._due is None:
            wait_s = self._waits.next_s()
            text = "%s has ended (exit status %s) and is started again in %g s"
            logger.warning(text, self.name, self.process.exit_status, wait_s)
            self._due = time.monotonic() + wait_s
        if time.monotonic() < self._due:
            return False
        self._due = None
        try:
            self.process.stop()
            self.process = self._start()
        except OSError as error:  # the disk may be full for a while
            logger.error("%s cannot be started: %s", self.name, error)  # noqa: TRY400 - the message is enough
            return False
        self.restarts += 1
        return True


class Waits:
    """Waits before restarts: none, then from 2 s on doubled each time, up to `LONGEST_WAIT_S`."""

    def __init__(self) -> None:
        self._tried: list[float] = []

    def next_s(self) -> float:
        """Return the seconds before the next restart, which is counted."""
        now = time.monotonic()
        self._tried = [tried for tried in self._tried if now - tried < WITHIN_S]
        count = len(self._tried)
        self._tried.append(now)
        return min(2.0**count, LONGEST_WAIT_S) if count else 0.0
