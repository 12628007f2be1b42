"""Logs that processes append to, kept from growing without end."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

MOST_BYTES = 20 << 20
KEPT = 2
"""Older parts of a log that stay: `gateway.log.1` is younger than `gateway.log.2`."""


def bound(log: Path, most_bytes: int = MOST_BYTES) -> None:
    """Set a log aside that has reached `most_bytes`, and empty it for whoever has it open to append to it.

    What is written between the copy and the emptying, some microseconds, is lost. A disk that is full is no reason to
    fail: the log is then emptied without a copy.
    """
    with contextlib.suppress(FileNotFoundError):
        if log.stat().st_size < most_bytes:
            return
        with contextlib.suppress(OSError):
            for age in range(KEPT, 1, -1):
                with contextlib.suppress(FileNotFoundError):
                    _part(log, age - 1).replace(_part(log, age))
            shutil.copyfile(log, _part(log, 1))
        os.truncate(log, 0)


def _part(log: Path, age: int) -> Path:
    return log.with_name(f"{log.name}.{age}")
