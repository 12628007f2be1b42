"""The folder of all workspaces: room for what is to come, and an end for what nobody waits for any more.

No torch here: the REST edge imports this module.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from photorestore.errors import OutOfSpace, PayloadTooLarge
from photorestore.folders import delete
from photorestore.workspace import ID_PATTERN

GRACE_S = 60.0
"""How long a delivered directory stays, so that a retried `deliver` finds its result."""
LONGEST_TIMEOUT_S = 600.0
"""How long an undelivered directory stays after its deadline."""


def require_room(root: Path, needed_bytes: int) -> None:
    """Check that the planes of a picture will fit.

    Raises:
        OutOfSpace: they will not now.
        PayloadTooLarge: they never will.
    """
    state = os.statvfs(root)
    free_bytes, all_bytes = state.f_bavail * state.f_frsize, state.f_blocks * state.f_frsize
    if needed_bytes > all_bytes:
        raise PayloadTooLarge(
            f"the picture needs {needed_bytes >> 20} MiB of shared memory; this service has {all_bytes >> 20}"
        )
    if needed_bytes > free_bytes:
        raise OutOfSpace(
            f"the picture needs {needed_bytes >> 20} MiB of shared memory; {free_bytes >> 20} MiB are free"
        )


def sweep(root: Path, now: float | None = None) -> int:
    """Delete directories that nobody waits for any more; gives their number.

    Delivered ones go after `GRACE_S`, others `LONGEST_TIMEOUT_S` after their deadline, and those of an earlier start of
    the machine at once.

    Args:
        now: by the monotonic clock, which all processes of a machine share and which nobody sets; by default its time.
    """
    now = time.monotonic() if now is None else now
    expired = [entry for entry in root.glob("*-*") if _is_expired(entry, now)]
    for entry in expired:
        delete(entry)
    return len(expired)


def count_awaited(root: Path) -> int:
    """How many directories there are that somebody waits for."""
    awaited = (entry for entry in root.iterdir() if ID_PATTERN.match(entry.name))
    return sum(not (entry / "done").exists() and _deadline_of(entry) > time.monotonic() for entry in awaited)


def _is_expired(directory: Path, now: float) -> bool:
    if not ID_PATTERN.match(directory.name):
        return False
    if directory.is_symlink() or _deadline_of(directory) > now + LONGEST_TIMEOUT_S:
        return True  # nobody may wait for so long
    try:
        return now > (directory / "done").lstat().st_mtime + GRACE_S
    except FileNotFoundError:
        return now > _deadline_of(directory) + LONGEST_TIMEOUT_S


def _deadline_of(directory: Path) -> int:
    """The deadline that a directory was made with, in seconds of the monotonic clock."""
    return int(directory.name.partition("-")[0])
