"""Look after the folder of all workspaces: check its room, and delete what nobody waits for any more.

No torch here: the REST edge imports this module.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from photorestore.directories import deadline_of, done_since, is_name
from photorestore.errors import OutOfSpace, PayloadTooLarge
from photorestore.folders import delete

GRACE_S = 60.0
"""How long a delivered directory stays, so that a retried `deliver` finds its result."""
LONGEST_TIMEOUT_S = 600.0
"""How long an undelivered directory stays after its deadline."""


def require_room(root: Path, needed_bytes: int) -> None:
    """Check that the planes of a picture will fit.

    Raises:
        OutOfSpace: they do not fit now.
        PayloadTooLarge: they would not fit into all of the memory.
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
    """Delete directories that nobody waits for any more, and return their number.

    Delivered ones are deleted after `GRACE_S`, others `LONGEST_TIMEOUT_S` after their deadline, and those from before
    the machine was last started at once.

    Args:
        now: seconds of the monotonic clock; by default its time.
    """
    now = time.monotonic() if now is None else now
    expired = [entry for entry in root.glob("*-*") if _is_expired(entry, now)]
    for entry in expired:
        delete(entry)
    return len(expired)


def count_awaited(root: Path) -> int:
    """Return how many directories there are that somebody waits for."""
    now = time.monotonic()
    requests = (entry for entry in root.iterdir() if is_name(entry.name))
    return sum(done_since(entry) is None and deadline_of(entry.name) > now for entry in requests)


def _is_expired(directory: Path, now: float) -> bool:
    if not is_name(directory.name):
        return False
    deadline = deadline_of(directory.name)
    if directory.is_symlink() or deadline > now + LONGEST_TIMEOUT_S:
        return True  # no caller may ask for so late a deadline
    since = done_since(directory)
    return now > (deadline + LONGEST_TIMEOUT_S if since is None else since + GRACE_S)
