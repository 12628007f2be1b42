"""A process that is restarted when it ends, each time after a longer wait, up to a limit."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

LIMIT = 8
"""How often a process may be restarted within `WITHIN_S`; the waits before that add up to two minutes."""
WITHIN_S = 600.0
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


class GaveUp(Exception):
    """A process has ended too often to be restarted."""


Kind = TypeVar("Kind", bound=Process)


class SupervisedProcess(Generic[Kind]):
    """One process that is restarted when it ends.

    Args:
        name: its name in the log.
        start: starts the process.

    Attributes:
        process: the latest process, which may have ended.
        restarts: how often it was restarted.

    Raises:
        OSError: the first start failed.
    """

    def __init__(self, name: str, start: Callable[[], Kind]) -> None:
        self.name = name
        self.process = start()
        self.restarts = 0
        self._start = start
        self._tried: list[float] = []
        self._due: float | None = None

    @property
    def has_ended(self) -> bool:
        """Return whether the process has ended."""
        return self.process.exit_status is not None

    def keep_up(self) -> bool:
        """Restart the process if it has ended and its wait is over; return whether that was done. Never waits.

        Raises:
            GaveUp: the process has ended too often.
        """
        if not self.has_ended:
            return False
        if self._due is None:
            self._due = time.monotonic() + self._wait_s()
        if time.monotonic() < self._due:
            return False
        self._due = None
        self._tried.append(time.monotonic())
        try:
            self.process.stop()
            self.process = self._start()
        except OSError as error:  # the disk may be full for a while
            say(f"{self.name} cannot be started: {error}")
            return False
        self.restarts += 1
        return True

    def _wait_s(self) -> float:
        now = time.monotonic()
        self._tried = [tried for tried in self._tried if now - tried < WITHIN_S]
        count, ended = len(self._tried), f"{self.name} has ended (exit status {self.process.exit_status})"
        if count == LIMIT:
            raise GaveUp(f"{ended}, after {LIMIT} starts within {WITHIN_S / 60:g} minutes: giving up")
        wait_s = min(2.0**count, LONGEST_WAIT_S) if count else 0.0
        say(f"{ended}; start {count + 1} of at most {LIMIT} within {WITHIN_S / 60:g} minutes in {wait_s:g} s")
        return wait_s


def say(text: str) -> None:
    """Write a line with the time to the supervisor's log."""
    print(time.strftime("%Y-%m-%d %H:%M:%S"), text, file=sys.stderr, flush=True)
