"""Rotation of logs that running processes append to."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

MOST_BYTES = 20 << 20
KEPT = 2
"""How many older parts of a log are kept: `gateway.log.1` is younger than `gateway.log.2`."""


def bound(log: Path, most_bytes: int = MOST_BYTES) -> None:
    """Copy a log that has reached `most_bytes` to `LOG.1`, and empty it; processes that have it open go on appending.

    What is written in the microseconds between both is lost. If the disk is full, the log is emptied without a copy.
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
