"""Share one CPU's cores among the workers.

Two networks that each use all cores at once are no faster than one after the other: their threads wait for each other
at the end of every layer, which costs more than the second core gains. Two that use half of the cores each are faster.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

HALVES = 2
POLL_S = 0.002
"""One of those who wait looks so often; the cores idle until it does."""


class Turn:
    """Gives, as a context, the right to compute: on all cores if they are free, on half of them if others wait as well.

    Each half is a lock on a file, as is the door, behind which all but one wait; the kernel releases the locks of a
    process that dies. Whoever ends a turn and wants the next goes behind those who wait.

    Args:
        files: path of the lock files, without their endings.
        cores: how many there are.
        use_cores: called at each turn with the number of cores to compute on.

    Raises:
        OSError: a file cannot be opened.
    """

    def __init__(self, files: Path, cores: int, use_cores: Callable[[int], None]) -> None:
        self._cores = cores
        self._use_cores = use_cores
        self._door, self._waiting = (
            _open(files.with_name(f"{files.name}-{name}")) for name in ("door", "waiting")
        )
        self._halves = [_open(files.with_name(f"{files.name}-{n}")) for n in range(min(HALVES, cores))]
        self._held: list[int] = []

    def __enter__(self) -> None:
        self._pass_door()
        try:
            self._held = self._take()
        finally:
            _unlock(self._door)
        self._use_cores(self._cores * len(self._held) // len(self._halves))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for half in self._held:
            _unlock(half)

    def _pass_door(self) -> None:
        if not _try_lock(self._door):
            fcntl.flock(self._waiting, fcntl.LOCK_SH)
            fcntl.flock(self._door, fcntl.LOCK_EX)
            _unlock(self._waiting)

    def _take(self) -> list[int]:
        """Wait for a half; return it, with the other one if that is free and nobody waits behind the door."""
        while (first := next((half for half in self._halves if _try_lock(half)), None)) is None:
            time.sleep(POLL_S)
        if not _try_lock(self._waiting):
            return [first]
        _unlock(self._waiting)
        return [first, *(half for half in self._halves if half != first and _try_lock(half))]


def _open(file: Path) -> int:
    return os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _unlock(descriptor: int) -> None:
    fcntl.flock(descriptor, fcntl.LOCK_UN)
