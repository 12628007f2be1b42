"""A process that is started again when it ends, each time after a longer wait, and not for ever."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

LIMIT = 8
"""How often a process is started again within `WITHIN_S`; the waits before that add up to two minutes."""
WITHIN_S = 600.0
LONGEST_WAIT_S = 30.0


class Process(Protocol):
    """What is kept running."""

    @property
    def exit_status(self) -> int | None:
        """That of the process, or the negative number of the signal that ended it; None while it runs."""
        ...

    def stop(self) -> None:
        """End it, if it has not ended, and delete what it leaves."""
        ...


class GaveUp(Exception):
    """A process ends again and again."""


Kind = TypeVar("Kind", bound=Process)


class SupervisedProcess(Generic[Kind]):
    """One process that is started again.

    Args:
        name: for the log.
        start: starts the process.

    Attributes:
        process: it runs, or has ended.
        restarts: how often it was started again.

    Raises:
        OSError: it cannot be started for the first time.
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
        """Whether the process is gone."""
        return self.process.exit_status is not None

    def keep_up(self) -> bool:
        """Start the process again if it has ended and its wait is over; whether that was done. Returns at once.

        Raises:
            GaveUp: it has ended too often.
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
    """Tell the supervisor's log, with the time of day."""
    print(time.strftime("%Y-%m-%d %H:%M:%S"), text, file=sys.stderr, flush=True)
