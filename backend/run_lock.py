"""A lock on the file `pid`, so that each run directory has at most one instance."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator

from backend.settings import Settings


@contextlib.contextmanager
def only_instance(settings: Settings) -> Iterator[bool]:
    """Hold the lock of the run directory during the block; yield False if another process holds it."""
    with (settings.run_dir / "pid").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield True


def running_pid(settings: Settings) -> int | None:
    """Return the process id of the supervisor that holds the run directory's lock, or None."""
    try:
        with (settings.run_dir / "pid").open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return None
    except BlockingIOError:
        return int((settings.run_dir / "pid").read_text() or 0) or None
    return None
