"""Locks that the kernel gives up for who dies: of run directories, their guards and folders of pictures in work."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

TRIES, TRY_S = 5, 0.02
"""How often a lock is tried, since `holder_of` holds it for a moment."""


@contextlib.contextmanager
def holding(file: Path) -> Iterator[bool]:
    """Hold the lock of a file, with this process's id in it, during the block; yield False if another one holds it."""
    with file.open("a+") as opened:
        if not _lock(opened.fileno()):
            yield False
            return
        opened.truncate(0)
        opened.write(str(os.getpid()))
        opened.flush()
        yield True


@contextlib.contextmanager
def only_user(folder: Path) -> Iterator[bool]:
    """Hold the lock of a folder during the block; yield False if another process holds it."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield _lock(descriptor)
    finally:
        os.close(descriptor)


def holder_of(file: Path) -> int | None:
    """Return the id of the process that holds the lock of a file, or None."""
    try:
        with file.open() as opened:
            fcntl.flock(opened, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return None
    except BlockingIOError:
        return int(file.read_text() or 0) or None
    return None


def _lock(descriptor: int) -> bool:
    for _ in range(TRIES):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(TRY_S)
        else:
            return True
    return False
