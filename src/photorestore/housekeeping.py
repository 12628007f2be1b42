"""The folder of all workspaces: room for what is to come, and an end for what nobody waits for any more.

No torch here: the REST edge imports this module.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from photorestore.errors import OutOfSpace
from photorestore.workspace import ID_PATTERN, delete

GRACE_S = 60.0
"""How long a delivered directory stays, so that a retried `deliver` finds its result."""
LONGEST_TIMEOUT_S = 600.0
"""How long an undelivered directory stays after its deadline."""


def require_room(root: Path, needed_bytes: int) -> None:
    """Check that the planes of a picture will fit.

    Raises:
        OutOfSpace: they will not.
    """
    state = os.statvfs(root)
    free_bytes = state.f_bavail * state.f_frsize
    if needed_bytes > free_bytes:
        raise OutOfSpace(
            f"the picture needs {needed_bytes >> 20} MiB of shared memory; {free_bytes >> 20} MiB are free"
        )


def sweep(root: Path, now: float | None = None) -> int:
    """Delete directories that nobody waits for any more; gives their number.

    Delivered ones go after `GRACE_S`, others `LONGEST_TIMEOUT_S` after their deadline.
    """
    now = time.time() if now is None else now
    expired = [entry for entry in root.glob("*-*") if _is_expired(entry, now)]
    for entry in expired:
        delete(entry)
    return len(expired)


def _is_expired(directory: Path, now: float) -> bool:
    if not ID_PATTERN.match(directory.name):
        return False
    try:
        return now > (directory / "done").stat().st_mtime + GRACE_S
    except FileNotFoundError:
        return now > int(directory.name.split("-")[0]) + LONGEST_TIMEOUT_S
